//! The doctor's checks of the HTTP gateway, with real nginx and real Podman.

use crate::doctor::{Break, Mend, assert_well, each_is_found_and_mended, findings};
use crate::podman::{Flavour, LUA_MODULES, Lab};
use crate::routes::{GATEWAY, TABLE};
use crate::sandbox::Sandbox;

/// Problems of the gateway's files and of the routes table.
pub(crate) const WRITTEN: &[Break] = &[
    Break::new(
        "gateway-files",
        "failure",
        "rm /var/lib/flatnet-gateway/html/style.css",
        "/var/lib/flatnet-gateway lacks html/style.css",
        Mend::Fix,
    ),
    Break::new(
        "gateway-files",
        "warning",
        "echo 'gateway: {allow: [127.0.0.0/8]}' >>/etc/flatnet/flatnet.yaml; flatnet up",
        "from another version or configuration: conf/nginx.conf in /var/lib/flatnet-gateway",
        Mend::Fix,
    ),
    Break::new(
        "gateway-files",
        "warning",
        "echo '# mine' >>/var/lib/flatnet-gateway/conf/proxy.conf",
        "modified locally: conf/proxy.conf",
        Mend::Printed,
    ),
    Break::new(
        "gateway-routes",
        "failure",
        "rm /var/lib/flatnet-gateway/state/routes.json",
        "state/routes.json: not found",
        Mend::Fix,
    ),
    Break::new(
        "gateway-routes",
        "failure",
        "truncate -s -20 /var/lib/flatnet-gateway/state/routes.json",
        "state/routes.json: not a valid routes table: EOF",
        Mend::Fix,
    ),
    Break::new(
        "gateway-routes",
        "failure",
        "cd /var/lib/flatnet-gateway/state; jq '.routes[0].endpoints[0].address = \"192.168.1.9\"' routes.json >/tmp/r; cat /tmp/r >routes.json; sleep 0.6",
        "the gateway would reject it: route web leads to 192.168.1.9:80, which is outside 10.87.0.0/16",
        Mend::Fix,
    )
    .also(&["gateway-in-force"]),
    Break::new(
        "gateway-routes",
        "warning",
        "podman run -d --name second --network flatnet flatnet-test/busybox",
        "the routes table is out of date: second: running at http://10.87.1.",
        Mend::Fix,
    ),
    Break::new(
        "gateway-routes",
        "warning",
        "podman rm -f -t 0 second",
        "the routes table is out of date: second: gone",
        Mend::Fix,
    ),
    Break::new(
        "gateway-unrouted",
        "warning",
        "podman run -d --name odd --network flatnet --label flatnet.prot=80 flatnet-test/busybox; flatnet gateway sync",
        "container odd has no route: label flatnet.prot of container odd: unknown label; known labels: ",
        Mend::ByHand("podman rm -f -t 0 odd; flatnet gateway sync"),
    ),
    Break::new(
        "gateway-in-force",
        "failure",
        "chmod 600 /var/lib/flatnet-gateway/state/routes.json",
        "the gateway rejected the routes table and keeps the previous one: ",
        Mend::Fix,
    ),
    Break::new(
        "gateway-in-force",
        "warning",
        "podman run -d --name c --network flatnet --label flatnet.host=web,c --label flatnet.port=80 flatnet-test/busybox; flatnet gateway sync",
        "route c does not get web.flatnet.internal/: it is taken by web",
        Mend::ByHand("podman rm -f -t 0 c; flatnet gateway sync"),
    ),
];

/// Problems of the running gateway.
pub(crate) const RUNNING: &[Break] = &[
    Break::new(
        "gateway-in-force",
        "failure",
        "gateway quit; cp -a /var/lib/flatnet-gateway /srv/other; cd /srv/other/state; jq '.generation = 1000 | .end = 1000' routes.json >/tmp/r; cat /tmp/r >routes.json; nginx -p /srv/other -c conf/nginx.conf",
        "http://127.0.0.1:80/ has generation 1000, but /var/lib/flatnet-gateway/state/routes.json has ",
        Mend::ByHand("gateway quit /srv/other; gateway start"),
    ),
    Break::new(
        "gateway-in-force",
        "warning",
        "cd /var/lib/flatnet-gateway; sed -i 's/version = \"[^\"]*\"/version = \"0.0.1\"/' conf/nginx.conf; nginx -p $PWD -c conf/nginx.conf -s reload; sleep 1; flatnet gateway install --force",
        "the gateway runs version 0.0.1, but this is ",
        Mend::ByHand("nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf -s reload; sleep 1"),
    ),
    Break::new(
        "gateway-watch",
        "warning",
        "gateway unwatch",
        "not running: its lock /run/flatnet/flatnet.gateway-watch.lock is not held",
        Mend::ByHand("gateway watch"),
    ),
    Break::new(
        "gateway-watch",
        "warning",
        "mkdir -p /run/systemd/system",
        "running, but will not start after a reboot: flatnet-gateway-watch.service is not enabled",
        Mend::ByHand("rmdir /run/systemd/system"),
    ),
    Break::new(
        "gateway-answers",
        "failure",
        "gateway quit",
        "no answer from the gateway: curl: (7)",
        Mend::Printed,
    ),
    Break::new(
        "gateway-answers",
        "failure",
        "gateway quit; setsid python3 -m http.server 80 >/dev/null 2>&1 & echo $! >/tmp/other.pid; until curl -s 127.0.0.1 >/dev/null; do sleep 0.1; done",
        "another server than Flatnet's gateway answers at http://127.0.0.1:80/ (HTTP 404)",
        Mend::ByHand(
            "kill $(cat /tmp/other.pid); while curl -s 127.0.0.1 >/dev/null; do sleep 0.1; done; gateway start",
        ),
    ),
    Break::new(
        "gateway-answers",
        "warning",
        "echo 'gateway: {allow: [10.0.0.0/8]}' >>/etc/flatnet/flatnet.yaml; flatnet up; flatnet gateway install; nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf -s reload; sleep 1",
        "http://127.0.0.1:80/ answers, but denies its status to this host (403)",
        Mend::ByHand(
            "sed -i '/^gateway/d' /etc/flatnet/flatnet.yaml; flatnet up; flatnet gateway install; nginx -p /var/lib/flatnet-gateway -c conf/nginx.conf -s reload; sleep 1",
        ),
    ),
    Break::new(
        "gateway-answers",
        "failure",
        "gateway quit; rm /var/lib/flatnet-gateway/state/*; gateway start",
        "answers, but has not loaded a routes table yet",
        Mend::Printed,
    )
    .also(&["gateway-routes"]),
    Break::new(
        "gateway-endpoints",
        "warning",
        "podman exec web killall httpd",
        "container web accepts no connection at 10.87.1.",
        Mend::ByHand("podman exec web httpd -p 80 -h /www; gateway up"),
    )
    .also(&["reachable"]),
    Break::new(
        "reachable",
        "failure",
        "podman exec web killall httpd",
        "is not reachable by name; failed at the gateway: HTTP 503, down",
        Mend::ByHand("podman exec web httpd -p 80 -h /www; gateway up"),
    )
    .also(&["gateway-endpoints"]),
];

/// Commands of an operator of the gateway. `gateway watch` suspends the watch process once it has written the routes:
/// otherwise that process would fix a problem before the doctor can find it.
const OPERATOR: &str = r#"#!/bin/bash -eu
directory=${2:-/var/lib/flatnet-gateway}
is_up() { curl -sf 127.0.0.1/_flatnet/status | jq -e '.routes[0].endpoints[0].health == "up"' >/dev/null; }
case $1 in
    start) nginx -p $directory -c conf/nginx.conf ;;
    quit) pid=$(cat $directory/logs/nginx.pid); kill $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done ;;
    reload) nginx -p $directory -c conf/nginx.conf -s reload; sleep 1 ;;
    up) until curl -sf -H 'Host: web.local' 127.0.0.1 >/dev/null && is_up; do sleep 0.1; done ;;
    unwatch) kill -KILL $(cat /tmp/watch.pid); while kill -0 $(cat /tmp/watch.pid) 2>/dev/null; do sleep 0.05; done ;;
    watch)
        : >/tmp/watch.out
        setsid flatnet gateway watch >/tmp/watch.out 2>&1 </dev/null & echo $! >/tmp/watch.pid
        until pgrep -f '[p]odman events' >/dev/null; do sleep 0.1; done
        until jq -e '.routes[0].name == "web"' /var/lib/flatnet-gateway/state/routes.json >/dev/null; do sleep 0.1; done
        sleep 3
        kill -STOP $(cat /tmp/watch.pid) ;;
esac
"#;

/// A host with the gateway, and a container that keeps running if its server ends.
fn served() -> Lab {
    let lab = Lab::start(Flavour::Cni);
    lab.sh("flatnet gateway install; flatnet up").succeeds();
    lab.sandbox.write("/usr/local/bin/gateway", OPERATOR);
    let server =
        "--expose 80 --label flatnet.hold=0 flatnet-test/busybox sh -c 'httpd -p 80 -h /www; sleep 10000'";
    lab.start_container("web", server);
    lab.sh("chmod 755 /usr/local/bin/gateway; gateway start; gateway watch; gateway up").succeeds();
    lab
}

#[test]
fn gateway_file_problems_are_found_and_fixed() {
    each_is_found_and_mended(&served().sandbox, WRITTEN);
}

#[test]
fn running_gateway_problems_are_found_and_fixed() {
    each_is_found_and_mended(&served().sandbox, RUNNING);
}

#[test]
fn healthy_and_absent_gateway_are_reported() {
    let lab = served();
    assert_well(&lab.sandbox, "at first");
    let said = lab.sh("flatnet doctor").succeeds().stdout;
    for part in [
        "1 container answers ping and on 1 TCP ports, 1 by name at the gateway",
        "gateway-routes: 1 route; generation ",
        "gateway-watch: running: it holds /run/flatnet/flatnet.gateway-watch.lock",
        "gateway-answers: http://127.0.0.1:80/ answers",
        "gateway-in-force: generation ",
        "gateway-endpoints: 1 of 1 endpoints are up",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    lab.sh("flatnet status").prints("\nroutes      generation ");
    let said = lab.sh("mv /usr/bin/curl /root; flatnet doctor; mv /root/curl /usr/bin").succeeds().stdout;
    for check in
        ["gateway-answers: curl is not installed", "gateway-in-force: the gateway's status is unknown"]
    {
        assert!(said.contains(&format!("  unseen   {check}")), "{said}");
    }
    lab.sh("mv /var/lib/flatnet-gateway /tmp; flatnet up").succeeds();
    let said = lab.sh("flatnet doctor").succeeds().stdout;
    assert!(
        said.contains("\nGateway\n  -        no gateway is installed in /var/lib/flatnet-gateway\n\n"),
        "{said}"
    );
    lab.sh("flatnet status").prints("\nroutes      no gateway here\n");
}

/// Problems of the certificate.
pub(crate) const CERTIFICATE: &[Break] = &[Break::new(
    "gateway-certificate",
    "warning",
    "cp /etc/g.pem /tmp; openssl req -x509 -key /etc/g.key -out /etc/g.pem -days 5 -subj /CN=gateway; gateway reload",
    "the gateway's certificate expires within 14 days, at ",
    Mend::ByHand("cp /tmp/g.pem /etc; gateway reload"),
)];

#[test]
fn gateway_is_checked_over_https_if_http_redirects() {
    let lab = served();
    lab.sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout /etc/g.key -out /etc/g.pem -days 30 -subj /CN=gateway 2>/dev/null
        echo 'gateway: {tls: {certificate: /etc/g.pem, key: /etc/g.key, redirect: true}}' >>/etc/flatnet/flatnet.yaml
        flatnet up; flatnet gateway install; gateway quit; gateway start").succeeds();
    assert_well(&lab.sandbox, "by HTTPS");
    lab.sh("flatnet doctor")
        .prints("gateway-answers: https://127.0.0.1:443/ answers")
        .prints("gateway-certificate: the certificate is valid until ")
        .prints("1 by name at the gateway");
    each_is_found_and_mended(&lab.sandbox, CERTIFICATE);
}

const WINDOWS: &str = "/mnt/c/flatnet/gateway";

/// Imitates WSL2 as far as Flatnet can tell, with Windows as the next hop of the default route.
const WSL2: &str = r"
echo 6.6.114.1-microsoft-standard-WSL2 >/root/osrelease
mount --bind /root/osrelease /proc/sys/kernel/osrelease
printf '#!/bin/sh\necho nat\n' >/usr/bin/wslinfo && chmod 755 /usr/bin/wslinfo
printf 'gateway: {directory: /mnt/c/flatnet/gateway}\n' >/etc/flatnet/flatnet.yaml
ip addr add 127.0.0.1/8 dev lo 2>/dev/null || true
flatnet up; flatnet gateway install; flatnet gateway sync
";

/// Starts Debian's nginx in place of `OpenResty`.
const OPENRESTY: &str = "ip netns exec windows nginx -p /mnt/c/flatnet/gateway -c conf/nginx.conf";

#[test]
fn gateway_on_windows_is_checked_at_windows_address() {
    let lab = Lab::start(Flavour::Cni);
    lab.sh(WSL2).succeeds();
    let answers = |sandbox: &Sandbox| {
        let said = sandbox.sh("{ flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"gateway-answers\") | \"\\(.level): \\(.what)\"'");
        said.succeeds().stdout
    };
    let refused = answers(&lab.sandbox);
    assert!(refused.starts_with("failure: the gateway on Windows is not listening: curl: (7)"), "{refused}");
    lab.sh("ip netns exec windows nft 'add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c tcp dport 80 drop'").succeeds();
    let silent = answers(&lab.sandbox);
    assert!(silent.starts_with("not_looked: no answer from Windows, whose firewall may drop"), "{silent}");
    lab.sh("ip netns exec windows nft delete table ip t").succeeds();
    lab.sh(&format!("{OPENRESTY} {LUA_MODULES}")).succeeds();
    assert_eq!(answers(&lab.sandbox), "good: http://192.168.77.1:80/ answers\n");
    let bad: Vec<String> = findings(&lab.sandbox, "").iter().map(|one| one["id"].to_string()).collect();
    assert!(!bad.iter().any(|id| id.contains("gateway-") && !id.contains("gateway-watch")), "{bad:?}");
    lab.sh(&format!("kill $(cat {WINDOWS}/logs/nginx.pid); test -e {WINDOWS}/state/routes.json; test ! -e {GATEWAY}; test ! -e {TABLE}")).succeeds();
}
