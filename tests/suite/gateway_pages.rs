//! The gateway's own pages: the portal, the status, the metrics and the error pages.

use serde_json::{Value, json};

use crate::gateway::{DIRECTORY, Gateway, document, endpoint, route, with};

#[test]
fn portal_lists_services_in_two_languages() {
    let stopped = with(route("wiki", 3), json!({"endpoints": [endpoint("wiki", 3, "stopped")]}));
    let hostile = with(
        route("x", 4),
        json!({"endpoints": [with(endpoint("x", 4, "running"), json!({"container": "<img src=x>&\""}))]}),
    );
    let wildcard = with(route("pages", 5), json!({"hosts": ["*.git.example.org"]}));
    let app = with(route("app", 6), json!({"hosts": [], "path": "/app"}));
    let gateway = Gateway::files(&crate::gateway::settings());
    gateway.container("web", 2);
    let mut list = document(3, &[route("web", 2), stopped, hostile, wildcard, app]);
    list["unrouted"] = json!([{"container": "db", "id": "ab", "address": "10.87.1.9", "state": "running",
        "since": "2026-11-01T00:00:00Z", "why": "no port answers HTTP", "warning": true,
        "reason": "port_silent", "facts": {"ports": "5432"}}]);
    gateway.write_routes(&list);
    gateway.run();
    gateway.sandbox.eventually("curl -sf 127.0.0.1/_flatnet/status | jq -e '.routes[0].health == \"up\"'");
    for host in
        ["192.168.7.1", "localhost", "flatnet.internal", "local", "portal.local", "dev-pc", "DEV-PC.local"]
    {
        let page = gateway.curl("lan", &format!("-i -H 'Host: {host}' http://192.168.7.1/"));
        page.prints("200 OK").prints("<html lang=\"en\">");
    }
    let page =
        gateway.curl("lan", "-H 'Accept-Language: fr, en;q=0.8' http://192.168.7.1/").succeeds().stdout;
    for text in [
        "<a href=\"http://web.flatnet.internal/\">web.flatnet.internal</a>",
        "<a href=\"http://web.local/\">web.local</a>",
        "<span class=\"badge up\">running</span>",
        "<span class=\"badge stopped\">stopped</span>",
        "<span>*.git.example.org</span>",
        "<a href=\"/app/\">/app</a>",
        "<code>10.87.1.2:3000</code>",
        "<time datetime=\"2026-11-01T00:00:00Z\">",
        "no port answers HTTP",
        "&lt;img src=x&gt;&amp;&quot;",
        "name=\"viewport\"",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(text), "the portal lacks {text}\n{page}");
    }
    gateway
        .curl("lan", "-H 'Accept-Language: ja' http://192.168.7.1/")
        .prints("<small>ポート 5432 が HTTP に応答しません。</small>");
    assert!(!page.contains("<img"), "what a container is called is text\n{page}");
    assert!(!page.contains("{{"), "all is filled in\n{page}");
    // The page loads nothing from other hosts: all its URLs are links to services.
    assert!(!page.contains("src=\"") && !page.contains("@import") && !page.contains("url("), "{page}");
    let japanese = gateway.curl("lan", "-H 'Accept-Language: ja,en-US;q=0.7' http://192.168.7.1/");
    japanese.prints("<html lang=\"ja\">").prints("稼働中").prints("公開されていないコンテナ");
}

#[test]
fn gateway_pages_are_limited_to_allowed_networks() {
    let app = with(route("app", 2), json!({"hosts": [], "path": "/app"}));
    let gateway = Gateway::start(&[route("web", 2), app]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    for path in ["/", "/_flatnet/status", "/_flatnet/metrics", "/_flatnet/healthz"] {
        gateway.curl("lan", &format!("-f http://192.168.7.1{path}")).succeeds();
        let refused = gateway.curl("guest", &format!("-i http://203.0.113.1{path}"));
        refused.prints("403 Forbidden").prints("\"reason\":\"forbidden\"").prints("203.0.113.2");
    }
    // `X-Forwarded-For` does not change the client's address.
    gateway.curl("guest", "-i -H 'X-Forwarded-For: 192.168.7.2' http://203.0.113.1/").prints("403 Forbidden");
    // Services are not limited to `allow`: that is left to the firewall.
    gateway.curl("guest", "-f -H 'Host: web.local' http://203.0.113.1/").prints("web");
    gateway.curl("guest", "-f http://203.0.113.1/app").prints("web");
    gateway
        .curl("lan", "-i http://192.168.7.1/_flatnet/other")
        .prints("404 Not Found")
        .prints("unknown_path");
    // Workers publish their counters once a second.
    gateway.sandbox.sh("sleep 1.2").succeeds();
    let metrics = gateway.curl("lan", "http://192.168.7.1/_flatnet/metrics");
    metrics
        .prints("flatnet_requests_total{route=\"web\",status=\"200\"} 2")
        .prints("flatnet_requests_total{route=\"\",status=\"403\"} 5")
        .prints("flatnet_endpoint_up{route=\"web\",container=\"web\",address=\"10.87.1.2:3000\"} 1")
        .prints("flatnet_routes 2")
        .prints("flatnet_connections{state=\"active\"}");
    // `flatnet metrics --publish` writes the metrics of the containers' host.
    let host = "http://192.168.7.1/_flatnet/metrics/host";
    gateway.curl("lan", &format!("-i {host}")).prints("404 Not Found").prints("unknown_path");
    gateway.sandbox.write(&format!("{DIRECTORY}/state/host.prom"), "flatnet_containers 3\n");
    gateway
        .curl("lan", &format!("-f -i {host}"))
        .prints("Content-Type: text/plain; version=0.0.4\r\n")
        .prints("\nflatnet_containers 3\n");
    gateway.curl("guest", "-i http://203.0.113.1/_flatnet/metrics/host").prints("403 Forbidden");
    let status = gateway.status();
    assert_eq!(status["name"], "dev-pc");
    assert_eq!(status["routes"][0]["endpoints"][0]["health"], "up", "{status}");
    assert_eq!(status["unrouted"], json!([]), "an empty list is a list");
    assert_eq!(status["conflicts"], json!([]));
}

fn json_of(gateway: &Gateway, arguments: &str) -> Value {
    let output = gateway.curl("lan", &format!("{arguments} http://192.168.7.1/")).succeeds();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

#[test]
fn error_pages_name_container_state_and_remedy() {
    let with_state = |name: &str, last: u8, state: &str| {
        with(route(name, last), json!({"hold": 0, "endpoints": [endpoint(name, last, state)]}))
    };
    let gateway = Gateway::start(&[
        with_state("stopped", 2, "stopped"),
        with_state("paused", 3, "paused"),
        with_state("restarting", 4, "restarting"),
        with_state("silent", 5, "running"),
    ]);
    for (name, state, todo) in [
        ("stopped", "stopped", "podman start stopped"),
        ("paused", "paused", "podman unpause paused"),
        ("restarting", "restarting", "podman logs restarting"),
        ("silent", "running", "podman logs silent"),
    ] {
        let said = json_of(&gateway, &format!("-H 'Host: {name}.local'"));
        assert_eq!(said["container"], name, "{said}");
        assert_eq!(said["state"], state, "{said}");
        assert_eq!(said["status"], 503, "{said}");
        assert!(said["todo"].as_str().is_some_and(|text| text.contains(todo)), "{said}");
        let form = format!("-i -H 'Host: {name}.local' -H 'Accept: text/html,*/*;q=0.8'");
        let page = gateway.curl("lan", &format!("{form} http://192.168.7.1/"));
        let page =
            page.prints("503 Service Temporarily Unavailable").prints("<html lang=\"en\"").prints(todo);
        let page = page.prints("Retry-After: 2").prints("setTimeout(look").prints("Cache-Control: no-store");
        assert!(!page.stdout.contains("{{"), "{page}");
        let japanese =
            gateway.curl("lan", &format!("{form} -H 'Accept-Language: ja-JP' http://192.168.7.1/"));
        japanese.prints("<html lang=\"ja\"").prints(todo).prints("スタートページ");
    }
    let hostile = gateway.curl("lan", "-H 'Host: <b>.local' -H 'Accept: text/html' http://192.168.7.1/");
    hostile.prints("No service &lt;b&gt;.local here");
}

#[test]
fn unknown_host_page_links_to_portal() {
    let gateway = Gateway::start(&[route("web", 2)]);
    let said = json_of(&gateway, "-H 'Host: other.local' -H 'Accept-Language: ja'");
    assert_eq!(said["reason"], "unknown_host");
    assert_eq!(said["title"], "other.local というサービスはありません");
    let page = gateway.curl("lan", "-i -H 'Host: other.local' -H 'Accept: text/html' http://192.168.7.1/x");
    let page = page.prints("404 Not Found").prints("No service other.local here");
    let page = page.prints("href=\"http://192.168.7.1/\"");
    // While a container is recreated its route is missing for a moment. The page retries; no request is held.
    page.prints("class=\"again\"");
}

#[test]
fn slow_answer_is_reported_as_timed_out() {
    // The real timeout is 300 s. The test shortens it in its copy of the configuration.
    let gateway = Gateway::files(&crate::gateway::settings());
    let file = "/srv/gateway/conf/locations.conf";
    let shorten = format!(
        "sed -i 's/^proxy_read_timeout 300s/proxy_read_timeout 1s/' {file}; grep -q 'timeout 1s' {file}"
    );
    gateway.sandbox.sh(&shorten).succeeds();
    gateway.container("web", 2);
    gateway.write_routes(&document(1, &[route("web", 2)]));
    gateway.run();
    let slow = gateway.curl("lan", "-i -H 'Host: web.local' http://192.168.7.1/slow?2500");
    slow.prints("504 Gateway").prints("\"reason\":\"timed_out\"").prints("\"container\":\"web\"");
    assert_eq!(gateway.received("web", "GET /slow"), 1, "it is not asked again");
    assert_eq!(gateway.code("http://web.local/"), "200", "it is not taken for dead");
}
