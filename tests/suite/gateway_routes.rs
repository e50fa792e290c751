//! The container that a request reaches, by host, wildcard and path; never another one.

use serde_json::{Value, json};

use crate::gateway::{Gateway, endpoint, route, with};

fn name(answer: &Value) -> &str {
    answer["name"].as_str().unwrap_or_default()
}

#[test]
fn hosts_wildcards_and_paths_are_routed() {
    let gateway = Gateway::start(&[
        route("forgejo", 2),
        with(route("pages", 3), json!({"hosts": ["*.git.example.org"]})),
        with(route("docs", 4), json!({"hosts": ["docs.git.example.org", "*.docs.git.example.org"]})),
        with(route("api", 5), json!({"hosts": ["forgejo.local"], "path": "/api/v1"})),
        with(route("app", 6), json!({"hosts": [], "path": "/app/", "strip": true})),
    ]);
    for (container, last) in [("forgejo", 2), ("pages", 3), ("docs", 4), ("api", 5), ("app", 6)] {
        gateway.container(container, last);
    }
    let cases = [
        ("http://forgejo.flatnet.internal/", "forgejo"),
        ("http://FORGEJO.local/", "forgejo"),
        ("http://forgejo.local./", "forgejo"),
        ("http://forgejo.local/api/v1", "api"),
        ("http://forgejo.local/api/v1/repos?x=1", "api"),
        ("http://forgejo.local/api/v12", "forgejo"),
        ("http://forgejo.local/api", "forgejo"),
        ("http://forgejo.local/api/v1/%2e%2e/v2", "forgejo"),
        ("http://alice.git.example.org/", "pages"),
        ("http://a.b.git.example.org/", "pages"),
        ("http://docs.git.example.org/", "docs"),
        ("http://x.docs.git.example.org/", "docs"),
        ("http://192.168.7.1/app/", "app"),
        ("http://flatnet.internal/app/page", "app"),
    ];
    for (url, container) in cases {
        assert_eq!(name(&gateway.get(url)), container, "{url}");
    }
    for url in [
        "http://unknown.local/",
        "http://git.example.org/",
        "http://forgejo/",
        "http://forgejo.local.evil.org/",
        "http://192.168.7.1/apple",
    ] {
        assert_eq!(gateway.code(url), "404", "{url}");
    }
    gateway
        .curl("lan", "-i -H 'Host: forgejo.local' http://192.168.7.1/_flatnet/status")
        .prints("\"name\": \"forgejo\"");
}

#[test]
fn a_prefix_is_stripped_and_put_back() {
    let app = with(route("app", 6), json!({"hosts": [], "path": "/app", "strip": true}));
    let kept = with(route("kept", 5), json!({"hosts": [], "path": "/kept"}));
    let gateway = Gateway::start(&[app, kept]);
    gateway.container("app", 6);
    gateway.container("kept", 5);
    for (asked, received) in [
        ("/app/", "/"),
        ("/app/?q=1", "/?q=1"),
        ("/app/a%2Fb%20c/?q=%26&r=/app", "/a%2Fb%20c/?q=%26&r=/app"),
        ("/%61pp/x%20y?q=1", "/x%20y?q=1"),
        ("/app/app/x", "/app/x"),
        ("/kept/x%2Fy?z", "/kept/x%2Fy?z"),
    ] {
        let answer = gateway.get(&format!("http://192.168.7.1{asked}"));
        assert_eq!(answer["path"], received, "{asked}");
    }
    gateway.curl("lan", "-i 'http://192.168.7.1/app?q=%20'").prints("308").prints("Location: /app/?q=%20");
    gateway.curl("lan", "-d x 'http://192.168.7.1/app?q'").prints("\"path\": \"/?q\"");
    let answer = gateway.get("http://192.168.7.1/app/x");
    assert_eq!(answer["headers"]["x-forwarded-prefix"], "/app");
    let redirect = gateway.curl("lan", "-i http://192.168.7.1/app/go");
    redirect.prints("Location: /app/login").prints("Set-Cookie: session=1; Path=/app/");
    let heeded = gateway.curl("lan", "-i http://192.168.7.1/app/go?heeds");
    heeded.prints("Location: /app/login").prints("Set-Cookie: session=1; Path=/app\r");
    gateway.curl("lan", "-i http://192.168.7.1/kept/../kept/x").prints("200 OK");
}

#[test]
fn routes_follow_the_file_without_a_reload() {
    let gateway = Gateway::start(&[route("one", 2)]);
    gateway.container("one", 2);
    gateway.container("two", 3);
    assert_eq!(name(&gateway.get("http://one.local/")), "one");
    let before = gateway.sandbox.sh("pgrep -f 'nginx: [w]orker'").succeeds().stdout;
    // The name `one` moves to another address; the old address gets another name.
    let moved = with(route("one", 3), json!({"endpoints": [endpoint("two", 3, "running")]}));
    gateway.publish(2, &[moved, route("first", 2)]);
    assert_eq!(name(&gateway.get("http://one.local/")), "two");
    assert_eq!(name(&gateway.get("http://first.local/")), "one");
    gateway.publish(3, &[route("first", 2)]);
    assert_eq!(gateway.code("http://one.local/"), "404");
    assert_eq!(
        gateway.sandbox.sh("pgrep -f 'nginx: [w]orker'").succeeds().stdout,
        before,
        "the workers are the same"
    );
}

#[test]
fn first_route_wins_host_conflict() {
    let second = with(route("second", 3), json!({"hosts": ["first.local", "second.local"]}));
    let portal = route("portal", 3);
    let gateway = Gateway::start(&[route("first", 2), second, portal]);
    gateway.container("first", 2);
    gateway.container("second", 3);
    assert_eq!(name(&gateway.get("http://first.local/")), "first");
    assert_eq!(name(&gateway.get("http://second.local/")), "second");
    let conflicts = &gateway.status()["conflicts"];
    assert_eq!(
        conflicts[0],
        json!({"route": "second", "host": "first.local", "path": "/", "winner": "first"})
    );
    assert_eq!(conflicts[1]["winner"], "the gateway itself", "{conflicts}");
    gateway
        .curl("lan", "http://192.168.7.1/")
        .prints("first.local/ is taken by first, so second does not get it.");
}
