//! The HTTP gateway: its files, its routes, and whether it does what they say.

pub(super) mod answers;
mod ask;
pub(super) mod by_name;
pub(super) mod certificate;
pub(super) mod endpoints;
pub(super) mod files;
pub(super) mod in_force;
pub(super) mod routes;
pub(super) mod unrouted;
pub(super) mod watch;

pub(super) use ask::Heard;

use super::{Context, Finding};
use crate::error::Result;
use crate::nginx::install::{self, Platform};

/// Looks only where a gateway was laid down.
fn where_installed(
    context: &mut Context,
    look: impl FnOnce(&mut Context, Platform) -> Result<Vec<Finding>>,
) -> Result<Vec<Finding>> {
    let directory = &context.engine.config.gateway.directory;
    match install::platform(directory) {
        Some(platform) => look(context, platform),
        None => Ok(vec![Finding::not_applicable(format!("no gateway here: {}", directory.display()))]),
    }
}

/// What the gateway does with its configuration when it is told to, as far as that is a command of this host's.
fn reload(context: &Context, platform: Platform) -> String {
    match platform {
        Platform::Linux => format!("`{} -s reload`", nginx(context)),
        Platform::Windows => "in Windows `flatnet.ps1 gateway reload`".to_owned(),
    }
}

/// Debian's nginx with the gateway's configuration.
fn nginx(context: &Context) -> String {
    format!("nginx -p {} -c conf/nginx.conf", context.engine.config.gateway.directory.display())
}
