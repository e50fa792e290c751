//! The text of the ruleset: readable for operators, and by nft 1.0.6 and 1.1.3 if the other one loaded it.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::traffic::{NFT_WITHOUT_FIB, World, install_nft_without_fib, probe};

#[test]
fn every_rule_has_counter_and_comment() {
    let world = World::new(Sandbox::podman4(), "");
    let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
    world.attach("c2", &ports);
    // Attached containers stay in their mode, so the last round has both routed and bridged ones.
    for (bridging, fib, egress) in
        [("routed", true, "masquerade"), ("routed", false, "none"), ("plain", false, "masquerade")]
    {
        let tools = if fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
        let mode = format!("bridging: {bridging}\negress: {egress}\n{tools}");
        world.configure(&mode);
        world.sh("flatnet up");
        let families: &[&str] = if bridging == "plain" { &["inet", "arp"] } else { &["inet"] };
        assert_eq!(world.sh("nft list tables").lines().count(), families.len(), "{mode}");
        for family in families {
            let json = world.sh(&format!("nft -j list table {family} flatnet"));
            let rules = rules(&json);
            assert!(rules.len() >= 3, "{json}");
            for rule in rules {
                assert!(rule.get("comment").is_some(), "{mode}a rule without comment: {rule}");
                assert!(
                    rule["expr"].to_string().contains("\"counter\""),
                    "{mode}a rule without counter: {rule}"
                );
                assert!(!rule["expr"].to_string().contains("\"set\":["), "{mode}an anonymous set: {rule}");
            }
            let text = world.sh(&format!("nft list table {family} flatnet"));
            let opened = ["table ", "chain ", "set ", "map "];
            let mut lines = text.lines().map(str::trim).peekable();
            while let Some(line) = lines.next() {
                if line.ends_with('{') && opened.iter().any(|word| line.starts_with(word)) {
                    let mut inside =
                        lines.clone().take_while(|line| *line != "}" && !line.starts_with("elements"));
                    assert!(
                        inside.any(|line| line.starts_with("comment \"")),
                        "{mode}{line} has no comment\n{text}"
                    );
                }
            }
        }
        let bindings = world.sh("nft list set inet flatnet bindings");
        let element = format!("\"{}\" . 10.87.1.2 comment \"c2-id\"", world.port_of("c2"));
        assert!(bindings.contains(&element), "{bindings}");
        assert!(bindings.contains("typeof iifname . ip saddr"), "{bindings}");
    }
    world.attach("c3", &json!([]));
    let bindings = world.sh("nft list set inet flatnet frame_bindings; nft list set arp flatnet bindings");
    assert_eq!(bindings.matches("02:f1:0a:57:01:03 . 10.87.1.3 comment \"c3-id\"").count(), 2, "{bindings}");
    assert!(!bindings.contains("type ether_addr") && bindings.contains("typeof"), "{bindings}");
}

fn rules(json: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).unwrap_or_default();
    let objects = document["nftables"].as_array().cloned().unwrap_or_default();
    objects.iter().filter_map(|object| object.get("rule").cloned()).collect()
}

#[test]
fn ruleset_loads_on_debian_13() {
    let sandbox = Sandbox::trixie().start();
    sandbox.sh("nft --version").prints("nftables v1.1");
    install_nft_without_fib(&sandbox);
    let without_fib = format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n");
    for (bridging, tools) in
        ["routed", "plain"].into_iter().flat_map(|mode| [(mode, ""), (mode, without_fib.as_str())])
    {
        sandbox.write("/etc/flatnet/flatnet.yaml", &format!("bridging: {bridging}\n{tools}"));
        sandbox.sh("flatnet up").succeeds();
        sandbox.sh("nft list table inet flatnet").prints("chain who_may_come_in");
        let arp = sandbox.sh("nft list table arp flatnet");
        if bridging == "plain" {
            arp.prints("chain is_the_arp_genuine");
        } else {
            arp.fails();
        }
        sandbox.sh("flatnet plan --dry-run --exit-code").succeeds();
        sandbox.sh("flatnet down >/dev/null && nft list ruleset").prints_exactly("");
    }
    let hosts = [1, 2].map(|n| format!("- {{number: {n}, host: h{n}, address: 192.168.77.1{n}}}\n")).concat();
    sandbox.write("/etc/flatnet/overlay/peers.yaml", &format!("hosts:\n{hosts}"));
    sandbox.write("/etc/flatnet/flatnet.yaml", "overlay: {kind: vxlan, number: 1}\n");
    sandbox.sh("flatnet up").prints("neigh replace 10.86.0.2 lladdr 02:f1:0a:56:00:02");
    sandbox.sh("nft list table inet flatnet").prints("192.168.77.12 . 0xa570200-0xa5702ff");
    sandbox.sh("flatnet plan --dry-run --exit-code").succeeds();
    sandbox
        .sh("flatnet down >/dev/null && nft list ruleset; ip link show flatnet-ov0 || true")
        .prints_exactly("");
}

/// Puts Debian 13's nft at /usr/local/sbin/nft-13, beside Debian 12's.
pub(crate) fn install_newer_nft(sandbox: &Sandbox) {
    // Makes the tree if it is missing.
    drop(Sandbox::trixie().start());
    // The tree's own loader runs nft, not chroot: `nft -f -` opens /dev/stdin, and the tree has no /proc.
    let script = "tree=$(/usr/local/lib/flatnet-test/trixie.sh)
         cat >/usr/local/sbin/nft-13 <<END
#!/bin/sh
exec $(echo $tree/lib64/ld-linux-*.so.2) --library-path $(echo $tree/usr/lib/*-linux-gnu) $tree/usr/sbin/nft \"\\$@\"
END
         chmod 755 /usr/local/sbin/nft-13";
    sandbox.sh(script).succeeds();
    sandbox.sh("nft-13 --version").prints("nftables v1.1");
}

/// WSL distributions share one network namespace, so a Debian 12 and a Debian 13 may change one ruleset in turn. nft
/// 1.0.6 crashes on some rulesets that 1.1 loaded.
#[test]
fn two_nft_versions_can_share_a_ruleset() {
    let world = World::new(Sandbox::podman4(), "");
    install_newer_nft(&world.sandbox);
    let (older, newer) = ("", "tools: {nft: /usr/local/sbin/nft-13}\n");
    let port = |host: u16| json!([{"hostPort": host, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
    let same = |when: &str| {
        for nft in ["nft", "nft-13"] {
            for way in ["", "-j"] {
                let listed = world.sh(&format!("{nft} {way} list ruleset"));
                assert!(listed.contains("who_may_come_in"), "{when}: {nft} {way} list ruleset\n{listed}");
            }
        }
    };
    for (first, second) in [(newer, older), (older, newer)] {
        world.configure(first);
        world.attach("c2", &port(8080));
        same("written by the first");
        world.configure(second);
        world.attach("c3", &port(8081));
        same("added to by the second");
        world.serve(&[("c2", "c2", "0.0.0.0", &[80]), ("c3", "c3", "0.0.0.0", &[80])]);
        let served = [
            probe("the first's", "stranger", "tcp", "192.168.50.2", 8080, "c2 192.168.50.66"),
            probe("the second's", "stranger", "tcp", "192.168.50.2", 8081, "c3 192.168.50.66"),
        ];
        world.ask("both versions", &served);
        world.sandbox.sh("flatnet plan --dry-run --exit-code").succeeds();
        world.cni("DEL", "c2", &port(8080)).succeeds();
        let elements = world.sh("nft list map inet flatnet published_anywhere");
        assert!(!elements.contains("8080") && elements.contains("8081"), "{elements}");
        world.sh("flatnet up");
        same("replaced by the second");
        world.configure(first);
        world.cni("DEL", "c3", &port(8081)).succeeds();
        world.sh("flatnet down; ip netns del c2; ip netns del c3");
    }
}
