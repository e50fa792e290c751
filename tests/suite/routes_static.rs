//! `flatnet gateway render --static`: plain nginx routes to containers, and follows them after a reload.

use crate::podman::{Flavour, Lab};

const FILE: &str = "/etc/nginx/conf.d/flatnet.conf";
const RENDER: &str = "flatnet gateway render --static --output /etc/nginx/conf.d/flatnet.conf --reload";

/// The response of plain nginx to a request for `host`.
fn get(lab: &Lab, host: &str, path: &str) -> String {
    lab.sh(&asked(host, path)).stdout
}

/// A command that prints the response's body, a bar and its status.
fn asked(host: &str, path: &str) -> String {
    format!("curl -s -m 5 -w '|%{{http_code}}' -H 'Host: {host}' http://127.0.0.1{path} | tr -d '\\n'")
}

/// Waits for the response, because a reload takes nginx a moment.
#[track_caller]
fn answers(lab: &Lab, host: &str, path: &str, what: &str) {
    lab.sandbox.eventually(&format!("{} | grep -F '{what}'", asked(host, path)));
}

#[test]
fn rendered_change_takes_effect_after_reload() {
    let lab = Lab::start(Flavour::Cni);
    lab.sh("rm -f /etc/nginx/sites-enabled/default; mkdir -p /var/log/nginx /var/lib/nginx; nginx")
        .succeeds();
    lab.start_container("web", "");
    lab.start_container(
        "app",
        "--label flatnet.path=/app --label flatnet.strip=true --label flatnet.port=80",
    );
    lab.sandbox.eventually("flatnet gateway render --static | grep 'upstream flatnet_web'");
    lab.sh(RENDER).prints("is written and nginx reloaded: 2 routes");
    let address = lab.address("web");
    lab.sh(&format!("cat {FILE}")).prints(&format!("upstream flatnet_web {{\n    server {address}:80;\n"));
    answers(&lab, "web.flatnet.internal", "/cgi-bin/who", "10.87.1.1|200");
    answers(&lab, "WEB.local", "/cgi-bin/who", "10.87.1.1|200");
    answers(&lab, "127.0.0.1", "/app/cgi-bin/who", "10.87.1.1|200");
    assert!(get(&lab, "127.0.0.1", "/apple").ends_with("|404"));
    assert!(get(&lab, "unknown.local", "/").contains("No container is reached by this name"));
    lab.sh(RENDER).prints("is unchanged");
    // A new container has the same name, and another address.
    lab.sh("podman rm -f -t 0 web").succeeds();
    lab.start_container("web", "--ip 10.87.1.77 --label flatnet.port=80");
    assert_ne!(
        get(&lab, "web.local", "/cgi-bin/who").rsplit('|').next(),
        Some("200"),
        "not before the reload"
    );
    lab.sh(RENDER).prints("is written and nginx reloaded");
    answers(&lab, "web.local", "/cgi-bin/who", "10.87.1.1|200");
    lab.sh("podman stop -t 0 web").succeeds();
    lab.sh(RENDER).prints("is written and nginx reloaded");
    answers(&lab, "web.local", "/", "|502");
}

#[test]
fn config_rejected_by_nginx_is_reverted() {
    let lab = Lab::start(Flavour::Cni);
    lab.start_container("web", "--label flatnet.port=80");
    let other = "server { listen 80 default_server; }";
    lab.sh(&format!("rm -f /etc/nginx/sites-enabled/default; echo '{other}' >/etc/nginx/conf.d/other.conf"))
        .succeeds();
    let said = lab.sh(RENDER).complains("a duplicate default server").stderr;
    assert!(said.contains("--no-default-server") && said.contains(&format!("{FILE} is unchanged")), "{said}");
    lab.sh(&format!("[[ ! -e {FILE} ]]; nginx -t -q")).succeeds();
    lab.sh("flatnet gateway render --static --no-default-server --output /etc/nginx/conf.d/flatnet.conf")
        .prints("run `nginx -s reload` to apply it");
    let before = lab.sandbox.read(FILE);
    lab.start_container("more", "--label flatnet.port=80");
    lab.sh(RENDER).complains("FLAT-E108");
    assert_eq!(lab.sandbox.read(FILE), before);
    lab.sh("flatnet gateway render").complains("--static");
}
