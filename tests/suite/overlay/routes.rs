//! Routes of the gateway to containers of other hosts: real Nebula, Podman on both hosts, nginx with Lua on the first.

use serde_json::Value;

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

    // Both claim one name: host 1 has it, and portal and doctor say so.
    lan.shows("web", "web of h1");
    let portal = lan.sh("on h1 curl -s -H 'Accept: text/html' http://127.0.0.1/").succeeds();
    portal
        .prints("web.flatnet.internal/ is taken by web (host 1), so web.h2 (host 2) does not get it.")
        .prints("<h2>git.h2 <small>host 2</small>")
        .prints("<span class=\"badge answers\">answers</span>");
    lan.sh("on h1 flatnet doctor || true")
        .prints("route web.h2 of host 2 does not get web.flatnet.internal/: it is taken by web of host 1");
    lan.sh("cat /tmp/watch-h1")
        .prints("web of host 2 claims web.flatnet.internal, which is taken by web of host 1");
    let listed = lan.sh("on h1 flatnet gateway routes | tr -s ' '").succeeds();
    listed
        .prints("http://git.flatnet.internal/ 2 git running 10.87.2.")
        .prints("\n2 sandbox 10.87.2.0/24 answers 20");

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
    lan.shows("git", "git of h2");
    // It is cut off.
    lan.sh("ip -n h2 link set eth0 down").succeeds();
    lan.shows("git", "\"reason\":\"host_away\"");
    let since = lan.sh(&format!("jq -r '.hosts[0].since' {TABLE}")).succeeds().stdout;
    let title = format!("Host 2 has not answered since {}", since.trim());
    assert!(lan.page("git", "-H 'Accept: text/html'").contains(&format!("<h1>{title}</h1>")));
    assert!(
        lan.page("git", "-H 'Accept: text/html' -H 'Accept-Language: ja'").contains("から応答しません</h1>")
    );
    assert_eq!(lan.page("git", "-o /dev/null -w '%{http_code}'"), "503");
    lan.sh("on h1 flatnet doctor || true")
        .prints(&format!("host 2 (sandbox) has not answered since {}", since.trim()));
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
}
