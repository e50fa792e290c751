//! Port shadowing: a container that sends from a port does not receive packets for the holder of that port on this
//! host. The port is published, is published later, or belongs to a service of this host; a service is also reached
//! through a published port (hairpin).

use serde_json::{Value, json};

use crate::frames::{Ends, mac};
use crate::guard::{Attack, BRIDGE, C2, C3, HOST_LAN, Mode, STRANGER, TCP, UDP, attack};
use crate::traffic::World;

/// A flow that c3 opens first, and the packet of another host that could then reach c3 by mistake.
struct Case {
    what: &'static str,
    /// The flow that c3 opens first.
    before: Ends<'static>,
    /// The host that then sends, and its packet's ends.
    asked: (&'static str, Ends<'static>),
    /// The container that must receive the packet; empty for this host.
    owner: &'static str,
}

fn cases() -> Vec<Case> {
    let by_lan = |what, port, their_port, owner| Case {
        what,
        before: Ends { from: (C3, port), dest: (STRANGER, their_port) },
        asked: ("stranger", Ends { from: (STRANGER, their_port), dest: (HOST_LAN, port) }),
        owner,
    };
    vec![
        by_lan("a published port", 8080, 40001, "c2"),
        by_lan("a port that is published later", 9090, 40002, "c4"),
        by_lan("a service of this host", 7777, 40003, ""),
        // c2 queries this host's DNS from the container port that it publishes.
        Case {
            what: "DNS, by a hairpin",
            before: Ends { from: (C3, 53), dest: (HOST_LAN, 8080) },
            asked: ("c2", Ends { from: (C2, 80), dest: (BRIDGE, 53) }),
            owner: "",
        },
    ]
}

fn port(host: u16) -> Value {
    let one = |protocol| json!({"hostPort": host, "containerPort": 80, "protocol": protocol, "hostIP": ""});
    json!([one("udp"), one("tcp")])
}

/// A world without automatic replies: the kernel's errors about closed ports would end the flows.
fn world(mode: Mode) -> World {
    let world = mode.world();
    world.cni("DEL", "c2", &json!([])).succeeds();
    world.cni("DEL", "c4", &json!([])).succeeds();
    assert_eq!(world.attach("c2", &port(8080)), C2);
    let quiet = "nft -f - <<<'table ip quiet { chain out { type filter hook output priority 0; tcp flags rst drop; icmp type 3 drop; }; }'";
    for name in ["c2", "c3", "c4", "stranger"] {
        world.sh(&format!("ip netns exec {name} {quiet}"));
    }
    world.sh("nft -f - <<<'table ip quiet { chain out { type filter hook output priority -500; tcp flags rst drop; }; }'");
    world.sandbox.eventually("ip netns exec stranger ping -nqc1 -W2 192.168.50.2");
    world.sh("ip netns exec c3 ping -nqc1 -W2 10.87.1.1");
    world.rp_filter(0);
    world
}

/// c3 opens its flows, `before_asking` runs, and then the others send. Returns for each packet its name, its owner and
/// the receivers among c2, c3, c4 and this host.
fn who_hears(
    world: &World,
    round: u32,
    before_asking: impl FnOnce(),
) -> Vec<(String, &'static str, Vec<&'static str>)> {
    let (host, stranger) = (world.mac_of("", "eth0"), world.mac_of("stranger", "eth0"));
    let (mut before, mut asked) = (Vec::new(), Vec::new());
    for case in cases() {
        for (protocol, number) in [("UDP", UDP), ("TCP", TCP)] {
            let name = format!("{protocol}, {}, round {round}", case.what);
            before.push(attack(format!("{name}, before"), "c3", |token| {
                case.before.opening(world.next_hop("c3"), mac(C3), number, token)
            }));
            let (from, ends) = case.asked;
            let (to, source) = if from == "c2" { (world.next_hop("c2"), mac(C2)) } else { (host, stranger) };
            asked.push((case.owner, attack(name, from, |token| ends.opening(to, source, number, token))));
        }
    }
    world.strike(&[], &before);
    before_asking();
    let all: Vec<Attack> = asked.iter().map(|(_, attack)| attack.clone()).collect();
    let heard = ["", "c2", "c3", "c4"].map(|who| (who, world.strike(&[(who, UDP), (who, TCP)], &all)));
    let by_whom =
        |what: &String| heard.iter().filter(|(_, names)| names.contains(what)).map(|(who, _)| *who).collect();
    asked.into_iter().map(|(owner, Attack { what, .. })| (what.clone(), owner, by_whom(&what))).collect()
}

#[test]
fn port_shadowing_is_prevented() {
    for mode in Mode::ALL {
        let world = world(mode);
        let heard = who_hears(&world, 1, || drop(world.attach("c4", &port(9090))));
        assert!(
            heard.iter().all(|(_, owner, by)| *by == [*owner]),
            "{mode:?}: the owner of the port hears it: {heard:#?}"
        );

        // Control: without the port range, masquerading keeps the source port if it is free.
        world.cni("DEL", "c4", &json!([])).succeeds();
        world.sh(
            "nft list table inet flatnet | sed -E 's/(snat ip to [0-9.]+):[0-9]+-[0-9]+/\\1/; s/masquerade to :[0-9]+-[0-9]+/masquerade/' >/tmp/rules
             nft delete table inet flatnet; nft -f /tmp/rules; conntrack -F",
        );
        let heard = who_hears(&world, 2, || drop(world.attach("c4", &port(9090))));
        assert!(
            heard.iter().all(|(_, _, by)| *by == ["c3"]),
            "{mode:?}: without the range c3 should have taken all: {heard:#?}"
        );
    }
}

/// Masqueraded connections of containers use the ports of this range.
#[test]
fn masquerade_port_cannot_be_published() {
    let world =
        World::new(crate::sandbox::Sandbox::podman4(), "masquerade_ports: {from: 50000, to: 50999}\n");
    world.sh("ip netns add c2");
    for (host, refused) in [(49999, false), (50000, true), (50999, true), (51000, false)] {
        for protocol in ["tcp", "udp", "sctp"] {
            let ports = json!([{"hostPort": host, "containerPort": 80, "protocol": protocol, "hostIP": "192.168.50.2"}]);
            let answer = world.cni("ADD", "c2", &ports);
            if refused {
                let answer = answer.fails();
                assert!(answer.stdout.contains("is in masquerade_ports 50000-50999"), "{answer}");
                assert!(answer.stdout.contains("FLAT-E046"), "{answer}");
            } else {
                answer.succeeds();
            }
            world.cni("DEL", "c2", &ports).succeeds();
        }
    }
    // Without masquerading, the range is not reserved.
    world.configure("egress: none\nmasquerade_ports: {from: 50000, to: 50999}\n");
    let ports = json!([{"hostPort": 50000, "containerPort": 80, "protocol": "udp", "hostIP": ""}]);
    world.cni("ADD", "c2", &ports).succeeds();
}

/// Without ports or IDs, replies to containers cannot be distinguished from packets to this host.
#[test]
fn portless_protocol_gets_no_host_traffic() {
    const ESP: u8 = 50;
    const OSPF: u8 = 89;
    let world = world(Mode::ROUTED);
    let (host, stranger) = (world.mac_of("", "eth0"), world.mac_of("stranger", "eth0"));
    let (own, theirs) =
        (Ends { from: (C3, 0), dest: (STRANGER, 0) }, Ends { from: (STRANGER, 0), dest: (HOST_LAN, 0) });
    let ears = |name| [(name, ESP), (name, OSPF)];
    let all = |from, ends: Ends<'static>, to, source, round| {
        [ESP, OSPF].map(|number| {
            attack(format!("{number} of {from}, {round}"), from, |token| {
                ends.frame(to, source, number, token)
            })
        })
    };
    for guarded in [true, false] {
        if !guarded {
            world.without(&["where_may_containers_go"]);
            world.sh("conntrack -F 2>/dev/null");
        }
        world.strike(&ears("stranger"), &all("c3", own, world.next_hop("c3"), mac(C3), guarded));
        let meant = all("stranger", theirs, host, stranger, guarded);
        if guarded {
            world.holds("c3 hears", &ears("c3"), &meant);
            world.lets_through(
                "this host hears",
                &ears(""),
                &all("stranger", theirs, host, stranger, guarded),
            );
        } else {
            world.lets_through("control: c3 hears", &ears("c3"), &meant);
        }
    }
}
