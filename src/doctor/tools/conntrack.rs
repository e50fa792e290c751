//! The program conntrack, which deletes tracked flows, and its kernel support.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::execute::CommandFailure;
use crate::kernel::tools;
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "conntrack",
    group: Group::Tools,
    looks_at: "the program conntrack, and whether the kernel supports listing and deleting flows",
    shows: "UDP clients that keep sending do not reach a container that was started or replaced in the meantime",
    needs: Needs::Root,
    quick: false,
    look,
};

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let program = context.engine.host.tools.conntrack.clone();
    if let Err(error) = tools::find(&program) {
        let what = format!("{}: flows of removed containers stay in the kernel", error.message());
        return Ok(vec![Finding::warning(what).commands(error.commands()).help(error.advice())]);
    }
    // In a new namespace, which has no flows. Not `-C`: it falls back to /proc if netlink fails.
    let unshare = context.engine.host.tools.unshare.clone();
    let command = Command::new([unshare.as_str(), "--net", "--", program.as_str(), "-L"]);
    let output = context.run(&command)?;
    if output.success() {
        return Ok(vec![Finding::good("conntrack can list and delete flows")]);
    }
    let failure = CommandFailure::new(&command, &output);
    Ok(vec![if failure.stderr.starts_with("unshare:") {
        Finding::not_looked("cannot create a namespace to test conntrack in: see kernel-links")
    } else {
        Finding::warning(format!("this kernel does not support deleting flows: {failure}"))
            .commands(["modprobe nf_conntrack_netlink"])
            .help("Without it, a client that keeps sending UDP must pause until the kernel's entry expires")
    }])
}
