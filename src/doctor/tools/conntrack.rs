//! The program that makes the kernel forget flows, and the part of the kernel that it asks.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::execute::CommandFailure;
use crate::kernel::tools;
use crate::model::command::Command;

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
    let program = context.engine.host.tools.conntrack.clone();
    if let Err(error) = tools::find(&program) {
        let what = format!(
            "{}: the kernel goes on remembering clients of containers that are gone",
            error.message()
        );
        return Ok(vec![Finding::warning(what).commands(error.commands()).help(error.advice())]);
    }
    // In a namespace of its own, where there are none to list. Not `-C`: it counts by /proc where netlink fails.
    let unshare = context.engine.host.tools.unshare.clone();
    let command = Command::new([unshare.as_str(), "--net", "--", program.as_str(), "-L"]);
    let output = context.run(&command)?;
    if output.success() {
        return Ok(vec![Finding::good("conntrack lists and deletes flows")]);
    }
    let failure = CommandFailure::new(&command, &output);
    Ok(vec![if failure.stderr.starts_with("unshare:") {
        Finding::not_looked("no namespace to try conntrack in: see kernel-links")
    } else {
        Finding::warning(format!("this kernel lets nobody delete flows: {failure}"))
            .commands(["modprobe nf_conntrack_netlink"])
            .help("Without it a client that goes on sending UDP waits until the kernel forgets it by itself")
    }])
}
