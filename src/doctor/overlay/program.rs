//! Nebula is installed, and recent enough.

use super::with_nebula;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::overlay::nebula;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "overlay-program",
    group: Group::Overlay,
    looks_at: "the version of Nebula",
    shows: "Nebula does not start; or another host can inject packets into connections, and a revoked host keeps its tunnels",
    needs: Needs::Config,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    with_nebula(context, |context, _| {
        let flatnet = context.program();
        Ok(vec![context.with_executor(|executor| match nebula::refuse_old(executor) {
            Ok(version) => Finding::good(format!("Nebula {version}")),
            Err(error) => Finding::of_error(&error, &flatnet),
        })])
    })
}
