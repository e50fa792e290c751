//! The program that makes the kernel forget flows, and the part of the kernel that it asks.

use crate::command::Command;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::execute::CommandFailure;
use crate::tools;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "conntrack",
    group: Group::Tools,
    looks_at: "conntrack, and whether this kernel lets it list and delete flows",
    shows: "UDP clients that go on sending do not reach a container that was started or replaced meanwhile",
    needs: Needs::Root,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let program = context.engine.tools.conntrack.clone();
    if let Err(error) = tools::find(&program) {
        let remedy = error.remedies().join(". ");
        return Ok(vec![
            Finding::warning(format!(
                "{}: what clients of a container before are remembered by stays",
                error.message()
            ))
            .commands(["apt-get install conntrack"])
            .help(remedy),
        ]);
    }
    let command = Command::new([program.as_str(), "-C"]);
    let output = context.run(&command)?;
    Ok(vec![if output.success() {
        Finding::good("conntrack lists and deletes flows")
    } else {
        let failure = CommandFailure::new(&command, &output);
        Finding::warning(format!("this kernel lets nobody delete flows: {failure}"))
            .commands(["modprobe nf_conntrack_netlink"])
            .help("Without it a client that goes on sending UDP waits until the kernel forgets it by itself")
    }])
}
