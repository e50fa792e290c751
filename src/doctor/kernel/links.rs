//! Bridges, veth pairs, links without ARP in a group; bridge ports only with `bridging: plain`.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::execute::CommandFailure;
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "kernel-links",
    group: Group::Kernel,
    looks_at: "bridge, veth, link groups and links without ARP, tested in a temporary namespace; with `bridging: plain` also bridge ports",
    shows: "`flatnet up`, or the first container, fails: \"Unknown device type\" or \"Operation not supported\"",
    needs: Needs::Root,
    quick: false,
    look,
};

/// A line of `ip -batch`, the feature that it tests, and the kernel module of the feature.
type Trial = (&'static str, &'static str, &'static str);

const TRIALS: [Trial; 5] = [
    ("link add dev probe-br type bridge", "bridges", "bridge"),
    ("link add dev probe-a type veth peer name probe-b", "veth pairs", "veth"),
    ("link set dev probe-a arp off group 87", "links without ARP in a group", "veth"),
    ("link set dev probe-a master probe-br", "ports of a bridge", "bridge"),
    ("link set dev probe-a type bridge_slave hairpin on learning off", "ports that do not learn", "bridge"),
];
/// The number of trials that every mode needs; the others test bridge ports.
const ROUTED: usize = 3;
/// Needed if the kernel has IPv6.
const WITHOUT_IPV6: Trial =
    ("link set dev probe-a addrgenmode none", "links without an IPv6 address", "veth");

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let plain = context.engine.config.port_mode().is_bridged();
    let ipv6 = context.facts.as_ref().is_some_and(|facts| facts.ipv6);
    let mut trials = TRIALS[..if plain { TRIALS.len() } else { ROUTED }].to_vec();
    trials.extend(ipv6.then_some(WITHOUT_IPV6));
    let lines: String = trials.iter().map(|(line, ..)| format!("{line}\n")).collect();
    let tools = &context.engine.host.tools;
    let command =
        Command::new([tools.unshare.as_str(), "--net", "--", tools.ip.as_str(), "-batch", "-"]).stdin(lines);
    let output = context.run(&command)?;
    if output.success() {
        return Ok(vec![Finding::good(if plain {
            "bridges, their ports and veth pairs work"
        } else {
            "bridges, veth pairs without ARP and link groups work"
        })]);
    }
    Ok(vec![judge(&trials, &CommandFailure::new(&command, &output))])
}

fn judge(trials: &[Trial], failure: &CommandFailure) -> Finding {
    match failure.failed_line().and_then(|line| trials.get(line)) {
        Some((_, what, module)) => {
            Finding::failure(format!("this kernel does not support {what}: {failure}"))
                .commands([format!("modprobe {module}")])
                .help("After a kernel update, reboot to load modules; on WSL2 run `wsl --update`")
        }
        None => Finding::failure(format!("cannot create a network namespace for the test: {failure}"))
            .help("Flatnet needs CAP_SYS_ADMIN, and user.max_net_namespaces above 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::execute::Exit;

    /// As iproute2 6.1 prints it.
    #[test]
    fn missing_kernel_link_features_are_named() {
        let found = |stderr: &str| {
            let command = Command::new(["unshare"]);
            judge(&TRIALS, &CommandFailure { command, exit: Exit::Code(1), stderr: stderr.to_owned() })
        };
        let veth = found("Error: Unknown device type.\nCommand failed -:2");
        assert!(veth.what.starts_with("this kernel does not support veth pairs"), "{veth:?}");
        assert_eq!(veth.commands, ["modprobe veth"]);
        let port = found("RTNETLINK answers: Operation not supported\nCommand failed -:4");
        assert!(port.what.contains("does not support ports of a bridge"), "{port:?}");
        let namespace = found("unshare: unshare failed: No space left on device");
        assert!(namespace.what.starts_with("cannot create a network namespace"), "{namespace:?}");
    }
}
