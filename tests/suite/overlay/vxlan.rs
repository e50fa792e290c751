//! Several hosts of a trusted LAN over the kernel's VXLAN: joining, traffic, attacks between hosts, leaving.

use super::{Lan, YAML};
use crate::sandbox::Sandbox;

/// What an attempt is, and the MAC of host 1 in the overlay.
const PING: &str = "ping -q -c 1 -W 0.2";
const MAC_OF_H1: &str = "02:f1:0a:56:00:01";

/// Hosts h1, h2 and h3 with addresses 192.168.77.11 to 13, of which these have joined and have a container, c1 on h1.
fn lan_of(hosts: &[&str]) -> Lan {
    let sandbox = Sandbox::podman4().start();
    let lan = Lan(sandbox);
    lan.sh("make_private_lan; flatnet overlay ca --ca /ca --kind vxlan").prints("Wrote /ca");
    for number in 1..=3 {
        lan.sh(&format!("host h{number} 192.168.77.{} '{YAML}\nsubnet: 10.87.1.0/24'", 10 + number))
            .succeeds();
    }
    for host in hosts {
        lan.sh(&format!("join_by_vxlan {host}; cni {host} ADD c{}", &host[1..])).succeeds();
    }
    for host in &hosts[..hosts.len().saturating_sub(1)] {
        lan.sh(&format!("on {host} flatnet overlay peers /tmp/{}.invitation", hosts[hosts.len() - 1]))
            .succeeds();
    }
    lan
}

/// The first ping that arrives in the namespace `at` while `send` runs, which ends with one that does.
fn first_ping(lan: &Lan, at: &str, send: &str) -> String {
    let send: String = send.lines().map(|line| format!("{{ {line}; }} || true\n")).collect();
    lan.arrives(send.trim_end(), at, "icmp[icmptype] = icmp-echo")
}

#[test]
fn containers_of_three_hosts_reach_each_other() {
    let lan = lan_of(&["h1", "h2", "h3"]);
    for (from, to) in [
        ("ip netns exec c1", "10.87.2.2"),
        ("ip netns exec c2", "10.87.3.2"),
        ("ip netns exec c3", "10.87.1.2"),
        ("on h1", "10.87.2.2"),
        ("on h1", "10.86.0.3"),
        ("ip netns exec c2", "10.87.1.1"),
    ] {
        // At once: nothing is asked by ARP.
        lan.sh(&format!("{from} ping -q -c 1 -W 1 {to}")).succeeds();
    }
    lan.sh("on h1 flatnet up").prints("Nothing to do");
    // Both addresses are seen as they are, and that of the host is its bridge's.
    // ncat drops what it has not sent yet when its command ends.
    lan.sh("ip netns exec c2 setsid ncat -lk -p 80 -c 'echo $NCAT_REMOTE_ADDR; head -c 3000000 /dev/zero; sleep 0.5' >/dev/null 2>&1 &
         until ip netns exec c2 ss -Hltn | grep :80; do sleep 0.02; done")
        .succeeds();
    let page = |from: &str| {
        format!(
            "{from} timeout 5 ncat --recv-only 10.87.2.2 80 | {{ read -r address; echo $address $(wc -c); }}"
        )
    };
    lan.sh(&page("ip netns exec c1")).prints_exactly("10.87.1.2 3000000");
    lan.sh(&page("on h1")).prints_exactly("10.87.1.1 3000000");
    // The overlay's packets are small enough, and the sender is told.
    lan.sh("ip netns exec c1 ping -q -c 1 -W 2 -M do -s 1272 10.87.2.2").succeeds();
    lan.sh("ip netns exec c1 ping -c 1 -W 2 -M do -s 1273 10.87.2.2 || true")
        .prints("Frag needed and DF set (mtu = 1300)");
    // Published ports and services are this host's own.
    lan.sh("cni h2 ADD d2 '[{\"hostPort\":9090,\"containerPort\":80,\"protocol\":\"tcp\"}]'
         ip netns exec d2 setsid ncat -lk -p 80 -c 'echo d2' >/dev/null 2>&1 &
         on h2 setsid ncat -lk -p 8080 -c 'echo host' >/dev/null 2>&1 & sleep 0.3")
        .succeeds();
    let open = |from: &str, to: &str| {
        let script =
            format!("{from} timeout 0.5 bash -c 'exec 3<>/dev/tcp/{to}; head -c 4 <&3' 2>/dev/null || true");
        lan.sh(&script).succeeds().stdout.trim().to_owned()
    };
    assert_eq!(open("ip netns exec c1", "10.87.2.3/80"), "d2");
    assert_eq!(open("ip netns exec stranger", "192.168.77.12/9090"), "d2", "published for its own network");
    for to in ["10.87.2.1/9090", "10.86.0.2/9090", "10.87.2.1/8080", "10.86.0.2/8080"] {
        assert_eq!(open("ip netns exec c1", to), "", "{to}");
    }
    // Without the interface no packet takes another way; the last is one that does take it.
    lan.sh("on h1 ip link del flatnet-ov0").succeeds();
    lan.sh(&format!("{{ ip netns exec c1 {PING} 10.87.2.2 2>&1 || true; }} | grep -E 'nreachable|errors'"))
        .succeeds();
    let leaves = |lan: &Lan| {
        let send = format!(
            "ip netns exec c1 {PING} 10.87.2.2\non h1 {PING} 10.87.2.2\non h1 {PING} 10.87.9.2\non h1 {PING} 203.0.113.9"
        );
        first_ping(lan, "stranger", &send)
    };
    assert!(leaves(&lan).contains("> 203.0.113.9:"));
    lan.sh("on h1 ip route del unreachable 10.87.0.0/16 proto 87").succeeds();
    assert!(leaves(&lan).contains("> 203.0.113.9:"));
    lan.sh("on h1 flatnet up").prints("ip link add dev flatnet-ov0");
    lan.sh("ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2").succeeds();
    lan.sh("on h1 flatnet overlay status | tr -s ' '")
        .prints("\n1 - 10.87.1.1 this host - - ")
        .prints("\n3 h3 10.87.3.1 direct, 192.168.77.13 - - -\n")
        .prints("VXLAN: packets between hosts are not encrypted.");
}

#[test]
fn hosts_send_from_their_own_addresses_only() {
    let lan = lan_of(&["h1", "h2", "h3"]);
    // No container takes the packets between hosts.
    lan.sh("cni h1 ADD thief '[{\"hostPort\":4789,\"containerPort\":4789,\"protocol\":\"udp\"}]' || true")
        .prints("port 4789->4789/udp is reserved for VXLAN");
    let to_c1 = format!("192.168.77.11 SOURCE 10.87.1.2 {MAC_OF_H1}");
    let forged = |netns: &str, local: &str, source: &str, what: &str| {
        let to = what.replace("SOURCE", source);
        format!("forge {netns} {local} {to}; ip netns exec {netns} {PING} -I {source} 10.87.1.2")
    };
    // A stranger in the LAN with addresses of a container and of a host, and of nobody.
    let strangers: Vec<String> = ["10.87.2.2", "10.86.0.2", "10.87.9.9"]
        .into_iter()
        .map(|source| forged("stranger", "192.168.77.66", source, &to_c1))
        .collect();
    // A host with another host's addresses, this host's, and those of the LAN and of nobody.
    let liars = ["10.87.3.2", "10.86.0.3", "10.87.1.3", "192.168.77.12", "10.87.9.9"].map(|source| {
        format!("ip -n h2 addr replace {source}/32 dev lo; on h2 {PING} -I {source} 10.87.1.2; ip -n h2 addr del {source}/32 dev lo")
    });
    let control = format!("ip netns exec c2 {PING} 10.87.1.2");
    // Without its rules, which would not let all of that leave.
    lan.sh("on h2 nft flush ruleset").succeeds();
    let all = strangers.iter().chain(&liars).chain([&control]).cloned().collect::<Vec<_>>().join("\n");
    let heard = first_ping(&lan, "c1", &all);
    assert!(heard.contains("10.87.2.2 > 10.87.1.2") && heard.contains("eth0"), "{heard}");
    let dropped = "on h1 nft -j list chain inet flatnet is_it_from_that_host | jq '.nftables[].rule.expr | select(. != null) | select(.[-1] == {\"drop\": null}) | .[] | .counter.packets // empty'";
    lan.sh(dropped).prints_exactly("8");
    // Frames that no host sends: ARP, IPv6 with the bytes of an address of h2 where IPv4 has its source, and IPv4 for another MAC.
    lan.sh(&format!("received() {{ on h1 ip -s -j link show flatnet-ov0 | jq '.[0].stats64.rx.packets'; }}
         before=$(received)
         bridge -n h2 fdb append 00:00:00:00:00:00 dev flatnet-ov0 dst 192.168.77.11; ip -n h2 link set flatnet-ov0 arp on
         on h2 sysctl -qw net/ipv6/conf/flatnet-ov0/disable_ipv6=0; ip -n h2 -6 addr add fd00:0:a57:202::2/64 dev flatnet-ov0 nodad
         ip -n h2 neigh replace fd00:0:a57:202::1 lladdr {MAC_OF_H1} dev flatnet-ov0 nud permanent
         ip netns exec h2 {PING} 10.86.0.9 || true; ip netns exec h2 {PING} fd00:0:a57:202::1 || true
         ip -n h2 neigh replace 10.86.0.1 lladdr 02:f1:0a:56:00:09 dev flatnet-ov0 nud permanent; ip netns exec c2 {PING} 10.87.1.2 || true
         [[ $(received) == $before ]]")).succeeds();
    let after: u32 = lan.sh(dropped).succeeds().stdout.trim().parse().unwrap();
    assert!(after >= 11, "{after}");
    // Its own `up` takes all that back.
    lan.sh("ip -n h2 link set flatnet-ov0 arp off; on h2 flatnet up").prints("disable_ipv6=1");
    lan.sh("ip netns exec c2 ping -q -c 1 -W 1 10.87.1.2").succeeds();
    // A container cannot send what hosts send: its packets would leave with its host's address. Of another overlay it may.
    let of_container = |vni: &str| {
        format!(
            "forge c2 10.87.2.2 192.168.77.11 10.87.2.99 10.87.1.2 {MAC_OF_H1} {vni}; ip netns exec c2 {PING} -I 10.87.2.99 10.87.1.2 || true; ip -n c2 link del forged"
        )
    };
    let heard =
        lan.arrives(&format!("{}\n{}", of_container("677376"), of_container("5")), "h1", "udp dst port 4789");
    assert!(heard.contains("vni 5"), "{heard}");
    // What is not prevented, and the control for all of the above: whoever takes a host's address in the LAN passes for that host.
    lan.sh("ip -n h2 link set eth0 down; ip -n stranger addr add 192.168.77.12/24 dev eth0; ip -n h1 neigh flush dev eth0").succeeds();
    let heard = first_ping(&lan, "c1", &forged("stranger", "192.168.77.12", "10.87.2.2", &to_c1));
    assert!(heard.contains("10.87.2.2 > 10.87.1.2"), "{heard}");
}

#[test]
fn hosts_are_told_of_one_another_and_leave() {
    let lan = lan_of(&[]);
    let host = "{ on h1 bash -c 'ip -br link; ip -br -4 addr; ip -4 route show table all; ip rule; ip neigh show nud permanent
             bridge fdb; sysctl net.ipv4.ip_forward; nft -s list ruleset'
         find /hosts/h1/etc -type f | sort | xargs sha256sum; }";
    lan.sh("on h1 flatnet up; cni h1 ADD c1").succeeds();
    lan.sh(&format!("{host} >/tmp/before")).succeeds();
    let same = format!("{host} | diff /tmp/before -");
    lan.sh("on h1 flatnet overlay request --kind vxlan --name h1 >/tmp/h1.request; cat /tmp/h1.request")
        .prints("address: 192.168.77.11");
    lan.sh("flatnet overlay sign --ca /ca /tmp/h1.request >/tmp/h1.invitation").succeeds();
    // A dry run changes nothing, and prints the commands.
    lan.sh("on h1 flatnet overlay join --dry-run /tmp/h1.invitation")
        .prints("install -D -m 644 /dev/stdin /etc/flatnet/overlay/peers.yaml");
    lan.sh(&same).prints_exactly("");
    let joined = lan.sh("on h1 flatnet overlay join /tmp/h1.invitation").succeeds();
    assert!(joined.stderr.contains("VXLAN does not encrypt packets"), "{}", joined.stderr);
    // Another host joins, and this one does not know it until it is told.
    lan.sh("join_by_vxlan h2; cni h2 ADD c2").succeeds();
    lan.sh("ip netns exec c1 ping -c 1 -W 1 10.87.2.2 || true").prints("nreachable");
    lan.sh("on h1 flatnet overlay peers --dry-run /tmp/h2.invitation").prints("address: 192.168.77.12");
    lan.sh("on h1 flatnet overlay peers /tmp/h2.invitation; ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2")
        .prints("Added: host 2 (h2, 192.168.77.12)\n");
    hosts_are_not_lost_unsaid(&lan);
    // A copy of host 2 does not have its address.
    let doctor = |host: &str| {
        lan.sh(&format!("{{ on {host} flatnet doctor --json || true; }} | jq -r '.findings[] | select(.id == \"overlay-hosts\") | .level + \": \" + .what'"))
    };
    lan.sh("cp -a /hosts/h2/etc/flatnet/. /hosts/h3/etc/flatnet/; on h3 flatnet up >/dev/null").succeeds();
    doctor("h3").prints("failure: host 2 is at 192.168.77.12, which is not an address of this host: it has got another, or it is a copy of host 2");
    lan.sh("on h3 flatnet overlay leave; on h3 flatnet down; rm -r /hosts/h3/etc/flatnet/overlay").succeeds();
    // Each host that does not answer is named; here no resolver runs.
    doctor("h1").prints("warning: 1 of 1 other host(s) do not answer: host 2 (h2, 192.168.77.12)");
    // The file alone and `up` do the same, on a host whose address changed.
    lan.sh("ip -n h2 addr add 192.168.77.42/24 dev eth0; sed -i s/77.12/77.42/ /hosts/h[12]/etc/flatnet/overlay/peers.yaml
         on h1 flatnet up; on h2 flatnet up; ip -n h2 addr del 192.168.77.12/24 dev eth0; ip -n h2 addr add 192.168.77.42/24 dev eth0 || true
         ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2").succeeds();
    // An invalid file is named, with its line, and what is there stays.
    lan.sh("sed -i.ok s/192.168.77.42/203.0.113.9/ /hosts/h1/etc/flatnet/overlay/peers.yaml; on h1 flatnet up")
        .complains("/etc/flatnet/overlay/peers.yaml:8: hosts[1].address: 203.0.113.9 is not a private address (RFC 1918), and VXLAN neither encrypts");
    lan.sh("mv /hosts/h1/etc/flatnet/overlay/peers.yaml.ok /hosts/h1/etc/flatnet/overlay/peers.yaml; ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2").succeeds();
    // Revoked: the list without it cuts it off.
    lan.sh("flatnet overlay revoke --ca /ca 2 >/tmp/rest; on h1 flatnet overlay peers --drop /tmp/rest; ! ip netns exec c2 ping -q -c 1 -W 0.3 10.87.1.2; ip netns exec c1 ping -c 1 10.87.2.2 || true").prints("nreachable");
    // Down and up again, and leaving.
    lan.sh("cni h1 DEL c1; on h1 flatnet down; ! on h1 ip link show flatnet-ov0; on h1 flatnet up >/dev/null; on h1 ip link show flatnet-ov0; ip netns del c1; cni h1 ADD c1").succeeds();
    lan.sh("on h1 flatnet overlay leave").prints("This host has left the overlay");
    lan.sh("on h1 flatnet overlay leave").complains("it has left, or never joined");
    lan.sh(&same).prints_exactly("");
}

/// An older list, or invitation, lacks host 2, and says that it is somewhere else.
fn hosts_are_not_lost_unsaid(lan: &Lan) {
    let reached = "ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2 >/dev/null; sha256sum /hosts/h1/etc/flatnet/overlay/peers.yaml";
    let before = lan.sh(reached).succeeds().stdout;
    for command in ["peers", "join", "peers --dry-run"] {
        lan.sh(&format!("on h1 flatnet overlay {command} /tmp/h1.invitation")).complains(
            "the list of hosts lacks host 2 (h2, 192.168.77.12), which this host knows: it may be older",
        );
        lan.sh(reached).prints_exactly(before.trim_end());
    }
    lan.sh("on h1 flatnet overlay peers --dry-run --drop /tmp/h1.invitation")
        .prints("Dropped: host 2 (h2, 192.168.77.12)\n\n  1. install");
    lan.sh("on h1 flatnet overlay peers /tmp/h2.invitation")
        .prints("The list names the hosts that this host knows.");
    lan.sh("sed 's/77.12/77.99/' /tmp/h2.invitation >/tmp/moved; on h1 flatnet overlay peers --dry-run --json /tmp/moved | jq -c .hosts")
        .prints_exactly("{\"added\":[],\"changed\":[[{\"address\":\"192.168.77.12\",\"host\":\"h2\",\"number\":2},{\"address\":\"192.168.77.99\",\"host\":\"h2\",\"number\":2}]],\"dropped\":[]}");
    // What cannot be compared is not replaced, either, unless that is asked for.
    lan.sh("mv /hosts/h1/etc/flatnet/overlay/peers.yaml /tmp/peers.yaml; echo x: >/hosts/h1/etc/flatnet/overlay/peers.yaml; on h1 flatnet overlay peers /tmp/h2.invitation")
        .complains("the hosts that this host knows cannot be compared with the list: ");
    lan.sh("on h1 flatnet overlay peers --drop /tmp/h2.invitation; diff /tmp/peers.yaml /hosts/h1/etc/flatnet/overlay/peers.yaml").succeeds();
    lan.sh(reached).prints_exactly(before.trim_end());
}

#[test]
fn public_addresses_are_refused_unless_forced() {
    let lan = lan_of(&["h1"]);
    lan.sh("on h2 flatnet overlay request --kind vxlan --name h2 --at 203.0.113.12")
        .complains("203.0.113.12 is not a private address (RFC 1918), and VXLAN neither encrypts packets nor checks who sent them");
    lan.sh("ip -n h2 addr add 203.0.113.12/24 dev eth0
         on h2 flatnet overlay request --kind vxlan --name h2 --at 203.0.113.12 --force >/tmp/request
         flatnet overlay sign --ca /ca --force /tmp/request >/tmp/invitation 2>/dev/null; on h2 flatnet overlay join /tmp/invitation")
        .complains("Use Nebula for hosts that are not in one trusted LAN");
    lan.sh("ls -A /hosts/h2/etc/flatnet").prints_exactly("flatnet.yaml");
    lan.sh("on h2 flatnet overlay join --force /tmp/invitation 2>/dev/null; on h2 grep force /etc/flatnet/overlay/peers.yaml")
        .prints("force: true");
    lan.sh("sed 's/^kind: vxlan/kind: nebula/' /tmp/invitation >/tmp/hostile; on h3 flatnet overlay join /tmp/hostile").fails();
}
