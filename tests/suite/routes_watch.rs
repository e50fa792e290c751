//! `flatnet gateway watch` with both Podmans: routes follow containers, even if Podman fails.

use crate::podman::{Flavour, Lab, on_both};
use crate::routes::{DATABASE, TABLE};

on_both!(
    routes_follow_containers,
    late_http_server_is_routed_and_database_is_not,
    recreated_container_is_routed_before_it_answers,
    watch_follows_changed_config_and_restored_state,
    watch_restarts_ended_podman_events,
    watch_survives_podman_failure,
    uninspectable_container_keeps_its_route,
    watch_ends_on_signal_and_leaves_nothing,
);

const START: &str = "flatnet gateway watch >/tmp/watch.out 2>&1 & echo $! >/tmp/watch.pid";

fn watching(lab: &Lab) {
    lab.with_gateway();
    lab.sh(START).succeeds();
    lab.sandbox.eventually(&format!("[[ -e {TABLE} ]] && pgrep -f '[p]odman events'"));
}

fn routes_follow_containers(lab: &Lab) {
    watching(lab);
    lab.start_container("web", "");
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    lab.sh("podman pause web || true").succeeds();
    lab.sh("podman unpause web || true; podman stop -t 0 web").succeeds();
    lab.becomes(&["web.flatnet.internal / web:80 stopped"]);
    lab.sh("podman start web").succeeds();
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    lab.sh("podman restart -t 0 web; podman rename web www").succeeds();
    lab.becomes(&["www.flatnet.internal / www:80 running"]);
    lab.sh("podman kill www").succeeds();
    lab.becomes(&["www.flatnet.internal / www:80 stopped"]);
    lab.sh("podman rm www").succeeds();
    lab.sandbox.eventually(&format!("jq -e '.routes == [] and .unrouted == []' {TABLE}"));
    lab.sandbox.eventually("grep -q '^www: gone' /tmp/watch.out");
    lab.sh("cat /tmp/watch.out").prints("web: stopped at http://10.87.1.");
}

fn late_http_server_is_routed_and_database_is_not(lab: &Lab) {
    watching(lab);
    lab.start_container(
        "late",
        "flatnet-test/busybox sh -c 'while [ ! -e /go ]; do sleep 0.1; done; exec httpd -f -p 80 -h /www'",
    );
    lab.start_container("db", DATABASE);
    let db = "db: none of its ports 80, 5432 answers HTTP";
    lab.becomes(&["late: its port 80 does not answer HTTP", db]);
    lab.sh("podman exec late touch /go").succeeds();
    lab.becomes(&["late.flatnet.internal / late:80 running", db]);
}

fn recreated_container_is_routed_before_it_answers(lab: &Lab) {
    watching(lab);
    lab.start_container("web", "");
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    lab.sh("podman rm -f -t 0 web").succeeds();
    lab.becomes(&[]);
    lab.start_container("web", "flatnet-test/busybox sleep 1000");
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
}

fn watch_follows_changed_config_and_restored_state(lab: &Lab) {
    watching(lab);
    lab.start_container("web", "");
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    // Restores the state as the documents describe it: a new folder takes the name of the old one.
    lab.sh(
        "cp -a /var/lib/flatnet /root/backup; rm -r /var/lib/flatnet; cp -a /root/backup /var/lib/flatnet",
    )
    .succeeds();
    lab.sh("echo 'gateway: {domains: [other.test]}' >>/etc/flatnet/flatnet.yaml; flatnet gateway sync")
        .succeeds();
    lab.becomes(&["web.other.test / web:80 running"]);
    // The next change that `watch` publishes uses the same configuration.
    lab.sh("podman stop -t 0 web").succeeds();
    lab.becomes(&["web.other.test / web:80 stopped"]);
    lab.sandbox.eventually(
        "for fd in /proc/$(cat /tmp/watch.pid)/fd/*; do [[ $(readlink $fd) != /var/lib/flatnet*deleted* ]] || exit 1; done",
    );
}

/// Also tried with 150 running containers. Most containers here are only created, which takes a tenth of the time.
#[test]
fn watch_follows_many_containers() {
    let lab = Lab::start(Flavour::Cni);
    lab.with_gateway();
    let make = "podman create --network flatnet --name c{} flatnet-test/busybox";
    lab.sh(&format!("seq 64 | xargs -P 4 -I{{}} {make} >/dev/null; podman start c1 c2 c3 c4 >/dev/null"))
        .succeeds();
    lab.sh(START).succeeds();
    let running = |count: usize| {
        let routes = format!("[.routes[].endpoints[] | select(.state == \"running\")] | length == {count}");
        lab.sandbox
            .eventually(&format!("jq -e '({routes}) and (.routes + .unrouted | length == 64)' {TABLE}"));
    };
    running(4);
    lab.sh("podman start c64; podman stop -t 0 c1 c2").succeeds();
    running(3);
    // The table is lost while `watch` is not running, but the gateway has a copy: ports are known without probing.
    let lost =
        format!("kill -KILL $(cat /tmp/watch.pid); mv {TABLE} {}", TABLE.replace(".json", ".last-good.json"));
    lab.sh(&format!("{lost}; {START}")).succeeds();
    running(3);
    lab.sh("! grep 'c1: gone\\|c1: no route' /tmp/watch.out").succeeds();
}

fn watch_restarts_ended_podman_events(lab: &Lab) {
    watching(lab);
    let first = lab.sh("pgrep -f '[p]odman events'").succeeds().stdout;
    lab.sh(&format!("kill -9 {first}")).succeeds();
    lab.sandbox.eventually("grep -q FLAT-E107 /tmp/watch.out");
    lab.start_container("web", "");
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    lab.sandbox.eventually("pgrep -f '[p]odman events'");
    lab.sh("podman stop -t 0 web").succeeds();
    lab.becomes(&["web.flatnet.internal / web:80 stopped"]);
    // A damaged table is repaired with the next change.
    lab.sh(&format!("echo '{{' >{TABLE}; podman start web")).succeeds();
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
}

fn watch_survives_podman_failure(lab: &Lab) {
    lab.start_container("web", "");
    watching(lab);
    lab.becomes(&["web.flatnet.internal / web:80 running"]);
    let before = lab.sandbox.read(TABLE);
    let breaks = "mv $(readlink -f /usr/bin/podman) /usr/bin/podman.real; printf '#!/bin/sh\\necho broken >&2; exit 125\\n' >/usr/bin/podman; chmod 755 /usr/bin/podman";
    lab.sh(breaks).succeeds();
    lab.sh("podman.real stop -t 0 web; kill $(pgrep -f '[p]odman events')").succeeds();
    lab.sandbox.eventually("grep -q 'exited with 125: broken' /tmp/watch.out");
    // The error is reported once, not with each attempt.
    lab.sandbox.eventually("sleep 3; [[ $(grep -c 'podman ps.*broken' /tmp/watch.out) == 1 ]]");
    assert_eq!(lab.sandbox.read(TABLE), before);
    lab.sh("mv /usr/bin/podman.real /usr/bin/podman; podman start web").succeeds();
    lab.sandbox.eventually("grep -q 'recovered' /tmp/watch.out");
    lab.sh("podman stop -t 0 web").succeeds();
    lab.becomes(&["web.flatnet.internal / web:80 stopped"]);
}

fn uninspectable_container_keeps_its_route(lab: &Lab) {
    lab.start_container("a", "--label flatnet.port=80");
    watching(lab);
    let a = "a.flatnet.internal / a:80 running";
    lab.becomes(&[a]);
    lab.cannot_inspect("a");
    for name in ["b", "c"] {
        lab.start_container(name, "--label flatnet.port=80");
    }
    // When `podman events` restarts, `watch` inspects all containers.
    lab.sh("kill $(pgrep -f '[p]odman events')").succeeds();
    lab.sandbox.eventually(
        "grep -q 'warning: container a keeps its previous state: .*layer not known' /tmp/watch.out",
    );
    lab.becomes(&[a, "b.flatnet.internal / b:80 running", "c.flatnet.internal / c:80 running"]);
    lab.sh("podman stop -t 0 c").succeeds();
    lab.becomes(&[a, "b.flatnet.internal / b:80 running", "c.flatnet.internal / c:80 stopped"]);
    lab.can_inspect();
    lab.sh("podman stop -t 0 a").succeeds();
    lab.becomes(&[
        "a.flatnet.internal / a:80 stopped",
        "b.flatnet.internal / b:80 running",
        "c.flatnet.internal / c:80 stopped",
    ]);
}

fn watch_ends_on_signal_and_leaves_nothing(lab: &Lab) {
    lab.with_gateway();
    let running = "pgrep -f '[p]odman events|[g]ateway watch'";
    for (signal, status) in [("TERM", 0), ("INT", 0), ("KILL", 137)] {
        // A shell makes its background children ignore SIGINT.
        lab.sh(&format!(
            "rm -f {TABLE} /tmp/watch.out; env --default-signal=INT flatnet gateway watch --json >/tmp/watch.out & pid=$!
             until [[ -s /tmp/watch.out ]] && pgrep -f '[p]odman events' >/dev/null; do sleep 0.05; done
             kill -{signal} $pid; status=0; wait $pid || status=$?; echo $status"
        ))
        .prints_exactly(&status.to_string());
        lab.sandbox.eventually(&format!("! {running}"));
        lab.sh("jq -c '[.generation, .changes, .conflicts]' /tmp/watch.out").prints_exactly("[1,[],[]]");
    }
    lab.nothing_left();
}
