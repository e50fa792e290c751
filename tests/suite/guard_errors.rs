//! ICMP errors: one from a container is accepted only if the quoted flow goes through that container. One from outside
//! is never accepted about a flow between containers or between a container and this host.

use serde_json::json;

use crate::frames::{Ends, icmp_error, mac};
use crate::guard::{
    Attack, BRIDGE, C2, C3, C4, Ear, FOREIGN, GATEWAY, HOST_LAN, ICMP, Mode, STRANGER, TCP, UDP, attack,
};
use crate::traffic::World;

const EARS: [Ear; 5] = [("", ICMP), ("c2", ICMP), ("c4", ICMP), ("foreign", ICMP), ("gw", ICMP)];

/// Type, code and the next four bytes: net, host and port unreachable, fragmentation needed, source quench, TTL
/// exceeded, reassembly time exceeded, parameter problem.
const KINDS: [(u8, u8, u32); 8] =
    [(3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 4, 552), (4, 0, 0), (11, 0, 0), (11, 1, 0), (12, 0, 0)];

const PROTOCOLS: [(&str, u8); 3] = [("udp", UDP), ("tcp", TCP), ("icmp", ICMP)];

/// A flow: its name and its two ends.
type Flow = (&'static str, Ends<'static>);

/// Flows without c3.
const OTHERS: [Flow; 6] = [
    ("this host's", Ends { from: (HOST_LAN, 700), dest: (STRANGER, 9000) }),
    ("a forwarded one", Ends { from: (FOREIGN, 701), dest: (STRANGER, 9000) }),
    ("a neighbour's with the gateway", Ends { from: (GATEWAY, 702), dest: (C2, 9000) }),
    ("this host's with a neighbour", Ends { from: (BRIDGE, 703), dest: (C2, 9000) }),
    ("two neighbours'", Ends { from: (C2, 704), dest: (C4, 9000) }),
    ("one by loopback", Ends { from: ("127.0.0.1", 705), dest: ("127.0.0.1", 9000) }),
];

/// Flows of c2.
const OWN: [Flow; 3] = [
    ("with the gateway", Ends { from: (GATEWAY, 702), dest: (C2, 9000) }),
    ("with this host", Ends { from: (BRIDGE, 703), dest: (C2, 9000) }),
    ("with a neighbour", Ends { from: (C4, 706), dest: (C2, 9000) }),
];

fn world(mode: Mode) -> World {
    let world = mode.world();
    // The first two of `OWN` are also in `OTHERS`.
    for (_, ends) in OTHERS.iter().chain(&OWN[2..]) {
        for (protocol, _) in PROTOCOLS {
            world.flow(protocol, ends.from, ends.dest);
        }
    }
    world.sh("for name in c2 c3 c4; do ip netns exec $name ping -nqc1 -W2 10.87.1.1; done; ip netns exec gw ping -nqc1 -W2 10.87.1.2");
    world.sh("sysctl -qw net.ipv4.icmp_ratelimit=0");
    world
}

/// Errors from `who` (name and address) to each end of each flow. Each quotes a packet that this end would have sent.
fn errors(world: &World, who: (&str, &str), flows: &[Flow], round: u8) -> Vec<Attack> {
    let (name, address) = who;
    let (to, source) = match name {
        "c2" | "c3" => (world.next_hop(name), mac(address)),
        _ => (world.mac_of("", "eth0"), world.mac_of(name, "eth0")),
    };
    let mut attacks = Vec::new();
    for &(what, ends) in flows {
        for ends in [ends, ends.answer()] {
            // Errors about the loopback flow go to the bridge address. None go to the sender itself or to the stranger.
            let dest = if ends.from.0 == "127.0.0.1" { BRIDGE } else { ends.from.0 };
            if dest == address || dest == STRANGER {
                continue;
            }
            for kind in KINDS {
                for (protocol, number) in PROTOCOLS {
                    // The answer to an echo request is an echo reply, which `packet` does not build.
                    if number == ICMP && ends.from.1 == 9000 {
                        continue;
                    }
                    let what = format!(
                        "{}/{} of {name} about {protocol}, {what}, to {dest}, {round}",
                        kind.0, kind.1
                    );
                    let error = |token: &[u8]| {
                        icmp_error(to, source, (address, dest), kind, &ends.packet(number, token))
                    };
                    attacks.push(attack(what, name, error));
                }
            }
        }
    }
    attacks
}

#[test]
fn icmp_errors_about_foreign_flows_are_dropped() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = world(mode);
        let path_mtu = || world.sh("ip route get 192.168.50.66").contains("mtu 552");
        for (round, rp_filter) in (0..).zip([2, 1, 0]) {
            world.rp_filter(rp_filter);
            world.holds(
                &format!("{mode:?}, rp_filter {rp_filter}"),
                &EARS,
                &errors(&world, ("c3", C3), &OTHERS, round),
            );
            assert!(!path_mtu(), "{mode:?}: this host believes in a path MTU of 552");
        }
        world.without(&["at_tracking"]);
        // Conntrack marks an error as invalid if it is not sent to the source that it quotes, such as 127.0.0.1.
        let real: Vec<Flow> = OTHERS.into_iter().filter(|(what, _)| !what.contains("loopback")).collect();
        world.lets_through(&format!("{mode:?}, control"), &EARS, &errors(&world, ("c3", C3), &real, 9));
        assert!(path_mtu(), "{mode:?}, control: this host should have believed in a path MTU of 552");
    }
}

#[test]
fn icmp_errors_about_own_flows_pass() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = world(mode);
        world.lets_through(&format!("{mode:?}"), &EARS, &errors(&world, ("c2", C2), &OWN, 0));
    }
}

/// The LAN sees no traffic between two containers, or between a container and this host, so it cannot send genuine
/// errors about it.
#[test]
fn outside_icmp_errors_about_inner_flows_are_dropped() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = world(mode);
        let within: Vec<Flow> = OTHERS
            .into_iter()
            .filter(|(what, _)| ["two neighbours'", "this host's with a neighbour"].contains(what))
            .collect();
        let all = |round| {
            let by = |who| errors(&world, who, &within, round);
            [by(("stranger", STRANGER)), by(("gw", GATEWAY))].concat()
        };
        world.holds(&format!("{mode:?}"), &EARS, &all(0));
        world.without(&["at_tracking", "at_this_host"]);
        world.lets_through(&format!("{mode:?}, control"), &EARS, &all(1));
    }
}

/// Path MTUs, closed ports and routers are reported as without Flatnet's rules.
#[test]
fn genuine_icmp_errors_arrive() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = mode.world();
        // c2 is a router with a link of small MTU to a server, as with containers in a container.
        world.sh(
            "ip netns add inner; ip -n inner link set lo up
             ip link add in0 netns c2 mtu 1300 type veth peer name eth0 netns inner mtu 1300
             ip -n c2 addr add 10.99.0.1/24 dev in0; ip -n c2 link set in0 up
             ip -n inner addr add 10.99.0.2/24 dev eth0; ip -n inner link set eth0 up
             ip -n inner route add default via 10.99.0.1
             ip netns exec c2 sysctl -qw net.ipv4.ip_forward=1
             ip netns exec c2 nft -f - <<'END'
table ip inside {
    chain in { type nat hook prerouting priority dstnat; iifname eth0 tcp dport 80 dnat to 10.99.0.2; iifname eth0 udp dport 80 dnat to 10.99.0.2; }
}
END
             ip -n gw link set wan mtu 1200; ip -n inet link set eth0 mtu 1200",
        );
        world.sh("for name in c2 gw; do ip netns exec $name sysctl -qw net.ipv4.icmp_ratelimit=0; done; sysctl -qw net.ipv4.icmp_ratelimit=0");
        world.serve(&[("inner", "inner", "0.0.0.0", &[80]), ("inet", "inet", "0.0.0.0", &[80])]);
        for from in ["gw", "c3", ""] {
            let path_mtu = format!(
                "ip {} route get 10.87.1.2",
                if from.is_empty() { String::new() } else { format!("-n {from}") }
            );
            let big = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.setsockopt(0, 10, 2); s.connect(('10.87.1.2', 80)); s.send(bytes(1400))";
            let run = if from.is_empty() { String::new() } else { format!("ip netns exec {from}") };
            // Repeat the packet: older kernels have one rate limit of errors for all namespaces.
            let send = format!("{run} /usr/bin/python3 -c \"{big}\" 2>/dev/null");
            world.sandbox.eventually(&format!("{path_mtu} | grep 'mtu 1300' || {{ {send}; false; }}"));
        }
        let send = "ip netns exec c2 ping -qM do -s 1300 -c 1 -W 1 198.51.100.9 >&2";
        let path_mtu = "ip -n c2 route get 198.51.100.9 | grep 'mtu 1200'";
        world.sandbox.eventually(&format!("{path_mtu} || {{ {send}; false; }}"));
        for (who, hops, to, router) in
            [("c2", 1, "198.51.100.9", BRIDGE), ("c2", 2, "198.51.100.9", GATEWAY), ("gw", 1, C2, HOST_LAN)]
        {
            let ping = format!("{{ ip netns exec {who} ping -t {hops} -c 1 -W 2 {to} || true; }}");
            world
                .sandbox
                .eventually(&format!("{ping} | grep 'From {router} icmp_seq=1 Time to live exceeded'"));
        }
        let refused = |from: &str| {
            crate::traffic::probe("a closed port", from, "udp", C2, 4444, crate::traffic::REFUSED)
        };
        // One after the other: of two simultaneous errors of a namespace, the kernel may suppress one.
        for from in ["gw", "c3", ""] {
            world.ask(&format!("{mode:?}"), &[refused(from)]);
        }
    }
}

/// A client of a published port uses an address of this host. An error of the container about this connection would
/// lower the MTU to that address for all of its users.
#[test]
fn icmp_error_on_published_port_lowers_no_host_mtu() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = mode.world();
        world.cni("DEL", "c2", &json!([])).succeeds();
        let port = json!([{"hostPort": 8081, "containerPort": 9000, "protocol": "udp"}]);
        assert_eq!(world.attach("c2", &port), C2);
        let opens = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind((\"127.0.0.1\", 700)); \
             s.sendto(b\"x\", (\"127.0.0.1\", 8081)); time.sleep(60)";
        // The kernel accepts an error only while the socket of its flow is open.
        world.sh(&format!("setsid python3 -c '{opens}' >/dev/null 2>&1 </dev/null & sleep 1"));
        let to = world.next_hop("c2");
        let lowers = || {
            let about = Ends { from: (BRIDGE, 700), dest: (C2, 9000) };
            let error =
                |token: &[u8]| icmp_error(to, mac(C2), (C2, BRIDGE), (3, 4, 552), &about.packet(UDP, token));
            world.strike(&EARS, &[attack("3/4 of c2 about its published port", "c2", error)]);
            world.sh("ip route get 127.0.0.1").contains("mtu 552")
        };
        assert!(!lowers(), "{mode:?}");
        world.without(&["is_the_error_about_it"]);
        assert!(lowers(), "{mode:?}, control");
    }
}
