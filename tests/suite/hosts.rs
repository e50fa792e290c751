//! Hosts with hardened sysctls, and hosts with other programs that manage links and rules: Debian 13's own programs.

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::traffic::{HOST, NAMELESS, NFT_WITHOUT_FIB, Probe, SILENCE, World, probe};

/// Settings of hardened hosts. Each applies to all existing links and to new ones.
const HARDENED: [&[&str]; 11] = [
    &["arp_ignore=1", "arp_announce=2", "arp_filter=1"],
    &["arp_ignore=2"],
    &["rp_filter=1"],
    &["rp_filter=2"],
    &["rp_filter=1", "arp_ignore=1", "log_martians=1", "accept_local=0", "accept_source_route=0"],
    &["send_redirects=0", "accept_redirects=0", "secure_redirects=0", "shared_media=0"],
    &["drop_unicast_in_l2_multicast=1", "arp_notify=1", "drop_gratuitous_arp=1"],
    &["proxy_arp=1", "route_localnet=1", "promote_secondaries=1"],
    &["/bridge/bridge-nf-call-iptables=1", "/bridge/bridge-nf-call-arptables=1", "rp_filter=1"],
    &["/ipv6/conf/all/disable_ipv6=1", "/ipv6/conf/default/disable_ipv6=1"],
    &["/ipv4/conf/default/forwarding=0", "/netfilter/nf_conntrack_tcp_loose=0"],
];

fn published() -> Value {
    json!(["tcp", "udp"].map(|proto| json!({"hostPort": 8080, "containerPort": 80, "protocol": proto})))
}

/// A host with c2, which publishes a port, and c3, which does not.
fn with_containers(builder: crate::sandbox::Builder, yaml: &str) -> World {
    let world = World::new(builder, yaml);
    world.sh("flatnet up");
    world.attach("c2", &published());
    world.attach("c3", &json!([]));
    serve(&world);
    world
}

fn serve(world: &World) {
    world.serve(&["c2", "c3", "stranger"].map(|name| (name, name, "0.0.0.0", &[80][..])));
}

/// Probes in all directions, with the answers of a host without hardening.
fn everything() -> Vec<Probe> {
    let mut probes = Vec::new();
    for proto in ["tcp", "udp"] {
        probes.extend([
            probe("container to container", "c2", proto, "10.87.1.3", 80, "c3 10.87.1.2"),
            probe("host to container", HOST, proto, "10.87.1.2", 80, "c2 10.87.1.1"),
            probe("gateway to container", "gw", proto, "10.87.1.3", 80, "c3 192.168.50.1"),
            probe("container to LAN", "c3", proto, "192.168.50.66", 80, "stranger 192.168.50.2"),
            probe("published, from the LAN", "stranger", proto, "192.168.50.2", 8080, "c2 192.168.50.66"),
            probe("published, at 127.0.0.1", HOST, proto, "127.0.0.1", 8080, "c2 10.87.1.1"),
            probe("published, from a container", "c3", proto, "192.168.50.2", 8080, "c2 10.87.1.1"),
            probe("published, from itself", "c2", proto, "192.168.50.2", 8080, "c2 10.87.1.1"),
        ]);
    }
    probes
}

fn hardened_hosts(fib: bool) {
    let tools = if fib { String::new() } else { format!("tools: {{nft: {NFT_WITHOUT_FIB}}}\n") };
    let world = with_containers(Sandbox::podman4(), &tools);
    world.bridge_nf_call(0);
    world.sh("grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/bridge >/tmp/as-it-was");
    for settings in HARDENED {
        let name = settings.join(" ");
        // Containers get the settings too: a new network namespace inherits from the machine's initial namespace, not
        // from the sandbox's.
        let set: String = settings
            .iter()
            .flat_map(|setting| match setting.strip_prefix('/') {
                Some(global) => vec![format!("sysctl -qw net/{global}")],
                None => ["all", "default"]
                    .iter()
                    .flat_map(|which| {
                        let set = format!("sysctl -qw net/ipv4/conf/{which}/{setting}");
                        [set.clone(), format!("ip netns exec c2 {set}"), format!("ip netns exec c3 {set}")]
                    })
                    .collect(),
            })
            .collect::<Vec<_>>()
            .join("\n");
        world.sh(&set);
        // First with containers that are already attached, then with containers attached on the hardened host.
        world.ask(&format!("{name}, fib {fib}"), &everything());
        for container in ["c2", "c3"] {
            let ports = if container == "c2" { published() } else { json!([]) };
            world.cni("DEL", container, &ports).succeeds();
            world.attach(container, &ports);
        }
        world.ask(&format!("{name}, fib {fib}, attached again"), &everything());
        world.sh("flatnet plan --exit-code; flatnet repair --dry-run | grep '^Nothing to do'");
        world.sh("sed 's/:/ /' /tmp/as-it-was | while read -r file value; do [ ! -e $file ] || [ \"$(<$file)\" = \"$value\" ] || echo \"$value\" >$file; done");
    }
    // This test can fail: without forwarding nothing is reachable. Repair fixes it.
    world.sh("sysctl -qw net.ipv4.conf.all.forwarding=0");
    world.ask("forwarding off", &[probe("container to container", "c2", "tcp", "10.87.1.3", 80, SILENCE)]);
    world.sh("flatnet repair");
    world.ask("repaired", &everything());
}

#[test]
fn hardened_hosts_with_fib() {
    hardened_hosts(true);
}

#[test]
fn hardened_hosts_without_fib() {
    hardened_hosts(false);
}

/// As with `ipv6.disable=1`: links have no IPv6 settings, and no command uses one.
#[test]
fn kernel_without_ipv6_works() {
    let world = World::new(Sandbox::podman4(), "");
    world.sh("mkdir /empty; mount --bind /empty /proc/sys/net/ipv6");
    attach_both(&world);
    serve(&world);
    world.ask("without IPv6", &everything());
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'");
    let plans = world.sh("cat /var/lib/flatnet/flatnet/receipts/*; flatnet plan down");
    assert!(!plans.contains("addrgenmode") && !plans.contains("ipv6/conf"), "{plans}");
}

/// A Debian 13 with udev and D-Bus, which programs that manage links and rules need. Only udev's rules for links are
/// kept: events of the machine's other devices are irrelevant here.
fn debian(yaml: &str) -> World {
    let world = World::new(Sandbox::trixie(), yaml);
    world.sh("cd /usr/lib/udev/rules.d
        for rules in *; do case $rules in 7[35]-*net*|80-net-setup*|85-nm*|99-systemd*) ;; *) rm $rules ;; esac; done
        mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile >&2");
    start(&world, "/usr/lib/systemd/systemd-udevd", "udevadm settle -t 1");
    world.sh("udevadm trigger --subsystem-match=net --action=add; udevadm settle -t 10");
    world
}

/// Starts a program and waits until it is ready. A previous instance is ended first.
fn start(world: &World, command: &str, is_ready: &str) {
    let name = command.split([' ', '/']).rev().find(|word| !word.starts_with('-')).unwrap_or_default();
    let end = "kill $(<$pid); while kill -0 $(<$pid) 2>/dev/null; do sleep 0.05; done; rm $pid";
    world.sh(&format!("pid=/run/{name}-test.pid; [ ! -e $pid ] || {{ {end}; }}"));
    world.sh(&format!("{command} >/tmp/{name}.log 2>&1 </dev/null & echo $! >/run/{name}-test.pid"));
    world.sandbox.eventually(is_ready).succeeds();
}

/// Runs `flatnet init` where the folder `marker` exists, and then `command`, which `init` prints.
fn init(world: &World, marker: &str, command: &str) {
    let said = world.sh(&format!("mkdir -p {marker}; flatnet init"));
    assert!(said.contains(&format!("ignores Flatnet's links:\n  {command}\n")), "{said}");
    world.sh(command);
}

fn attach_both(world: &World) {
    world.sh("flatnet up");
    world.attach("c2", &published());
    world.attach("c3", &json!([]));
}

#[test]
fn systemd_networkd_leaves_containers_links_alone() {
    let world = debian(NAMELESS);
    world
        .sandbox
        .write("/etc/systemd/network/10-eth0.network", "[Match]\nName=eth0\n[Link]\nUnmanaged=yes\n");
    world.sandbox.write(
        "/etc/systemd/network/20-all.network",
        "[Match]\nName=*\n[Link]\nGroup=7\nARP=yes\n[Network]\nLinkLocalAddressing=no\nConfigureWithoutCarrier=yes\n",
    );
    world.sh("mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
        chown -R systemd-network: /run/systemd/netif");
    let networkd =
        || start(&world, "/usr/lib/systemd/systemd-networkd", "networkctl | grep 'lo .*configured'");
    networkd();
    // Without Flatnet's configuration, networkd changes settings of the links.
    attach_both(&world);
    world.sandbox.eventually("ip -o link show group 7 | grep ': fn'").succeeds();
    networkd();
    world.sandbox.eventually("! ip route show proto 87 | grep ' dev fn'").succeeds();

    init(&world, "/run/systemd/system", "networkctl reload");
    world.sandbox.eventually("networkctl | grep 'flatnet-br0 .*unmanaged'").succeeds();
    world.sh("flatnet repair");
    serve(&world);
    world.ask("told to leave them alone", &everything());
    networkd();
    // networkd removes the unreachable route: it belongs to no link, so no setting protects it.
    world.sandbox.eventually("! ip route | grep unreachable").succeeds();
    world.ask("started again", &everything());
    let nobody = [("c3", SILENCE), (HOST, SILENCE)]
        .map(|(from, want)| probe("nobody", from, "tcp", "10.87.1.99", 80, want));
    world.ask("without the route", &nobody);
    assert!(world.counted("unused address of the subnet: never forwarded") > 0);
    assert!(world.counted("unused address of the subnet: the same for packets from this host") > 0);
    world.attach("c4", &json!([]));
    world.sh("ip route | grep 'unreachable 10.87.1.0/24'; flatnet repair --dry-run | grep '^Nothing to do'");
}

#[test]
fn network_manager_leaves_containers_links_alone() {
    let world = debian("");
    let eth0 = |way| format!("[keyfile]\nunmanaged-devices{way}interface-name:eth0;interface-name:fo0\n");
    let conf = "/etc/NetworkManager/conf.d/eth0.conf";
    world.sandbox.write(conf, &eth0("+="));
    start(&world, "/usr/sbin/NetworkManager --no-daemon", "nmcli device | grep '^lo '");
    attach_both(&world);
    world.sandbox.eventually("nmcli device | grep 'flatnet-br0 .*connected'").succeeds();
    // The kernel removes a route when its source address is removed.
    world.sh("nmcli networking off");
    world
        .sandbox
        .eventually("! ip address show dev flatnet-br0 | grep -w inet && ! ip route | grep ' dev fn'")
        .succeeds();

    world.sh("nmcli networking on");
    init(&world, "/run/NetworkManager", "nmcli general reload conf");
    world.sandbox.eventually("nmcli device | grep 'flatnet-br0 .*unmanaged'").succeeds();
    world.sh("flatnet repair");
    serve(&world);
    world.ask("told to leave them alone", &everything());
    world.sh("nmcli networking off");
    world.sandbox.eventually("nmcli device | grep '^lo .*unmanaged'").succeeds();
    world.ask("networking off", &everything());
    world.sh("nmcli networking on");

    // A later file replaces the list instead of extending it; then links are added.
    world.sandbox.write(conf, &eth0("="));
    for (name, ports) in [("c2", published()), ("c3", json!([]))] {
        world.cni("DEL", name, &ports).succeeds();
    }
    world.sh("flatnet down; nmcli general reload conf");
    attach_both(&world);
    world.sandbox.eventually("nmcli device | grep 'flatnet-br0 .*unmanaged'").succeeds();
    world.sh("nmcli networking off");
    world.sandbox.eventually("nmcli device | grep '^lo .*unmanaged'").succeeds();
    world.ask("the list replaced", &everything());
    world.sh("flatnet repair --dry-run | grep '^Nothing to do'");
}

#[test]
fn doctor_advice_opens_firewalld() {
    let world = debian("");
    attach_both(&world);
    serve(&world);
    world.ask("without it", &everything());
    start(&world, "/usr/sbin/firewalld --nofork --nopid", "firewall-cmd --state");
    world.sh("firewall-cmd -q --permanent --zone=public --add-interface=eth0; firewall-cmd -q --reload");
    let refused = |from| probe("refused", from, "tcp", "10.87.1.3", 80, "no route to host");
    world.ask("firewalld", &["c2", "gw"].map(refused));
    run_what_the_doctor_says(&world);
    world.ask("fixed", &everything());
    world.sh(&format!("[ -z \"$({DROPS})\" ]; firewall-cmd --complete-reload; flatnet repair"));
    world.ask("reloaded", &everything());
}

/// Prints the doctor's commands against foreign rules that drop packets.
const DROPS: &str = "{ flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"foreign-drops\") | .commands[]?'";

fn run_what_the_doctor_says(world: &World) {
    world.sh(&format!("{DROPS} >/tmp/mend; grep -c . /tmp/mend; sh -ex /tmp/mend"));
}

#[test]
fn doctor_advice_opens_ufw() {
    let world = World::new(Sandbox::trixie(), NAMELESS);
    attach_both(&world);
    serve(&world);
    world.ask("without it", &everything());
    world.sh("ufw --force enable; ufw status verbose | grep 'deny (routed)'");
    let refused = |what, from, to, port| probe(what, from, "tcp", to, port, SILENCE);
    world.ask(
        "ufw",
        &[
            refused("out", "c3", "192.168.50.66", 80),
            refused("in", "gw", "10.87.1.3", 80),
            refused("published", "stranger", "192.168.50.2", 8080),
        ],
    );
    run_what_the_doctor_says(&world);
    world.ask("fixed", &everything());
    world.sh(&format!("[ -z \"$({DROPS})\" ]; ufw reload; flatnet repair"));
    world.ask("reloaded", &everything());
    // This host resolves names for containers, and ufw blocks that: the doctor reports name servers that do not answer.
    world.serve(&[(HOST, "host", "10.87.1.1", &[53])]);
    let resolver = |want| probe("resolver", "c3", "udp", "10.87.1.1", 53, want);
    world.ask("without a word to ufw", &[resolver(SILENCE)]);
    world.sh("ufw allow from 10.87.1.0/24 to any port 53");
    world.ask("after it", &[resolver("host 10.87.1.3")]);
    // Flatnet's own rules still guard containers.
    world.ask("a stranger", &[refused("in", "stranger", "10.87.1.3", 80)]);
}
