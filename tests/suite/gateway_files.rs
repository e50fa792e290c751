//! With any problem of state/routes.json, the last good table stays in force and the status names the problem.

use serde_json::{Value, json};

use crate::gateway::{DIRECTORY, Gateway, document, endpoint, route, with};

/// Removes the routes file `$f` and runs `script`, which may write another one.
fn spoil(gateway: &Gateway, script: &str, stdin: &str) {
    let prepared = format!("f={DIRECTORY}/state/routes.json; rm -rf \"$f\"; {script}");
    gateway.sandbox.sh_with_stdin(&prepared, stdin).succeeds();
}

fn problem(gateway: &Gateway) -> String {
    gateway.status()["problem"]["message"].as_str().unwrap_or_default().to_owned()
}

/// Each worker reads the file by itself, so several consecutive answers must have the message.
#[track_caller]
fn await_problem(gateway: &Gateway, message: &str) {
    let found = "curl -sf http://127.0.0.1/_flatnet/status | jq -re .problem.message | grep -qF";
    let script = format!("for i in 1 2 3 4 5 6 7 8; do {found} -- '{message}'; done");
    gateway.sandbox.eventually(&script);
}

fn bad_documents() -> Vec<(&'static str, Value, &'static str)> {
    let good = || document(7, &[route("web", 2)]);
    let one = |changes: Value| document(7, &[with(route("web", 2), changes)]);
    let at = |changes: Value| one(json!({"endpoints": [with(endpoint("web", 2, "running"), changes)]}));
    vec![
        ("a list", json!([1, 2]), "version"),
        ("another version", with(good(), json!({"version": 2})), "is not supported; it must be 1"),
        ("no generation", with(good(), json!({"generation": "seven"})), "generation"),
        ("a torn one", with(good(), json!({"end": 6})), "the file is incomplete"),
        ("routes that are none", with(good(), json!({"routes": {"web": 1}})), "routes is not a list"),
        ("a name twice", document(7, &[route("web", 2), route("web", 3)]), "the name occurs twice"),
        ("a name with a quote", one(json!({"name": "a\"b"})), "name is"),
        ("an upper-case host", one(json!({"hosts": ["Web.local"]})), "is not a lower-case host name"),
        (
            "a host with a header in it",
            one(json!({"hosts": ["web.local\r\nX: y"]})),
            "is not a lower-case host name",
        ),
        ("neither host nor path", one(json!({"hosts": []})), "has neither a host nor a path"),
        ("a path without a slash", one(json!({"path": "x"})), "path is"),
        ("a scheme", one(json!({"scheme": "file"})), "scheme is file"),
        ("a hold that is too long", one(json!({"hold": 301})), "hold is 301"),
        (
            "a health interval of 0",
            one(json!({"health": {"path": "/", "interval": 0, "healthy": 1, "unhealthy": 1}})),
            "health.interval is 0",
        ),
        ("a bad address", at(json!({"address": "10.87.1.256"})), "is not an IPv4 address"),
        ("a name for an address", at(json!({"address": "localhost"})), "is not an IPv4 address"),
        (
            "an address outside the range",
            at(json!({"address": "192.168.7.2"})),
            "192.168.7.2 is outside 10.87.0.0/16",
        ),
        ("loopback", at(json!({"address": "127.0.0.1"})), "127.0.0.1 is outside 10.87.0.0/16"),
        ("a port of 0", at(json!({"port": 0})), "port is 0"),
        ("a broken port", at(json!({"port": 80.5})), "port is 80.5"),
        ("a state", at(json!({"state": "dead"})), "state is dead"),
    ]
}

#[test]
fn a_bad_file_keeps_the_last_good_table() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    gateway.await_generation(1);
    for (what, bad, complaint) in bad_documents() {
        gateway.write_routes(&bad);
        await_problem(&gateway, complaint);
        assert_eq!(gateway.status()["generation"], 1, "{what}");
        assert_eq!(gateway.code("http://web.local/"), "200", "{what}");
    }
    let good = document(8, &[route("web", 2)]).to_string();
    let half = &good[..good.len() / 2];
    for (script, stdin, complaint) in [
        ("cat >\"$f\"", half, "not valid JSON"),
        (": >\"$f\"", "", "the file is empty"),
        ("true", "", "No such file or directory"),
        ("mkdir \"$f\"", "", "Is a directory"),
        ("head -c 100000 /dev/urandom >\"$f\"", "", "not valid JSON"),
        ("head -c 100000 /dev/zero >\"$f\"", "", "not valid JSON"),
        ("printf 'null' >\"$f\"", "", "is not an object"),
    ] {
        spoil(&gateway, script, stdin);
        await_problem(&gateway, complaint);
        assert_eq!(gateway.code("http://web.local/"), "200", "{script}");
    }
    // A byte order mark, which Windows editors add, is accepted.
    spoil(&gateway, "{ printf '\\357\\273\\277'; cat; } >\"$f\"", &good);
    gateway.await_generation(8);
    assert_eq!(problem(&gateway), "");
    gateway.curl("lan", "http://192.168.7.1/_flatnet/metrics").prints("flatnet_routes_fresh 1");
}

#[test]
fn cold_start_with_bad_file_uses_last_good_table() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    gateway.sandbox.eventually(&format!("test -s {DIRECTORY}/state/routes.last-good.json"));
    // nginx has umask 0, so the mode must be set explicitly.
    gateway
        .sandbox
        .sh(&format!("stat -c '%a %U' {DIRECTORY}/state/routes.last-good.json"))
        .prints_exactly("640 www-data");
    for script in ["echo '{\"version\":' >\"$f\"", "true"] {
        gateway.quit();
        spoil(&gateway, script, "");
        gateway.run();
        assert_eq!(gateway.code("http://web.local/"), "200", "{script}");
        assert_eq!(gateway.code("http://other.local/"), "404", "{script}");
        let status = gateway.status();
        assert_eq!(status["source"], "state/routes.last-good.json", "{status}");
        assert_ne!(problem(&gateway), "", "{status}");
    }
    gateway.publish(9, &[route("other", 2)]);
    assert_eq!(gateway.status()["source"], "state/routes.json");
    // After a start with a good file, that file is the last good one for the next start.
    gateway.sandbox.eventually(&format!("grep -q other.local {DIRECTORY}/state/routes.last-good.json"));
}

#[test]
fn cold_start_without_table_answers_503() {
    let gateway = Gateway::files(&crate::gateway::settings());
    gateway.run();
    assert_eq!(gateway.code("http://web.local/"), "503");
    gateway.curl("lan", "-H 'Host: web.local' http://192.168.7.1/").prints("\"reason\":\"no_routes\"");
    assert_eq!(gateway.code("http://192.168.7.1/_flatnet/healthz"), "503");
    assert_eq!(gateway.code("http://192.168.7.1/"), "200", "the portal says what is wrong");
    gateway.container("web", 2);
    gateway.publish(1, &[route("web", 2)]);
    assert_eq!(gateway.code("http://web.local/"), "200");
    assert_eq!(gateway.code("http://192.168.7.1/_flatnet/healthz"), "200");
}
