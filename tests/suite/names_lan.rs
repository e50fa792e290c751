//! A DNS server of the LAN that forwards the zone, as docs/operations/names-in-the-lan.md says.

use crate::podman::{Flavour, Lab, STRANGER};

/// The page's first block below `heading`: commands, or a part of a configuration file.
fn recipe(heading: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/names-in-the-lan.md");
    let page = std::fs::read_to_string(path).unwrap();
    let below = page.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let block = below.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

/// A host whose resolver the stranger, the LAN's DNS server, may ask.
fn lab() -> Lab {
    let lab = Lab::start(Flavour::Cni);
    lab.run("web", "");
    lab.sh("ip netns exec stranger dig +short +tries=1 +timeout=1 @10.87.1.1 web.direct.flatnet.internal")
        .fails();
    // As `flatnet init` writes it.
    let yaml = lab.sandbox.read("/etc/flatnet/flatnet.yaml") + "names:\n  clients: []\n";
    lab.sandbox.write("/etc/flatnet/flatnet.yaml", &yaml);
    lab.sh(&recipe("## The LAN's DNS server"))
        .prints_exactly("nft: replace table flatnet in one transaction");
    lab.sh("flatnet plan --dry-run --exit-code").succeeds();
    lab
}

/// Starts the server with `conf`, and asks it from this host, a PC of the LAN, by UDP and TCP. `absent` is its answer for a
/// name that does not exist.
fn forwards_the_zone(lab: &Lab, command: &str, conf: &str, absent: &str) {
    lab.sandbox.write("/tmp/server.conf", conf);
    lab.sh(&format!("setsid ip netns exec stranger {command} >/tmp/server.log 2>&1 </dev/null &")).succeeds();
    lab.sandbox.eventually(&format!("ip netns exec stranger ss -Hlnt | grep ' {STRANGER}:53 '"));
    let dig = |words: &str| {
        let asked = lab.sh(&format!("dig +tries=1 +timeout=5 +noall +comments +answer @{STRANGER} {words}"));
        let said = asked.succeeds().stdout;
        let status = said.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none");
        let data = said
            .lines()
            .filter(|line| !line.starts_with(';'))
            .filter_map(|line| line.split('\t').next_back());
        [&[status], &data.filter(|data| !data.is_empty()).collect::<Vec<_>>()[..]].concat().join(" ")
    };
    let log = || lab.sh("cat /tmp/server.log").stdout;
    let web = lab.address("web");
    for (words, wanted) in [
        ("web.direct.flatnet.internal", format!("NOERROR {web}")),
        ("+tcp Web.Direct.flatnet.internal", format!("NOERROR {web}")),
        ("web.direct.flatnet.internal AAAA", "NOERROR".to_owned()),
        ("late.direct.flatnet.internal", absent.to_owned()),
        ("web.flatnet.internal", "NOERROR 192.168.88.10".to_owned()),
        (format!("-x {web}").as_str(), "NOERROR web.direct.flatnet.internal.".to_owned()),
        ("-x 10.87.1.99", "NXDOMAIN".to_owned()),
    ] {
        assert_eq!(dig(words), wanted, "{words}\n{}", log());
    }
    // Neither the name's absence nor its address is kept.
    let late = lab.run("late", "");
    assert_eq!(dig("late.direct.flatnet.internal"), format!("NOERROR {late}"), "{}", log());
    lab.sh("podman rm -f -t 0 late").succeeds();
    assert_eq!(dig("late.direct.flatnet.internal"), absent, "{}", log());
    // A client of the resolver is no ingress gateway.
    lab.sh(&format!("ip netns exec stranger curl -sS -m 2 http://{web}/")).exits_with(28);
    lab.remove_all();
}

#[test]
fn dnsmasq_forwards_the_zone() {
    // Below a domain that has an `address=`, dnsmasq turns NXDOMAIN into an answer without data.
    let common = format!(
        "no-resolv\nno-hosts\nno-daemon\nuser=root\npid-file\nbind-interfaces\nlisten-address={STRANGER}\nstop-dns-rebind\n"
    );
    forwards_the_zone(&lab(), "dnsmasq -C /tmp/server.conf", &(common + &recipe("### dnsmasq")), "NOERROR");
}

#[test]
fn unbound_forwards_the_zone() {
    // As Debian sets it up: answers are validated from the root on. No server of the internet answers here.
    let common = format!(
        "server:\n    interface: {STRANGER}\n    access-control: 192.168.88.0/24 allow\n    username: \"\"\n    chroot: \"\"\n    \
         directory: /tmp\n    pidfile: /tmp/unbound.pid\n    use-syslog: no\n    private-address: 10.0.0.0/8\n    \
         trust-anchor: \". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"\n"
    );
    forwards_the_zone(
        &lab(),
        "unbound -d -c /tmp/server.conf",
        &(common + &recipe("### Unbound")),
        "NXDOMAIN",
    );
}
