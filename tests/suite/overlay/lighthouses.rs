//! Two lighthouses: hosts behind NATs, lighthouses that are away, and what happens to others meanwhile.

use super::{Lan, WITH_NAMES, YAML};
use crate::sandbox::Sandbox;

/// The scripts' words for how packets get from a host to the others, by number: `2=direct 3=relayed`.
const WAYS: &str = "ways() { on $1 flatnet overlay status --json | jq -r '.hosts | map(\"\\(.number)=\\(.path.kind)\") | join(\" \")'; }
     lights() { on $1 flatnet overlay status --json | jq -r '.nebula.lighthouses | map(.name) | join(\" \")'; }";

const DOCTOR: &str = "{ on h1 flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"overlay-hosts\") | .level + \": \" + .what'";

impl Lan {
    /// Two lighthouses, and the hosts that `make` makes, joined and with a container each.
    fn with_two_lighthouses(make: &str, hosts: &[&str]) -> Self {
        let lan = Self::empty(Sandbox::podman4());
        lan.sh(&format!("{make}\ntwo_lighthouses")).succeeds();
        for host in hosts {
            lan.sh(&format!("join {host}; nebula_on {host}; cni {host} ADD c{}", &host[1..])).succeeds();
        }
        lan
    }

    fn ways(&self, host: &str) -> String {
        self.sh(&format!("{WAYS}\nways {host}")).succeeds().stdout.trim().to_owned()
    }

    /// Pings each 20 ms, until [`Lan::lost`].
    fn ping_all_the_time(&self, from: &str, to: &str) {
        self.sh(&format!("ip netns exec {from} ping -q -i 0.02 {to} >/tmp/pings-{from} 2>&1 & echo $! >/tmp/ping-{from}.pid")).succeeds();
    }

    /// How many of its pings were lost.
    fn lost(&self, from: &str) -> usize {
        let words = self
            .sh(&format!(
                "kill -INT $(cat /tmp/ping-{from}.pid); until grep -q loss /tmp/pings-{from}; do sleep 0.05; done
                 sed -n 's/^\\([0-9]*\\) packets transmitted, \\([0-9]*\\) received.*/\\1 \\2/p' /tmp/pings-{from}"
            ))
            .succeeds()
            .stdout;
        let [sent, received] =
            words.split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<usize>>()[..]
        else {
            panic!("{words}")
        };
        assert!(sent > 50, "{words}");
        sent - received
    }
}

fn two_hosts() -> Lan {
    Lan::with_two_lighthouses(
        &format!("host h1 192.0.2.11 '{YAML}'; host h2 192.0.2.12 '{YAML}'; host h3 192.0.2.13 '{YAML}'"),
        &["h1", "h2"],
    )
}

#[test]
fn hosts_behind_nat_find_a_direct_way() {
    let hosts = ["h1", "h2", "h3", "h4"];
    let lan = Lan::with_two_lighthouses(&format!("hosts_behind_nat '{WITH_NAMES}'"), &hosts);
    // The control: nothing from outside comes in by itself, and what goes out passes a NAT for each router.
    lan.sh("ip -n stranger route add 172.20.2.0/24 via 192.0.2.52; ! ip netns exec stranger ping -q -c 1 -W 1 172.20.2.2")
        .succeeds();
    lan.sh("on h3 ping -q -c 1 -W 1 192.0.2.20; for router in n3 n3b; do ip netns exec $router nft list chain ip nat at_departure | grep -v 'packets 0' | grep -c counter; done")
        .succeeds();
    // All reach all.
    for from in 1..=4 {
        for to in (1..=4).filter(|to| *to != from) {
            lan.eventually(&format!("ip netns exec c{from} ping -q -c 1 -W 2 10.87.{to}.2"));
        }
    }
    // With a little traffic, the tunnels become direct where that is possible, and none of it is lost.
    for (from, to) in [("1", "2"), ("1", "3"), ("2", "3"), ("1", "4"), ("2", "4"), ("3", "4")] {
        lan.sh(&format!(
            "ip netns exec c{from} ping -q -i 0.1 -c 300 10.87.{to}.2 >/tmp/pings-{from}-{to} 2>&1 &"
        ))
        .succeeds();
    }
    lan.sh("until [[ $(cat /tmp/pings-* | grep -c loss) = 6 ]]; do sleep 0.2; done
         cat /tmp/pings-* | grep -c ' 0% packet loss'")
        .prints_exactly("6");
    assert_eq!(lan.ways("h1"), "2=direct 3=direct 4=direct");
    assert_eq!(lan.ways("h2"), "1=direct 3=direct 4=relayed");
    assert_eq!(lan.ways("h3"), "1=direct 2=direct 4=relayed");
    assert_eq!(lan.ways("h4"), "1=direct 2=relayed 3=relayed");
    lan.sh("on h2 flatnet overlay status | tr -s ' '")
        .prints("1 h1 10.87.1.1 direct, 192.0.2.11:")
        .prints("3 h3 10.87.3.1 direct, 192.0.2.53:")
        .prints("4 h4 10.87.4.1 relayed by 10.86.255.25");
    lan.sh(&DOCTOR.replace("on h1", "on h2"))
        .prints("warning: packets to these hosts go by a lighthouse, not directly: 4");
    lan.sh(DOCTOR).prints("good: 2 lighthouse(s) and 3 other host(s) are reached directly");
    // Names too, by a relay.
    lan.sh("ip netns exec c2 dig +tries=2 +timeout=4 +short @10.87.2.1 c4.h4").prints_exactly("10.87.4.2");
    // A lighthouse that relays goes away: the other one does.
    for away in ["l1", "l2"] {
        lan.sh(&format!("stop_lighthouse {away}")).succeeds();
        lan.sh("until ip netns exec c2 ping -q -c 1 -W 1 10.87.4.2; do ((SECONDS < 30)) || exit 1; done")
            .succeeds();
        lan.sh(&format!("lighthouse /lights{} {away}", &away[1..])).succeeds();
        lan.eventually(&format!("{WAYS}\n[[ $(lights h2) = 'l2 l1' && $(lights h4) = 'l2 l1' ]]"));
    }
}

#[test]
fn tunnels_outlive_lighthouses() {
    let lan = two_hosts();
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    let both = format!("{WAYS}\n[[ $(lights h1) = 'l2 l1' && $(lights h2) = 'l2 l1' ]]");
    lan.eventually(&both);
    lan.ping_all_the_time("c1", "10.87.2.2");
    // Each restarts; hosts are back with it, and need neither a restart nor the other lighthouse.
    for one in ["1", "2"] {
        lan.sh(&format!("stop_lighthouse l{one}")).succeeds();
        lan.eventually(&format!("{WAYS}\n[[ $(lights h1) = l{} ]]", if one == "1" { "2" } else { "1" }));
        let away = if one == "1" { "10.86.255.254" } else { "10.86.255.253" };
        lan.sh("on h1 flatnet overlay status | tr -s ' '")
            .prints(&format!("\nlighthouse - {away} does not answer - - -\n"));
        lan.sh(DOCTOR).prints(&format!("warning: these lighthouses do not answer: {away}"));
        lan.sh(&format!("lighthouse /lights{one} l{one}")).succeeds();
        lan.eventually(&both);
    }
    // With one of them a host that restarts is found.
    lan.sh("stop_lighthouse l1").succeeds();
    assert_eq!(lan.lost("c1"), 0, "tunnels need no lighthouse");
    lan.sh("stop_nebula h2; nebula_on h2").succeeds();
    lan.sh("until ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2; do ((SECONDS < 30)) || exit 1; done")
        .succeeds();
    // Without any, tunnels go on, however long it takes, and the doctor says what is wrong.
    lan.ping_all_the_time("c1", "10.87.2.2");
    lan.sh("stop_lighthouse l2").succeeds();
    lan.eventually(&format!("{DOCTOR} | grep 'no lighthouse answers'"));
    lan.sh("sleep 5").succeeds();
    assert_eq!(lan.lost("c1"), 0, "tunnels need no lighthouse");
    // A host that restarts finds nobody, and nobody it, until one is back.
    lan.sh("stop_nebula h2; nebula_on h2; ! ip netns exec c1 ping -q -c 8 -W 1 10.87.2.2 && ! ip netns exec c2 ping -q -c 4 -W 1 10.87.1.2").succeeds();
    lan.sh("lighthouse /lights2 l2; until ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2; do ((SECONDS < 30)) || exit 1; done").succeeds();
}

#[test]
fn others_lose_nothing_when_hosts_come_and_go() {
    let lan = two_hosts();
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.ping_all_the_time("c1", "10.87.2.2");
    lan.ping_all_the_time("c2", "10.87.1.2");
    let reaches = |host: &str| format!("ip netns exec {host} ping -q -c 1 -W 2 10.87.1.2");
    lan.sh("join h3; nebula_on h3; cni h3 ADD c3").succeeds();
    lan.eventually(&reaches("c3"));
    // It leaves.
    lan.sh("cni h3 DEL c3; ip netns del c3; stop_nebula h3; on h3 flatnet overlay leave").succeeds();
    lan.eventually(
        "[[ $(on h1 flatnet overlay status --json | jq '.hosts | map(.number) | tostring') = '\"[2]\"' ]]",
    );
    // It joins again, with another number, and is revoked.
    lan.sh("join h3; nebula_on h3; cni h3 ADD c3; ip -n c3 -4 -o addr show eth0").prints("10.87.4.2/24");
    lan.eventually(&reaches("c3"));
    lan.sh("flatnet overlay revoke --ca /ca 4 | sed -n 's/^  flatnet overlay block //p' >/tmp/print; [[ -s /tmp/print ]]
         for host in h1 h2; do on $host flatnet overlay block $(cat /tmp/print); kill -HUP $(cat /hosts/$host/nebula.pid); done")
        .succeeds();
    lan.eventually(&format!("! {}", reaches("c3")));
    assert_eq!((lan.lost("c1"), lan.lost("c2")), (0, 0));
}

#[test]
fn lighthouse_runs_in_a_container_of_a_host() {
    let lan = Lan::in_sandbox(Sandbox::podman4().image("web"), YAML);
    lan.sh("flatnet overlay ca --ca /ca --no-passphrase 2>/dev/null
         flatnet overlay lighthouse --ca /ca trial --at 192.0.2.11:4242 /lights; podman_on h1")
        .succeeds();
    // As docs/setup/second-host.md says, with another image.
    lan.sh("on h1 podman run -d --name lighthouse --network host --cap-drop all --security-opt no-new-privileges --read-only \
             --volume /usr/bin/nebula:/usr/bin/nebula:ro --volume /lights:/lights:ro --workdir /lights \
             flatnet-test/web nebula -config nebula.yml
         grep CapEff /proc/$(on h1 podman inspect -f '{{.State.Pid}}' lighthouse)/status")
        .prints("CapEff:\t0000000000000000");
    for host in ["h1", "h2"] {
        lan.sh(&format!("join {host}; nebula_on {host}; cni {host} ADD c{}", &host[1..])).succeeds();
    }
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("on h2 flatnet overlay status | tr -s ' '")
        .prints("1 h1 10.87.1.1 direct, 192.0.2.11:")
        .prints("lighthouse trial 10.86.255.254 direct, 192.0.2.11:4242");
    // It restarts, and hosts come back.
    lan.sh("on h1 podman restart -t 2 lighthouse; stop_nebula h2; nebula_on h2").succeeds();
    lan.sh("until ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2; do ((SECONDS < 30)) || exit 1; done")
        .succeeds();
}
