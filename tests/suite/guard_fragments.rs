//! Fragments: the rules check the source of each fragment before the kernel reassembles packets. A container's fragment
//! never becomes part of another container's packet, and cannot corrupt one.

use crate::frames::{Ends, Mac, mac};
use crate::guard::{Attack, BRIDGE, C2, C3, C4, Ear, ICMP, Mode, STRANGER, UDP, attack};
use crate::traffic::World;

const EARS: [Ear; 6] =
    [("", UDP), ("", ICMP), ("c4", UDP), ("c4", ICMP), ("stranger", UDP), ("stranger", ICMP)];

/// Destinations: a neighbour, this host, a host outside.
const DESTINATIONS: [&str; 3] = [C4, BRIDGE, STRANGER];

/// The order in which the two fragments of a packet are sent.
#[derive(Clone, Copy, Debug)]
enum Order {
    HeadFirst,
    TailFirst,
}

/// A packet with c2's source address. c2 sends its head; `second`, with the MAC `source`, sends its tail.
fn pieces(
    next_hops: [Mac; 2],
    number: u16,
    order: Order,
    (second, source): (&str, Mac),
    (name, protocol, dest): (&str, u8, (&str, u16)),
) -> Attack {
    let ends = Ends { from: (C2, 5000), dest };
    let mut head = Vec::new();
    let tail = attack(format!("{name} to {}, {order:?}, the tail by {second}", dest.0), second, |token| {
        let [first, mut tail] = ends.fragments(next_hops[0], [mac(C2), source], protocol, number, token);
        head = first;
        tail[..6].copy_from_slice(&next_hops[usize::from(second == "c3")]);
        tail
    });
    match order {
        Order::HeadFirst => tail.after("c2", head),
        Order::TailFirst => tail.then("c2", head),
    }
}

fn all(world: &World, second: (&str, Mac), from_number: u16) -> Vec<Attack> {
    let next_hops = ["c2", "c3"].map(|name| world.next_hop(name));
    let mut attacks = Vec::new();
    for dest in DESTINATIONS {
        for (name, protocol, port) in
            [("UDP", UDP, if dest == BRIDGE { 53 } else { 9000 }), ("a ping", ICMP, 0)]
        {
            for order in [Order::HeadFirst, Order::TailFirst] {
                let number = from_number + u16::try_from(attacks.len()).unwrap_or_default();
                attacks.push(pieces(next_hops, number, order, second, (name, protocol, (dest, port))));
            }
        }
    }
    attacks
}

#[test]
fn fragments_cannot_be_injected_into_foreign_packets() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = mode.world();
        for (number, (rp_filter, bridge_nf_call)) in (1..).zip([(2, 1), (1, 1), (0, 1), (0, 0)]) {
            world.rp_filter(rp_filter);
            world.bridge_nf_call(bridge_nf_call);
            let when = format!("{mode:?}, rp_filter {rp_filter}, bridge-nf-call-iptables {bridge_nf_call}");
            let attacks = [
                all(&world, ("c3", mac(C3)), number * 1000),
                // A limit of plain: `br_netfilter` reassembles fragments before the bridge checks their MAC.
                if mode.bridging == "plain" && bridge_nf_call == 1 {
                    Vec::new()
                } else {
                    all(&world, ("c3", mac(C2)), number * 1000 + 300)
                },
            ];
            for attacks in attacks {
                world.holds(&when, &EARS, &attacks);
            }
            world.lets_through(&when, &EARS, &all(&world, ("c2", mac(C2)), number * 1000 + 500));
        }
        // Control: move the check after reassembly.
        world.sh("nft -a list chain inet flatnet at_arrival | sed -n '/jump/s/ counter packets [0-9]* bytes [0-9]*//p' |
                sed -E 's/^[[:space:]]*(.*jump [a-z_]+).*/add rule inet flatnet late \\1/' >/tmp/late
             nft add chain inet flatnet late '{ type filter hook prerouting priority -300; }'; nft -f /tmp/late
             nft flush chain inet flatnet at_arrival");
        let late = all(&world, ("c3", mac(C3)), 9000);
        let heard = world.strike(&EARS, &late);
        // Then the rules see the MAC or link of the last fragment, which is c2's if the tail is sent first.
        let lost: Vec<_> = late
            .iter()
            .filter(|one| one.what.contains("TailFirst") && !heard.contains(&one.what))
            .map(|one| &one.what)
            .collect();
        assert!(lost.is_empty(), "{mode:?}: asked for later these should have arrived: {lost:#?}");
    }
}

/// An overlapping fragment makes the kernel drop the whole packet.
#[test]
fn fragments_cannot_corrupt_foreign_packets() {
    for mode in [Mode::ROUTED, Mode::ALL[2]] {
        let world = mode.world();
        world.rp_filter(0);
        let spoilt = |from_number: u16| -> Vec<Attack> {
            let next_hops = ["c2", "c3"].map(|name| world.next_hop(name));
            let one = |(number, dest): (u16, (&'static str, u16))| {
                let longer = [b'!'; 120];
                let ends = Ends { from: (C2, 5000), dest };
                let [_, overlapping] = ends.fragments(next_hops[1], [mac(C3); 2], UDP, number, &longer);
                pieces(next_hops, number, Order::HeadFirst, ("c2", mac(C2)), ("UDP", UDP, dest))
                    .after("c3", overlapping)
            };
            (from_number..).zip([(C4, 9000), (BRIDGE, 53), (STRANGER, 9000)]).map(one).collect()
        };
        world.lets_through(&format!("{mode:?}"), &EARS, &spoilt(100));
        world.without(&["at_arrival"]);
        let heard = world.strike(&EARS, &spoilt(200));
        assert!(heard.is_empty(), "{mode:?}: without the rule these should have been spoilt: {heard:#?}");
    }
}
