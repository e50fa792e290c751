//! `flatnet gateway sync` with both Podmans: which container gets which route.

use crate::podman::{IMAGE, LAN_ADDRESS, Lab, on_both};
use crate::routes::{DATABASE, TABLE};

on_both!(
    routes_follow_labels_and_defaults,
    containers_cannot_take_gateway_names,
    containers_reach_each_other_through_local_gateway,
    route_follows_container_life_cycle,
    containers_share_a_host_by_label,
    containers_share_a_namespace,
    routes_stay_while_podman_fails,
    uninspectable_container_blocks_no_other,
    sync_waits_for_busy_table_file,
);

fn routes_follow_labels_and_defaults(lab: &Lab) {
    lab.with_gateway();
    lab.start_container("web", "");
    lab.start_container("db", DATABASE);
    let two = "--expose 8080 flatnet-test/busybox sh -c 'httpd -p 8080 -h /www; exec httpd -f -p 80 -h /www'";
    lab.start_container("two", two);
    lab.start_container(
        "git",
        "--label flatnet.port=80 --label 'flatnet.host=*.pages.example.org, Git' --label flatnet.path=/x/",
    );
    lab.start_container(
        "app",
        "--label flatnet.path=/app --label flatnet.strip=true --label flatnet.hold=30s",
    );
    lab.start_container("off", "--label flatnet.enable=false");
    lab.start_container("wrong", "--label flatnet.prot=80");
    lab.sh(&format!("podman run -d --name elsewhere --network podman --label flatnet.port=80 {IMAGE}; podman run -d --name foreign --network podman {IMAGE}; podman create --name fresh --network flatnet {IMAGE}")).succeeds();
    let known = "enable, host, port, path, strip, scheme, stream, hold, health.path, health.interval, health.healthy, health.unhealthy";
    let wrong =
        format!("!wrong: label flatnet.prot of container wrong: unknown label; known labels: {known}");
    let mut wanted = vec![
        "web.flatnet.internal / web:80 running",
        "git.flatnet.internal /x git:80 running",
        "- /app app:80 running",
        "db: none of its ports 80, 5432 answers HTTP",
        "!two: its ports 80, 8080 all answer HTTP: choose one with the label flatnet.port",
        "off: it is disabled by its label flatnet.enable",
        &wrong,
        "!elsewhere: it has Flatnet labels, but is not on the network flatnet",
        "fresh: it has no address yet",
    ];
    // Containers may be created within the same second. They are then ordered by name.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    wanted.sort_unstable();
    lab.sandbox.eventually("flatnet gateway sync >/dev/null; flatnet gateway routes --json | jq -e '[.unrouted[] | select(.warning)] | length == 3' && flatnet gateway routes --json | jq -e '.routes | length == 3'");
    assert_eq!(sorted(lab.routes()), wanted);
    let table = lab.sh("flatnet gateway routes").prints("http://GATEWAY/app").stdout;
    for part in [
        "http://git.local/x",
        "http://*.pages.example.org/x",
        "10.87.1.",
        "warning: its ports 80, 8080",
        "3 warnings",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    lab.sh("jq -e '.routes[] | select(.name == \"app\") | .strip and .hold == 30' /var/lib/flatnet-gateway/state/routes.json").succeeds();
    lab.sh("chmod 700 /var/lib/flatnet-gateway/state; setpriv --reuid nobody --clear-groups flatnet gateway routes")
        .complains("cannot read /var/lib/flatnet-gateway/state/routes.json");
    // Without a change, nothing is written.
    let before = lab.sh(&format!("stat -c %i {TABLE}")).succeeds().stdout;
    lab.sh("flatnet gateway sync").prints("is unchanged: 3 routes, 6 containers without one, 3 warnings");
    lab.sh(&format!("stat -c %i {TABLE}")).prints_exactly(&before);
    // `labelled` drops the route of the container without labels, and `none` drops all routes.
    lab.sh("echo 'gateway: {expose: labelled}' >>/etc/flatnet/flatnet.yaml; flatnet gateway sync")
        .prints("2 routes");
    lab.sh("sed -i s/labelled/none/ /etc/flatnet/flatnet.yaml; flatnet gateway sync").prints("0 routes");
    lab.remove_all();
    lab.sh("flatnet gateway sync").prints("is written: 0 routes\n");
    lab.nothing_left();
}

/// A container with the name of the gateway or its portal gets no route, and is reported everywhere.
fn containers_cannot_take_gateway_names(lab: &Lab) {
    lab.with_gateway_here();
    lab.start_container("portal", "--label flatnet.port=80");
    lab.start_container("page", "--label flatnet.port=80 --label flatnet.path=/_flatnet");
    lab.start_container("taker", "--label flatnet.port=80 --label flatnet.host=taker,flatnet.internal");
    lab.start_container("all", "--label flatnet.port=80 --label 'flatnet.host=*.flatnet.internal'");
    lab.start_container("www", "--label flatnet.port=80");
    let own = "is reserved for the gateway: set another flatnet.host or flatnet.path";
    let mut output = lab.sh("flatnet gateway sync").prints("2 routes, 3 containers without one, 3 warnings");
    let refused =
        [("portal", "portal.flatnet.internal"), ("page", "/_flatnet"), ("taker", "flatnet.internal")];
    for (container, what) in refused {
        output = output.prints(&format!("{container}: no route, warning: {what} {own}"));
        lab.sh("flatnet gateway routes").prints(&format!("warning: {what} {own}"));
        lab.sh("flatnet doctor || true").prints(&format!("container {container} has no route: {what} {own}"));
    }
    lab.sandbox.eventually("curl -sf -o /dev/null --resolve www.local:80:127.0.0.1 http://www.local/");
    let code = |host: &str, path: &str| {
        let host = format!("--resolve {host}:80:127.0.0.1 http://{host}{path}");
        lab.sh(&format!("curl -s -o /dev/null -w '%{{http_code}} %header{{x-flatnet-error}}' {host}"))
    };
    for host in ["portal.flatnet.internal", "flatnet.internal"] {
        for page in ["/", "/_flatnet/healthz"] {
            code(host, page).prints_exactly("200 ");
        }
        // The wildcard does not apply to these names either.
        code(host, "/who").prints_exactly("404 unknown_path");
    }
    code("www.flatnet.internal", "/").prints_exactly("200 ");
    code("any.flatnet.internal", "/").prints_exactly("200 ");
    lab.remove_all();
    lab.without_gateway_here();
    lab.nothing_left();
}

/// As in WSL2's mirrored mode, where the gateway has this host's addresses.
fn containers_reach_each_other_through_local_gateway(lab: &Lab) {
    let by_path = "--label flatnet.port=80 --label flatnet.path=/web --label flatnet.strip=true";
    lab.start_container("web", by_path);
    lab.start_container("client", "--label flatnet.enable=false");
    lab.with_gateway_here();
    lab.sh("flatnet gateway sync").prints("1 route");
    lab.sandbox.eventually("curl -sf http://127.0.0.1/web/cgi-bin/who");
    let ask = |address: &str| {
        lab.sh(&format!("podman exec client timeout 5 wget -qO- http://{address}/web/cgi-bin/who"))
    };
    let here = [LAN_ADDRESS, "10.87.1.1"];
    for address in here {
        ask(address).fails();
    }
    lab.sh("flatnet plan --dry-run --exit-code").fails();
    lab.sh("flatnet up").succeeds();
    for address in here {
        // The client's address is that of the gateway.
        ask(address).prints("10.87.1.1");
    }
    lab.remove_all();
    lab.without_gateway_here();
    lab.nothing_left();
}

fn route_follows_container_life_cycle(lab: &Lab) {
    lab.with_gateway();
    lab.start_container("web", "");
    lab.syncs_to(&["web.flatnet.internal / web:80 running"]);
    lab.sh("podman stop -t 0 web; flatnet gateway sync").prints("web: stopped at http://10.87.1.");
    lab.syncs_to(&["web.flatnet.internal / web:80 stopped"]);
    let address = "jq -r '.routes[0].endpoints[0].address' /var/lib/flatnet-gateway/state/routes.json";
    let stopped_at = lab.sh(address).prints("10.87.1.").stdout;
    // After the table is lost, the address is still known, but the port is not.
    lab.sh(&format!("rm {TABLE}; flatnet gateway sync")).prints("Generation 1 is written");
    lab.syncs_to(&["web: it is stopped and has not answered HTTP before"]);
    lab.sh("podman start web").succeeds();
    lab.syncs_to(&["web.flatnet.internal / web:80 running"]);
    lab.sh(address).prints_exactly(&stopped_at);
    // Recreated with the same name, it is routed before its server listens.
    lab.sh("podman rm -f -t 0 web").succeeds();
    lab.start_container("web", "flatnet-test/busybox sh -c 'sleep 1000'");
    lab.sh("flatnet gateway sync").succeeds();
    assert_eq!(lab.routes(), ["web.flatnet.internal / web:80 running"]);
    lab.remove_all();
    lab.sh("flatnet gateway sync").prints("web: gone");
    lab.nothing_left();
}

fn containers_share_a_host_by_label(lab: &Lab) {
    lab.with_gateway();
    for name in ["a", "b"] {
        lab.start_container(name, "--label flatnet.host=app --label flatnet.port=80");
    }
    lab.syncs_to(&["app.flatnet.internal / a:80 running, b:80 running"]);
    lab.start_container("c", "--label flatnet.host=app,c --label flatnet.port=80");
    let said = lab.sh("flatnet gateway sync").succeeds();
    assert!(said.stderr.contains("warning: c claims app.flatnet.internal, which is taken by a"), "{said}");
    lab.sh("podman stop -t 0 a").succeeds();
    lab.syncs_to(&[
        "app.flatnet.internal / a:80 stopped, b:80 running",
        "app.flatnet.internal / c:80 running",
    ]);
}

fn containers_share_a_namespace(lab: &Lab) {
    lab.with_gateway();
    lab.start_container("web", "");
    lab.sh(&format!(
        "podman run -d --name side --network container:web {IMAGE} sh -c 'exec httpd -f -p 8081 -h /www'"
    ))
    .succeeds();
    lab.syncs_to(&[
        "web.flatnet.internal / web:80 running",
        "side: port 80 belongs to web, whose address it shares",
    ]);
    lab.sh(&format!("podman rm -f -t 0 side; podman run -d --name side --label flatnet.port=8081 --network container:web {IMAGE} sh -c 'exec httpd -f -p 8081 -h /www'")).succeeds();
    lab.syncs_to(&["web.flatnet.internal / web:80 running", "side.flatnet.internal / side:8081 running"]);
    lab.sh("flatnet gateway routes --json | jq -r '.routes[].endpoints[].address' | sort -u | wc -l")
        .prints_exactly("1");
    lab.sh("podman rm -f -t 0 side && podman rm -f -t 0 web").succeeds();
    // In a pod, the infra container gets no route.
    lab.sh(&format!("podman pod create --name pod --network flatnet --infra-image {IMAGE} --infra-command 'sleep 1000'; podman run -d --pod pod --name member --label flatnet.port=80 {IMAGE}")).succeeds();
    lab.syncs_to(&["member.flatnet.internal / member:80 running"]);
}

fn routes_stay_while_podman_fails(lab: &Lab) {
    lab.with_gateway();
    lab.start_container("web", "");
    lab.syncs_to(&["web.flatnet.internal / web:80 running"]);
    let before = lab.sandbox.read(TABLE);
    for (stand_in, says) in [
        ("echo 'Error: database is locked' >&2; exit 125", "exited with 125: Error: database is locked"),
        ("[ $1 = ps ] && echo 0123456789ab && exit; echo oops", "FLAT-E101"),
        (
            "[ $1 = ps ] && echo 0123456789ab && exit; echo 'Error: no such container' >&2; exit 125",
            "no such container",
        ),
        ("exit 0", "FLAT-E102"),
        ("echo '; rm -rf /'", "FLAT-E"),
    ] {
        lab.sandbox.write("/usr/sbin/podman", &format!("#!/bin/sh\n{stand_in}\n"));
        lab.sh("chmod 755 /usr/sbin/podman; flatnet gateway sync").complains(says);
        assert_eq!(lab.sandbox.read(TABLE), before, "{stand_in}");
    }
    lab.sh("rm /usr/sbin/podman; flatnet gateway sync").prints("is unchanged");
    // An empty list is valid when no routed container is attached any more.
    lab.remove_all();
    lab.sh("flatnet gateway sync").prints("web: gone");
}

fn uninspectable_container_blocks_no_other(lab: &Lab) {
    lab.with_gateway();
    for name in ["a", "b", "c"] {
        lab.start_container(name, "--label flatnet.port=80");
    }
    lab.cannot_inspect("b");
    let said = lab.sh("flatnet gateway sync").succeeds();
    let id = lab.sh("podman ps -aqf name=b").succeeds().stdout;
    let warning = format!("flatnet: warning: container {} is skipped: `podman inspect", id.trim());
    assert!(said.stderr.contains(&warning) && said.stderr.contains("layer not known"), "{said}");
    let others = ["a.flatnet.internal / a:80 running", "c.flatnet.internal / c:80 running"];
    assert_eq!(lab.routes(), others);
    // A command that would write the routes elsewhere reports that one is missing.
    lab.sh("flatnet gateway render --static")
        .complains("not rendered: one container could not be inspected: container ");
    lab.can_inspect();
    lab.sh("flatnet gateway sync").prints("b: running at http://10.87.1.");
    lab.cannot_inspect("a");
    lab.sh("podman rm -f -t 0 b c").succeeds();
    let before = lab.routes();
    lab.sh("flatnet gateway sync").complains("layer not known");
    assert_eq!(lab.routes(), before, "nobody is left");
    lab.can_inspect();
}

fn sync_waits_for_busy_table_file(lab: &Lab) {
    lab.with_gateway();
    lab.sh("flatnet gateway sync").prints("Generation 1 is written");
    lab.start_container("web", "--label flatnet.port=80");
    // A mount prevents the replacement of the file.
    lab.sh(&format!("mount --bind {TABLE} {TABLE}; flatnet gateway sync")).complains("FLAT-E105");
    lab.sh(&format!("(sleep 0.3; umount {TABLE}) & flatnet gateway sync; wait"))
        .prints("Generation 2 is written");
    assert_eq!(lab.routes(), ["web.flatnet.internal / web:80 running"]);
    lab.sh(&format!("ls -A {} | grep -v ^routes.json$ || true", "/var/lib/flatnet-gateway/state"))
        .prints_exactly("");
    // Without the gateway's directory, no other one is used.
    lab.sh("rm -r /var/lib/flatnet-gateway; flatnet gateway sync")
        .complains("flatnet gateway install /var/lib/flatnet-gateway");
    lab.sh("flatnet gateway routes").complains("FLAT-E106");
}
