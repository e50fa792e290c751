//! A container may send 1xx before its answer, which nginx before 1.29 does not support: clients still get the final response.

use crate::gateway::{ADDRESS, DIRECTORY, Gateway};
use crate::gateway_answers::{WAYS, ask, start};

/// The number of requests that the container behind this route has received.
fn count(gateway: &Gateway, way: &str) -> u32 {
    ask(gateway, "", &format!("http://{}", way.replace("/x", "/count"))).parse().unwrap()
}

#[test]
fn answer_after_1xx_reaches_client() {
    let gateway = start();
    let codes = "-o /dev/null -w '%{http_code} '";
    for (way, scheme) in WAYS.into_iter().flat_map(|way| [(way, "http"), (way, "https")]) {
        let url = format!("{scheme}://{way}");
        let before = count(&gateway, way);
        let both = format!("{codes} -m 20 '{url}?before=103' {codes}");
        assert_eq!(ask(&gateway, &both, &url), "200 200 ", "{url}");
        // The first request with a 1xx fails, which the gateway detects, and is repeated.
        assert_eq!(count(&gateway, way) - before, if scheme == "http" { 3 } else { 2 }, "{url}");
        let answer = ask(&gateway, "-i -m 20", &format!("{url}?before=102&before=103&X-Mine:%20kept"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/") && head.to_lowercase().contains("x-mine: kept"), "{answer}");
        assert!(head.lines().next().unwrap().contains(" 200"), "{answer}");
        assert!(body.starts_with("GET /x?before") && !body.to_lowercase().contains("x-flatnet"), "{answer}");
    }
    let log = gateway.sandbox.read(&format!("{DIRECTORY}/logs/error.log"));
    for container in ["web at 10.87.1.2:3000 sent 103", "wiki at 10.87.1.3:3000 sent 103"] {
        assert_eq!(log.matches(container).count(), 1, "{log}");
    }
}

#[test]
fn requests_through_relay_are_treated_as_usual() {
    let gateway = start();
    let wiki = "https://flatnet.internal/wiki/x?before=103";
    ask(&gateway, "-m 20", wiki);
    let to = ask(&gateway, "-o /dev/null -w '%{redirect_url}'", &format!("{wiki}&Location:%20/login"));
    assert_eq!(to, "https://flatnet.internal/wiki/login");
    let seen = ask(&gateway, "-H 'X-Forwarded-For: evil' -H 'X-Flatnet-Peer: evil'", wiki);
    assert!(
        seen.contains("X-Forwarded-For: 192.168.7.2") && seen.contains("X-Forwarded-Prefix: /wiki"),
        "{seen}"
    );
    assert!(seen.starts_with("GET /x?") && !seen.contains("evil"), "{seen}");
    let upload = format!("-o /dev/null -w '%{{http_code}}' -T /usr/bin/bash '{wiki}' -o /dev/null");
    assert_eq!(ask(&gateway, &upload, "https://flatnet.internal/wiki/x"), "200200");
    let refused = ask(&gateway, "-i", &format!("{wiki}&cookies=20"));
    assert!(refused.contains("headers_too_large"), "{refused}");
    let head = ask(&gateway, "-I -m 20", wiki);
    assert!(head.starts_with("HTTP/2 200"), "{head}");
}

#[test]
fn post_is_not_repeated_after_1xx() {
    let gateway = start();
    for way in WAYS {
        let url = format!("https://{way}?before=103");
        let before = count(&gateway, way);
        let refused = ask(&gateway, "-i -m 20 -d x", &url);
        assert!(refused.contains("502") && refused.contains("x-flatnet-error: informational"), "{refused}");
        assert!(refused.contains("sent a 1xx"), "{refused}");
        assert_eq!(count(&gateway, way) - before, 1, "{refused}");
        assert!(ask(&gateway, "-m 20 -d x", &url).starts_with("POST /x?"));
        assert_eq!(count(&gateway, way) - before, 2);
    }
}

#[test]
fn relay_connects_only_to_listed_containers() {
    let gateway = start();
    gateway.beside("exec python3 -B /usr/local/lib/drive/says.py 127.0.0.1 3000");
    gateway.sandbox.eventually("bash -c 'exec 3<>/dev/tcp/127.0.0.1/3000'");
    let relay = |peer: &str| {
        gateway.sandbox.sh(&format!("curl -s -o /dev/null -H 'X-Flatnet-Peer: {peer}' http://127.87.0.1/x"))
    };
    relay("10.87.1.2:3000").succeeds();
    for peer in ["127.0.0.1:3000", "10.87.1.2:80", "10.87.1.4:3000", ""] {
        relay(peer).exits_with(56);
    }
}

#[test]
fn relay_waits_for_restarting_container() {
    let gateway = start();
    let url = "http://web.local/x?before=103";
    ask(&gateway, "-m 20", url);
    let server = "/usr/local/lib/drive/says.py 10.87.1.2 3000";
    gateway.sandbox.sh(&format!("kill -9 $(pgrep -f '[p]ython3 -B {server}')")).succeeds();
    gateway.beside(&format!("sleep 1; exec ip netns exec box python3 -B {server}"));
    assert!(ask(&gateway, "-m 20", url).starts_with("GET /x?"));
    let posted = ask(&gateway, "-m 20 -d x", url);
    assert!(posted.starts_with("POST /x?"), "{posted}");
}

/// nginx treats a 1xx to HEAD as the whole response: the next request on that connection would get the real one.
#[test]
fn connection_used_for_head_is_not_reused() {
    let gateway = start();
    for way in WAYS {
        let head =
            format!("-s -I -m 20 --resolve web.local:80:{ADDRESS} --resolve flatnet.internal:80:{ADDRESS}");
        drop(
            gateway
                .sandbox
                .spawn(&format!("exec ip netns exec lan curl {head} 'http://{way}?before=103&pause=2'")),
        );
        gateway.sandbox.eventually("ip netns exec box ss -Htn state established sport = :3000 | grep .");
        // Only the relay's connection waits for the final answer. nginx's first connection must be closed, because the
        // final answer would still arrive on it.
        gateway
            .sandbox
            .sh("sleep 1; ip netns exec box ss -Htn state established sport = :3000 | wc -l")
            .prints_exactly("1");
        gateway.sandbox.eventually("! ip netns exec box ss -Htn state established sport = :3000 | grep .");
    }
}

#[test]
fn truncated_answer_is_not_passed_as_complete() {
    let gateway = start();
    let url = "http://web.local/x?breaks=1";
    let broken = |how: &str| {
        let output = gateway.curl("lan", &format!("-m 20 --resolve web.local:80:{ADDRESS} '{url}'"));
        assert_eq!((output.stdout.as_str(), output.status), ("partial", Some(18)), "{how}: {output}");
    };
    broken("as ever");
    ask(&gateway, "-m 20", "http://web.local/x?before=103");
    broken("by the relay");
    assert!(ask(&gateway, "-m 20", "http://web.local/x").starts_with("GET /x"));
}

#[test]
fn relay_passes_protocol_upgrade_once() {
    let gateway = start();
    let talk = format!(
        r#"import socket
s = socket.create_connection(("{ADDRESS}", 80), timeout=20)
s.sendall(b"GET /x?upgrades=1 HTTP/1.1\r\nHost: web.local\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
f = s.makefile("rb")
status = f.readline()
while f.readline().strip(): pass
s.sendall(b"hello\n")
print(status.split()[1].decode(), f.readline().decode().strip())"#
    );
    gateway.sandbox.write("/tmp/talk.py", &talk);
    let upgrade = || gateway.sandbox.sh("ip netns exec lan python3 /tmp/talk.py").prints_exactly("101 hello");
    drop(upgrade());
    ask(&gateway, "-m 20", "http://web.local/x?before=103");
    let before = count(&gateway, WAYS[0]);
    drop(upgrade());
    assert_eq!(count(&gateway, WAYS[0]) - before, 1);
    // The container does not upgrade the protocol.
    let refused = ask(
        &gateway,
        "-i -m 20 -H 'Connection: Upgrade' -H 'Upgrade: echo'",
        "http://web.local/x?before=103",
    );
    assert!(refused.starts_with("HTTP/1.1 200"), "{refused}");
    assert_eq!(count(&gateway, WAYS[0]) - before, 2);
}
