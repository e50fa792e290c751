//! The doctor's checks of the network: bridge, settings, routes, addresses.

use crate::doctor::{Break, Mend, each_is_found_and_mended, go_on, well};

pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "bridge",
        "failure",
        "ip link del flatnet-br0",
        "not set up as configured; missing: ip link add",
        Mend::Fix,
    ),
    Break::new(
        "bridge",
        "failure",
        "ip link set flatnet-br0 mtu 1400",
        "missing: ip link set dev flatnet-br0 mtu 1500",
        Mend::Fix,
    ),
    Break::new(
        "bridge",
        "failure",
        "ip link set flatnet-br0 group 5; ip route del unreachable 10.87.1.0/24",
        "missing: ip link set dev flatnet-br0 group ",
        Mend::Fix,
    ),
    Break::new(
        "owner",
        "failure",
        "ip link set flatnet-br0 alias flatnet/flatnet/Other-0123456789ab",
        "flatnet-br0 belongs to another Flatnet, Other-0123456789ab",
        Mend::ByHand(
            "ip link set flatnet-br0 alias flatnet/flatnet/$(cat /var/lib/flatnet/flatnet/owner)",
        ),
    ),
    Break::new(
        "gateway-ways",
        "failure",
        "echo 'ingress_gateways: [192.168.77.1]' >/etc/flatnet/flatnet.yaml; flatnet up; ip route add 192.168.77.1 via 192.168.88.66",
        "lan1 leads to 192.168.77.1, but the ruleset accepts it from lan0",
        Mend::Printed,
    )
    .also(&["ruleset"]),
    Break::new(
        "gateway-ways",
        "failure",
        "ip route del 192.168.77.1; ip route add unreachable 192.168.77.1",
        "no interface leads to 192.168.77.1, so the ruleset rejects it",
        Mend::ByHand("ip route del unreachable 192.168.77.1; echo >/etc/flatnet/flatnet.yaml; flatnet up"),
    )
    .also(&["ruleset"]),
    Break::new(
        "masquerade-ports",
        "warning",
        "sysctl -qw net.ipv4.ip_local_port_range='32768 61999'",
        "net.ipv4.ip_local_port_range 32768-61999 overlaps with masquerade_ports 61000-65535",
        Mend::ByHand("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'"),
    ),
    Break::new(
        "masquerade-ports",
        "warning",
        "setsid python3 /root/listen.py >/dev/null 2>&1 </dev/null & echo $! >/root/listener; until ss -Hlun | grep -q :61501; do sleep 0.1; done",
        "a program on this host listens on 61501/udp, which is within masquerade_ports 61000-65535",
        Mend::ByHand("kill $(cat /root/listener)"),
    ),
    Break::new(
        "masquerade-ports",
        "warning",
        "echo 'masquerade_ports: { from: 8080, to: 8090 }' >/etc/flatnet/flatnet.yaml; flatnet up",
        "container c1 c1 (eth0) publishes 8080->80/tcp, which is within masquerade_ports 8080-8090",
        Mend::ByHand("echo >/etc/flatnet/flatnet.yaml; flatnet up"),
    ),
    Break::new("ruleset", "failure", "nft flush ruleset", "is missing or differs", Mend::Fix),
    Break::new(
        "ruleset",
        "failure",
        "nft flush set inet flatnet bindings",
        "lacks 1 elements",
        Mend::Fix,
    )
    .also(&["reachable"]),
    Break::new(
        "ip-forward",
        "failure",
        "sysctl -qw net.ipv4.ip_forward=0",
        "net.ipv4.ip_forward is 0",
        Mend::Fix,
    ),
    Break::new(
        "ip-forward",
        "failure",
        "echo 'ipv6: auto' >/etc/flatnet/flatnet.yaml; flatnet up; sysctl -qw net.ipv6.conf.all.forwarding=0",
        "net.ipv6.conf.all.forwarding is 0",
        Mend::Fix,
    ),
    Break::new(
        "ip-forward",
        "warning",
        "sysctl -qw net.ipv6.conf.default.disable_ipv6=1; flatnet up",
        "the configuration has `ipv6: auto`, but this host has no IPv6: containers have IPv4 only",
        Mend::ByHand("sysctl -qw net.ipv6.conf.default.disable_ipv6=0; echo >/etc/flatnet/flatnet.yaml; flatnet up"),
    ),
    Break::new(
        "mtu",
        "warning",
        "ip link set lan0 mtu 1400; echo 'mtu: 1500' >/etc/flatnet/flatnet.yaml",
        "has `mtu: 1500`, but lan0 supports at most 1400",
        Mend::ByHand("ip link set lan0 mtu 1500; echo >/etc/flatnet/flatnet.yaml; flatnet up"),
    ),
    Break::new(
        "mtu",
        "warning",
        "echo 'mtu: 1400' >/etc/flatnet/flatnet.yaml; flatnet up",
        "10.87.1.2: its link has MTU 1500, but the bridge has 1400",
        Mend::Fix,
    )
    .also(&["container-links"]),
    Break::new(
        "mtu",
        "warning",
        "echo >/etc/flatnet/flatnet.yaml; flatnet up; flatnet repair; ip link add spare mtu 1400 type veth peer spare2; ip link set spare up master flatnet-br0",
        "spare: its link has MTU 1400, but the bridge has 1500",
        Mend::Printed,
    ),
    Break::new(
        "rp-filter",
        "warning",
        "ip route add default via 192.168.88.66 metric 500; sysctl -qw net/ipv4/conf/lan0/rp_filter=1",
        "default routes lead out of lan0 and lan1",
        Mend::Printed,
    ),
    Break::new(
        "rp-filter",
        "warning",
        "ip route del default via 192.168.88.66; ip rule add from 192.168.77.10 table 77; sysctl -qw net/ipv4/conf/all/rp_filter=1 net/ipv4/conf/lan0/rp_filter=0",
        "there are 1 additional policy rules",
        Mend::Printed,
    ),
    Break::new(
        "proxy-arp",
        "warning",
        "sysctl -qw net/ipv4/conf/lan0/proxy_arp=1",
        "lan0: proxy_arp is 1",
        Mend::Printed,
    ),
    Break::new(
        "routes",
        "failure",
        "ip route add 10.87.1.128/25 via 192.168.88.66",
        "leads to lan1 via 192.168.88.66",
        Mend::Printed,
    ),
    Break::new(
        "routes",
        "failure",
        "ip route add blackhole 10.87.1.64/26 table 51820",
        "leads to nowhere (table 51820)",
        Mend::Printed,
    ),
    Break::new(
        "routes",
        "failure",
        "ip addr add 10.87.1.200/32 dev lan1",
        "10.87.1.200/32 leads to lan1",
        Mend::Printed,
    ),
    Break::new(
        "routes",
        "warning",
        "ip route add 10.0.0.0/8 dev lan1",
        "10.0.0.0/8 leads to lan1",
        Mend::ByHand("ip route del 10.0.0.0/8"),
    ),
];

/// Only this host can reach port 61500; other hosts can reach 61501.
const LISTEN: &str = r#"
import socket, time
tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
tcp.bind(("127.0.0.1", 61500))
tcp.listen()
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::", 61501))
time.sleep(1000)
"#;

#[test]
fn network_problems_are_found_and_fixed() {
    let sandbox = well("");
    sandbox
        .sh(r#"container add c1 '{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}'"#)
        .succeeds();
    sandbox.write("/root/listen.py", LISTEN);
    go_on(&sandbox, "ip netns exec c1 python3 -m http.server 80");
    sandbox.eventually("ip netns exec c1 ss -Hltn 'sport = 80' | grep -q LISTEN");
    each_is_found_and_mended(&sandbox, BREAKS);
}
