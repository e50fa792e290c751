//! The doctor's checks of attachments and their addresses.

use crate::doctor::{Break, Mend, each_is_found_and_mended, go_on, well};

pub(crate) const BREAKS: &[Break] = &[
    Break::new(
        "addresses",
        "warning",
        "container add c2; container add c3; container add c4",
        "4 of 5 addresses are held",
        Mend::ByHand("container del c4"),
    ),
    Break::new(
        "addresses",
        "failure",
        "container add c4; container add c5",
        "5 of 5 addresses are held",
        Mend::ByHand("container del c3; container del c4; container del c5"),
    ),
    Break::new(
        "attachments",
        "warning",
        "container add c3; ip netns del c3; while ip link show | grep -q c3; do sleep 0.1; done; sleep 0.3",
        "its namespace is gone, but its address is still held",
        Mend::Fix,
    ),
    Break::new(
        "attachments",
        "failure",
        "ip link del $(port c2)",
        "c2 c2 (eth0), 10.87.1.3: its link fn",
        Mend::Fix,
    ),
    Break::new(
        "attachments",
        "warning",
        "sed -i '$d' /var/lib/flatnet/flatnet/receipts/c2@eth0.json",
        "ADD has not finished",
        Mend::Fix,
    ),
    Break::new(
        "attachments",
        "warning",
        "echo nonsense >/var/lib/flatnet/flatnet/receipts/c2@eth0.json",
        "c2@eth0.json is unusable and ignored",
        Mend::Printed,
    )
    .also(&["addresses", "left-over"]),
    Break::new(
        "attachments",
        "warning",
        "sed -i s/c2/c9/ /var/lib/flatnet/flatnet/leases.json",
        "leases.json is unusable and ignored",
        Mend::Printed,
    ),
    Break::new(
        "container-links",
        "failure",
        "ip link set dev $(port c2) group 0",
        "c2 c2 (eth0), 10.87.1.3 has changed since it was attached; missing: ",
        Mend::Fix,
    )
    .also(&["reachable"]),
    Break::new(
        "attachments",
        "warning",
        "printf 'subnet: 10.87.1.0/29\nbridging: plain\n' >/etc/flatnet/flatnet.yaml; flatnet up",
        "c1 c1 (eth0), 10.87.1.2 and 1 more are attached as before a change of `bridging` or an upgrade",
        Mend::Printed,
    ),
    Break::new(
        "names",
        "failure",
        "kill $(pgrep -f 'flatnet d[n]s'); while pgrep -f 'flatnet d[n]s'; do sleep 0.1; done",
        "the resolver does not answer at 10.87.1.1",
        Mend::Fix,
    ),
    Break::new(
        "names",
        "failure",
        "sed -i /^name/d /run/flatnet-dns/flatnet",
        "the resolver's file of names does not match the attached containers",
        Mend::Fix,
    ),
    // Problems that only plain containers can have.
    Break::new(
        "reachable",
        "failure",
        // With its old neighbour entry, the container would send ARP requests, which tell this host its MAC.
        "ip netns exec c2 sysctl -qw net/ipv4/conf/eth0/arp_ignore=8; ip -n c2 neigh flush dev eth0; ip neigh flush dev flatnet-br0",
        "c2 c2 (eth0), 10.87.1.3 is not reachable from this host; failed at the neighbour: the container does not answer ARP",
        Mend::ByHand("ip netns exec c2 sysctl -qw net/ipv4/conf/eth0/arp_ignore=0"),
    ),
    Break::new(
        "container-links",
        "failure",
        "bridge link set dev $(port c2) locked off",
        "c2 c2 (eth0), 10.87.1.3 has changed since it was attached; missing: ",
        Mend::Fix,
    ),
    Break::new(
        "attachments",
        "warning",
        "printf 'subnet: 10.87.1.0/29\n' >/etc/flatnet/flatnet.yaml; flatnet up",
        "c1 c1 (eth0), 10.87.1.2 and 1 more are attached as before a change of `bridging` or an upgrade",
        Mend::Fix,
    ),
    Break::new("container-links", "failure", "ip -n c2 route del default", "missing: ip -n", Mend::Fix),
    Break::new(
        "container-links",
        "failure",
        "ip link set dev $(port c2) addrgenmode eui64",
        " addrgenmode none",
        Mend::Fix,
    ),
    Break::new(
        "container-network",
        "failure",
        "mkdir -p box/etc; cp /bin/busybox box; echo nameserver 192.168.77.1 >box/etc/resolv.conf; setsid ip netns exec c2 chroot box /busybox sleep 999 >/dev/null 2>&1 & until ip netns pids c2 | grep .; do sleep 0.1; done",
        "c2 c2 (eth0), 10.87.1.3: names are not resolved, because no name server answers: 192.168.77.1 (connection refused)",
        Mend::ByHand("kill $(ip netns pids c2)"),
    ),
    Break::new(
        "left-over",
        "warning",
        "ip link add fn0e4e89d63483 type veth peer other; ip link set fn0e4e89d63483 alias flatnet/flatnet/gone/eth0",
        "belong to no container; to remove them: ip link del dev fn0e4e89d63483",
        Mend::Fix,
    ),
    Break::new(
        "left-over",
        "warning",
        "nft add element inet flatnet bindings '{ \"fngone\" . 10.87.1.99 comment \"gone\" }'",
        "nft delete element inet flatnet bindings { \"fngone\" . 10.87.1.99 }",
        Mend::Fix,
    ),
    Break::new(
        "left-over",
        "warning",
        "echo >/var/lib/flatnet/flatnet/leases.json.bad-1",
        "leases.json.bad-1 could not be read and was set aside",
        Mend::Printed,
    ),
    Break::new(
        "left-over",
        "warning",
        "rm /var/lib/flatnet/flatnet/receipts/c2@eth0.json",
        "the receipt of container c2",
        Mend::Fix,
    )
    .also(&["addresses"]),
    Break::new(
        "left-over",
        "warning",
        "rm /var/lib/flatnet/flatnet/receipts/c2@eth0.json; link=$(port c2); ip link set $link down; ip link set $link name 'a;b'; ip link set 'a;b' up",
        "the link a;b has the alias of container c2 (eth0), whose link should be named fn",
        Mend::ByHand(
            "flatnet repair --dry-run --json | jq -r '.left[].commands[]' >mend; grep -c . mend; sh -ex mend; flatnet repair",
        ),
    )
    .also(&["addresses"]),
    Break::new(
        "reachable",
        "failure",
        "ip netns exec c2 nft 'add table ip t; add chain ip t c { type filter hook input priority 0; policy drop; }'",
        "failed at ping: its link, address and routes are unchanged, but it does not answer ping",
        Mend::ByHand("ip netns exec c2 nft delete table ip t"),
    ),
    Break::new(
        "reachable",
        "failure",
        "ip route del 10.87.1.3 dev $(port c2)",
        "failed at the route to it: missing: ip route append 10.87.1.3/32 dev fn",
        Mend::Fix,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip link set dev $(port c2) arp on",
        "failed at the link: missing: ip link set dev fn",
        Mend::Fix,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip -n c2 link set dev eth0 down",
        "has no carrier: one end is down",
        Mend::Fix,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip -n c2 addr flush dev eth0",
        "failed at the container's end: missing: ip -n",
        Mend::Fix,
    )
    .also(&["container-links"]),
    Break::new(
        "reachable",
        "failure",
        "ip netns exec c1 nft 'add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c tcp dport 80 drop'",
        "it listens, but does not answer this host: 80 does not answer",
        Mend::ByHand("ip netns exec c1 nft delete table ip t"),
    ),
    Break::new(
        "reachable",
        "warning",
        "kill $(ss -N c1 -Hltnp | grep -o 'pid=[0-9]*' | cut -d= -f2)",
        "it publishes 8080->80/tcp, but nothing in the container listens there",
        Mend::ByHand(
            "setsid ip netns exec c1 python3 -m http.server 80 >/dev/null 2>&1 & until ip netns exec c1 ss -Hltn | grep -q :80; do sleep 0.1; done",
        ),
    ),
];

#[test]
fn container_problems_are_found_and_fixed() {
    let sandbox = well("subnet: 10.87.1.0/29\n");
    sandbox
        .sh(r#"container add c1 '{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}'"#)
        .succeeds();
    sandbox.write(
        "/usr/local/bin/port",
        "#!/bin/sh\nip -j link | jq -r '.[] | select((.ifalias // \"\") | contains(\"/'$1'/\")) | .ifname'\n",
    );
    sandbox.sh("chmod 755 /usr/local/bin/port").succeeds();
    go_on(&sandbox, "ip netns exec c1 python3 -m http.server 80");
    sandbox.eventually("ip netns exec c1 ss -Hltn 'sport = 80' | grep -q LISTEN");
    each_is_found_and_mended(&sandbox, BREAKS);
}
