//! Several hosts over real Nebula: joining, traffic, attacks between hosts, leaving.

mod vxlan;

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::sandbox::{Builder, Output, Sandbox};

pub(crate) mod clock;
mod dry_run;
mod lighthouses;
mod routes;
mod units;
mod wrong_input;

pub(crate) const YAML: &str = "names: {enabled: false}\ningress_gateways: [192.0.2.30]";

/// The doctor's checks that are broken here.
pub(crate) const BROKEN: &[&str] =
    &["overlay-program", "overlay-interface", "overlay-certificate", "overlay-hosts"];

/// The folder with Nebula's programs.
fn nebula() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ops/lib/nebula.sh");
        #[expect(clippy::disallowed_methods, reason = "duct has no say in how a test starts its world")]
        let printed = std::process::Command::new(script).output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        String::from_utf8(printed.stdout).unwrap().trim().into()
    })
}

/// Hosts h1, h2 and h3 beside the machines l1, stranger and gateway, which is an ingress gateway of each.
pub(crate) struct Lan(Sandbox);

impl Lan {
    fn new(yaml: &str) -> Self {
        Self::in_sandbox(Sandbox::podman4(), yaml)
    }

    fn in_sandbox(builder: Builder, yaml: &str) -> Self {
        let lan = Self::empty(builder);
        for (number, host) in ["h1", "h2", "h3"].iter().enumerate() {
            lan.sh(&format!("host {host} 192.0.2.{} '{yaml}'", number + 11)).succeeds();
        }
        lan
    }

    /// Without hosts.
    pub(crate) fn empty(builder: Builder) -> Self {
        let programs = nebula().join("usr/bin");
        let sandbox = builder
            .copy(&programs.join("nebula"), "/usr/bin/nebula")
            .copy(&programs.join("nebula-cert"), "/usr/bin/nebula-cert")
            .start();
        let lan = Self(sandbox);
        lan.sh("make_lan").succeeds();
        lan
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        self.0.sh(&format!("source /usr/local/lib/flatnet-test/hosts.sh\n{script}"))
    }

    /// An authority and a lighthouse; these hosts have joined, and each has a container, c1 on h1.
    pub(crate) fn joined(hosts: &[&str]) -> Self {
        Self::new(YAML).join_all(hosts)
    }

    fn join_all(self, hosts: &[&str]) -> Self {
        self.sh("flatnet overlay ca --ca /ca --no-passphrase 2>/dev/null
             flatnet overlay lighthouse --ca /ca l1 --at 192.0.2.20:4242 /lights
             lighthouse /lights l1")
            .succeeds();
        for host in hosts {
            self.sh(&format!("join {host}; nebula_on {host}; cni {host} ADD c{}", &host[1..])).succeeds();
        }
        self
    }

    pub(crate) fn eventually(&self, script: &str) {
        self.0.eventually(&format!("source /usr/local/lib/flatnet-test/hosts.sh\n{script}"));
    }

    /// The first packet of this kind, which `send` sends, that arrives where `tcpdump` with `filter` listens, in the namespace `at`; empty if there is none.
    fn arrives(&self, send: &str, at: &str, filter: &str) -> String {
        let heard = self.sh(&format!(
            "ip netns exec {at} timeout 20 tcpdump -nn -l -i any -c 1 '{filter}' >/tmp/heard 2>/tmp/listens &
             listener=$!
             until grep -q listening /tmp/listens; do sleep 0.02; done
             {{ {send}; }} >/dev/null 2>&1 || true
             sleep 0.3; kill $listener 2>/dev/null || true
             wait $listener || true; cat /tmp/heard"
        ));
        heard.succeeds().stdout.trim().to_owned()
    }
}

#[test]
fn containers_of_two_hosts_reach_each_other() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.sh("ip -n c1 -4 -o addr show eth0").prints("10.87.1.2/24");
    lan.sh("ip -n c2 -4 -o addr show eth0").prints("10.87.2.2/24");
    // The first packet too, in both directions, from and to the host itself.
    for (from, to) in [
        ("ip netns exec c1", "10.87.2.2"),
        ("ip netns exec c2", "10.87.1.2"),
        ("on h1", "10.87.2.2"),
        ("ip netns exec c2", "10.87.1.1"),
    ] {
        lan.eventually(&format!("{from} ping -q -c 1 -W 2 {to}"));
    }
    // Both addresses are seen as they are, and that of the host is its bridge's.
    let page = |from: &str| format!("{from} timeout 5 bash -c 'exec 3<>/dev/tcp/10.87.2.2/80; cat <&3'");
    lan.sh("ip netns exec c2 setsid ncat -lk -p 80 -c 'echo $NCAT_REMOTE_ADDR' >/dev/null 2>&1 &
         until ip netns exec c2 ss -Hltn | grep :80; do sleep 0.02; done")
        .succeeds();
    lan.sh(&page("ip netns exec c1")).prints_exactly("10.87.1.2");
    lan.sh(&page("on h1")).prints_exactly("10.87.1.1");
    // A gateway outside of Flatnet comes through its own host, and the other end sees that host.
    lan.sh("ip -n gateway route add 10.87.0.0/16 via 192.0.2.11").succeeds();
    lan.sh(&page("ip netns exec gateway")).prints_exactly("10.87.1.1");
    // The overlay's packets are small enough, and the sender is told.
    lan.sh("ip netns exec c1 ping -q -c 1 -W 2 -M do -s 1272 10.87.2.2").succeeds();
    lan.sh("ip netns exec c1 ping -c 1 -W 2 -M do -s 1273 10.87.2.2 || true")
        .prints("Frag needed and DF set (mtu = 1300)");
    // Nothing is readable between the hosts.
    assert_eq!(
        lan.arrives(
            "ip netns exec c1 ping -c 2 -p 466c61746e6574 10.87.2.2",
            "h1",
            "icmp[icmptype] = icmp-echo and host 192.0.2.12"
        ),
        ""
    );
    lan.sh("ip netns exec h1 timeout 3 tcpdump -nn -A -i eth0 -c 4 udp >/tmp/wire 2>/dev/null &
         sleep 0.5; ip netns exec c1 ping -q -c 5 -i 0.2 -p 466c61746e6574 10.87.2.2 >/dev/null; wait; ! grep -a Flatnet /tmp/wire && grep -a -c 'UDP' /tmp/wire").succeeds();
}

#[test]
fn other_hosts_get_what_is_theirs_and_no_more() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("for port in 22 8080; do on h2 setsid ncat -lk -p $port -c 'echo host' >/dev/null 2>&1 & done
         cni h2 ADD d2 '[{\"hostPort\":9090,\"containerPort\":80,\"protocol\":\"tcp\"}]'
         ip netns exec d2 setsid ncat -lk -p 80 -c 'echo d2' >/dev/null 2>&1 & sleep 0.3")
        .succeeds();
    let open = |from: &str, to: &str, port: u16| {
        lan.sh(&format!(
            "{from} timeout 1 bash -c 'exec 3<>/dev/tcp/{to}/{port}; head -c 4 <&3' 2>/dev/null || true"
        ))
        .succeeds()
        .stdout
        .trim()
        .to_owned()
    };
    assert_eq!(open("ip netns exec c1", "10.87.2.3", 80), "d2");
    for from in ["ip netns exec c1", "on h1"] {
        // Another host's own services, and its published ports, at any of its addresses.
        for (to, port) in [
            ("10.87.2.1", 22),
            ("10.87.2.1", 8080),
            ("10.87.2.1", 9090),
            ("10.86.0.2", 22),
            ("10.86.0.2", 9090),
        ] {
            assert_eq!(open(from, to, port), "", "{from} to {to}:{port}");
        }
    }
    assert_eq!(open("ip netns exec stranger", "192.0.2.12", 9090), "d2", "published for its own network");

    // The control: the same packet from the right place arrives.
    let ping = |from: &str, source: &str, to: &str| format!("{from} ping -q -c 2 -i 0.2 -W 1 {source} {to}");
    assert_ne!(
        lan.arrives(&ping("ip netns exec c1", "", "10.87.2.2"), "c2", "icmp[icmptype] = icmp-echo"),
        ""
    );
    // From the LAN, with an address of another host's container, of that host, or of the LAN.
    lan.sh("ip -n stranger addr add 10.87.2.9/32 dev lo; ip -n stranger addr add 10.86.0.2/32 dev lo
         ip -n stranger route add 10.87.1.0/24 via 192.0.2.11; ip -n stranger route add 10.87.2.0/24 via 192.0.2.11").succeeds();
    for source in ["-I 10.87.2.9", "-I 10.86.0.2", ""] {
        assert_eq!(
            lan.arrives(&ping("ip netns exec stranger", source, "10.87.1.2"), "c1", "icmp"),
            "",
            "{source}"
        );
        assert_eq!(
            "",
            lan.arrives(&ping("ip netns exec stranger", source, "10.87.2.2"), "c2", "icmp"),
            "{source}: h1 is no router for the LAN"
        );
    }
    // To a host's own address, which only hosts use. The control: its address in the LAN answers.
    lan.sh("ip -n stranger route add 10.86.0.1 via 192.0.2.11; ip netns exec stranger ping -q -c 1 -W 1 192.0.2.11
         ! ip netns exec stranger ping -q -c 1 -W 1 -I 192.0.2.66 10.86.0.1").succeeds();
    // A container with another container's address, one of another host's, and to a host's own address.
    lan.sh("ip -n c1 addr add 10.87.1.77/32 dev lo; ip -n c1 addr add 10.87.3.2/32 dev lo").succeeds();
    for (source, to, at) in
        [("-I 10.87.1.77", "10.87.2.2", "c2"), ("-I 10.87.3.2", "10.87.2.2", "c2"), ("", "10.86.0.2", "h2")]
    {
        assert_eq!(
            "",
            lan.arrives(
                &ping("ip netns exec c1", source, to),
                at,
                "icmp[icmptype] = icmp-echo and not src 10.87.1.1"
            ),
            "{source} to {to}"
        );
    }
    // A host that sends from a third one's address: its own Nebula drops it, and so would the other's.
    lan.sh("ip -n h2 addr add 10.87.3.2/32 dev lo").succeeds();
    assert_eq!(lan.arrives(&ping("on h2", "-I 10.87.3.2", "10.87.1.2"), "c1", "icmp"), "");
    // Out of the overlay leads no way to the LAN.
    lan.sh("ip -n h2 route add 198.51.100.0/24 dev flatnet-ov0").succeeds();
    assert_eq!(lan.arrives(&ping("on h2", "-I 10.87.2.1", "198.51.100.1"), "stranger", "icmp"), "");
}

#[test]
fn packets_to_other_hosts_never_take_another_way() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("kill $(cat /hosts/h1/nebula.pid)").succeeds();
    lan.eventually("! on h1 ip link show flatnet-ov0");
    let doctor = "{ on h1 flatnet doctor --json || true; } | jq -r '.findings[] | select(.group == \"overlay\") | .id + \" \" + .level + \": \" + .what'";
    lan.sh(doctor)
        .prints("overlay-interface failure: the interface flatnet-ov0 is missing: Nebula does not run");
    for from in ["ip netns exec c1", "on h1"] {
        lan.sh(&format!(
            "{{ {from} ping -c 1 -W 2 10.87.2.2 2>&1 || true; }} | grep -E 'nreachable|No route'"
        ))
        .succeeds();
        assert_eq!(
            "",
            lan.arrives(&format!("{from} ping -c 2 -W 1 10.87.2.2"), "stranger", "net 10.87.0.0/16"),
            "{from}"
        );
        let to_host =
            lan.arrives(&format!("{from} ping -c 2 -W 1 10.86.0.2"), "stranger", "net 10.86.0.0/16");
        assert_eq!(to_host, "", "{from}");
    }
    // Not even without the route that rejects them.
    lan.sh("on h1 ip route del unreachable 10.87.0.0/16 proto 87").succeeds();
    for from in ["ip netns exec c1", "on h1"] {
        assert_eq!(
            "",
            lan.arrives(&format!("{from} ping -c 2 -W 1 10.87.2.2"), "stranger", "net 10.87.0.0/16"),
            "{from}"
        );
    }
    // It comes back, and `up` makes the routes again.
    lan.sh("nebula_on h1").succeeds();
    lan.sh("on h1 ip route show 10.87.0.0/16").prints("unreachable 10.87.0.0/16 proto 87");
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("on h1 flatnet up").prints("Nothing to do");
    lan.sh(doctor).prints("overlay-program good: Nebula 1.11.0\noverlay-interface good: flatnet-ov0 leads to other hosts, MTU 1300\noverlay-certificate good: the certificate is valid until ");
    lan.sh("on h1 ip route del 10.87.0.0/16 dev flatnet-ov0; on h1 ip link set flatnet-ov0 mtu 1400")
        .succeeds();
    lan.sh(doctor).prints("overlay-interface failure: a route to the range 10.87.0.0/16 is missing\noverlay-interface warning: flatnet-ov0 has MTU 1400 instead of 1300\n");
    lan.sh("on h1 ip link set flatnet-ov0 mtu 1300; on h1 flatnet doctor --fix --yes >/dev/null || true")
        .succeeds();
    lan.sh("on h1 ip route show 10.87.0.0/16").prints("dev flatnet-ov0");
    // Another host's certificate, and an old Nebula.
    lan.sh("cp /hosts/h1/etc/flatnet/overlay/host.crt /tmp/own.crt; cp /hosts/h2/etc/flatnet/overlay/host.crt /hosts/h1/etc/flatnet/overlay/host.crt
         printf '#!/bin/sh\necho Version: 1.9.3\n' >/tmp/old; chmod 755 /tmp/old; cp /usr/bin/nebula /tmp/nebula; mv /tmp/old /usr/bin/nebula").succeeds();
    lan.sh(doctor)
        .prints("overlay-program failure: Nebula 1.9 is too old")
        .prints("overlay-certificate failure: the certificate is not for 10.86.0.1/16 and 10.87.1.0/24");
    lan.sh("mv /tmp/nebula /usr/bin/nebula; cp /tmp/own.crt /hosts/h1/etc/flatnet/overlay/host.crt")
        .succeeds();
    // Without lighthouses tunnels go on, but hosts would not be found again.
    lan.sh("pkill -f 'nebul[a] -config nebula.yml'").succeeds();
    lan.eventually(&format!("{doctor} | grep 'overlay-hosts failure: no lighthouse answers'"));
}

#[test]
fn number_is_given_once() {
    let lan = Lan::new(YAML);
    lan.sh("flatnet overlay ca --ca /ca --no-passphrase").succeeds();
    lan.sh("flatnet overlay ca --ca /ca --no-passphrase").complains("cannot make /ca");
    // An attempt that fails leaves nothing.
    lan.sh("flatnet overlay ca --ca /other --no-passphrase --range 10.86.0.0/16").complains("overlaps range");
    lan.sh("mv /usr/bin/nebula-cert /tmp/; printf '#!/bin/sh\nexit 1\n' >/usr/bin/nebula-cert; chmod 755 /usr/bin/nebula-cert").succeeds();
    lan.sh("flatnet overlay ca --ca /other --no-passphrase").complains("exited with 1");
    lan.sh("[[ ! -e /other ]]; mv /tmp/nebula-cert /usr/bin/").succeeds();
    lan.sh(
        "for host in h1 h2 h3; do on $host flatnet overlay request --name $host >/tmp/$host.request; done",
    )
    .succeeds();
    // Two sign at the same time.
    lan.sh("for host in h1 h2 h3; do flatnet overlay sign --ca /ca /tmp/$host.request >/tmp/$host.invitation 2>/tmp/$host.said & done; wait
         grep -h '^number:' /tmp/*.invitation | sort | tr '\\n' ' '").prints("number: 1 number: 2 number: 3");
    let numbers = lan.sh("sed -n 's/^number: //p' /tmp/h1.invitation").succeeds().stdout;
    let number = numbers.trim();
    lan.sh("on h3 bash -c 'rm /etc/flatnet/overlay/host.*; flatnet overlay request --name other' >/tmp/other.request").succeeds();
    lan.sh(&format!("flatnet overlay sign --ca /ca --number {number} /tmp/other.request"))
        .complains("is that of host h1, for ever");
    lan.sh("flatnet overlay sign --ca /ca --number 255 /tmp/other.request")
        .complains("255 is not between 1 and 254");
    // Its own host renews with the same request.
    lan.sh(&format!("flatnet overlay sign --ca /ca --number {number} /tmp/h1.request 2>/dev/null"))
        .prints(&format!("number: {number}\n"));
    // A lighthouse of a known name keeps its own address, and hosts learn where it is now.
    lan.sh("for at in 20 21; do flatnet overlay lighthouse --ca /ca l1 --at 192.0.2.$at:4242 /lights-$at; done; flatnet overlay lighthouse --ca /ca l2 --at 192.0.2.22:4242 /lights-22
         nebula-cert print -json -path /lights-21/host.crt | jq -c '.[0].details.networks'; flatnet overlay sign --ca /ca --number 1 $(grep -l 'number: 1$' /tmp/*.invitation | sed s/invitation/request/) 2>/dev/null | grep '  at:'").prints("[\"10.86.255.254/16\"]\n  at: 192.0.2.21:4242\n  at: 192.0.2.22:4242");
    // A failure leaves no folder, and a relative one will do.
    for _ in 0..2 {
        lan.sh("cd /tmp; flatnet overlay lighthouse --ca ../ca l3 --at 192.0.2.22:4242 lights-23")
            .complains("there is another lighthouse at 192.0.2.22:4242");
    }
    lan.sh("cd /tmp; flatnet overlay lighthouse --ca ../ca l3 --at 192.0.2.23:4242 lights-23; ls lights-23")
        .prints("nebula.yml");
    // The certificate is bounded by the authority and by the number.
    lan.sh("nebula-cert print -json -path /ca/ca.crt | jq -c '.[0].details | [.networks, .unsafeNetworks]'")
        .prints("[[\"10.86.0.0/16\"],[\"10.87.0.0/16\"]]");
    lan.sh(&format!("cat /ca/issued/{number}/*.crt | nebula-cert print -json -path - | jq -c '.[0].details | [.networks, .unsafeNetworks]'"))
        .prints(&format!("[[\"10.86.0.{number}/16\"],[\"10.87.{number}.0/24\"]]"));
}

#[test]
fn authority_with_passphrase_signs_only_with_it() {
    let lan = Lan::new(YAML);
    lan.sh("flatnet overlay ca --ca /ca").complains("nothing says how the authority's key is kept");
    lan.sh("echo 'correct horse' >/tmp/right; echo wrong >/tmp/wrong; flatnet overlay ca --ca /ca --passphrase-file /tmp/right").succeeds();
    lan.sh("grep -c ENCRYPTED /ca/ca.key").prints("2");
    lan.sh("on h1 flatnet overlay request --name h1 >/tmp/request").succeeds();
    lan.sh("flatnet overlay sign --ca /ca /tmp/request").complains("the authority's key is encrypted");
    lan.sh("! flatnet --verbose overlay sign --ca /ca --number 1 --passphrase-file /tmp/right /tmp/request 2>&1 | grep 'correct horse'").succeeds();
    let wrong = lan.sh("flatnet overlay sign --ca /ca --passphrase-file /tmp/wrong /tmp/request").fails();
    let said = "error[FLAT-E122]: the passphrase is not that of the authority's key\n  everything was rolled back\nhelp: Give the file with the passphrase that `flatnet overlay ca` got";
    assert!(wrong.stderr.contains(said) && !wrong.stderr.contains("nebula-cert"), "{}", wrong.stderr);
    lan.sh("ls -A /ca").prints_exactly("authority.yaml\nca.crt\nca.key\nissued\nlock");
    lan.sh("! flatnet --json overlay sign --dry-run --ca /ca --passphrase-file /tmp/right /tmp/request 2>&1 | grep 'correct horse'").succeeds();
    lan.sh("flatnet overlay sign --dry-run --ca /ca --passphrase-file /tmp/right /tmp/request")
        .prints("nebula-cert sign -ca-crt /ca/ca.crt -ca-key /ca/ca.key -out-crt /ca/issued/1/2.crt");
    // The failed attempt took no number from others.
    for _ in 0..2 {
        lan.sh("flatnet overlay sign --ca /ca --passphrase-file /tmp/right /tmp/request")
            .prints("number: 1\n");
    }
    lan.sh("ls /ca/issued").prints_exactly("1");
}

#[test]
fn join_is_taken_back_when_it_fails_and_leave_takes_all_back() {
    let lan = Lan::joined(&["h1"]);
    let files = "find /hosts/h2 -type f ! -name pid ! -path '*/log/*' ! -name host.json ! -name '*.lock' | sort | xargs sha256sum";
    lan.sh("on h2 flatnet up >/dev/null; on h2 flatnet overlay request --name h2 >/tmp/h2.request
         flatnet overlay sign --ca /ca /tmp/h2.request >/tmp/h2.invitation 2>/dev/null")
        .succeeds();
    let before = lan.sh(files).succeeds().stdout;
    let routes = lan.sh("on h2 ip route; on h2 nft -s list ruleset").succeeds().stdout;
    // A dry run changes nothing, and prints commands that can be pasted.
    lan.sh("on h2 flatnet overlay join --dry-run /tmp/h2.invitation")
        .prints("install -D -m 644 /dev/stdin /etc/flatnet/overlay/ca.crt");
    lan.sh(files).prints_exactly(before.trim_end());
    // The certificate is not that of this key, which is another one than its public half says.
    lan.sh("cp /hosts/h2/etc/flatnet/overlay/host.key /tmp/own.key; nebula-cert keygen -out-key /tmp/other.key -out-pub /tmp/other.pub; cat /tmp/other.key >/hosts/h2/etc/flatnet/overlay/host.key
         on h2 flatnet overlay join /tmp/h2.invitation").complains("everything was rolled back");
    lan.sh("on h2 flatnet overlay join /tmp/h2.invitation")
        .complains("Is this the invitation for this host's own request");
    lan.sh(&format!("cat /tmp/own.key >/hosts/h2/etc/flatnet/overlay/host.key; {files}"))
        .prints_exactly(before.trim_end());
    // Another host's invitation.
    lan.sh(
        "on h3 flatnet overlay request --name h3 >/dev/null; on h3 flatnet overlay join /tmp/h2.invitation",
    )
    .complains("the invitation is for the key of host 2 (h2), and this host has another key");
    lan.sh("on h3 flatnet overlay join /tmp/h2.request")
        .complains("/tmp/h2.request is a request, and an invitation is needed");
    lan.sh("on h3 ls /etc/flatnet/overlay").prints_exactly(
        "console-host.key\nconsole-host.key.pub\nconsole.key\nconsole.key.pub\nconsole.known_hosts\nhost.key\nhost.pub",
    );
    // Addresses that the ruleset would take for another host's.
    lan.sh("ip -n h2 addr add 10.86.7.7/24 dev lo").succeeds();
    lan.sh("on h2 flatnet overlay join /tmp/h2.invitation")
        .complains("this host has the address 10.86.7.7 outside of Flatnet");
    lan.sh("ip -n h2 addr del 10.86.7.7/24 dev lo; mkdir /hosts/h2/var/lib/flatnet/lab; echo x >/hosts/h2/var/lib/flatnet/lab/owner").succeeds();
    lan.sh("on h2 flatnet overlay join /tmp/h2.invitation").complains("which would be cut off: lab");
    lan.sh("rm -r /hosts/h2/var/lib/flatnet/lab").succeeds();
    // A container has an address of another subnet.
    lan.sh("cni h2 ADD c2").succeeds();
    lan.sh("on h2 flatnet overlay join /tmp/h2.invitation")
        .complains("containers are attached with addresses of 10.87.1.0/24: c2");
    lan.sh("cni h2 DEL c2; ip netns del c2").succeeds();
    lan.sh("on h2 flatnet overlay join /tmp/h2.invitation").succeeds();
    lan.sh("on h2 ip addr show flatnet-br0").prints("10.87.2.1/");
    lan.sh("nebula_on h2; cni h2 ADD c2").succeeds();
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    // Taken down and up again, while Nebula runs.
    lan.sh("cni h2 DEL c2; on h2 flatnet down; ! on h2 ip link show flatnet-br0; on h2 flatnet up >/dev/null; ip netns del c2; cni h2 ADD c2").succeeds();
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    // Leaving: the container stays, the rest is as before, but for the subnet.
    lan.sh("on h2 flatnet overlay leave").complains("Nebula was started by hand: end it");
    lan.sh("kill $(cat /hosts/h2/nebula.pid)").succeeds();
    lan.eventually("! on h2 ip link show flatnet-ov0");
    let dry_run = lan.sh("on h2 flatnet --json overlay leave --dry-run").succeeds().stdout;
    assert!(!dry_run.contains("PRIVATE KEY"), "{dry_run}");
    lan.sh("on h2 flatnet overlay leave").succeeds();
    lan.sh("on h2 ping -q -c 1 -W 2 10.87.2.2").succeeds();
    lan.sh("on h2 ls -A /etc/flatnet/overlay").prints_exactly("");
    lan.sh("cni h2 DEL c2; on h2 flatnet down; sed -i 's/^subnet:.*//' /hosts/h2/etc/flatnet/flatnet.yaml; on h2 flatnet up >/dev/null").succeeds();
    lan.sh("on h2 ip route; on h2 nft -s list ruleset").prints_exactly(routes.trim_end());
    lan.sh("on h2 flatnet overlay leave").complains("this host has joined no overlay");
}

#[test]
fn revoked_host_is_cut_off() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("flatnet overlay revoke --ca /ca 2 | sed -n 's/^  flatnet overlay block //p' >/tmp/print; on h1 flatnet overlay block $(cat /tmp/print); kill -HUP $(cat /hosts/h1/nebula.pid)").succeeds();
    lan.eventually("! ip netns exec c1 ping -q -c 1 -W 1 10.87.2.2");
    lan.sh("sleep 2; ! ip netns exec c2 ping -q -c 2 -W 1 10.87.1.2").succeeds();
    lan.sh("flatnet overlay sign --ca /ca /tmp/h2.request").complains("is that of host 2, which is revoked");
    // An invitation from before does not empty the list, and one key has one number.
    lan.sh("on h1 flatnet overlay join /tmp/h1.invitation; on h1 grep -c \"$(cat /tmp/print)\" /etc/flatnet/overlay/nebula.yml").prints("1");
    lan.sh("flatnet overlay sign --ca /ca --number 9 /tmp/h1.request")
        .complains("the key of this request is that of host 1");
    lan.sh("on h3 flatnet overlay request --name h3 >/tmp/h3.request; flatnet overlay sign --ca /ca /tmp/h3.request 2>/dev/null | grep -c \"$(cat /tmp/print)\"").prints("1");
}

/// Its addresses are inside the overlay's range, or outside.
#[test]
fn second_network_is_told_that_it_is_cut_off() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    let lab = "on h1 flatnet --config /etc/flatnet/lab.yaml";
    let write = |addresses: &str| {
        lan.0.write(
            "/hosts/h1/etc/flatnet/lab.yaml",
            &format!("network: lab\nbridge: lab-br0\n{YAML}\n{addresses}\n"),
        );
    };
    let attach = r#"lab() { on h1 env CNI_COMMAND=$1 CNI_CONTAINERID=$2-id CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin flatnet \
            <<<'{"cniVersion":"1.0.0","name":"lab","type":"flatnet","config":"/etc/flatnet/lab.yaml"}'; }
        for name in x y; do ip netns add $name; ip -n $name link set lo up; lab ADD $name; done"#;
    let detach = "for name in x y; do lab DEL $name; ip netns del $name; done";
    let says = "the containers of this network are cut off: 10.87.50.0/24 is in 10.87.0.0/16, which belongs to another network";
    write("subnet: 10.87.50.0/24");
    let up = lan.sh(&format!("{lab} up")).succeeds();
    assert!(up.stderr.contains(says), "{}", up.stderr);
    lan.sh(&format!("{{ {lab} doctor --json || true; }} | jq -r '.findings[] | select(.id == \"overlay-interface\") | .level + \": \" + .what'"))
        .prints(&format!("failure: {says}"));
    // It is true.
    let pings = "ip netns exec x ping -q -c 1 -W 1 10.87.50.3";
    lan.sh(&format!("{attach}\n! {pings}\n{detach}\n{lab} down")).succeeds();
    // Outside of the range it works, and so does the first network.
    write("range: 10.99.0.0/16\nsubnet: 10.99.1.0/24");
    let up = lan.sh(&format!("{lab} up")).succeeds();
    assert!(!up.stderr.contains("Warning"), "{}", up.stderr);
    lan.sh(&format!("{attach}\nip netns exec x ping -q -c 1 -W 1 10.99.1.1; ip netns exec x ping -q -c 1 -W 1 10.99.1.3; ip netns exec x ping -q -c 1 -W 1 192.0.2.1
        ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2; ! ip netns exec x ping -q -c 1 -W 1 10.87.2.2\n{detach}"))
        .succeeds();
}

#[test]
fn authority_is_replaced_without_losing_a_packet() {
    let lan = Lan::joined(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    lan.sh("ip netns exec c1 ping -i 0.1 10.87.2.2 >/tmp/pings 2>&1 & echo $! >/tmp/ping.pid").succeeds();
    let hup = "for host in h1 h2; do kill -HUP $(cat /hosts/$host/nebula.pid); done; pkill -HUP -f 'nebul[a] -config nebula.yml'; sleep 1.5";
    // A new authority with the same numbers; all accept both.
    lan.sh("flatnet overlay ca --ca /new --name new --no-passphrase; flatnet overlay lighthouse --ca /new l1 --at 192.0.2.20:4242 /new-lights
         cat /new/ca.crt >>/lights/ca.crt; for host in h1 h2; do on $host flatnet overlay trust /new/ca.crt; done").succeeds();
    lan.sh(hup).succeeds();
    lan.sh("on h1 flatnet overlay trust /tmp/h1.request").fails();
    // A host's certificate is no authority's.
    lan.sh("on h1 flatnet overlay trust /etc/flatnet/overlay/host.crt").complains("is not an authority's");
    // The lighthouse and the hosts get certificates of the new one.
    lan.sh("cp /new-lights/{host.crt,host.key} /lights/; chown 65534 /lights/*
         for host in h1 h2; do flatnet overlay sign --ca /new --number ${host#h} /tmp/$host.request >/tmp/$host.new 2>/dev/null; on $host flatnet overlay join /tmp/$host.new; done").succeeds();
    lan.sh(hup).succeeds();
    lan.eventually("[[ $(on h1 flatnet overlay status --json | jq -r '.nebula.lighthouses | length') = 1 ]]");
    // They accept it alone; a certificate of the old one counts no longer.
    lan.sh("cp /new/ca.crt /lights/ca.crt; for host in h1 h2; do on $host flatnet overlay trust --only /new/ca.crt; done").succeeds();
    lan.sh(hup).succeeds();
    lan.sh("kill -INT $(cat /tmp/ping.pid); sleep 0.2; tail -n 2 /tmp/pings").prints(" 0% packet loss");
    lan.sh("flatnet overlay sign --ca /ca --number 2 /tmp/h2.request 2>/dev/null >/tmp/h2.old; on h2 flatnet overlay join /tmp/h2.old").complains("of another authority than those that this host trusts");
    lan.sh("on h2 flatnet overlay trust --only /ca/ca.crt")
        .complains("this host's own certificate is not of that authority");
}

#[test]
fn hostile_papers_are_rejected() {
    let lan = Lan::joined(&["h1"]);
    lan.sh("on h2 flatnet overlay request --name h2 >/tmp/request; flatnet overlay sign --ca /ca /tmp/request >/tmp/invitation 2>/dev/null").succeeds();
    let after = "ls -A /ca/issued /hosts/h2/etc/flatnet/overlay /tmp/owned 2>&1 | sort";
    let before = lan.sh(after).stdout;
    for (paper, change) in [
        ("request", "s/X25519/P256/"),
        ("request", "s/PUBLIC/PRIVATE/"),
        ("request", "s|^host: .*|host: ../../x|"),
        ("request", "s|^host: .*|host: \"a\\nb: c\"|"),
        ("request", "s|^  -----BEGIN.*|&\\n  $(touch /tmp/owned)|"),
        ("request", "s/request: 1/request: 2/"),
        ("invitation", "s|^network: .*|network: 8.0.0.0/7|"),
        ("invitation", "s|^number: .*|number: 9|; s|^subnet: .*|subnet: 10.87.9.0/24|"),
        ("invitation", "s|^- address: .*|- address: 192.0.2.1|"),
        ("invitation", "s|^  at: .*|  at: 1.2.3.4:1\"]\\n  x: [\"|"),
        ("invitation", "s|^revoked: .*|revoked: [\"]\\nx\"]|"),
        ("invitation", "5,$d"),
    ] {
        let run =
            if paper == "request" { "flatnet overlay sign --ca /ca" } else { "on h2 flatnet overlay join" };
        lan.sh(&format!("sed '{change}' /tmp/{paper} >/tmp/hostile; ! cmp -s /tmp/{paper} /tmp/hostile; {run} /tmp/hostile")).fails();
        assert_eq!(lan.sh(after).stdout, before, "{change}");
    }
}

const WITH_NAMES: &str = "ingress_gateways: [192.0.2.30]";

#[test]
fn names_of_other_hosts_resolve() {
    let lan = Lan::new(WITH_NAMES).join_all(&["h1", "h2"]);
    lan.eventually("ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2");
    let dig = |from: &str, words: &str| {
        let dig = format!("{from} dig +tries=1 +timeout=4 +noall +comments +answer {words}");
        lan.sh(&format!("{{ {dig} || true; }} | sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p; s/.*IN[[:space:]]*\\(A\\|PTR\\)[[:space:]]*/\\1 /p' | paste -sd' '"))
            .succeeds()
            .stdout
            .trim()
            .to_owned()
    };
    let c1 = "ip netns exec c1";
    for (words, found) in [
        ("@10.87.1.1 c2.h2", "NOERROR A 10.87.2.2"),
        ("@10.87.1.1 C2.host2.direct.flatnet.internal", "NOERROR A 10.87.2.2"),
        ("@10.87.1.1 +tcp c2.h2", "NOERROR A 10.87.2.2"),
        ("@10.87.1.1 h2.direct.flatnet.internal", "NOERROR A 10.87.2.1"),
        ("@10.87.1.1 c1.h1", "NOERROR A 10.87.1.2"),
        ("@10.87.1.1 -x 10.87.2.2", "NOERROR PTR c2.h2.direct.flatnet.internal."),
        ("@10.87.1.1 nobody.h2.direct.flatnet.internal", "NXDOMAIN"),
        ("@10.87.1.1 c2.h2 AAAA", "NOERROR"),
        // Its resolver is for hosts: it does not even answer.
        ("@10.87.2.1 c2.h2", ""),
    ] {
        assert_eq!(dig(c1, words), found, "{words}");
    }
    // The gateway outside, as Windows is one, asks its own host.
    lan.sh("ip -n gateway route add 10.87.0.0/16 via 192.0.2.11").succeeds();
    let asked = "@10.87.1.1 c2.h2.direct.flatnet.internal";
    assert_eq!(dig("ip netns exec gateway", asked), "NOERROR A 10.87.2.2");
    // It does not pass for its host on another one.
    assert_eq!(dig("ip netns exec gateway", "+timeout=1 @10.87.2.1 h2.direct.flatnet.internal"), "");
    // To other hosts the resolver says what this host has, nothing else, and never asks for them.
    for (words, found) in [
        ("@10.87.2.1 c2.h2", "NOERROR A 10.87.2.2"),
        ("@10.87.2.1 c2", "REFUSED"),
        ("@10.87.2.1 c1.h1", "REFUSED"),
        ("@10.87.2.1 example.org", "REFUSED"),
        ("@10.87.2.1 direct.flatnet.internal AXFR", "NOTIMP"),
    ] {
        assert_eq!(dig("on h1", words), found, "{words} of a host");
    }
    // Right at once, and gone at once.
    lan.sh("cni h2 ADD d2").succeeds();
    assert_eq!(dig(c1, "@10.87.1.1 d2.h2"), "NOERROR A 10.87.2.3");
    lan.sh("on h1 flatnet names d2.h2").prints("d2.h2: 10.87.2.3");
    lan.sh("on h1 flatnet names --all-hosts").prints("d2.h2  10.87.2.3  other host  -");
    lan.sh("cni h2 DEL d2; ip netns del d2").succeeds();
    assert_eq!(dig(c1, "@10.87.1.1 d2.h2"), "NXDOMAIN");
    lan.sh("on h1 flatnet names d2.h2 || echo $?").prints("1");
    lan.sh("on h1 flatnet names --all-hosts --json | jq -c '[.names[] | select(.host == 2) | [.name, .address]]'")
        .prints("[[\"c2.h2\",\"10.87.2.2\"]]");
    // Who is there, how packets get there, and which certificates they have.
    lan.sh("on h1 flatnet overlay status | sed -E 's/[0-9.]+ ms/N ms/; s/[0-9]{4}-[0-9-]+/DATE/; s/:[0-9]+/:PORT/; s/  +/  /g; s/[0-9.]+$/VERSION/'")
        .prints("HOST  NAME  ADDRESS  WAY  ROUND TRIP  CERTIFICATE ENDS  FLATNET\n1  h1  10.87.1.1  this host  -  DATE  VERSION\n2  h2  10.87.2.1  direct, 192.0.2.12:PORT  N ms  DATE  VERSION\nlighthouse  l1  10.86.255.254  direct, 192.0.2.20:PORT  -  DATE  -\n");
    lan.sh("on h1 flatnet overlay status --json | jq -c '[.number, .hosts[0].number, .hosts[0].path.kind, .nebula.lighthouses[0].name, .nebula.no_tunnels]'")
        .prints("[1,2,\"direct\",\"l1\",null]");
    // Thousands of names, in more than one message.
    let entry = |n: usize| {
        let names: Vec<String> = (0..20).map(|alias| format!("a-rather-long-name-{n}-{alias}")).collect();
        format!("name 10.87.2.{n} x{n} eth0 {}\n", names.join(" "))
    };
    lan.0.write("/tmp/lines", &(10..210).map(entry).collect::<String>());
    lan.sh("cat /tmp/lines >>/hosts/h2/run/flatnet-dns/flatnet; on h1 flatnet names --all-hosts | grep -c a-rather")
        .prints_exactly("4000");
    // A host that leads others to their own addresses; with its control.
    lan.sh("for pid in $(ip netns pids h2); do ! tr '\\0' ' ' </proc/$pid/cmdline | grep 'flatnet dns' || kill $pid; done
         until ! on h2 ss -Hltun | grep 10.87.2.1:53; do sleep 0.02; done
         on h2 dnsmasq --no-resolv --no-hosts --user=root --listen-address=10.87.2.1 --bind-interfaces --address=/h2/127.0.0.1 --pid-file=/tmp/dnsmasq.pid")
        .succeeds();
    assert_eq!(dig("on h1", "@10.87.2.1 bank.h2"), "NOERROR A 127.0.0.1");
    assert_eq!(dig(c1, "@10.87.1.1 bank.h2"), "SERVFAIL");
    // A host that is away.
    lan.sh("kill $(cat /hosts/h2/nebula.pid)").succeeds();
    assert_eq!(dig(c1, "@10.87.1.1 c2.h2"), "SERVFAIL");
    assert_eq!(dig(c1, "@10.87.1.1 c1"), "NOERROR A 10.87.1.2");
    lan.sh("on h1 flatnet names c2.h2").complains("does not answer at 10.87.2.1");
    lan.eventually("[[ $(on h1 flatnet overlay status --json | jq '.hosts | length') = 0 ]]");
    lan.sh("on h3 flatnet overlay status").complains("this host has joined no overlay");
    lan.sh("on h3 flatnet up >/dev/null; on h3 flatnet names --all-hosts")
        .complains("connected with no others");
}
