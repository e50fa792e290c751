//! Routes of the gateway to containers of other hosts: real Nebula, Podman on both hosts, nginx with Lua on the first.

use serde_json::{Value, json};

use super::{Lan, YAML};
use crate::sandbox::Sandbox;

const TABLE: &str = "/hosts/h1/gateway/state/routes.json";

/// Hosts h1 and h2 with `flatnet gateway watch`, and containers whose page is their host and name. h1 has the gateway.
fn lan() -> Lan {
    let lan = Lan::in_sandbox(Sandbox::podman4().image("busybox"), YAML).join_all(&["h1", "h2"]);
    lan.sh("on h1 flatnet init >/dev/null
         for host in h1 h2; do podman_on $host; sed -i '$a gateway: {hold: 0}' /hosts/$host/etc/flatnet/flatnet.yaml; done
         gateway_on h1; watch_on h1; watch_on h2")
        .succeeds();
    lan
}

impl Lan {
    /// A container whose page is its host and name.
    fn run(&self, host: &str, name: &str) {
        let serve = format!("mkdir /w; echo {name} of {host} >/w/index.html; exec httpd -f -p 80 -h /w");
        self.sh(&format!(
            "on {host} podman run -d --name {name} --network flatnet --label flatnet.port=80 flatnet-test/busybox sh -c '{serve}'"
        ))
        .succeeds();
    }

    /// What host 1's gateway answers to a browser there.
    fn page(&self, name: &str, options: &str) -> String {
        let url = format!("--resolve {name}.flatnet.internal:80:127.0.0.1 http://{name}.flatnet.internal/");
        self.sh(&format!("on h1 curl -s -m 5 {options} {url}")).succeeds().stdout.trim().to_owned()
    }

    fn shows(&self, name: &str, text: &str) {
        let url = format!("--resolve {name}.flatnet.internal:80:127.0.0.1 http://{name}.flatnet.internal/");
        self.eventually(&format!("on h1 curl -s -m 5 {url} | grep -F '{text}'"));
    }
}

#[test]
fn gateway_serves_containers_of_all_hosts() {
    let lan = lan();
    for (host, name) in [("h1", "web"), ("h2", "git"), ("h2", "web")] {
        lan.run(host, name);
    }
    lan.shows("git", "git of h2");
    // A change on host 2 arrives, and both ways.
    lan.sh("on h2 podman stop -t 0 git").succeeds();
    lan.shows("git", "\"reason\":\"stopped\"");
    lan.sh("on h2 podman start git").succeeds();
    lan.shows("git", "git of h2");

    // Both claim one name: host 1 has it, and the portal says so; the doctor does below.
    lan.shows("web", "web of h1");
    let portal = lan.sh("on h1 curl -s -H 'Accept: text/html' http://127.0.0.1/").succeeds();
    portal
        .prints("web.flatnet.internal/ is taken by web (host 1), so web.h2 (host 2) does not get it.")
        .prints("<h2>git.h2 <small>host 2</small>")
        .prints("<span class=\"badge answers\">answers</span>");
    lan.sh("cat /tmp/watch-h1")
        .prints("web of host 2 claims web.flatnet.internal, which is taken by web of host 1");
    let listed = lan.sh("on h1 flatnet gateway routes | tr -s ' '").succeeds();
    listed
        .prints("http://git.flatnet.internal/ 2 git running 10.87.2.")
        .prints("\n2 sandbox 10.87.2.0/24 answers 20");

    lan.sh("on h1 flatnet gateway render --static")
        .prints("upstream flatnet_git.h2")
        .prints("server 10.87.2.");

    only_hosts_get_the_table(&lan);
    host_that_is_away_keeps_its_routes(&lan);
}

fn only_hosts_get_the_table(lan: &Lan) {
    let code = |from: &str, options: &str, at: &str| {
        let ask = format!(
            "{from} curl -s -m 1 -o /dev/null -w '%{{http_code}}' {options} http://{at}:8787/routes.json"
        );
        lan.sh(&format!("{ask} || true")).succeeds().stdout.trim().to_owned()
    };
    assert_eq!(code("on h2", "", "10.87.1.1"), "200", "the control");
    // Host 2 with another address of its subnet, a container of each host, a machine of the LAN, this host itself.
    lan.sh("ip -n h2 addr add 10.87.2.99/32 dev lo").succeeds();
    assert_eq!(code("on h2", "--interface 10.87.2.99", "10.87.1.1"), "000");
    lan.sh("ip -n h2 addr del 10.87.2.99/32 dev lo").succeeds();
    for from in ["ip netns exec c2", "ip netns exec c1"] {
        assert_eq!(code(from, "", "10.87.1.1"), "000", "{from}");
    }
    lan.sh("ip -n stranger route add 10.87.1.1 via 192.0.2.11").succeeds();
    assert_eq!(code("ip netns exec stranger", "", "10.87.1.1"), "403");
    assert_eq!(code("on h1", "", "10.87.1.1"), "403");
    let table: Value =
        serde_json::from_str(&lan.sh("on h2 curl -s http://10.87.1.1:8787/routes.json").succeeds().stdout)
            .unwrap();
    assert_eq!((&table["host"]["number"], &table["hosts"]), (&Value::from(1), &Value::Null));
    assert_eq!(table["routes"].as_array().map(Vec::len), Some(1), "its own routes only");
}

fn host_that_is_away_keeps_its_routes(lan: &Lan) {
    let state = |answers: bool| lan.eventually(&format!("jq -e '.hosts[0].answers == {answers}' {TABLE}"));
    // Its watch ends: the containers are still there.
    lan.sh("kill $(cat /hosts/h2/watch.pid)").succeeds();
    state(false);
    lan.sh("cat /tmp/watch-h1").prints("host 2 (sandbox): has not answered since 20");
    lan.shows("git", "git of h2");
    // It is cut off.
    lan.sh("ip -n h2 link set eth0 down").succeeds();
    lan.shows("git", "\"reason\":\"host_away\"");
    let since = lan.sh(&format!("jq -r '.hosts[0].since' {TABLE}")).succeeds().stdout;
    let title = format!("Host 2 has not answered since {}", since.trim());
    let pages = ["en", "ja"].map(|language| {
        lan.page(
            "git",
            &format!("-w '%{{http_code}}' -H 'Accept: text/html' -H 'Accept-Language: {language}'"),
        )
    });
    assert!(pages[0].contains(&format!("<h1>{title}</h1>")) && pages[0].ends_with("503"), "{}", pages[0]);
    assert!(pages[1].contains("から応答しません</h1>"), "{}", pages[1]);
    lan.sh("on h1 flatnet doctor || true")
        .prints(&format!("host 2 (sandbox) has not answered since {}", since.trim()))
        .prints("route web.h2 of host 2 does not get web.flatnet.internal/: it is taken by web of host 1");
    lan.sh("{ on h1 flatnet overlay status || true; } | tr -s ' '")
        .prints(&format!(" 10.87.2.1 away since {} ", since.trim()));
    // `sync`, and another `watch`, keep what is known.
    let before = lan.sh(&format!("jq '.routes' {TABLE}")).succeeds().stdout;
    lan.sh("kill $(cat /hosts/h1/watch.pid); on h1 flatnet gateway sync; watch_on h1").succeeds();
    lan.sh(&format!("jq '.routes' {TABLE}")).prints_exactly(before.trim_end());
    lan.sh("on h1 podman rm -f -t 0 web").succeeds();
    lan.eventually(&format!("jq -e '.routes | map(.name) == [\"git.h2\", \"web.h2\"]' {TABLE}"));
    // It is back, and has the name that nobody else claims.
    lan.sh("ip -n h2 link set eth0 up; watch_on h2").succeeds();
    state(true);
    lan.shows("web", "web of h2");
    host_that_left_is_forgotten(lan);
}

fn host_that_left_is_forgotten(lan: &Lan) {
    lan.sh("on h2 flatnet gateway routes").complains("Run this on a host with a gateway");
    lan.sh("on h2 flatnet overlay forget 1").complains("only hosts with a gateway keep other hosts' routes");
    lan.sh("on h1 flatnet overlay forget 2").complains("host 2 (sandbox) answers");
    lan.sh("on h1 flatnet overlay forget 3").complains("this host keeps no routes of host 3");
    lan.sh("kill $(cat /hosts/h2/watch.pid)").succeeds();
    lan.eventually(&format!("jq -e '.hosts[0].answers == false' {TABLE}"));
    let known = format!("jq -c '[(.hosts // [])[].number, (.routes | length)]' {TABLE}");
    let before = lan.sh(&known).succeeds().stdout;
    lan.sh("on h1 flatnet overlay forget --dry-run 2")
        .prints("would be forgotten: git, web\nundo: if it answers");
    lan.sh(&known).prints_exactly(before.trim_end());
    lan.sh("on h1 flatnet overlay forget 2").prints("Host 2 is forgotten.\n");
    lan.sh(&known).prints_exactly("[0]");
    lan.sh("on h1 flatnet overlay status --json | jq -c '[.hosts[].away_since]'").prints("null");
    // The watch that runs here does not bring it back when it writes the next table; the host itself does.
    lan.run("h1", "new");
    lan.eventually(&format!("jq -e '.routes | map(.name) == [\"new\"]' {TABLE}"));
    lan.sh(&format!("jq -c '.hosts // []' {TABLE}")).prints_exactly("[]");
    lan.sh("watch_on h2").succeeds();
    lan.eventually(&format!("jq -e '.hosts[0].answers and (.routes | length == 3)' {TABLE}"));
}

/// Nebula is not the matter here: its interface is a pair of veth.
#[test]
fn routes_of_a_hostile_host_are_not_used() {
    let lan = Lan::new(YAML);
    lan.sh("ip -n h1 link add flatnet-ov0 type veth peer name flatnet-ov0 netns h2
         for number in 1 2; do
             ip -n h$number addr add 10.86.0.$number/16 dev flatnet-ov0; ip -n h$number link set flatnet-ov0 up
             printf '%s\n' 'names: {enabled: false}' 'ingress_gateways: []' \"subnet: 10.87.$number.0/24\" \
                 \"overlay: {kind: nebula, number: $number}\" >/hosts/h$number/etc/flatnet/flatnet.yaml
             on h$number flatnet up >/dev/null
         done
         gateway_on h1; watch_on h1; echo >/tmp/answer
         on h2 setsid ncat -lk 10.87.2.1 8787 -c 'cat /tmp/answer' >/dev/null 2>&1 </dev/null &")
        .succeeds();
    let sends = |table: &str| {
        lan.0.sh_with_stdin(&format!("printf 'HTTP/1.1 200 OK\\r\\nETag: \"%s\"\\r\\nContent-Length: %s\\r\\n\\r\\n' $RANDOM {} >/tmp/new; cat >>/tmp/new; mv /tmp/new /tmp/answer", table.len()), table).succeeds();
    };
    let table = json!({
        "version": 1, "generation": 0, "written": "", "end": 0, "unrouted": [],
        "host": {"name": "lab", "network": "flatnet", "subnet": "10.87.2.0/24", "number": 2},
        "routes": [{"name": "web", "hosts": ["web.flatnet.internal"], "path": "/", "strip": false, "scheme": "http", "stream": false,
            "hold": 0, "health": null, "endpoints": [{"container": "web", "id": "0123", "address": "10.87.2.2", "port": 80,
            "state": "running", "since": "2026-11-30T10:00:00Z"}]}],
    });
    sends(&table.to_string());
    lan.eventually(&format!("jq -e '.routes[0].endpoints[0].address == \"10.87.2.2\"' {TABLE}"));
    for (from, to, why) in [
        ("10.87.2.2", "10.87.1.1", "route web leads to 10.87.1.1:80, which is outside 10.87.2.0/24"),
        ("10.87.2.2", "192.0.2.1", "route web leads to 192.0.2.1:80, which is outside 10.87.2.0/24"),
        ("\"number\":2", "\"number\":1", "it is the table of a host with number 1"),
        ("web.flatnet", "web;flatnet", "not a valid host name"),
        ("0123", "x", "container web: invalid ID"),
        ("}", "", "expected"),
    ] {
        let hostile = table.to_string().replace(from, to);
        sends(&hostile);
        lan.eventually(&format!(
            "grep -F 'the routes that host 2 sends are not used' /tmp/watch-h1 | grep -F '{why}'"
        ));
        lan.sh(&format!("jq -c '.routes | map([.name, .endpoints[0].address])' {TABLE}"))
            .prints_exactly("[[\"web.h2\",\"10.87.2.2\"]]");
    }
    // An answer without an end is none.
    lan.sh("head -c 5000000 /dev/zero >>/tmp/answer").succeeds();
    lan.eventually(&format!("jq -e '.hosts[0].answers == false and (.routes | length == 1)' {TABLE}"));
    sends(&table.to_string().replace("web.flatnet", "www.flatnet"));
    lan.eventually(&format!(
        "jq -e '.hosts[0].answers and .routes[0].hosts[0] == \"www.flatnet.internal\"' {TABLE}"
    ));
}
