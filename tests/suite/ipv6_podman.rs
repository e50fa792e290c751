//! `podman run` with IPv6, Podman 4 and 5.

use crate::cni::CONFIG;
use crate::podman::{Flavour, Lab, on_both};
use crate::world::World;

on_both!(containers_have_both_families, ipv6_address_can_be_requested);

const WEB6: &str = "fd0a:57f1:a7e0:1::3";

/// `ipv6: auto` on an installation that was without.
fn switched_on(lab: &Lab) -> World {
    lab.sh(&format!("echo 'ipv6: auto' >>{CONFIG}; flatnet up")).succeeds();
    if lab.flavour == Flavour::Netavark {
        lab.sh("podman network rm flatnet; podman network create -d flatnet --ipv6 flatnet; flatnet up")
            .succeeds();
        let network = lab.sh("podman network inspect flatnet").succeeds().stdout;
        for part in [
            "\"subnet\": \"fd0a:57f1:a7e0:1::/64\"",
            "\"gateway\": \"fd0a:57f1:a7e0:1::1\"",
            "\"ipv6_enabled\": true",
        ] {
            assert!(network.contains(part), "{part} is not in {network}");
        }
    }
    World::of(&lab.sandbox)
}

fn containers_have_both_families(lab: &Lab) {
    let empty = switched_on(lab);
    let web = lab.run("web", "-p 8080:80 -p 8082:81 -p [::]:8081:81");
    let client = lab.run("client", "--cap-add NET_RAW");
    assert_eq!((web.as_str(), client.as_str()), ("10.87.1.3", "10.87.1.4"));
    let networks = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}/{{.GlobalIPv6PrefixLen}} {{.IPv6Gateway}}{{end}}";
    lab.sh(&format!("podman inspect web --format '{networks}'"))
        .prints(&format!("{WEB6}/128 fd0a:57f1:a7e0:1::1"));
    lab.sh("podman exec web cat /etc/hosts").prints(WEB6);
    lab.sh(&format!("podman exec client ping -c 1 -W 3 {WEB6}")).prints("1 packets received");
    lab.sh("podman exec client nslookup -type=aaaa web.direct.flatnet.internal").prints(WEB6);
    lab.sh(&format!("podman exec client nslookup {WEB6}")).prints("web.direct.flatnet.internal");
    // The image's own server listens at IPv4 addresses only.
    lab.sh("podman exec web httpd -p [::]:81 -h /www").succeeds();
    // By IPv6 alone, by name, and where a client has the choice; without a delay.
    for url in [format!("http://[{WEB6}]:81/"), "http://web:81/".to_owned()] {
        lab.sh(&format!("timeout 2 podman exec client wget -qO- {url}cgi-bin/who")).succeeds();
    }
    lab.sh(&format!("curl -sS -m 2 -g http://[{WEB6}]:81/")).succeeds();
    // A client that goes on to the next address reaches a server that listens at IPv4 addresses only.
    lab.sh(&format!("curl -sS -m 2 --resolve web:80:[{WEB6}],{web} http://web/")).succeeds();
    for port in [8082, 8081] {
        lab.sh(&format!("curl -sS -m 2 -g http://[fd0a:57f1:a7e0:1::1]:{port}/")).succeeds();
    }
    // At `localhost` the resolver names ::1 first.
    lab.sh("time curl -sS -m 2 http://localhost:8080/").succeeds();
    lab.sh("curl -sS -m 2 -g http://[::1]:8080/").fails();
    lab.sh("podman restart --time 0 web; flatnet ps").prints(WEB6);
    assert_eq!(lab.address("web"), web);
    lab.sh("flatnet repair --dry-run | grep '^Nothing to do'").succeeds();
    lab.remove_all();
    empty.assert_is_back(&lab.sandbox);
}

fn ipv6_address_can_be_requested(lab: &Lab) {
    let empty = switched_on(lab);
    assert_eq!(lab.run("one", "--ip6 fd0a:57f1:a7e0:1::4d"), "10.87.1.77");
    assert_eq!(
        lab.run("two", "--ip 10.87.1.78 --ip6 fd0a:57f1:a7e0:1::4e --mac-address 02:00:00:00:00:99"),
        "10.87.1.78"
    );
    lab.sh("podman exec two ip addr show eth0").prints("fd0a:57f1:a7e0:1::4e/128");
    lab.try_run("three", "--ip 10.87.1.79 --ip6 fd0a:57f1:a7e0:1::50").complains("do not belong together");
    lab.try_run("four", "--ip6 fd0a:57f1:a7e0:1::4d").complains("10.87.1.77 is held by one ");
    lab.try_run("five", "-p [::1]:8080:80").complains("::1");
    lab.remove_all();
    empty.assert_is_back(&lab.sandbox);
}
