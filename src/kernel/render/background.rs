//! The commands that start and end what runs in the background: the resolver, and the service for rootless Podman.

use crate::model::config::Paths;
use crate::model::desired::{RESOLVER_UNIT, Resolver};
use crate::model::plan::Op;

/// The words of an operation on a program in the background; none for any other. It gets a session of its own, so that it
/// outlives its caller and no signal of a terminal reaches it.
pub(super) fn arguments(op: &Op) -> Vec<String> {
    match op {
        Op::ResolverStart(Resolver::Unit) => {
            // It may be up to the boot that `flatnet up` is part of.
            ["systemctl", "start", "--no-block", RESOLVER_UNIT].map(str::to_owned).into()
        }
        Op::ResolverStart(Resolver::Process { program, names }) => {
            let mut words: Vec<String> = ["setsid", "--fork"].map(str::to_owned).into();
            words.extend([program.display().to_string(), "dns".to_owned()]);
            if *names != Paths::default().names() {
                words.extend(["--dir".to_owned(), names.display().to_string()]);
            }
            words
        }
        Op::ServiceStart { program } => {
            ["setsid", "--fork", &program.display().to_string(), "serve", "--listen"]
                .map(str::to_owned)
                .into()
        }
        Op::ResolverStop { pid } | Op::ServiceStop { pid } => vec!["kill".to_owned(), pid.to_string()],
        _ => Vec::new(),
    }
}
