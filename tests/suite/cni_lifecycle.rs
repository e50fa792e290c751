//! An attachment from ADD to DEL, with the changes that runtimes, reboots and people make in between.

use serde_json::json;

use crate::cni::{CONFIG, Call, address, host, host_link};
use crate::world::World;

#[test]
fn repeated_add_repairs_attachment() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let before = World::of(&sandbox).without_files();
    let first = Call::add("c1").run(&sandbox).succeeds();
    let attached = World::of(&sandbox).without_files();
    for damage in [
        "true",
        "ip -n c1 addr flush dev eth0",
        "ip -n c1 link del eth0",
        "nft flush ruleset",
        "rm /var/lib/flatnet/flatnet/leases.json",
    ] {
        sandbox.sh(damage).succeeds();
        let again = Call::add("c1").run(&sandbox).succeeds();
        assert_eq!(first, again, "after {damage}");
        attached.assert_is_back_but_for_files(&sandbox);
    }
    // A new namespace for the same ID: the machine was switched off, or the runtime was killed.
    sandbox.sh("ip netns del c1").succeeds();
    sandbox.add_netns("c1");
    assert_eq!(first, Call::add("c1").run(&sandbox).succeeds());
    attached.assert_is_back_but_for_files(&sandbox);
    Call::del("c1").run(&sandbox).succeeds_silently();
    sandbox.sh("flatnet down").succeeds();
    before.assert_is_back_but_for_files(&sandbox);
}

/// The kernel sets a bridge port to forwarding asynchronously, here as soon as the bridge is up.
#[test]
fn add_waits_until_bridge_port_forwards() {
    let sandbox = host("bridging: plain\n");
    sandbox.sh("flatnet up").succeeds();
    let port = host_link("c1", "eth0");
    // If /sys does not show this namespace, Flatnet asks `bridge`.
    for outside in ["true", "mount -t tmpfs none /sys"] {
        sandbox.add_netns("c1");
        sandbox.sh(outside).succeeds();
        sandbox
            .sh("ip link set flatnet-br0 down; (sleep 1; ip link set flatnet-br0 up) >/dev/null 2>&1 &")
            .succeeds();
        Call::add("c1").run(&sandbox).succeeds();
        sandbox.sh(&format!("bridge link show dev {port}")).prints("state forwarding");
        sandbox.sh("! grep -r 'not forwarding' /var/lib/flatnet").succeeds();
        Call::del("c1").run(&sandbox).succeeds_silently();
        sandbox.sh("ip netns del c1").succeeds();
    }
    // STP on the bridge delays the port for half a minute. ADD succeeds nevertheless.
    sandbox.add_netns("c1");
    sandbox.sh("ip link set flatnet-br0 type bridge stp_state 1").succeeds();
    Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("grep -r 'link not up yet' /var/lib/flatnet").succeeds();
}

#[test]
fn foreign_interface_in_container_is_left_alone() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up; ip -n c1 link add eth0 type veth peer name peer9; ip -n c1 addr add 192.0.2.1/24 dev eth0").succeeds();
    let before = World::of(&sandbox);
    let said = Call::add("c1").run(&sandbox).fails_with(104);
    assert!(said.contains("interface eth0 already exists in /run/netns/c1 and is not Flatnet's"), "{said}");
    before.assert_is_back(&sandbox);
    let result = Call::add("c1").ifname("net1").run(&sandbox).succeeds();
    assert_eq!(result["interfaces"][2]["name"], json!("net1"));
    Call::del("c1").ifname("net1").run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
}

#[test]
fn existing_default_route_of_container_is_kept() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("ip -n c1 link add net9 type veth peer name peer9; ip -n c1 link set peer9 up; ip -n c1 addr add 192.0.2.2/24 dev net9; ip -n c1 link set net9 up").succeeds();
    sandbox.sh("ip -n c1 route add default via 192.0.2.1; flatnet up").succeeds();
    let before = World::of(&sandbox);
    let result = Call::add("c1").run(&sandbox).succeeds();
    let routes = ["0.0.0.0/0", "10.87.0.0/16"].map(|to| json!({"dst": to, "gw": "10.87.1.1"}));
    assert_eq!(result["routes"], json!(routes));
    let way = "ip -n c1 route get 198.51.100.1";
    sandbox.sh(way).prints("via 192.0.2.1 dev net9");
    sandbox.sh("ip -n c1 route get 10.87.2.1").prints("via 10.87.1.1 dev eth0");
    sandbox.sh(&format!("ip -n c1 route del default via 192.0.2.1; {way}")).prints("via 10.87.1.1 dev eth0");
    sandbox.sh("ip -n c1 route add default via 192.0.2.1").succeeds();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
    Call::del("c1").run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
}

#[test]
fn del_is_idempotent_whatever_is_left() {
    let sandbox = host("");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let ports = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    let gone = "ip netns del c1";
    let lost = "rm -r /var/lib/flatnet/flatnet/receipts /var/lib/flatnet/flatnet/leases.json";
    for (done_before, netns) in [
        ("true", "/run/netns/c1"),
        ("true", ""),
        (gone, "/run/netns/c1"),
        (gone, ""),
        (lost, "/run/netns/c1"),
        ("nft flush ruleset", "/run/netns/c1"),
        ("ip link del flatnet-br0", "/run/netns/c1"),
        ("ip -n c1 link del eth0", "/run/netns/c1"),
        ("echo '{' >/var/lib/flatnet/flatnet/receipts/c1@eth0.json", "/run/netns/c1"),
    ] {
        sandbox.add_netns("c1");
        let result = Call::add("c1").conf("runtimeConfig", ports.clone()).run(&sandbox).succeeds();
        sandbox.sh(done_before).succeeds();
        Call::del("c1").netns(netns).conf("prevResult", result).run(&sandbox).succeeds_silently();
        Call::del("c1").netns(netns).run(&sandbox).succeeds_silently();
        Call::del("c1").netns("").run(&sandbox).succeeds_silently();
        sandbox.sh("ip netns del c1 2>/dev/null || true; rm -f /var/lib/flatnet/flatnet/receipts/*.bad-*; flatnet up").succeeds();
        before.assert_is_back(&sandbox);
    }
    // A container that was never attached.
    Call::del("c7").run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
}

/// The container deletes its link, and a foreign link takes the name before DEL.
#[test]
fn del_leaves_foreign_link_that_reuses_the_name() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    Call::add("c1").run(&sandbox).succeeds();
    let link = host_link("c1", "eth0");
    let script = format!(
        "ip -n c1 link del eth0; until ip link add {link} type veth peer name other; do sleep 0.1; done; ip link set {link} alias somebody"
    );
    sandbox.sh(&script).succeeds();
    Call::del("c1").run(&sandbox).succeeds_silently();
    sandbox.sh(&format!("ip link show dev {link}")).prints("alias somebody");
    assert!(!sandbox.sh("flatnet ps").succeeds().stdout.contains("c1"), "its address is free");
}

#[test]
fn gc_removes_all_unlisted_attachments() {
    let sandbox = host("");
    for id in ["c1", "c2", "c3", "c4"] {
        sandbox.add_netns(id);
    }
    Call::add("c1").run(&sandbox).succeeds();
    Call::add("c2").run(&sandbox).succeeds();
    sandbox.sh("ip netns del c4; ip netns add c4").succeeds();
    let before = World::of(&sandbox);
    Call::add("c3").run(&sandbox).succeeds();
    Call::add("c1").ifname("eth1").run(&sandbox).succeeds();
    Call::add("c4").run(&sandbox).succeeds();
    sandbox.sh("ip netns del c4; ip netns add c4").succeeds();
    // GC ignores names that Flatnet cannot have attached.
    Call::gc(&[("c1", "eth0"), ("c2", "eth0"), ("not ours", "*")]).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    Call::gc(&[("c1", "eth0"), ("c2", "eth0")]).run(&sandbox).succeeds_silently();
    before.assert_is_back(&sandbox);
    let result = Call::add("c2").run(&sandbox).succeeds();
    Call::check("c2", &result).run(&sandbox).succeeds_silently();
    // `null` is an empty list. A missing list is an error: GC would remove every attachment.
    let said = Call::gc(&[]).conf("cni.dev/valid-attachments", serde_json::Value::Null).run(&sandbox);
    said.succeeds_silently();
    sandbox.sh("ls /var/lib/flatnet/flatnet/receipts").prints_exactly("");
    let conf = json!({"cniVersion": "1.1.0", "name": "flatnet", "type": "flatnet"}).to_string();
    let said = Call::gc(&[]).stdin(&conf).run(&sandbox).fails_with(7);
    assert!(said.contains("cni.dev/valid-attachments"), "{said}");
}

#[test]
fn check_passes_after_add_and_names_what_is_missing() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let link = host_link("c1", "eth0");
    let bridge_of = |rule: &str| {
        format!(
            "handle=$(nft -a list chain inet flatnet {rule} | grep -o 'handle [0-9]*' | tail -1); nft delete rule inet flatnet {rule} $handle"
        )
    };
    let cases = [
        ("ip -n c1 addr del 10.87.1.2/24 dev eth0".to_owned(), "addr add 10.87.1.2/24"),
        ("ip -n c1 route del default".to_owned(), "route append default via 10.87.1.1"),
        ("ip -n c1 link set eth0 down".to_owned(), "link set dev eth0 up"),
        ("ip -n c1 link del eth0".to_owned(), link.as_str()),
        ("ip -n c1 route del 10.87.1.1".to_owned(), "route append 10.87.1.1/32 dev eth0"),
        ("ip -n c1 link set eth0 arp on".to_owned(), "eth0 arp off"),
        (format!("ip link set {link} down"), "up"),
        // When a link goes down, the kernel deletes its route and does not restore it.
        (format!("ip link set {link} down; ip link set {link} up"), "route append 10.87.1.2/32"),
        (format!("ip route del 10.87.1.2 dev {link}"), "route append 10.87.1.2/32"),
        (format!("ip link set {link} group 0"), "group"),
        (format!("ip link set {link} arp on"), "arp off"),
        (format!("ip link set {link} addrgenmode eui64"), "addrgenmode none"),
        (format!("ip link set {link} master flatnet-br0"), "nomaster"),
        (format!("sysctl -qw net.ipv4.conf.{link}.route_localnet=0"), "route_localnet=1"),
        (format!("nft delete element inet flatnet bindings '{{ {link} . 10.87.1.2 }}'"), "bindings"),
        (bridge_of("who_may_come_in"), "replace table flatnet"),
        ("nft flush table inet flatnet".to_owned(), "replace table flatnet"),
        ("ip link set flatnet-br0 down".to_owned(), "link set dev flatnet-br0 up"),
        ("ip addr flush dev flatnet-br0".to_owned(), "addr add 10.87.1.1/32"),
        ("ip link del flatnet-br0".to_owned(), "link add dev flatnet-br0"),
        ("ip link set flatnet-br0 group 0".to_owned(), "flatnet-br0 group"),
        ("ip route del unreachable 10.87.1.0/24".to_owned(), "unreachable 10.87.1.0/24"),
        ("sysctl -qw net.ipv4.ip_forward=0".to_owned(), "ip_forward=1"),
        ("rm /var/lib/flatnet/flatnet/receipts/c1@eth0.json".to_owned(), "is not attached"),
        (
            "sed -i 's/\"c1\"/\"c9\"/; s/,\"sha256\":\"[0-9a-f]*\"//' /var/lib/flatnet/flatnet/leases.json"
                .to_owned(),
            "without a lease",
        ),
    ];
    let port = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    for (damage, wanted) in cases {
        let result = Call::add("c1").conf("runtimeConfig", port.clone()).run(&sandbox).succeeds();
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
        sandbox.sh(&damage).succeeds();
        let checked = Call::check("c1", &result).run(&sandbox);
        assert_ne!(checked.status, Some(0), "CHECK does not see `{damage}`");
        let said = checked.fails();
        assert!(said.contains(wanted), "after {damage}: {said}");
        Call::del("c1").run(&sandbox).succeeds_silently();
        sandbox.sh("flatnet down --force; rm -rf /var/lib/flatnet; flatnet up").succeeds();
    }
}

#[test]
fn check_compares_required_prev_result() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let mut result = Call::add("c1").version(version).run(&sandbox).succeeds();
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
        let said = Call::new("CHECK", "c1").version(version).run(&sandbox).fails_with(7);
        assert!(said.contains("prevResult"), "{said}");
        result["ips"][0]["address"] = json!("10.87.1.99/24");
        let said = Call::check("c1", &result).run(&sandbox).fails_with(107);
        assert!(said.contains("10.87.1.2, which is not in the"), "{said}");
    }
    let result = Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("ip netns del c1").succeeds();
    Call::check("c1", &result).run(&sandbox).fails_with(8);
}

#[test]
fn check_tolerates_changes_by_later_plugins() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    let result = Call::add("c1").run(&sandbox).succeeds();
    sandbox
        .sh("ip -n c1 addr add 192.0.2.7/24 dev eth0; ip -n c1 route add 198.51.100.0/24 via 192.0.2.1
             ip -n c1 link add net9 type veth peer name peer9; nft add table inet later")
        .succeeds();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
}

#[test]
fn containers_have_own_addresses_and_reach_each_other() {
    let sandbox = host("");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    let mut addresses = Vec::new();
    for id in ["c1", "c2", "c3"] {
        sandbox.add_netns(id);
        addresses.push(address(&Call::add(id).run(&sandbox).succeeds()));
    }
    assert_eq!(addresses, ["10.87.1.2", "10.87.1.3", "10.87.1.4"]);
    sandbox
        .sh("ip netns exec c1 ping -c 1 -W 2 10.87.1.3; ip netns exec c2 ping -c 1 -W 2 10.87.1.4")
        .succeeds();
    for id in ["c2", "c1", "c3"] {
        Call::del(id).run(&sandbox).succeeds_silently();
        sandbox.sh(&format!("ip netns del {id}")).succeeds();
    }
    before.assert_is_back(&sandbox);
}

/// Podman holds its locks while a plugin runs, so a plugin that calls Podman would deadlock.
#[test]
fn no_verb_calls_podman() {
    let sandbox = host("");
    let witness = "#!/bin/sh\ntouch /tmp/podman-was-called\n";
    sandbox.write("/usr/sbin/podman", witness);
    sandbox.sh("chmod 755 /usr/sbin/podman; podman; rm /tmp/podman-was-called").succeeds();
    sandbox.add_netns("c1");
    let result = Call::add("c1").run(&sandbox).succeeds();
    Call::check("c1", &result).run(&sandbox).succeeds_silently();
    Call::status().run(&sandbox).succeeds_silently();
    Call::gc(&[("c1", "eth0")]).run(&sandbox).succeeds_silently();
    Call::del("c1").run(&sandbox).succeeds_silently();
    let setup = json!({
        "container_id": "c1", "container_name": "web",
        "network": {"name": "flatnet", "id": "0", "driver": "flatnet", "ipam_options": {"driver": "flatnet"}},
        "network_options": {"interface_name": "eth0"},
    });
    sandbox.write("/tmp/setup.json", &setup.to_string());
    sandbox.sh("flatnet setup /run/netns/c1 </tmp/setup.json").succeeds();
    sandbox.sh("flatnet teardown /run/netns/c1 </tmp/setup.json").succeeds();
    sandbox.sh("[[ ! -e /tmp/podman-was-called ]]").succeeds();
}

/// DEL also removes attachments made under the network's previous name, from this host's state of that name.
#[test]
fn del_uses_network_name_of_attachment() {
    let sandbox = host("mtu: 1400\n");
    sandbox.sh("flatnet up").succeeds();
    sandbox.add_netns("c1");
    let before = World::of(&sandbox).without_files();
    Call::add("c1").run(&sandbox).succeeds();
    sandbox.write(CONFIG, "mtu: 1400\nnetwork: lab\n");
    let refused = Call::add("c1").run(&sandbox).fails();
    assert!(refused.contains("FLAT-E015"), "{refused}");
    Call::del("c1").run(&sandbox).succeeds_silently();
    before.assert_is_back_but_for_files(&sandbox);
    assert_eq!(sandbox.sh("ls /var/lib/flatnet/flatnet/receipts").succeeds().stdout, "");
    // DEL with an unknown network creates no state.
    let unknown = Call::del("c1").conf("name", json!("nowhere")).run(&sandbox).fails();
    assert!(unknown.contains("FLAT-E015"), "{unknown}");
    sandbox.sh("test ! -e /var/lib/flatnet/nowhere").succeeds();
}
