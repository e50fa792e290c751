//! The configuration can be read.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "configuration",
    group: Group::Host,
    looks_at: "the YAML: whether it exists, is writable by root only, and is valid",
    shows: "no container on the network starts; running containers are not affected",
    needs: Needs::Nothing,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let path = context.config_path.display();
    Ok(vec![match &context.config_error {
        Some(error) => Finding::of_error(error, &context.program()),
        None => Finding::good(format!(
            "{path}: network {}, {}",
            context.engine.config.network, context.engine.config.subnet
        )),
    }])
}
