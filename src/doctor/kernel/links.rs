//! Bridges, veth pairs and isolated ports.

use crate::command::Command;
use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::execute::CommandFailure;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "kernel-links",
    group: Group::Kernel,
    looks_at: "bridge, veth and isolated ports, made in a namespace of their own",
    shows: "`flatnet up`, or the first container, fails: \"Unknown device type\" or \"Operation not supported\"",
    needs: Needs::Root,
    quick: false,
    look,
};

/// One line each, what it tries, and the module that brings it.
const TRIALS: [(&str, &str, &str); 4] = [
    ("link add dev probe-br type bridge", "bridges", "bridge"),
    ("link add dev probe-a type veth peer name probe-b", "veth pairs", "veth"),
    ("link set dev probe-a master probe-br", "ports of a bridge", "bridge"),
    ("link set dev probe-a type bridge_slave isolated on", "isolated ports", "bridge"),
];

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let lines: String = TRIALS.iter().map(|(line, ..)| format!("{line}\n")).collect();
    let tools = &context.engine.tools;
    let command =
        Command::new([tools.unshare.as_str(), "--net", "--", tools.ip.as_str(), "-batch", "-"]).stdin(lines);
    let output = context.run(&command)?;
    if output.success() {
        return Ok(vec![Finding::good("bridges, veth pairs and isolated ports work")]);
    }
    Ok(vec![judge(&CommandFailure::new(&command, &output))])
}

fn judge(failure: &CommandFailure) -> Finding {
    match failure.failed_line().and_then(|line| TRIALS.get(line)) {
        Some((_, what, module)) => Finding::failure(format!("this kernel has no {what}: {failure}"))
            .commands([format!("modprobe {module}")])
            .help("A kernel that has just been updated finds its modules after a reboot; on WSL2 run `wsl --update`"),
        None => Finding::failure(format!("nothing can be tried in a namespace: {failure}"))
            .help("Flatnet and this check need CAP_SYS_ADMIN and user.max_net_namespaces above 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::Exit;

    /// As iproute2 6.1 prints it.
    #[test]
    fn names_what_is_missing() {
        let found = |stderr: &str| {
            let command = Command::new(["unshare"]);
            judge(&CommandFailure { command, exit: Exit::Code(1), stderr: stderr.to_owned() })
        };
        let veth = found("Error: Unknown device type.\nCommand failed -:2");
        assert!(veth.what.starts_with("this kernel has no veth pairs"), "{veth:?}");
        assert_eq!(veth.commands, ["modprobe veth"]);
        let isolated = found("RTNETLINK answers: Operation not supported\nCommand failed -:4");
        assert!(isolated.what.contains("no isolated ports"), "{isolated:?}");
        let namespace = found("unshare: unshare failed: No space left on device");
        assert!(namespace.what.starts_with("nothing can be tried"), "{namespace:?}");
    }
}
