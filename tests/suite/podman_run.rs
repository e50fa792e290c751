//! `podman run --network flatnet`: addresses and reachability.

use crate::podman::{Flavour, IMAGE, LAN_ADDRESS, Lab, STRANGER, WINDOWS, on_both};

on_both!(
    a_container_is_reached_at_its_address,
    containers_can_start_concurrently,
    addresses_and_macs_can_be_requested,
    container_can_also_join_podman_network,
    published_ports,
    port_in_use_is_rejected,
);

fn a_container_is_reached_at_its_address(lab: &Lab) {
    let address = lab.run("web", "--cap-add NET_RAW");
    let networks = "{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPPrefixLen}} {{.MacAddress}}{{end}}";
    lab.sh(&format!("podman inspect web --format '{networks}'")).prints("10.87.1.1 24 02:");
    lab.answers(&address, "10.87.1.1");
    lab.answers_in("ip netns exec windows", &address, WINDOWS);
    lab.sh(&format!("ip netns exec stranger curl -sS -m 1 http://{address}/")).complains("timed out");
    // The container can reach the stranger's host, because replies are let in.
    lab.sh("podman exec web ping -c 1 -W 3 192.168.88.66").prints("1 packets received");
    let resolv = lab
        .sh("podman exec web cat /etc/resolv.conf")
        .prints("search direct.flatnet.internal flat.test")
        .stdout;
    let first = resolv.lines().find(|line| line.starts_with("nameserver"));
    assert_eq!(first, Some("nameserver 10.87.1.1"), "{resolv}");
    lab.sh("podman exec web cat /etc/hosts").prints(&address);
    lab.sh("podman network ls --format '{{.Name}} {{.Driver}}'").prints("flatnet flatnet");
    let network = lab.sh("podman network inspect flatnet").prints("\"driver\": \"flatnet\"").stdout;
    if lab.flavour == Flavour::Netavark {
        assert!(network.contains("\"subnet\": \"10.87.1.0/24\""), "{network}");
        assert!(network.contains("\"gateway\": \"10.87.1.1\""), "{network}");
    }
    lab.remove_all();
    lab.nothing_left();
}

fn containers_can_start_concurrently(lab: &Lab) {
    lab.sh(&format!(
        "for i in $(seq 10); do podman run -d --name c$i --network flatnet {IMAGE} >/tmp/c$i 2>&1 & pids+=($!); done
        for pid in \"${{pids[@]}}\"; do wait $pid || {{ cat /tmp/c*; exit 1; }}; done"
    ))
    .succeeds();
    let all =
        lab.sh("podman inspect $(podman ps -q) --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}'");
    let mut addresses: Vec<String> = all.succeeds().stdout.lines().map(str::to_owned).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 10, "ten containers, each with its own address: {addresses:?}");
    for address in &addresses {
        lab.answers(address, "10.87.1.1");
    }
    // Between containers, without NAT.
    let asked =
        lab.sh(&format!("podman exec c1 timeout 5 wget -qO- http://{}/cgi-bin/who", lab.address("c2")));
    asked.prints(&lab.address("c1"));
    lab.sh("for i in $(seq 10); do podman rm --force --time 0 c$i >/dev/null & done; wait").succeeds();
    lab.nothing_left();
}

fn addresses_and_macs_can_be_requested(lab: &Lab) {
    assert_eq!(lab.run("static", "--ip 10.87.1.77 --mac-address 02:00:00:00:00:99"), "10.87.1.77");
    lab.sh("podman exec static ip addr show eth0").prints("02:00:00:00:00:99");
    lab.answers("10.87.1.77", "10.87.1.1");
    for (options, why) in [
        ("--ip 10.87.9.9", "address 10.87.9.9 is not inside this host's subnet 10.87.1.0/24"),
        ("--ip 10.87.1.1", "address 10.87.1.1 is the bridge's own"),
        ("--ip 10.87.1.255", "address 10.87.1.255 is the broadcast address of 10.87.1.0/24"),
        ("--ip 10.87.1.77", "address 10.87.1.77 is held by static "),
        ("--mac-address 02:00:00:00:00:99", "MAC address 02:00:00:00:00:99 is held by "),
        (
            "--mac-address 03:00:00:00:00:99",
            "\"03:00:00:00:00:99\" is not a valid MAC address: it must be a unicast address",
        ),
    ] {
        let refused = lab.try_run("refused", options).complains(why);
        // Podman 4 would also show the user the error of a failed DEL.
        assert!(!refused.stderr.contains("(delete)"), "DEL failed\n{refused}");
        lab.sh("podman rm --force refused").succeeds();
    }
    lab.answers("10.87.1.77", "10.87.1.1");
    lab.remove_all();
    lab.nothing_left();
}

/// Podman attaches networks in an arbitrary order that changes between runs.
fn container_can_also_join_podman_network(lab: &Lab) {
    for name in ["a", "b", "c", "d"] {
        lab.run(name, "--network podman -p 8080:80");
        answers_everybody(lab, name);
        lab.sh(&format!("podman rm --force --time 0 {name}")).succeeds();
    }
    lab.sh(&format!("podman run -d --name later --network podman -p 8080:80 {IMAGE}")).succeeds();
    lab.sh("podman network connect flatnet later").succeeds();
    answers_everybody(lab, "later");
    lab.sh("podman network disconnect flatnet later").succeeds();
    let routes = lab.sh("podman exec later sh -c 'ip route; ip rule'").succeeds().stdout;
    assert!(routes.starts_with("default via 10.88.0.1") && !routes.contains("10.87."), "{routes}");
    lab.sh("podman network connect flatnet later").succeeds();
    answers_everybody(lab, "later");
    lab.sh("podman rm --force --time 0 later").succeeds();
    lab.run("first", "-p 8080:80");
    lab.sh("podman network connect podman first").succeeds();
    answers_everybody(lab, "first");
    lab.remove_all();
    lab.nothing_left();
}

/// Asserts that replies leave by the network of the request, whichever has the default route.
#[track_caller]
fn answers_everybody(lab: &Lab, name: &str) {
    assert_keeps_its_default_route(lab, name);
    let address = lab.address(name);
    lab.answers(&address, "10.87.1.1");
    lab.answers_in("ip netns exec windows", &address, WINDOWS);
    lab.answers_in("ip netns exec windows", &format!("{LAN_ADDRESS}:8080"), WINDOWS);
    lab.answers_in("ip netns exec stranger", "192.168.88.10:8080", STRANGER);
    lab.sh("flatnet plan --dry-run --exit-code").succeeds();
}

/// Asserts that the default route leads to Podman's gateway, and the route of Flatnet's range to Flatnet's next hop.
#[track_caller]
fn assert_keeps_its_default_route(lab: &Lab, name: &str) {
    let next_hop = |to: &str| {
        let pid = format!("$(podman inspect {name} --format '{{{{.State.Pid}}}}')");
        lab.sh(&format!("nsenter --net=/proc/{pid}/ns/net ip route get {to}")).succeeds()
    };
    next_hop("198.51.100.1").prints("via 10.88.0.1");
    next_hop("10.87.200.1").prints("via 10.87.1.1");
}

fn published_ports(lab: &Lab) {
    lab.run("any", "-p 8080:80");
    lab.answers("127.0.0.1:8080", "10.87.1.1");
    lab.answers(&format!("{LAN_ADDRESS}:8080"), LAN_ADDRESS);
    lab.answers_in("ip netns exec stranger", "192.168.88.10:8080", STRANGER);
    lab.run("one", &format!("-p {LAN_ADDRESS}:8081:80"));
    lab.answers_in("ip netns exec windows", &format!("{LAN_ADDRESS}:8081"), WINDOWS);
    lab.sh("curl -sS -m 2 http://127.0.0.1:8081/").fails();
    lab.run("range", "-p 8100-8102:80-82");
    lab.answers("127.0.0.1:8100", "10.87.1.1");
    lab.sh("podman port range").prints("8102");
    // A container can use another container's published port, and its own.
    for client in ["one", "any"] {
        lab.sh(&format!("podman exec {client} timeout 5 wget -qO- http://{LAN_ADDRESS}:8080/cgi-bin/who"))
            .prints("10.87.1.1");
    }
    lab.run("udp", "-p 5300:53/udp");
    lab.sh("pid=$(podman inspect udp --format '{{.State.Pid}}')
        setsid nsenter --net=/proc/$pid/ns/net ncat -k -u -l 53 -e /bin/cat & trap \"kill -- -$!\" EXIT
        for try in $(seq 20); do
            answer=$( (echo hello; sleep 0.5) | ip netns exec stranger ncat -u 192.168.88.10 5300 || true)
            [[ -z $answer ]] || break
        done
        echo $answer")
        .prints_exactly("hello");
    lab.remove_all();
    for port in [8080, 8081, 8100] {
        lab.sh(&format!("curl -sS -m 2 http://{LAN_ADDRESS}:{port}/")).exits_with(7);
    }
    lab.nothing_left();
}

fn port_in_use_is_rejected(lab: &Lab) {
    lab.run("first", "-p 8080:80");
    let first = lab.sh("podman exec first hostname").succeeds().stdout;
    let refused = lab.try_run("second", "-p 8080:80").fails();
    assert!(
        refused.stderr.contains("port 8080->80/tcp is already published by first ")
            || refused.stderr.contains("address already in use"),
        "{refused}"
    );
    lab.sh("curl -sS -m 5 http://127.0.0.1:8080/cgi-bin/who").prints(first.trim());
    lab.sh("podman rm --force second").succeeds();
    lab.sh("curl -sS -m 5 http://127.0.0.1:8080/cgi-bin/who").prints(first.trim());
    lab.sh("podman rm --force --time 0 first").succeeds();
    // A program on the host holds the port: Podman notices it after Flatnet has published the port.
    lab.sh("ncat -k -l 0.0.0.0 8080 -e /bin/cat & trap \"kill $!\" EXIT
        until ss -Hltn | grep -q :8080; do sleep 0.05; done
        ! podman run -d --name second --network flatnet -p 8080:80 flatnet-test/busybox
        podman rm --force second
        exec 3<>/dev/tcp/127.0.0.1/8080; echo hello >&3; timeout 5 head -n 1 <&3")
        .prints("hello");
    lab.nothing_left();
}
