//! The way to other hosts.

pub(super) mod certificate;
pub(super) mod hosts;
pub(super) mod interface;
pub(super) mod program;

use crate::doctor::{Context, Finding};
use crate::error::Result;
use crate::model::config::{Overlay, OverlayKind};
use crate::overlay::nebula::HostFiles;

/// The remedy where certificates, lighthouses or the authority are wrong.
const SIGN_AGAIN: &str = "Where the authority is, sign this host's request again with its number (`flatnet overlay sign --number N`), then run `flatnet overlay join` here";

/// Runs `look` only on a host that has joined.
fn joined(
    context: &mut Context,
    look: impl FnOnce(&mut Context, &Overlay) -> Result<Vec<Finding>>,
) -> Result<Vec<Finding>> {
    match context.engine.config.overlay.clone() {
        Some(overlay) => look(context, &overlay),
        None => Ok(vec![Finding::not_applicable("this host has joined no overlay")]),
    }
}

/// The same where Nebula carries packets between hosts.
fn with_nebula(
    context: &mut Context,
    look: impl FnOnce(&mut Context, &Overlay) -> Result<Vec<Finding>>,
) -> Result<Vec<Finding>> {
    joined(context, |context, overlay| match overlay.kind {
        OverlayKind::Nebula => look(context, overlay),
        OverlayKind::Vxlan => {
            Ok(vec![Finding::not_applicable("VXLAN has no program, certificates and lighthouses")])
        }
    })
}

fn files(context: &Context) -> HostFiles {
    HostFiles::beside(&context.config_path)
}
