//! Hosts find one another again after what happens to hosts, lighthouses and the network between them, and nothing leaves the overlay
//! meanwhile. Host 1 is in the LAN, host 2 behind a NAT, host 3 behind two; there are two lighthouses.

use std::collections::BTreeMap;

use serde_json::json;

use crate::overlay::Lan;
use crate::overlay::clock::clock;
use crate::sandbox::Sandbox;
use crate::soak;

struct Event {
    what: &'static str,
    /// Does it, and ends it, if hosts cannot find one another before its end.
    script: &'static str,
    /// Ends it when they have found one another in spite of it.
    end: &'static str,
}

const fn event(what: &'static str, script: &'static str) -> Event {
    Event { what, script, end: "" }
}

const EVENTS: &[Event] = &[
    event("Nebula killed", "stop_nebula h2 KILL; nebula_on h2"),
    event("Nebula restarted", "stop_nebula h1; nebula_on h1"),
    event("host restarted with another address behind its NAT", "stop_nebula h2; readdress h2 172.20.2.2 172.20.2.3; nebula_on h2"),
    event("another address in the LAN", "readdress h1 192.0.2.11 192.0.2.111"),
    event("another address of the NAT", "readdress n2 192.0.2.52 192.0.2.152"),
    event("a NAT that forgot its connections", "ip netns exec n3 conntrack -F; ip netns exec n3b conntrack -F"),
    event("lighthouse restarted", "stop_lighthouse l1; sleep 1; lighthouse /lights1 l1"),
    Event { what: "one lighthouse away", script: "stop_lighthouse l2", end: "lighthouse /lights2 l2" },
    event("both lighthouses away for 8 s", "stop_lighthouse l1; stop_lighthouse l2; sleep 8; lighthouse /lights1 l1; lighthouse /lights2 l2"),
    event(
        "host restarted without lighthouses",
        "stop_lighthouse l1; stop_lighthouse l2; stop_nebula h3; nebula_on h3; sleep 2; lighthouse /lights1 l1; lighthouse /lights2 l2",
    ),
    event("cut off for 8 s", "ip -n h3 link set eth0 down; sleep 8; ip -n h3 link set eth0 up; ip -n h3 route replace default via 172.21.3.1"),
    Event {
        what: "no direct way",
        script: "ip netns exec n2 nft 'add chain ip nat blocked { type filter hook forward priority -10; }; add rule ip nat blocked udp sport 4242 accept; add rule ip nat blocked udp dport 4242 accept; add rule ip nat blocked meta l4proto udp drop'",
        end: "ip netns exec n2 nft delete chain ip nat blocked",
    },
    event("configuration read again", "for host in h1 h2 h3; do kill -HUP $(cat /hosts/$host/nebula.pid); done"),
    event(
        "certificate ended and was renewed",
        "nebula-cert sign -ca-crt /ca/ca.crt -ca-key /ca/ca.key -in-pub /ca/issued/3/host.pub -name h3 -networks 10.86.0.3/16 \
             -unsafe-networks 10.87.3.0/24 -duration 3s -out-crt /tmp/short.crt
         cat /tmp/short.crt >/hosts/h3/etc/flatnet/overlay/host.crt; rm /tmp/short.crt; kill -HUP $(cat /hosts/h3/nebula.pid); sleep 8
         flatnet overlay sign --ca /ca --number 3 /tmp/h3.request >/tmp/h3.invitation; on h3 flatnet overlay join /tmp/h3.invitation
         kill -HUP $(cat /hosts/h3/nebula.pid)",
    ),
    event(
        "clock an hour back for 8 s",
        "echo 0 >/tmp/ahead; stop_nebula h3; nebula_on h3 clock /tmp/ahead; flows; echo -3600 >/tmp/ahead; sleep 8; echo 0 >/tmp/ahead",
    ),
    event(
        "a copy of a host for 8 s",
        "cp -a /hosts/h2/etc/flatnet/. /hosts/copy/etc/flatnet/; nebula_on copy; sleep 8; stop_nebula copy; on copy flatnet down",
    ),
    event(
        "a host joined and was revoked",
        "join h5; nebula_on h5; number=$(sed -n 's/^number: //p' /tmp/h5.invitation)
         until on h5 ping -q -c 1 -W 1 10.87.1.1; do sleep 0.1; done
         print=$(flatnet overlay revoke --ca /ca $number | sed -n 's/^  flatnet overlay block //p')
         for host in h1 h2 h3; do on $host flatnet overlay block $print; kill -HUP $(cat /hosts/$host/nebula.pid); done
         stop_nebula h5; on h5 flatnet overlay leave; on h5 flatnet down",
    ),
];

/// How long hosts may take to find one another again. Seconds.
const LONGEST: u32 = 90;

/// `flows` waits until packets get from each to each. What they hold can be recognized.
const WORDS: &str = "flows() {
         local way
         for way in 'c1 2' 'c2 1' 'c1 3' 'c3 1' 'c2 3' 'c3 2'; do
             until ip netns exec ${way% *} ping -q -c 1 -W 0.3 -p 466c61746e6574 10.87.${way#* }.2; do ((SECONDS < LONGEST)) || exit 1; done
         done >/dev/null
     }";

fn lan() -> Lan {
    let lan = Lan::empty(Sandbox::podman4().copy(&clock(), "/usr/local/bin/clock"));
    let yaml = crate::overlay::YAML;
    lan.sh(&format!("hosts_behind_nat '{yaml}'; host h5 192.0.2.15 '{yaml}'; host copy 192.0.2.88 '{yaml}'; two_lighthouses"))
        .succeeds();
    lan.sh("for host in h1 h2 h3; do join $host; nebula_on $host; cni $host ADD c${host#h}; done").succeeds();
    // What is on the wire beside the tunnels: packets of the overlay, and what can be read. And traffic all the time.
    lan.sh("tcpdump -nn -l -i any net 10.86.0.0/15 >/tmp/leaked 2>/dev/null &
         tcpdump -nn -l -A -i any 2>/dev/null | grep -a --line-buffered Flatnet >/tmp/readable &
         for way in 'c1 2' 'c1 3' 'c2 3'; do
             ip netns exec ${way% *} ping -q -i 0.05 -p 466c61746e6574 10.87.${way#* }.2 >/dev/null 2>&1 &
         done")
        .succeeds();
    lan
}

#[test]
fn hosts_find_one_another_again() {
    let lan = lan();
    let words = format!("LONGEST={LONGEST}\n{WORDS}");
    lan.sh(&format!("{words}\nflows")).succeeds();
    let (runs, seed) = (soak::count(2), soak::seed());
    let mut seconds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for run in 0..runs {
        // Another order in each round.
        let Event { what, script, end } =
            &EVENTS[(run + usize::try_from(seed).unwrap_or(0) * 7) % EVENTS.len()];
        lan.sh(&format!("{words}\n{{ {script}\n}} >/dev/null 2>&1")).succeeds();
        let start = std::time::Instant::now();
        let found = lan.sh(&format!("{words}\nflows"));
        assert_eq!(found.status, Some(0), "after \"{what}\" hosts did not find one another in {LONGEST} s");
        seconds.entry(format!("s after: {what}:")).or_default().push(start.elapsed().as_secs_f64());
        lan.sh(&format!("{{ true; {end}\n}} >/dev/null")).succeeds();
    }
    let count =
        |file: &str| lan.sh(&format!("wc -l <{file}")).succeeds().stdout.trim().parse::<usize>().unwrap();
    let left_behind = count("/tmp/leaked") + count("/tmp/readable");
    soak::report(runs, left_behind, &json!(seconds));
    assert_eq!(left_behind, 0, "packets beside the tunnel, or readable ones");
    for host in ["h1", "h2", "h3"] {
        lan.sh(&format!("on {host} flatnet plan")).prints("Nothing to do");
    }
    // The control: what these see if there is no tunnel.
    lan.sh("for at in 11 111; do ip -n stranger route append 10.87.1.0/24 via 192.0.2.$at; ip netns exec stranger ping -q -c 1 -W 1 -p 466c61746e6574 10.87.1.2 || true; ip -n stranger route del 10.87.1.0/24; done")
        .succeeds();
    lan.eventually("[[ -s /tmp/leaked && -s /tmp/readable ]]");
}
