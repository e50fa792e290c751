//! Attacks on the ruleset, many at a time. Each attack is a few frames that contain its name; ears report the names
//! that arrived.
//!
//! A test of a threat asserts that no attack arrives. Its control run removes the rule that stops the attacks, and
//! asserts that all arrive; otherwise the first assertion would prove nothing.

#![allow(clippy::panic, dead_code, reason = "a panic is a failed test; this is a vocabulary")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::frames::{self, Mac};
use crate::sandbox::Sandbox;
use crate::traffic::{NFT_WITHOUT_FIB, World};

/// The bridge address and the containers, in the order in which they are attached: `c2` is a victim, `c3` the attacker.
pub(crate) const BRIDGE: &str = "10.87.1.1";
pub(crate) const C2: &str = "10.87.1.2";
pub(crate) const C3: &str = "10.87.1.3";
pub(crate) const C4: &str = "10.87.1.4";
/// Addresses: this host's in the LAN, the gateway's, another LAN host's, and that of a host behind another link.
pub(crate) const HOST_LAN: &str = "192.168.50.2";
pub(crate) const GATEWAY: &str = "192.168.50.1";
pub(crate) const STRANGER: &str = "192.168.50.66";
pub(crate) const FOREIGN: &str = "172.31.0.2";

/// The bridging, and whether the kernel has `fib`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// The setting `bridging`: `routed` or `plain`.
    pub(crate) bridging: &'static str,
    /// Whether nft supports `fib`; on WSL2's kernel it does not.
    pub(crate) fib: bool,
}

impl Mode {
    /// The mode of a default installation on WSL2.
    pub(crate) const ROUTED: Self = Self { bridging: "routed", fib: false };
    pub(crate) const ALL: [Self; 4] = [
        Self::ROUTED,
        Self { bridging: "routed", fib: true },
        Self { bridging: "plain", fib: false },
        Self { bridging: "plain", fib: true },
    ];

    /// The configuration for this mode, with the lines `more`.
    pub(crate) fn yaml(self, more: &str) -> String {
        let tools = if self.fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
        format!("bridging: {}\n{more}{tools}", self.bridging)
    }

    /// A world with the containers c2, c3 and c4, and without `rp_filter`.
    pub(crate) fn world(self) -> World {
        self.world_with("")
    }

    /// The same with the lines `more` of configuration.
    pub(crate) fn world_with(self, more: &str) -> World {
        let world = World::new(Sandbox::podman4(), &self.yaml(more));
        for (name, address) in [("c2", C2), ("c3", C3), ("c4", C4)] {
            assert_eq!(world.attach(name, &json!([])), address);
        }
        let rules = world.sh("nft list table inet flatnet");
        assert_eq!(rules.contains("fib daddr type local"), self.fib, "{rules}");
        world.rp_filter(0);
        world
    }
}

/// IP protocol numbers.
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// A host and a protocol: a raw socket that receives every packet of the protocol which reaches the host.
pub(crate) type Ear = (&'static str, u8);

/// A named sequence of frames.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    /// The attack's name, from which the content of the decisive frame is made.
    pub(crate) what: String,
    /// Each frame, with its sending host and link.
    frames: Vec<(String, String, Vec<u8>)>,
}

/// An attack with one frame, which `from` sends by its `eth0`. `frame` makes it from its content, [`token`] of the
/// name.
pub(crate) fn attack(what: impl Into<String>, from: &str, frame: impl FnOnce(&[u8]) -> Vec<u8>) -> Attack {
    let what = what.into();
    let frame = frame(&token(&what));
    Attack { what, frames: vec![(from.to_owned(), "eth0".to_owned(), frame)] }
}

/// The content of an attack's frame. No token is a part of another one.
pub(crate) fn token(what: &str) -> Vec<u8> {
    let text = format!("<{what}>");
    let length = text.len().next_multiple_of(8);
    format!("{text:.<length$}").into_bytes()
}

impl Attack {
    /// Sends all frames by another link.
    pub(crate) fn by(mut self, link: &str) -> Self {
        for (_, dev, _) in &mut self.frames {
            link.clone_into(dev);
        }
        self
    }

    /// Sends this frame first, by `eth0` of `from`.
    pub(crate) fn after(mut self, from: &str, frame: Vec<u8>) -> Self {
        self.frames.insert(0, (from.to_owned(), "eth0".to_owned(), frame));
        self
    }

    /// Sends this frame last, by `eth0` of `from`.
    pub(crate) fn then(mut self, from: &str, frame: Vec<u8>) -> Self {
        self.frames.push((from.to_owned(), "eth0".to_owned(), frame));
        self
    }
}

impl World {
    /// Sets `rp_filter` of every link, and of new ones.
    pub(crate) fn rp_filter(&self, value: u8) {
        self.sh(&format!("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {value} >$file; done"));
    }

    /// Sends all attacks, and returns the names of those that an ear received.
    pub(crate) fn strike(&self, ears: &[Ear], attacks: &[Attack]) -> BTreeSet<String> {
        let frames: Vec<Value> = attacks
            .iter()
            .flat_map(|attack| &attack.frames)
            .map(|(from, dev, frame)| json!([from, dev, crate::traffic::to_hex(frame)]))
            .collect();
        let heard = self.traffic("strike", &json!({"ears": ears, "frames": frames}));
        let heard: Vec<String> = serde_json::from_value(heard).unwrap_or_else(|error| panic!("{error}"));
        let heard: Vec<Vec<u8>> = heard.iter().map(|packet| crate::traffic::from_hex(packet)).collect();
        let arrived = |attack: &&Attack| {
            let token = token(&attack.what);
            heard
                .iter()
                .filter(|packet| !is_vxlan(packet))
                .any(|packet| packet.windows(token.len()).any(|window| window == token))
        };
        attacks.iter().filter(arrived).map(|attack| attack.what.clone()).collect()
    }

    /// Asserts that no attack arrives.
    #[track_caller]
    pub(crate) fn holds(&self, when: &str, ears: &[Ear], attacks: &[Attack]) {
        let heard = self.strike(ears, attacks);
        assert!(heard.is_empty(), "{when}: {} of {} attacks arrive: {heard:#?}", heard.len(), attacks.len());
    }

    /// Asserts that all packets arrive: legitimate ones, or attacks in a control run.
    #[track_caller]
    pub(crate) fn lets_through(&self, when: &str, ears: &[Ear], packets: &[Attack]) {
        let heard = self.strike(ears, packets);
        let lost: Vec<&String> =
            packets.iter().map(|packet| &packet.what).filter(|what| !heard.contains(*what)).collect();
        assert!(lost.is_empty(), "{when}: {} of {} do not arrive: {lost:#?}", lost.len(), packets.len());
    }

    /// Empties these chains of the ruleset.
    pub(crate) fn without(&self, chains: &[&str]) {
        for chain in chains {
            self.sh(&format!("nft flush chain inet flatnet {chain}"));
        }
    }

    /// Adds a conntrack entry for an answered flow.
    pub(crate) fn flow(&self, protocol: &str, from: (&str, u16), to: (&str, u16)) {
        let (how, end) = match protocol {
            "icmp" => (format!("--icmp-type 8 --icmp-code 0 --icmp-id {}", from.1), ""),
            "tcp" => (format!("--sport {} --dport {}", from.1, to.1), "--state ESTABLISHED"),
            _ => (format!("--sport {} --dport {}", from.1, to.1), ""),
        };
        let status = if protocol == "icmp" { "SEEN_REPLY" } else { "SEEN_REPLY,ASSURED" };
        self.sh(&format!(
            "sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=1
             conntrack -I -p {protocol} -s {} -d {} {how} -t 300 -u {status} {end}",
            from.0, to.0
        ));
    }

    /// The MAC of a host's link.
    pub(crate) fn mac_of(&self, name: &str, link: &str) -> Mac {
        let ip = if name.is_empty() { "ip".to_owned() } else { format!("ip -n {name}") };
        frames::parse_mac(&self.sh(&format!("{ip} -j link show dev {link} | jq -r '.[0].address'")))
    }
}

/// Whether it is a VXLAN packet. Its inner packet is received separately if it passes.
fn is_vxlan(packet: &[u8]) -> bool {
    packet.get(9) == Some(&UDP) && packet.get(22..24) == Some(&4789u16.to_be_bytes())
}
