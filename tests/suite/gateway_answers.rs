//! Hostile input of clients and containers to the gateway: headers that control proxies, hop-by-hop and oversized
//! headers, two hosts in one request, redirects, bytes that are not text.

use serde_json::{Value, json};

use crate::gateway::{ADDRESS, DIRECTORY, Gateway, route, settings, with};
use crate::gateway_upstreams::certificate;

/// A gateway with HTTP and HTTPS, and two containers that answer as the request says: `web`, and `wiki` below a path.
pub(crate) fn start() -> Gateway {
    let gateway =
        Gateway::files(&with(settings(), json!({"tls": {"certificate": "/run/c.pem", "key": "/run/k.pem"}})));
    certificate(&gateway);
    gateway.sandbox.write("/usr/local/lib/drive/says.py", include_str!("drive/says.py"));
    for last in [2, 3] {
        gateway.beside(&format!(
            "exec ip netns exec box python3 -B /usr/local/lib/drive/says.py 10.87.1.{last} 3000"
        ));
        gateway
            .sandbox
            .eventually(&format!("ip netns exec box bash -c 'exec 3<>/dev/tcp/10.87.1.{last}/3000'"));
    }
    let wiki = json!({"hosts": ["flatnet.internal"], "path": "/wiki", "strip": true});
    gateway.write_routes(&crate::gateway::document(1, &[route("web", 2), with(route("wiki", 3), wiki)]));
    gateway.run();
    gateway
}

/// Both kinds of routes: by host, and by path with a stripped prefix.
pub(crate) const WAYS: [&str; 2] = ["web.local/x", "flatnet.internal/wiki/x"];

pub(crate) fn ask(gateway: &Gateway, options: &str, url: &str) -> String {
    let host = url.split('/').nth(2).unwrap_or_default();
    let at = [80, 443].map(|port| format!("--resolve {host}:{port}:{ADDRESS}")).join(" ");
    gateway.curl("lan", &format!("-k {at} {options} '{url}'")).succeeds().stdout
}

#[test]
fn proxy_headers_from_clients_are_dropped() {
    let gateway = start();
    let claims = [
        "Proxy",
        "Proxy-Connection",
        "X-Forwarded",
        "X-Forwarded-By",
        "X-Forwarded-Server",
        "X-Forwarded-Scheme",
        "X-Forwarded-Protocol",
        "X-Forwarded-Ssl",
        "X-Forwarded-User",
        "X-Remote-User",
        "Remote-User",
        "X-Url-Scheme",
        "Front-End-Https",
        "X-Client-IP",
        "Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "Fastly-Client-IP",
        "X-Original-Forwarded-For",
        "X-Original-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "HTTP2-Settings",
        "TE",
        "Keep-Alive",
    ];
    let options: Vec<String> = claims.iter().map(|name| format!("-H '{name}: evil'")).collect();
    for way in WAYS {
        let seen =
            ask(&gateway, &format!("{} -H 'X-Mine: kept'", options.join(" ")), &format!("http://{way}"));
        assert!(!seen.contains("evil") && seen.contains("X-Mine: kept"), "{way}: {seen}");
    }
    let upgrade = ask(&gateway, "-H 'Connection: Upgrade' -H 'Upgrade: h2c'", "http://web.local/x");
    assert!(!upgrade.to_lowercase().contains("upgrade"), "{upgrade}");
}

#[test]
fn proxy_headers_from_containers_are_dropped() {
    let gateway = start();
    for way in WAYS {
        for header in [
            "X-Accel-Redirect: /count",
            "X-Accel-Redirect: @grpc",
            "X-Accel-Limit-Rate: 1",
            "X-Accel-Charset: x",
        ] {
            let query = header.replace(' ', "%20");
            let answer = ask(&gateway, "-i -m 5", &format!("http://{way}?{query}"));
            assert!(answer.contains("200 OK") && answer.contains("GET /x?"), "{header}: {answer}");
        }
        // In HTTP/2 such a header is an error.
        let url = format!(
            "https://{way}?Upgrade:%20h2,h2c&Connection:%20Upgrade&Proxy-Connection:%20keep-alive&Keep-Alive:%20timeout=5"
        );
        let answer = ask(&gateway, "-i --http2", &url).to_lowercase();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("http/2 200"), "{head}");
        assert!(["upgrade:", "connection:", "keep-alive:"].iter().all(|name| !head.contains(name)), "{head}");
    }
}

#[test]
fn large_response_headers_pass_up_to_a_limit() {
    let gateway = start();
    for (way, host) in WAYS.iter().zip(["web.local/count", "flatnet.internal/wiki/count"]) {
        let code = |cookies: u8| {
            ask(&gateway, "-o /dev/null -w '%{http_code}'", &format!("http://{way}?cookies={cookies}"))
        };
        assert_eq!(code(15), "200", "58 kB");
        let before = ask(&gateway, "", &format!("http://{host}"));
        let refused = ask(&gateway, "-i", &format!("http://{way}?cookies=20"));
        assert!(refused.contains("502") && refused.contains("\"reason\":\"headers_too_large\""), "{refused}");
        let asked = ask(&gateway, "", &format!("http://{host}")).parse::<u32>().unwrap()
            - before.parse::<u32>().unwrap();
        assert_eq!(asked, 1, "asked again");
    }
}

#[test]
fn container_receives_host_it_was_routed_by() {
    let gateway = start();
    let raw = |target: &str, host: &str| {
        gateway
            .curl("lan", &format!("-H 'Host: {host}' --request-target '{target}' http://{ADDRESS}/"))
            .succeeds()
            .stdout
    };
    for (target, host, told) in [
        ("http://web.local/x", "other.local", "Host: web.local\r\n"),
        ("http://web.local:8080/x", "other.local", "Host: web.local:8080\r\n"),
        ("http://flatnet.internal/wiki/x", "web.local", "Host: flatnet.internal\r\n"),
        ("/x", "WEB.local:8080", "Host: WEB.local:8080\r\n"),
        ("/x", "web.local.", "Host: web.local.\r\n"),
    ] {
        let seen = raw(target, host);
        assert!(seen.contains(told) && !seen.contains("other.local"), "{target} {host}: {seen}");
        let forwarded = told.replace("Host", "X-Forwarded-Host");
        assert!(seen.contains(&forwarded), "{seen}");
    }
}

#[test]
fn redirects_keep_the_stripped_prefix_and_tls() {
    let gateway = start();
    let to = |url: &str, location: &str| {
        ask(&gateway, "-o /dev/null -w '%{redirect_url}'", &format!("{url}?Location:%20{location}"))
    };
    let wiki = "https://flatnet.internal/wiki/x";
    for location in [
        "http://flatnet.internal/login",
        "https://flatnet.internal:443/login",
        "//flatnet.internal/login",
        "/login",
    ] {
        assert_eq!(to(wiki, location), "https://flatnet.internal/wiki/login", "{location}");
    }
    assert_eq!(
        to("http://flatnet.internal/wiki/x", "https://flatnet.internal/login"),
        "https://flatnet.internal/wiki/login"
    );
    assert_eq!(to(wiki, "http://example.org/login"), "http://example.org/login");
    assert_eq!(to("https://web.local/x", "http://web.local/login"), "https://web.local/login");
    assert_eq!(to("http://web.local/x", "https://web.local/login"), "https://web.local/login");
    let refresh = ask(&gateway, "-i", &format!("{wiki}?Refresh:%203;%20url=/next"));
    assert!(refresh.to_lowercase().contains("refresh: 3; url=/wiki/next"), "{refresh}");
}

#[test]
fn access_log_lines_are_json_for_any_request() {
    let gateway = start();
    let log = format!("{DIRECTORY}/logs/access.log");
    for (number, way) in WAYS.iter().enumerate() {
        let odd = "-A $'agent\\xe9' -e $'http://x/\\xff'";
        ask(&gateway, odd, &format!("http://{way}?plain{number}"));
        let target =
            format!("--request-target $'/odd{number}\\xe9\\xc3\\xa9' -H 'Host: web.local' http://{ADDRESS}/");
        gateway.curl("lan", &target).succeeds();
        ask(&gateway, "-A é", &format!("http://{way}?even{number}"));
    }
    // Each worker writes its lines once a second.
    gateway.sandbox.eventually(&format!("[ $(wc -l <{log}) -ge 6 ]"));
    let read = "import json, sys; print(json.dumps([json.loads(line) for line in sys.stdin.buffer]))";
    let lines = gateway.sandbox.sh(&format!("python3 -c '{read}' <{log}")).succeeds().stdout;
    let lines: Vec<Value> = serde_json::from_str(&lines).unwrap();
    let line = |part: &str| {
        let has = |line: &&Value| line["uri"].as_str().is_some_and(|uri| uri.contains(part));
        lines.iter().find(has).unwrap_or_else(|| panic!("{part} in {lines:?}"))
    };
    assert_eq!(
        (&line("plain0")["user_agent"], &line("plain1")["referer"]),
        (&json!("agent%E9"), &json!("http://x/%FF"))
    );
    assert_eq!(line("odd0")["uri"], "/odd0%E9%C3%A9");
    assert_eq!(
        (&line("even0")["user_agent"], &line("even1")["host"]),
        (&json!("é"), &json!("flatnet.internal"))
    );
    assert_eq!(lines.len(), 6, "{lines:?}");
}
