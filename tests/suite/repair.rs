//! `flatnet repair` restores what was broken, in one run, and does not interrupt what works.

use serde_json::{Value, json};

use crate::cni::{CONFIG, Call, host, host_link};
use crate::sandbox::Sandbox;
use crate::world::World;

/// Two containers, the first with a published port, and the scripts for connections to it.
fn running() -> (Sandbox, World, [Value; 2]) {
    running_in("")
}

fn running_in(yaml: &str) -> (Sandbox, World, [Value; 2]) {
    let sandbox = host(&format!("mtu: 1400\n{yaml}"));
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    let results = [add_c1().run(&sandbox).succeeds(), Call::add("c2").run(&sandbox).succeeds()];
    sandbox.write("/tmp/echo.py", ECHO);
    sandbox.write("/tmp/talk.py", TALK);
    sandbox.sh("nft add table inet bystander; sysctl -qw net.ipv4.tcp_syn_retries=2").succeeds();
    let world = World::of(&sandbox);
    (sandbox, world, results)
}

fn add_c1() -> Call {
    let port = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    Call::add("c1").var("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web").conf("runtimeConfig", port)
}

/// A server that returns each line.
const ECHO: &str = "
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(('', 80), Echo).serve_forever()
";

/// A client with one connection: each time the file `ask` appears, it sends a line, waits for the answer and removes
/// the file.
const TALK: &str = "
import os, socket, sys, time
address, ask = sys.argv[1], sys.argv[2]
stream = socket.create_connection((address, 80), timeout=20).makefile('rw')
open(ask + '.ready', 'w')
while True:
    while not os.path.exists(ask):
        time.sleep(0.01)
    stream.write('hello\\n'); stream.flush()
    assert stream.readline() == 'hello\\n'
    os.remove(ask)
";

/// Opens two connections to the first container, one from the second and one from this host.
fn connect(sandbox: &Sandbox) {
    sandbox.sh("rm -f /tmp/ask*").succeeds();
    drop(sandbox.spawn("exec ip netns exec c1 python3 /tmp/echo.py"));
    sandbox.eventually("ip netns exec c1 ss -Hltn 'sport = 80' | grep -q LISTEN");
    drop(sandbox.spawn("exec python3 /tmp/talk.py 10.87.1.2 /tmp/ask1"));
    drop(sandbox.spawn("exec ip netns exec c2 python3 /tmp/talk.py 10.87.1.2 /tmp/ask2"));
    sandbox.eventually("[[ -e /tmp/ask1.ready && -e /tmp/ask2.ready ]]");
}

/// Asserts that both connections still carry data.
#[track_caller]
fn assert_connected(sandbox: &Sandbox) {
    sandbox.sh("touch /tmp/ask1 /tmp/ask2").succeeds();
    sandbox.eventually("[[ ! -e /tmp/ask1 && ! -e /tmp/ask2 ]]");
}

/// Asserts for each of `breaks` that CHECK names it with `named`, that a dry run changes nothing, and that one repair
/// restores the whole world and keeps the connections. A second repair finds nothing to do.
#[track_caller]
fn mends(breaks: &[(&str, &str)]) {
    mends_in("", breaks);
}

#[track_caller]
fn mends_in(yaml: &str, breaks: &[(&str, &str)]) {
    let (sandbox, healthy, results) = running_in(yaml);
    connect(&sandbox);
    let with_connections = World::of(&sandbox);
    for (script, named) in breaks {
        sandbox.sh(script).succeeds();
        let broken = World::of(&sandbox);
        assert_ne!(broken, with_connections, "`{script}` breaks nothing");
        let said: String = [("c1", &results[0]), ("c2", &results[1])]
            .iter()
            .map(|(id, result)| Call::check(id, result).run(&sandbox))
            .filter(|answer| answer.status != Some(0))
            .map(|answer| answer.fails())
            .collect();
        assert!(said.contains(named), "after `{script}` CHECK says not {named:?} but: {said}");
        let planned = sandbox.sh("flatnet repair --dry-run --format json").succeeds().stdout;
        broken.assert_is_back(&sandbox);
        let done = sandbox.sh("flatnet repair --json").succeeds().stdout;
        assert_eq!(steps(&planned), steps(&done), "after `{script}` another plan was run than shown");
        with_connections.assert_is_back(&sandbox);
        assert_connected(&sandbox);
        for (id, result) in [("c1", &results[0]), ("c2", &results[1])] {
            Call::check(id, result).run(&sandbox).succeeds_silently();
        }
        sandbox.sh("flatnet repair").prints("Nothing to do");
    }
    sandbox.sh("pkill -f '^python3 /tmp/' || true; rm -f /tmp/ask*").succeeds();
    healthy.assert_is_back(&sandbox);
}

fn steps(json: &str) -> Value {
    let change: Value = serde_json::from_str(json).unwrap();
    assert_eq!(change["errors"], json!([]), "{change}");
    assert_ne!(change["commands"], json!([]), "nothing was to be done");
    change["commands"].clone()
}

#[test]
fn ruleset_damage_is_repaired() {
    mends(&[
        ("nft flush ruleset; nft add table inet bystander", "replace table flatnet"),
        ("nft flush chain inet flatnet at_arrival", "replace table flatnet"),
        (
            &format!(
                "nft delete element inet flatnet bindings '{{ {} . 10.87.1.2 }}'",
                host_link("c1", "eth0")
            ),
            "10.87.1.2",
        ),
        ("nft delete element inet flatnet published_anywhere '{ tcp . 8080 }'", "8080"),
        (
            "nft delete element inet flatnet published_anywhere '{ tcp . 8080 }'; \
             nft add element inet flatnet published_anywhere '{ tcp . 8080 comment \"dead\" : 10.87.1.9 . 80 }'",
            "8080",
        ),
    ]);
}

/// `up` switches the bridge and the rules to the new mode, and `repair` changes over the running containers.
#[test]
fn attached_ports_follow_configured_mode() {
    let (sandbox, routed, results) = running();
    let link = host_link("c1", "eth0");
    connect(&sandbox);
    let configure = |mode: &str| {
        sandbox.write(CONFIG, &format!("mtu: 1400\nbridging: {mode}\n"));
        sandbox.sh("flatnet up").prints("2 of the running containers are still attached in the old way");
        let status = sandbox.sh("flatnet status").exits_with(1).stdout;
        assert!(status.contains("and 1 more are attached as before a change of `bridging`"), "{status}");
        sandbox.sh("flatnet repair").succeeds();
        assert_connected(&sandbox);
        Call::check("c1", &results[0]).run(&sandbox).succeeds_silently();
        sandbox.sh("flatnet repair").prints("Nothing to do");
    };
    configure("plain");
    let told = sandbox.sh("flatnet inspect web").succeeds().stdout;
    assert!(told.contains("recorded by a repair") && !told.contains("no recorded end"), "{told}");
    sandbox.sh(&format!("bridge -d link show dev {link}")).prints("isolated off");
    configure("routed");
    sandbox.sh(&format!("bridge link show dev {link}")).prints_exactly("");
    sandbox.sh("pkill -f '^python3 /tmp/' || true; rm -f /tmp/ask*").succeeds();
    // A bridge without ports forwards nothing: its settings have no effect, and are kept.
    let kernel = |world: World| world.without_files().without_settings_of("flatnet-br0");
    kernel(routed).assert_comes_back(|| kernel(World::of(&sandbox)));
}

/// `bridge:` changes while containers run: the first command renames the bridge.
#[test]
fn bridge_is_renamed_as_configured() {
    for (mode, first) in
        [("plain", "flatnet up"), ("routed", "flatnet up"), ("plain", "flatnet repair"), ("plain", "ADD")]
    {
        let (sandbox, before, results) = running_in(&format!("bridging: {mode}\n"));
        connect(&sandbox);
        let configure = |yaml: &str| {
            sandbox.write(CONFIG, &format!("mtu: 1400\nbridging: {mode}\n{yaml}"));
            if first == "ADD" {
                sandbox.add_netns("c3");
                Call::add("c3").run(&sandbox).succeeds();
                Call::del("c3").run(&sandbox).succeeds_silently();
                sandbox.sh("ip netns del c3").succeeds();
            } else {
                sandbox.sh(first).prints("name");
            }
            assert_connected(&sandbox);
            sandbox.sh("flatnet repair").prints("Nothing to do");
            for (id, result) in [("c1", &results[0]), ("c2", &results[1])] {
                Call::check(id, result).run(&sandbox).succeeds_silently();
            }
        };
        configure("bridge: second-br0\n");
        sandbox.sh("ip -br link show type bridge | cut -d' ' -f1").prints_exactly("second-br0\n");
        configure("");
        sandbox.sh("pkill -f '^python3 /tmp/' || true; rm -f /tmp/ask*").succeeds();
        before.without_files().assert_comes_back(|| World::of(&sandbox).without_files());
        sandbox.write(CONFIG, "mtu: 1400\nbridge: second-br0\n");
        sandbox.sh("flatnet down --force").succeeds();
        sandbox.sh("ip -br link show type bridge").prints_exactly("");
    }
}

#[test]
fn bridge_damage_is_repaired() {
    mends(&[
        ("ip link del flatnet-br0", "link add dev flatnet-br0"),
        (
            "ip link set flatnet-br0 down; ip link set flatnet-br0 name lost0; ip link set lost0 up",
            "flatnet-br0",
        ),
        ("ip addr del 10.87.1.1/32 dev flatnet-br0", "addr add 10.87.1.1/32"),
        ("ip link set flatnet-br0 down", "link set dev flatnet-br0 up"),
        ("ip link set flatnet-br0 mtu 1200", "mtu 1400"),
        ("ip link set flatnet-br0 address 02:00:00:00:00:09", "address 02:f1:0a:57:01:01"),
        ("sysctl -qw net.ipv4.ip_forward=0", "ip_forward=1"),
        ("sysctl -qw net.ipv6.conf.flatnet-br0.disable_ipv6=0", "disable_ipv6=1"),
        ("ip link set flatnet-br0 group 0", "flatnet-br0 group"),
        ("ip route del unreachable 10.87.1.0/24", "unreachable 10.87.1.0/24"),
    ]);
}

/// Damage to a bridge whose ports are containers' links.
#[test]
fn plain_bridge_damage_is_repaired() {
    mends_in(
        "bridging: plain\n",
        &[
            (
                "ip link add lost0 type bridge; ip link set lost0 alias $(ip -j link show flatnet-br0 | jq -r .[].ifalias)
                 for port in $(ip -j link show master flatnet-br0 | jq -r .[].ifname); do ip link set $port master lost0; done",
                "master flatnet-br0",
            ),
            ("ip link del flatnet-br0", "link add dev flatnet-br0"),
            ("ip addr del 10.87.1.1/24 dev flatnet-br0", "addr add 10.87.1.1/24"),
            ("sysctl -qw net.ipv4.conf.flatnet-br0.proxy_arp=0", "proxy_arp=1"),
            ("nft delete table arp flatnet", "replace table flatnet"),
        ],
    );
}

#[test]
fn plain_link_damage_is_repaired() {
    let link = host_link("c1", "eth0");
    mends_in(
        "bridging: plain\n",
        &[
            (&format!("ip link del {link}"), "type veth"),
            (&format!("ip link set {link} nomaster"), "master flatnet-br0"),
            (&format!("bridge link set dev {link} isolated on"), "isolated off"),
            (&format!("bridge link set dev {link} locked off learning on"), "locked on"),
            (&format!("bridge fdb del 02:f1:0a:57:01:02 dev {link} master"), "fdb add"),
            (&format!("ip link set {link} arp on"), "arp off"),
            (
                "nft delete element inet flatnet frame_bindings '{ 02:f1:0a:57:01:02 . 10.87.1.2 }'",
                "10.87.1.2",
            ),
            ("nft delete element arp flatnet bindings '{ 02:f1:0a:57:01:02 . 10.87.1.2 }'", "10.87.1.2"),
        ],
    );
}

#[test]
fn link_damage_is_repaired() {
    let link = host_link("c1", "eth0");
    mends(&[
        (&format!("ip link del {link}"), "type veth"),
        (&format!("ip link set {link} down"), &format!("{link} up")),
        (&format!("ip link set {link} down; ip link set {link} up"), "route append 10.87.1.2/32"),
        (&format!("ip route del 10.87.1.2 dev {link}"), "route append 10.87.1.2/32"),
        (&format!("ip link set {link} group 0"), "group"),
        (&format!("ip link set {link} arp on"), "arp off"),
        (&format!("ip link set {link} address 02:00:00:00:00:09"), "address 02:f1:0a:57:01:02"),
        (&format!("ip link set {link} mtu 1300"), "mtu 1400"),
        (&format!("ip link set {link} addrgenmode eui64"), "addrgenmode none"),
        (&format!("ip link set {link} master flatnet-br0"), "nomaster"),
        (&format!("sysctl -qw net.ipv4.conf.{link}.route_localnet=0"), "route_localnet=1"),
        ("ip -n c1 route del 10.87.1.1", "route append 10.87.1.1/32"),
        (
            "ip -n c1 route add 10.87.1.0/24 dev eth0 proto kernel scope link src 10.87.1.2",
            "route del 10.87.1.0/24",
        ),
        ("ip -n c1 link set eth0 arp on", "eth0 arp off"),
        (&format!("ip link set {link} alias ''"), "alias"),
        ("ip -n c1 link set eth0 down", "eth0 up"),
        ("ip -n c1 addr del 10.87.1.2/24 dev eth0", "addr add 10.87.1.2/24"),
        ("ip -n c2 route del default", "route append default"),
        ("ip -n c2 link set eth0 address 02:00:00:00:00:09", "address 02:f1:0a:57:01:03"),
        // With an MTU below 1280 the kernel discards the link's IPv6 settings.
        ("ip -n c2 link set eth0 mtu 1300", "mtu 1400"),
    ]);
}

#[test]
fn all_at_once() {
    let link = host_link("c1", "eth0");
    mends(&[(
        &format!(
            "nft flush ruleset; nft add table inet bystander; ip link del {link}; ip link del flatnet-br0; \
             sysctl -qw net.ipv4.ip_forward=0; rm /var/lib/flatnet/flatnet/host.json"
        ),
        "link add dev flatnet-br0",
    )]);
}

#[test]
fn extra_bridge_address_is_kept_and_reported() {
    let (sandbox, healthy, results) = running();
    sandbox.sh("ip addr flush dev flatnet-br0; ip addr add 192.0.2.1/24 dev flatnet-br0").succeeds();
    let said = Call::check("c1", &results[0]).run(&sandbox).fails();
    assert!(said.contains("192.0.2.1/24"), "{said}");
    let output = sandbox.sh("flatnet repair").prints("addr add 10.87.1.1/32");
    assert!(output.stderr.contains("192.0.2.1/24") && output.stderr.contains("ip addr del"), "{output}");
    Call::check("c1", &results[0]).run(&sandbox).succeeds_silently();
    sandbox.sh("ip addr del 192.0.2.1/24 dev flatnet-br0").succeeds();
    healthy.assert_is_back(&sandbox);
}

#[test]
fn foreign_drop_is_reported_but_left_alone() {
    let (sandbox, healthy, results) = running();
    sandbox
        .sh("nft add chain inet bystander c '{ type filter hook forward priority 0; policy drop; }'")
        .succeeds();
    let dropping = World::of(&sandbox);
    let said = Call::check("c1", &results[0]).run(&sandbox).fails();
    assert!(
        said.contains("chain c of table inet bystander drops") && said.contains("nft insert rule"),
        "{said}"
    );
    let output = sandbox.sh("flatnet repair").prints("Nothing to do");
    dropping.assert_is_back(&sandbox);
    let shown = [
        "bystander drops",
        "\n  help: An accept of Flatnet's",
        "\n  run:\n    nft insert rule inet bystander c ip saddr",
    ];
    assert!(shown.iter().all(|part| output.stderr.contains(part)), "{output}");
    let told = sandbox.sh("flatnet repair --json").succeeds().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let keys: Vec<_> = told["left"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["commands", "help", "what"]);
    let commands = told["left"][0]["commands"].as_array().unwrap().iter().map(|one| one.as_str().unwrap());
    sandbox.sh(&commands.collect::<Vec<_>>().join("\n")).succeeds();
    Call::check("c1", &results[0]).run(&sandbox).succeeds_silently();
    sandbox.sh("nft delete chain inet bystander c").succeeds();
    healthy.assert_is_back(&sandbox);
}

#[test]
fn lost_receipts_and_leases_are_rebuilt() {
    let (sandbox, healthy, results) = running();
    for lost in [
        "rm -r /var/lib/flatnet/flatnet",
        "rm /var/lib/flatnet/flatnet/leases.json",
        "rm /var/lib/flatnet/flatnet/receipts/c1@eth0.json",
        "echo garbage >/var/lib/flatnet/flatnet/receipts/c1@eth0.json",
        ": >/var/lib/flatnet/flatnet/leases.json; echo '{}' >/var/lib/flatnet/flatnet/receipts/c2@eth0.json",
    ] {
        sandbox.sh(lost).succeeds();
        sandbox.sh("flatnet repair").succeeds();
        healthy.clone().without_files().assert_is_back_but_for_files(&sandbox);
        for (id, result) in [("c1", &results[0]), ("c2", &results[1])] {
            Call::check(id, result).run(&sandbox).succeeds_silently();
        }
        sandbox.sh("flatnet ps --json").prints("10.87.1.3");
        let aside = sandbox.sh("find /var/lib/flatnet -name '*.bad-*'").succeeds().stdout;
        let output = sandbox.sh("flatnet repair").prints("Nothing to do");
        assert!(aside.lines().all(|path| output.stderr.contains(path)), "{aside}{output}");
        sandbox.sh("find /var/lib/flatnet -name '*.bad-*' -delete").succeeds();
    }
    // A rebuilt receipt undoes the same as the original one.
    sandbox.sh("rm -r /var/lib/flatnet/flatnet; flatnet repair").succeeds();
    sandbox.add_netns("c3");
    let third = Call::add("c3").run(&sandbox).succeeds();
    assert_eq!(third["ips"][0]["address"], json!("10.87.1.4/24"));
    for id in ["c1", "c2", "c3"] {
        Call::del(id).run(&sandbox).succeeds_silently();
    }
    sandbox.sh("ip -br link").succeeds();
    sandbox.sh("nft list ruleset | grep -c 02:f1").exits_with(1);
    sandbox.sh("ls -A /var/lib/flatnet/flatnet/receipts /run/flatnet/flatnet | grep -c @").exits_with(1);
}

#[test]
fn lost_state_causes_no_duplicate_address() {
    let (sandbox, _, _) = running();
    sandbox.add_netns("c3");
    sandbox.sh("rm -r /var/lib/flatnet/flatnet").succeeds();
    let third = Call::add("c3").run(&sandbox).succeeds();
    assert_eq!(third["ips"][0]["address"], json!("10.87.1.4/24"));
    sandbox.sh(r#"flatnet ps --json | grep -c '"address": "10.87.1.2"'"#).prints_exactly("1");
    // leases.json is replaced with an older copy: the receipts still have the newer address.
    sandbox.sh("cp /var/lib/flatnet/flatnet/leases.json /tmp/old").succeeds();
    sandbox.add_netns("c4");
    Call::add("c4").run(&sandbox).succeeds();
    sandbox.sh("cp /tmp/old /var/lib/flatnet/flatnet/leases.json").succeeds();
    sandbox.add_netns("c5");
    let fifth = Call::add("c5").run(&sandbox).succeeds();
    assert_eq!(fifth["ips"][0]["address"], json!("10.87.1.6/24"));
}

#[test]
fn marked_orphans_are_removed() {
    let (sandbox, healthy, _) = running();
    sandbox.add_netns("c3");
    let before = World::of(&sandbox);
    let link = host_link("c3", "eth0");
    for (make, named) in [
        (
            format!(
                "ip link add {link} alias x type veth peer name eth0 netns c3; ip link set {link} alias flatnet/flatnet/c3/eth0"
            ),
            link.as_str(),
        ),
        (
            "nft add element inet flatnet bindings '{ \"fn999999999999\" . 10.87.1.9 comment \"c9\" }'"
                .to_owned(),
            "10.87.1.9",
        ),
        (
            "nft add element inet flatnet published_anywhere '{ tcp . 99 comment \"c9\" : 10.87.1.9 . 9 }'"
                .to_owned(),
            "tcp . 99",
        ),
        (
            "ip link add spare type bridge; ip link set spare alias flatnet/flatnet".to_owned(),
            "link del dev spare",
        ),
        (
            "ip link add spare type bridge; ip link set spare alias $(cat /sys/class/net/flatnet-br0/ifalias)"
                .to_owned(),
            "link del dev spare",
        ),
        (": >/run/flatnet/flatnet/fn000000000000.lock".to_owned(), ""),
    ] {
        sandbox.sh(&make).succeeds();
        sandbox.sh("flatnet repair --dry-run").prints(named);
        sandbox.sh("flatnet repair").prints(named);
        before.assert_is_back(&sandbox);
    }
    // Commands pasted from a plan make an attachment: repair records it, and DEL undoes it.
    sandbox
        .sh("flatnet plan add web3 --netns /run/netns/c3 --id c3 --dry-run --format sh >/tmp/add.sh; sh /tmp/add.sh; flatnet repair")
        .prints("c3");
    sandbox.sh("flatnet ps").prints("10.87.1.4");
    Call::del("c3").run(&sandbox).succeeds_silently();
    sandbox.sh("rm /tmp/add.sh").succeeds();
    before.assert_is_back(&sandbox);
    sandbox.sh("ip netns del c3").succeeds();
    healthy.assert_is_back(&sandbox);
}

#[test]
fn runtime_gc_removes_attachments_without_receipt() {
    let (sandbox, _, _) = running();
    sandbox.sh("rm /var/lib/flatnet/flatnet/receipts/*").succeeds();
    let before = World::of(&sandbox);
    let listed = [("c1", "eth0"), ("c2", "eth0")];
    Call::gc(&listed).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    sandbox
        .sh("nft add element inet flatnet bindings '{ \"fn999999999999\" . 10.87.1.9 comment \"c9\" }'")
        .succeeds();
    Call::gc(&listed).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    Call::gc(&listed[..1]).run(&sandbox).succeeds_silently();
    sandbox.sh("flatnet repair; flatnet ps --json | jq -r '.[].address'").prints("10.87.1.2");
    sandbox.sh("ip -br link show type veth | wc -l; nft list ruleset | grep -c 10.87.1.3").exits_with(1);
}

#[test]
fn unmarked_objects_are_kept() {
    let (sandbox, _, _) = running();
    let link = host_link("c1", "eth0");
    sandbox
        .sh(&format!(
            "ip link del {link}; ip link add {link} type ifb; ip link set {link} alias somebody
             ip link add other type bridge; ip link set other alias flatnet/another
             ip link add fnffffffffffff type ifb"
        ))
        .succeeds();
    let before = World::of(&sandbox);
    let output = sandbox.sh("flatnet repair").succeeds();
    assert!(
        output.stderr.contains(&link) && output.stderr.contains("does not belong to Flatnet"),
        "{output}"
    );
    before.assert_is_back(&sandbox);
}

#[test]
fn dead_and_unfinished_attachments_are_undone() {
    let (sandbox, healthy, _) = running();
    sandbox.add_netns("c3");
    sandbox.write(
        "/opt/fake/ip",
        "#!/bin/sh\ncase \"$*\" in *c3*) exec sleep 100;; esac\nexec /usr/sbin/ip \"$@\"\n",
    );
    sandbox.sh("chmod 755 /opt/fake/ip").succeeds();
    let yaml = "mtu: 1400\n";
    sandbox.write(CONFIG, &format!("{yaml}tools: {{ip: /opt/fake/ip}}\n"));
    sandbox.sh("flatnet up; ip -n c3 link set lo up").succeeds();
    // ADD is killed while its command for the container's end of the pair hangs.
    let add = Call::add("c3").script();
    sandbox
        .sh(&format!("{{ {add} & }} >/dev/null; sleep 1; pkill -KILL -x flatnet; pkill -KILL -x sleep"))
        .succeeds();
    sandbox.write(CONFIG, yaml);
    sandbox.sh("flatnet repair").prints("fn");
    sandbox.sh("ip netns del c3; rm -r /opt/fake; flatnet up").succeeds();
    healthy.assert_is_back(&sandbox);
    // A namespace is deleted without DEL.
    sandbox.add_netns("c3");
    Call::add("c3").run(&sandbox).succeeds();
    sandbox.sh("ip netns del c3").succeeds();
    sandbox.eventually(&format!("! ip link show {}", host_link("c3", "eth0")));
    sandbox.sh("flatnet repair --dry-run").prints("is gone");
    sandbox.sh("flatnet repair").prints("no longer holds 10.87.1.4");
    healthy.assert_is_back(&sandbox);
}

#[test]
fn printed_repair_works_when_pasted() {
    let (sandbox, healthy, _) = running();
    let kernel = healthy.without_files();
    let link = host_link("c1", "eth0");
    sandbox
        .sh(&format!(
            "nft flush ruleset; nft add table inet bystander; ip link del flatnet-br0; ip link del {link}"
        ))
        .succeeds();
    sandbox.sh("flatnet repair --dry-run --format sh >/tmp/mend.sh; sh /tmp/mend.sh").succeeds();
    kernel.assert_is_back_but_for_files(&sandbox);
    sandbox.sh("flatnet repair").prints("Nothing to do");
    // Containers are changed over on a host that also has other damage.
    for mode in ["plain", "routed", "plain"] {
        sandbox.write(CONFIG, &format!("mtu: 1400\nbridging: {mode}\n"));
        sandbox.sh("ip link set flatnet-br0 mtu 1200; sysctl -qw net.ipv4.ip_forward=0").succeeds();
        sandbox.sh("flatnet repair --dry-run --format sh >/tmp/mend.sh; sh -e /tmp/mend.sh").succeeds();
        sandbox.sh("ip netns exec c2 ping -c 1 -W 2 10.87.1.2").succeeds();
        sandbox.sh("flatnet repair").succeeds();
        sandbox.sh("ip netns exec c2 ping -c 1 -W 2 10.87.1.2").succeeds();
    }
}

/// Podman may run in a separate mount namespace (a container machine, a unit with `PrivateMounts=`). Here, the path
/// that Podman gave is then an empty file, or another namespace. Repair finds the namespace through a process; without
/// a process it leaves the container alone.
#[test]
fn hidden_namespace_is_found_by_process_or_left_alone() {
    let (sandbox, _, _) = running();
    sandbox.sh("ip netns exec c1 sleep 1000 & unshare --mount --propagation private sleep 1000 &").succeeds();
    sandbox.eventually("pgrep --full '^sleep 1000' | grep -c . | grep -qx 2");
    sandbox.sh("umount /run/netns/c1 /run/netns/c2").succeeds();
    let whole = World::of(&sandbox);
    let left_alone = |sandbox: &Sandbox| {
        let output = sandbox.sh("flatnet repair").succeeds();
        assert!(output.stdout.contains("Nothing to do"), "{output}");
        assert!(output.stderr.contains("c2 (eth0) is not visible from here"), "{output}");
        assert!(
            !output.stderr.contains("container c1") && !output.stderr.contains("podman restart"),
            "{output}"
        );
        sandbox.sh("flatnet gc").prints("Nothing to free");
        let doctor = sandbox.sh("flatnet doctor || true").succeeds().stdout;
        assert!(
            doctor.contains("c2 (eth0), 10.87.1.3: its network namespace is not visible from here"),
            "{doctor}"
        );
        assert!(doctor.contains("container-links: 1 container is unchanged"), "{doctor}");
        whole.assert_is_back(sandbox);
    };
    left_alone(&sandbox);
    let inside = "for pid in $(pgrep --full '^sleep 1000'); do
                      [[ /proc/$pid/ns/net -ef /proc/self/ns/net ]] || nsenter --net --target $pid ip route del default
                  done";
    sandbox.sh(inside).succeeds();
    sandbox.sh("flatnet repair").prints("route append default via 10.87.1.1");
    left_alone(&sandbox);
    // The path leads to another namespace, which also has an eth0.
    sandbox
        .sh("ip netns add c3; mount --bind /run/netns/c3 /run/netns/c2; ip -n c3 link add eth0 type ifb")
        .succeeds();
    let output = sandbox.sh("flatnet repair").succeeds();
    assert!(output.stderr.contains("c2 (eth0) is not visible from here"), "{output}");
    sandbox.sh("ip -n c3 addr show dev eth0").succeeds().stdout.lines().for_each(|line| {
        assert!(!line.contains("10.87.1."), "{line}");
    });
}

/// Neither the receipt nor the link's name shows that the attachment exists, but the link's mark does.
#[test]
fn a_renamed_link_without_a_receipt_keeps_its_address() {
    let (sandbox, _, _) = running();
    let link = host_link("c2", "eth0");
    let rename = |from: &str, to: &str| {
        format!("ip link set {from} down; ip link set {from} name {to}; ip link set {to} up")
    };
    sandbox
        .sh(&format!("rm /var/lib/flatnet/flatnet/receipts/c2@eth0.json; {}", rename(&link, "x0")))
        .succeeds();
    sandbox.sh("flatnet repair").succeeds();
    sandbox.sh("flatnet gc").succeeds();
    sandbox.add_netns("c3");
    let added = Call::add("c3").run(&sandbox).succeeds();
    assert_eq!(added["ips"][0]["address"], "10.87.1.4/24");
}
