//! The doctor's checks inside running containers. `flatnet status` also reports what a container lost, and reports
//! nothing about a healthy one.

use crate::doctor::{assert_well, go_on, well};
use crate::podman::{IMAGE, Lab, YAML, name_server, on_both};
use crate::sandbox::{Output, Sandbox};

on_both!(
    container_that_can_resolve_is_healthy,
    failed_network_reload_is_reported,
    lost_default_route_is_reported,
    closed_resolver_is_reported,
    firewall_before_the_resolver_is_reported,
    silent_name_server_among_others_is_reported,
);

/// Asserts that `flatnet status` exits with 1 and prints each of `what`. Returns the output of the doctor, which must
/// exit with `exit`.
#[track_caller]
fn shows(sandbox: &Sandbox, exit: i32, what: &[&str]) -> Output {
    let status = sandbox.sh("flatnet status").exits_with(1);
    for part in [&["container-network: "], what].concat() {
        assert!(status.stdout.contains(part), "\"{part}\" is missing: {status}");
    }
    sandbox.sh("flatnet doctor").exits_with(exit)
}

/// Runs the commands that `flatnet status` prints.
fn run_what_status_prints(lab: &Lab) {
    lab.sh("{ flatnet status --json || true; } | jq -r '.problems[].commands[]?' >/tmp/mend; grep -c . /tmp/mend; sh -ex /tmp/mend")
        .succeeds();
}

#[track_caller]
fn is_well(lab: &Lab) {
    lab.sh("flatnet status").succeeds().prints("none");
    assert_well(&lab.sandbox, "inside of containers");
}

fn container_that_can_resolve_is_healthy(lab: &Lab) {
    lab.sh(&format!(
        "podman pod create --name pod --network flatnet --infra-image {IMAGE} --infra-command 'sleep 1000'
        podman run -d --pod pod --name in-pod {IMAGE} sleep 1000"
    ))
    .succeeds();
    lab.run("web", "");
    lab.run("given", "--dns 10.87.1.1");
    lab.run("asks-nobody", "--dns none");
    lab.sh(&format!("podman run -d --name beside --network container:web {IMAGE} sleep 3600")).succeeds();
    // The name server of the second network, if there is one, does not resolve names of other networks.
    lab.sh(&format!("podman network create other; podman run -d --name both --network flatnet,other --dns 10.87.1.1 {IMAGE}"))
        .succeeds();
    lab.sh(&format!("podman run -d --name late --network other --dns 10.87.1.1 {IMAGE}; podman network connect flatnet late"))
        .succeeds();
    // Imitates `podman pause`, which needs cgroups.
    lab.sh("kill -STOP $(podman inspect given --format '{{.State.Pid}}')").succeeds();
    is_well(lab);
    let doctor = lab.sh("flatnet doctor").succeeds().stdout;
    assert!(
        doctor.contains("containers have their links, addresses and routes, and their name servers answer"),
        "{doctor}"
    );
    lab.sh("podman network disconnect other late").succeeds();
    is_well(lab);
}

/// `podman network reload` is interrupted after DEL: the container runs without a network.
fn failed_network_reload_is_reported(lab: &Lab) {
    lab.run("web", "--ip 10.87.1.50");
    let other = lab.run("other", "");
    is_well(lab);
    lab.sh(
        "mv /etc/flatnet/flatnet.yaml /root; ! podman network reload web; mv /root/flatnet.yaml /etc/flatnet",
    )
    .succeeds();
    shows(
        &lab.sandbox,
        2,
        &["container web ", ", 10.87.1.50, is running but no longer attached to the network"],
    );
    run_what_status_prints(lab);
    is_well(lab);
    lab.answers("10.87.1.50", "10.87.1.1");
    // A container that was disconnected is not reported.
    lab.sh("podman network disconnect flatnet other").succeeds();
    is_well(lab);
    lab.sh("podman network connect flatnet other; podman stop -t 0 other").succeeds();
    is_well(lab);
    lab.sh("podman start other").succeeds();
    assert_eq!(lab.address("other"), other);
}

fn lost_default_route_is_reported(lab: &Lab) {
    lab.run("web", "");
    lab.run("well", "");
    for (broken, what) in [
        ("route del default", "has no default route"),
        ("addr flush dev eth0", "has lost its address"),
        ("link set eth0 down", "has no route by eth0: the link is down"),
    ] {
        lab.sh(&format!(
            "nsenter --net=$(podman inspect web --format '{{{{.NetworkSettings.SandboxKey}}}}') ip {broken}"
        ))
        .succeeds();
        // The doctor reports the missing objects as container-links instead, and only once.
        let doctor = shows(&lab.sandbox, 2, &["container web ", what]);
        assert!(
            doctor.stdout.contains("FAILURE  container-links: ")
                && !doctor.stdout.contains("FAILURE  container-network: "),
            "{doctor}"
        );
        assert!(!doctor.stdout.contains("container well "), "{doctor}");
        run_what_status_prints(lab);
        is_well(lab);
    }
}

/// WSL2's resolver has an address of this host. It is open to containers while this host's resolv.conf names it. A
/// container that got the resolver's address earlier continues to use it.
fn closed_resolver_is_reported(lab: &Lab) {
    const RESOLVER: &str = "10.255.255.254";
    lab.sandbox
        .write("/etc/flatnet/flatnet.yaml", "ingress_gateways: [192.168.77.1]\nnames: {enabled: false}\n");
    lab.sh(&format!(
        "ip addr add {RESOLVER}/32 dev lo; echo nameserver {RESOLVER} >/etc/resolv.conf; flatnet up"
    ))
    .succeeds();
    name_server(&lab.sandbox, "", RESOLVER);
    lab.run("web", "");
    is_well(lab);
    lab.sh("echo nameserver 192.0.2.53 >/etc/resolv.conf; flatnet up").succeeds();
    shows(&lab.sandbox, 2, &["container web ", "no name server answers: 10.255.255.254 (it is silent)"]);
    lab.sh(&format!("echo nameserver {RESOLVER} >/etc/resolv.conf; flatnet up")).succeeds();
    is_well(lab);
}

/// Questions to Flatnet's resolver pass the input hook of this host, where a firewall drops what it does not know.
fn firewall_before_the_resolver_is_reported(lab: &Lab) {
    lab.run("web", "");
    is_well(lab);
    let silent = "no name server answers: 10.87.1.1 (it is silent)";
    lab.sh("nft 'add table inet fw; add chain inet fw f { type filter hook input priority 5; policy drop; }
        add rule inet fw f iif lo accept; add rule inet fw f ct state established accept'")
        .succeeds();
    let drops = "chain f of table inet fw drops questions of containers to the resolver, by its policy";
    let command = "nft insert rule inet fw f ip saddr 10.87.1.0/24 ip daddr 10.87.1.1 udp dport 53 accept";
    shows(&lab.sandbox, 2, &["container web ", silent, drops, command]);
    run_what_status_prints(lab);
    is_well(lab);
    lab.sh("nft delete table inet fw
        iptables -N ufw-user-input; iptables -A INPUT -i lo -j ACCEPT
        iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -A INPUT -j ufw-user-input; iptables -P INPUT DROP")
        .succeeds();
    let command = "ufw allow from 10.87.1.0/24 to 10.87.1.1 port 53";
    shows(&lab.sandbox, 2, &[silent, "chain INPUT of table ip filter drops questions", command]);
    // The rules that this command makes.
    lab.sh("for protocol in udp tcp; do
            iptables -A ufw-user-input -s 10.87.1.0/24 -d 10.87.1.1 -p $protocol --dport 53 -j ACCEPT
        done")
        .succeeds();
    is_well(lab);
}

fn silent_name_server_among_others_is_reported(lab: &Lab) {
    let servers = "names: {enabled: false}\ndns:\n  servers: [10.87.1.1, 192.168.77.1, 192.168.77.99]\n";
    lab.sandbox.write("/etc/flatnet/flatnet.yaml", &YAML.replace("dns:\n", servers));
    lab.sh("flatnet up").succeeds();
    name_server(&lab.sandbox, "", "10.87.1.1");
    for name in ["a", "b", "c", "d", "e"] {
        lab.run(name, "");
    }
    let what = "a name server does not answer: 192.168.77.1 (connection refused), 192.168.77.99 (";
    let more = "and 2 more: names are resolved late or not at all";
    let doctor = shows(&lab.sandbox, 1, &[what, more]);
    assert_eq!(doctor.stdout.matches(what).count(), 1, "what five were told is one finding: {doctor}");
}

/// A network namespace with a process whose root is /root/box, like a container of a runtime.
fn with_a_box(config: &str) -> Sandbox {
    let sandbox = well(config);
    sandbox
        .sh("mkdir -p /root/box/etc /root/box/bin; cp /bin/busybox /root/box/bin; container add c1; ip -n c1 link set lo up")
        .succeeds();
    go_on(&sandbox, "ip netns exec c1 chroot /root/box /bin/busybox sleep 3600");
    sandbox.eventually("ip netns pids c1 | grep .");
    sandbox
}

/// The container controls resolv.conf and every folder in its path.
#[test]
fn hostile_resolv_conf_is_harmless() {
    let sandbox = with_a_box("names: {enabled: false}\n");
    name_server(&sandbox, "", "10.87.1.1");
    let skipped = "name servers skipped: ";
    let good = "1 container has its link, address and routes, and its name servers answer";
    for (made, says) in [
        ("true", "it has no /etc/resolv.conf"),
        ("echo search lan >$conf", "names no server"),
        ("printf 'nameserver x;reboot\\nnameserver\\n' >$conf", "names no server"),
        ("printf 'nameserver 10.87.1.1\\noptions edns0 use-vc\\n' >$conf", "it asks by TCP"),
        ("echo nameserver 10.87.1.1 >$conf", good),
        // This host's resolv.conf names a server that does not answer, so following the link would be a finding.
        ("ln -s ../../../../etc/resolv.conf $conf", "cannot be read"),
        ("rmdir /root/box/etc; ln -s ../../etc /root/box/etc", "cannot be read"),
        (
            "ln -s /run/resolv.conf $conf; echo nameserver 192.168.77.1 >/run/resolv.conf",
            "it has no /etc/resolv.conf",
        ),
        (
            "ln -s /run/resolv.conf $conf; mkdir -p /root/box/run; echo nameserver 10.87.1.1 >/root/box/run/resolv.conf",
            good,
        ),
        ("ln -s /proc/1/root/etc/resolv.conf $conf", "it has no /etc/resolv.conf"),
        ("ln -s resolv.conf $conf", "cannot be read"),
        ("mkfifo $conf", "cannot be read"),
        ("mkdir $conf", "cannot be read"),
        ("mknod $conf c 1 5", "cannot be read"),
        ("head -c 300M /dev/zero >$conf; echo nameserver 192.168.77.1 >>$conf", "names no server"),
        ("for i in $(seq 10000); do echo nameserver 10.87.1.1; done >$conf", good),
    ] {
        sandbox.sh(&format!("conf=/root/box/etc/resolv.conf; [ ! -L /root/box/etc ] || rm /root/box/etc; rm -rf $conf; mkdir -p /root/box/etc; {made}")).succeeds();
        sandbox.sh("flatnet status").succeeds();
        let doctor = sandbox.sh("flatnet doctor").succeeds();
        assert!(doctor.stdout.contains(says), "`{made}`: {doctor}");
        assert!(says == good || doctor.stdout.contains(skipped), "`{made}`: {doctor}");
    }
    for (servers, says) in [
        ("2001:db8::53", "2001:db8::53 (no way leads there)"),
        ("fe80::53%eth0", "fe80::53%eth0 ("),
        ("fe80::53%none", "fe80::53%none ("),
        ("127.0.0.53", "127.0.0.53 (connection refused)"),
        ("192.168.77.99 192.168.77.98 192.168.77.97 10.87.1.1", "192.168.77.99 ("),
    ] {
        sandbox
            .sh(&format!("rm -rf /root/box/etc/resolv.conf; printf 'nameserver %s\\n' {servers} >/root/box/etc/resolv.conf"))
            .succeeds();
        let doctor = shows(&sandbox, 2, &["no name server answers: ", says]);
        assert!(!doctor.stdout.contains("10.87.1.1 ("), "the fourth server is never asked: {doctor}");
    }
}

/// A program of this host that runs in a container's namespace uses this host's resolv.conf.
#[test]
fn host_programs_in_namespace_are_not_the_container() {
    let sandbox = well("");
    sandbox.sh("container add c1; container add c2").succeeds();
    go_on(&sandbox, "nsenter --net=/run/netns/c1 sleep 3600");
    go_on(&sandbox, "ip netns exec c2 sleep 3600");
    sandbox.eventually("ip netns pids c1 | grep . && ip netns pids c2 | grep .");
    sandbox.sh("flatnet status").succeeds();
    sandbox
        .sh("flatnet doctor")
        .succeeds()
        .prints("container c1 c1 (eth0), 10.87.1.2; container c2 c2 (eth0), 10.87.1.3: name servers skipped: no process of it is in its namespace");
}

/// With `egress: none` a name server outside is unreachable, so the doctor skips it. It queries a name server in
/// another container or on this host.
#[test]
fn outside_name_servers_are_skipped_without_egress() {
    let sandbox = with_a_box("egress: none\nrange: 10.87.0.0/16\nnames: {enabled: false}\n");
    let told = |servers: &str| {
        sandbox.sh(&format!("printf 'nameserver %s\\n' {servers} >/root/box/etc/resolv.conf")).succeeds();
    };
    told("192.168.77.1");
    sandbox.sh("flatnet status").succeeds();
    sandbox.sh("flatnet doctor").succeeds().prints("its name servers are outside, and egress is none");
    sandbox.sh("container add c2").succeeds();
    told("10.87.1.3 192.168.77.1");
    shows(&sandbox, 2, &["no name server answers: 10.87.1.3 (connection refused)\n"]);
    name_server(&sandbox, "ip netns exec c2", "10.87.1.3");
    sandbox.sh("flatnet status").succeeds();
}
