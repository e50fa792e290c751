//! WSL2's 5.15 and 6.1 kernels, imitated: no arp family of nft, no `fib`, no `locked` of bridge ports, no `arp` of nft.
//! Routed mode works without them.

use serde_json::json;

use crate::frames::{Ends, mac};
use crate::guard::{C2, C3, HOST_LAN, UDP, attack};
use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, World, probe};

/// An `nft` that rejects rulesets with the arp family or `fib`, and an `ip` and a `bridge` that reject options of
/// bridge ports, with the messages of a kernel that lacks them. Rejected calls are logged to /tmp/refused.
const OLDER_KERNEL: &str = r#"
cat >/usr/local/sbin/nft-older <<'END'
#!/bin/bash
refuse() { echo "nft: $1" >>/tmp/refused; echo "/dev/stdin:1:1-9: Error: Could not process rule: $2" >&2; exit 1; }
case " $* " in *" arp "*) refuse "$*" "Operation not supported" ;; esac
if [[ " $* " == *" -f "* ]]; then
    text=$(cat)
    grep -qE '^[^#]*(\btable|\belement) arp ' <<<"$text" && refuse "arp" "Operation not supported"
    grep -qE '^[^#]*\bfib ' <<<"$text" && refuse "fib" "No such file or directory"
    exec /usr/sbin/nft "$@" <<<"$text"
fi
exec /usr/sbin/nft "$@"
END
for program in ip bridge; do
    cat >/usr/local/sbin/$program-older <<END
#!/bin/bash
text=
[[ " \$* " != *" -batch "* ]] || text=\$(cat)
if grep -qE 'locked|bridge_slave|\bfdb\b' <<<"\$* \$text"; then
    echo "$program: \$* \$text" >>/tmp/refused; echo "RTNETLINK answers: Operation not supported" >&2; exit 2
fi
exec /usr/sbin/$program "\$@" <<<"\$text"
END
done
chmod 755 /usr/local/sbin/*-older
"#;

const TOOLS: &str = "tools: {nft: /usr/local/sbin/nft-older, ip: /usr/local/sbin/ip-older, bridge: /usr/local/sbin/bridge-older}\n";

fn world() -> World {
    let world = World::new(Sandbox::podman4(), "");
    world.sh(OLDER_KERNEL);
    world.configure(&format!("{NAMELESS}{TOOLS}"));
    world
}

#[test]
fn routed_mode_works_on_older_kernel() {
    let world = world();
    let published = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
    world.sh("flatnet up; flatnet plan --dry-run --exit-code");
    assert_eq!(world.attach("c2", &published), C2);
    assert_eq!(world.attach("c3", &json!([])), C3);
    world.serve(&[("c2", "c2", "0.0.0.0", &[80]), (HOST, "host", "0.0.0.0", &[53])]);
    let asked = [
        probe("a neighbour", "c3", "tcp", C2, 80, "c2 10.87.1.3"),
        probe("this host", HOST, "tcp", C2, 80, "c2 10.87.1.1"),
        probe("the gateway", "gw", "udp", C2, 80, "c2 192.168.50.1"),
        probe("published", "stranger", "tcp", HOST_LAN, 8080, "c2 192.168.50.66"),
        probe("published, at 127.0.0.1", HOST, "tcp", "127.0.0.1", 8080, "c2 10.87.1.1"),
        probe("hairpin", "c3", "tcp", HOST_LAN, 8080, "c2 10.87.1.1"),
        probe("self-hairpin", "c2", "tcp", HOST_LAN, 8080, "c2 10.87.1.1"),
        probe("DNS", "c3", "udp", "10.87.1.1", 53, "host 10.87.1.3"),
    ];
    world.ask("attached", &asked);
    check(&world);
    world.rp_filter(0);
    let spoofed = Ends { from: (C2, 5000), dest: ("10.87.1.1", 53) };
    let spoofed = attack("spoofed", "c3", |token| spoofed.frame(world.next_hop("c3"), mac(C3), UDP, token));
    world.holds("an older kernel", &[("", UDP)], &[spoofed]);

    // `repair` restores lost objects.
    let port = world.port_of("c2");
    for lose in [
        "nft flush ruleset",
        &format!("ip route del {C2}/32"),
        &format!("ip link set {port} down; ip link set {port} up"),
        "ip link del flatnet-br0",
    ] {
        world.sh(lose);
        world.sh("flatnet repair; flatnet plan --dry-run --exit-code");
        world.ask(&format!("after `{lose}` and repair"), &asked);
        check(&world);
    }
    world.cni("DEL", "c2", &published).succeeds();
    world.cni("DEL", "c3", &json!([])).succeeds();
    world.sh("flatnet down");
    assert_eq!(world.sh("nft list tables; ip -br link | grep -E '^(fn|flatnet)' || true"), "");
    let refused = world.sh("cat /tmp/refused 2>/dev/null || true");
    assert!(
        refused.lines().all(|line| line == "nft: fib"
            || line.starts_with("nft: -j list table arp")
            || line.starts_with("nft: list table arp")),
        "asked for, and refused: {refused}"
    );
}

/// Asserts that CHECK of c2 succeeds, with the result of ADD.
fn check(world: &World) {
    let previous = json!({
        "cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c2"}],
        "ips": [{"address": "10.87.1.2/24", "gateway": "10.87.1.1", "interface": 0}],
    });
    let conf = json!({"cniVersion": "1.0.0", "name": "flatnet", "type": "flatnet", "prevResult": previous});
    let call = "CNI_COMMAND=CHECK CNI_CONTAINERID=c2-id CNI_NETNS=/run/netns/c2 CNI_IFNAME=eth0 CNI_PATH=/usr/local/bin flatnet";
    world.sandbox.sh_with_stdin(call, &conf.to_string()).succeeds();
}

/// `bridging: plain` needs the arp family; without it, `up` fails and leaves nothing. This is also the control for the
/// imitated kernel.
#[test]
fn plain_mode_fails_cleanly_on_older_kernel() {
    let world = world();
    world.configure(&format!("bridging: plain\n{TOOLS}"));
    let refused = world.sandbox.sh("flatnet up").fails();
    assert!(refused.stderr.contains("Operation not supported"), "{refused}");
    assert_eq!(world.sh("/usr/sbin/nft list tables; ip -br link | grep -E '^(fn|flatnet)' || true"), "");
}
