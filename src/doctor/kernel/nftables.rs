//! The features of nftables that the ruleset uses.

use crate::doctor::{Check, Context, Finding, Group, Needs};
use crate::error::Result;
use crate::kernel::execute::CommandFailure;
use crate::model::command::Command;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "kernel-nftables",
    group: Group::Kernel,
    looks_at: "nftables: sets, flows, NAT, fib, with `bridging: plain` the arp family; tested by `nft -c` in a temporary namespace",
    shows: "`flatnet up` fails: \"Could not process rule: Operation not supported\"",
    needs: Needs::Root,
    quick: false,
    look,
};

/// The feature, the ruleset that tests it, and its kernel module.
const TRIALS: [(&str, &str, &str); 6] = [
    (
        "sets of a link's name and an address",
        "table inet probe { set s { typeof iifname . ip saddr; }; chain c { type filter hook prerouting priority -450; iifgroup 87 iifname . ip saddr @s accept; }; }\n",
        "nf_tables",
    ),
    (
        "matches of a flow",
        "table inet probe { set s { typeof iifname . ip saddr; }; chain c { type filter hook prerouting priority mangle; ct state related iifname . ct original ip saddr @s accept; }; }\n",
        "nft_ct",
    ),
    (
        "NAT",
        "table inet probe { chain c { type nat hook prerouting priority -100; dnat ip to 192.0.2.1; }; }\n",
        "nft_chain_nat",
    ),
    (
        "masquerading to a range of ports",
        "table inet probe { chain c { type nat hook postrouting priority 100; meta l4proto tcp masquerade to :61000-65535; }; }\n",
        "nft_masq",
    ),
    (ARP, "table arp probe { chain c { type filter hook input priority 0; }; }\n", "nf_tables"),
    (
        FIB,
        "table inet probe { chain c { type nat hook prerouting priority 0; fib daddr type local accept; }; }\n",
        "nft_fib_inet",
    ),
];
const FIB: &str = "fib";
const ARP: &str = "the arp family";

fn look(context: &mut Context) -> Result<Vec<Finding>> {
    let tools = &context.engine.host.tools;
    let base =
        [tools.unshare.as_str(), "--net", "--", tools.nft.as_str(), "-c", "-f", "-"].map(str::to_owned);
    let plain = context.engine.config.port_mode().is_bridged();
    let trials: Vec<_> = TRIALS.iter().filter(|(what, ..)| plain || *what != ARP).collect();
    let commands: Vec<Command> =
        trials.iter().map(|(_, text, _)| Command::new(base.clone()).stdin(*text)).collect();
    let mut found = Vec::new();
    for ((what, _, module), (command, output)) in
        trials.iter().zip(commands.iter().zip(context.run_all(&commands)))
    {
        let output = output?;
        if !output.success() {
            found.push(judge(what, module, &CommandFailure::new(command, &output)));
        }
    }
    if found.is_empty() {
        found.push(Finding::good(if plain {
            "sets, flows, NAT, the arp family and fib work"
        } else {
            "sets, flows, NAT and fib work"
        }));
    }
    Ok(found)
}

fn judge(what: &str, module: &str, failure: &CommandFailure) -> Finding {
    if failure.stderr.starts_with("unshare:") {
        return Finding::not_looked(format!("cannot create a namespace to test {what} in: see kernel-links"));
    }
    let why = format!("nftables does not support {what}: {failure}");
    if what == FIB {
        // The ruleset then lists this host's addresses instead (`HostFacts::fib`).
        return Finding::good(format!(
            "sets, flows and NAT work; without fib, this host's addresses are listed in the rules ({failure})"
        ));
    }
    Finding::failure(why)
        .commands([format!("modprobe {module}")])
        .help("On WSL2 run `wsl --update` in Windows. Kernels before 6.6 lack the arp family, which only `bridging: plain` needs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::kernel::execute::Exit;

    /// As nft 1.0.6 prints it on the WSL2 kernel 5.15.
    #[test]
    fn only_fib_is_optional() {
        let failure = CommandFailure {
            command: Command::new(["nft"]),
            exit: Exit::Code(1),
            stderr: "/dev/stdin:1:1-62: Error: Could not process rule: Operation not supported".to_owned(),
        };
        for (what, level) in [("NAT", Level::Failure), (ARP, Level::Failure), (FIB, Level::Good)] {
            assert_eq!(judge(what, "nf_tables", &failure).level, level, "{what}");
        }
    }
}
