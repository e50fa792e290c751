//! The HTTP gateway: its files, its routes table and its state.

pub(super) mod answers;
pub(super) mod by_name;
pub(super) mod certificate;
pub(super) mod endpoints;
pub(super) mod files;
pub(super) mod in_force;
mod probe;
pub(super) mod routes;
pub(super) mod unrouted;
pub(super) mod watch;

pub(super) use probe::GatewayProbe;

use super::{Context, Finding};
use crate::error::Result;
use crate::nginx::install::{self, Platform};

/// Runs `look` only if a gateway is installed.
fn where_installed(
    context: &mut Context,
    look: impl FnOnce(&mut Context, Platform) -> Result<Vec<Finding>>,
) -> Result<Vec<Finding>> {
    let directory = &context.engine.config.gateway.directory;
    match install::platform(directory) {
        Some(platform) => look(context, platform),
        None => {
            Ok(vec![Finding::not_applicable(format!("no gateway is installed in {}", directory.display()))])
        }
    }
}

/// The command that makes nginx reload its configuration.
fn reload(context: &Context, platform: Platform) -> String {
    match platform {
        Platform::Linux => format!("`{} -s reload`", nginx(context)),
        Platform::Windows => "in Windows `flatnet.ps1 gateway reload`".to_owned(),
    }
}

/// The command line of Debian's nginx with the gateway's configuration.
fn nginx(context: &Context) -> String {
    format!("nginx -p {} -c conf/nginx.conf", context.engine.config.gateway.directory.display())
}
