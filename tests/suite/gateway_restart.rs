//! Restarts, crashes and load balancing of containers: held requests, retries and error pages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::{Gateway, document, endpoint, route, with};

fn browse(gateway: &Gateway, methods: &[&str], seconds: f64) -> Value {
    gateway.drive(
        "browse",
        &json!({"address": "192.168.7.1", "host": "web.local", "threads": 8, "seconds": seconds, "methods": methods}),
    )
}

#[test]
fn a_restart_under_load_fails_no_get() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    // Twice: the container is dead for 1.5 s while requests continue, then it is back at the same address.
    let restarts = "for i in 1 2; do sleep 1; kill -9 $(cat /run/backend/web.pid); sleep 1.5
        ip netns exec box setsid /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.2 3000 web >/dev/null 2>&1 </dev/null &
        done; wait";
    gateway.beside(restarts);
    let done = browse(&gateway, &["GET"], 7.0);
    assert_eq!(done["failed"], json!([]), "{done}");
    assert!(done["total"].as_u64() > Some(100), "{done}");
    assert!(done["slowest"].as_f64() > Some(1.0), "requests were held: {done}");
}

#[test]
fn a_post_is_held_and_is_never_sent_twice() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    gateway.kill_container("web");
    gateway.beside(
        "sleep 2; exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.2 3000 web",
    );
    // The first connection is refused. Nothing was sent, so the POST may be retried.
    gateway.curl("lan", "-d order=1 -H 'Host: web.local' http://192.168.7.1/order").prints("\"length\": 7");
    assert_eq!(gateway.received("web", "POST /order"), 1);
    // The container received the request and sent no answer: a POST is not retried, a GET once.
    let cut = gateway.curl("lan", "-d x -H 'Host: web.local' -w '%{http_code}' http://192.168.7.1/cut");
    cut.prints("\"reason\":\"broke_off\"").prints("502");
    assert_eq!(gateway.received("web", "POST /cut"), 1);
    gateway.curl("lan", "-H 'Host: web.local' http://192.168.7.1/cut?get").prints("\"reason\":\"broke_off\"");
    assert_eq!(gateway.received("web", "GET /cut?get"), 2);
    // The container still gets requests after a broken answer.
    assert_eq!(gateway.code("http://web.local/"), "200");
}

#[test]
fn dying_container_gets_one_retry() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    gateway.beside(
        "sleep 1; exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.2 3000 web",
    );
    // The container closes the request's connection, and accepts connections for another 100 ms.
    assert_eq!(gateway.code("http://web.local/dying"), "200");
    assert_eq!(gateway.received("web", "GET /dying"), 2);
}

/// Serves one request at a time. Python's server has a backlog of five connections; the kernel drops further ones.
const SLOW_SERVER: &str = "
import http.server, time

class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.5)
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()

http.server.HTTPServer(('10.87.1.2', 3000), Slow).serve_forever()
";

#[test]
fn full_accept_queue_fails_no_request() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.sandbox.write("/run/slow.py", SLOW_SERVER);
    gateway.beside("exec ip netns exec box /usr/bin/python3 -B /run/slow.py");
    gateway.sandbox.eventually("curl -sf -o /dev/null -H 'Host: web.local' http://192.168.7.1/");
    let ask = "ip netns exec lan curl -s -o /dev/null -w '%{http_code}\\n' -H 'Host: web.local' http://192.168.7.1/";
    gateway
        .sandbox
        .sh(&format!("for i in $(seq 16); do {ask} & done | sort | uniq -c; wait"))
        .prints_exactly("     16 200");
}

#[test]
fn listed_stop_and_start_lose_no_request() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    gateway.kill_container("web");
    gateway.publish(2, &[with(route("web", 2), json!({"endpoints": [endpoint("web", 2, "stopped")]}))]);
    let list = document(3, &[with(route("web", 3), json!({"endpoints": [endpoint("web", 3, "running")]}))]);
    gateway.sandbox.write("/run/next.json", &list.to_string());
    // The container comes back at another address.
    gateway.beside(
        "sleep 1; mv /run/next.json /srv/gateway/state/routes.json; sleep 1
         exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.3 3000 web",
    );
    let began = Instant::now();
    gateway.curl("lan", "-d order=1 -H 'Host: web.local' http://192.168.7.1/order").prints("\"length\": 7");
    assert!(began.elapsed() > Duration::from_millis(1500), "it was held: {:?}", began.elapsed());
    assert_eq!(gateway.received("web", "POST /order"), 1);
}

#[test]
fn dead_container_is_reported_quickly() {
    let dead = |name: &str, last: u8, state: &str| {
        with(route(name, last), json!({"endpoints": [endpoint(name, last, state)]}))
    };
    let gateway = Gateway::start(&[
        dead("stopped", 2, "stopped"),
        dead("paused", 3, "paused"),
        dead("silent", 4, "running"),
        dead("gone", 99, "running"),
        with(route("empty", 5), json!({"endpoints": []})),
    ]);
    // The address of "gone" is unassigned, so connections to it are not even refused.
    for (name, reason) in [
        ("stopped", "stopped"),
        ("paused", "paused"),
        ("silent", "down"),
        ("gone", "down"),
        ("empty", "no_endpoint"),
    ] {
        let timed = "-w '%{stderr}%{time_total}' -d x";
        let page = gateway.curl("lan", &format!("{timed} -H 'Host: {name}.local' http://192.168.7.1/"));
        let page = page.prints(&format!("\"reason\":\"{reason}\"")).prints("\"status\":503");
        // The gateway tries once, for at most 0.8 s, and does not hold the request for 10 s. 5 s allows for a busy
        // machine.
        assert!(page.stderr.parse::<f64>().unwrap() < 5.0, "{name}: {page}");
    }
    // The container is back; the routes table has not changed.
    gateway.container("silent", 4);
    assert_eq!(gateway.code("http://silent.local/"), "200");
}

#[test]
fn hold_time_starts_at_the_failure() {
    let gateway = Gateway::start(&[
        with(route("web", 2), json!({"hold": 2})),
        with(route("now", 3), json!({"hold": 0})),
    ]);
    gateway.container("web", 2);
    gateway.container("now", 3);
    gateway
        .sandbox
        .eventually("curl -sf 127.0.0.1/_flatnet/status | jq -e 'all(.routes[]; .health == \"up\")'");
    gateway.kill_container("web");
    gateway.kill_container("now");
    let timed = |name: &str| {
        let format = "-o /dev/null -w '%{http_code} %{time_total}'";
        let told =
            gateway.curl("lan", &format!("{format} -H 'Host: {name}.local' http://192.168.7.1/")).succeeds();
        let (code, seconds) = told.stdout.split_once(' ').unwrap();
        assert_eq!(code, "503");
        seconds.parse::<f64>().unwrap()
    };
    let (held, at_once, later) = (timed("web"), timed("now"), timed("web"));
    assert!(held > 1.7, "held for 2 s: {held}");
    assert!(at_once < held, "not held: {at_once}");
    assert!(later < held, "the time was over: {later}");
}

#[test]
fn load_is_shared_and_dead_container_is_skipped() {
    let both = json!([
        endpoint("one", 2, "running"),
        endpoint("two", 3, "running"),
        endpoint("dead", 99, "running")
    ]);
    let gateway = Gateway::start(&[with(route("web", 2), json!({"endpoints": both}))]);
    gateway.container("one", 2);
    gateway.container("two", 3);
    gateway.sandbox.eventually(
        "curl -sf 127.0.0.1/_flatnet/status | jq -e '[.routes[0].endpoints[].health] == [\"up\", \"up\", \"down\"]'",
    );
    let done = browse(&gateway, &["GET", "POST"], 1.0);
    assert_eq!(done["failed"], json!([]), "{done}");
    let share = |done: &Value, name: &str| done["names"][name].as_f64().unwrap_or_default();
    let (one, two) = (share(&done, "one"), share(&done, "two"));
    assert!(one > 0.7 * two && two > 0.7 * one, "{done}");
    gateway.beside("sleep 0.7; kill -9 $(cat /run/backend/two.pid)");
    let done = browse(&gateway, &["GET"], 2.0);
    assert_eq!(done["failed"], json!([]), "{done}");
    assert!(share(&done, "one") > share(&done, "two"), "{done}");
    // No request was sent to the dead container. The log is written once a second.
    let asked =
        gateway.sandbox.sh("sleep 1.5; jq -r .upstream /srv/gateway/logs/access.log").succeeds().stdout;
    assert!(asked.contains("10.87.1.2:3000") && !asked.contains("10.87.1.99"), "{done}");
}

#[test]
fn health_checks_decide_which_container_is_used() {
    let health = json!({"path": "/healthz", "interval": 1, "healthy": 2, "unhealthy": 2});
    let both = json!([endpoint("one", 2, "running"), endpoint("two", 3, "running")]);
    let gateway = Gateway::files(&crate::gateway::settings());
    gateway.sandbox.sh("touch /run/backend/two.sick").succeeds();
    gateway.container("one", 2);
    gateway.container("two", 3);
    let web = with(route("web", 2), json!({"endpoints": both, "health": health, "hold": 3}));
    gateway.write_routes(&document(1, &[web]));
    gateway.run();
    // A container gets no request before it is healthy.
    let done = browse(&gateway, &["GET"], 1.0);
    assert_eq!(done["failed"], json!([]), "{done}");
    assert_eq!(done["names"]["two"], Value::Null, "{done}");
    let words = |expected: &str| {
        let script = "curl -sf 127.0.0.1/_flatnet/status | jq -c '[.routes[0].endpoints[].health]'";
        gateway.sandbox.eventually(&format!("test \"$({script})\" = '{expected}'"));
    };
    words(r#"["up","unhealthy"]"#);
    gateway.sandbox.sh("rm /run/backend/two.sick").succeeds();
    words(r#"["up","up"]"#);
    gateway.sandbox.sh("touch /run/backend/one.sick /run/backend/two.sick").succeeds();
    words(r#"["unhealthy","unhealthy"]"#);
    gateway.sandbox.sh("sleep 3.2").succeeds();
    gateway
        .curl("lan", "-H 'Host: web.local' http://192.168.7.1/")
        .prints("fails its health check at /healthz");
}

#[test]
fn route_swaps_under_load_fail_no_request() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    gateway.container("other", 3);
    let routes = |generation: u64| {
        let last = if generation % 2 == 0 { 2 } else { 3 };
        let mut routes: Vec<Value> = (0..250).map(|number| route(&format!("filler{number}"), 4)).collect();
        routes.push(with(route("web", last), json!({"endpoints": [endpoint("web", last, "running")]})));
        document(generation, &routes)
    };
    for generation in 2..=25 {
        gateway.sandbox.write(&format!("/run/lists/{generation}.json"), &routes(generation).to_string());
    }
    gateway.beside(
        "sleep 0.5; for i in $(seq 2 25); do cp /run/lists/$i.json /srv/gateway/state/routes.new
         mv /srv/gateway/state/routes.new /srv/gateway/state/routes.json; sleep 0.3; done",
    );
    let done = browse(&gateway, &["GET", "POST"], 9.0);
    assert_eq!(done["failed"], json!([]), "{done}");
    assert!(done["names"]["web"].as_u64() > Some(50) && done["names"]["other"].as_u64() > Some(50), "{done}");
    assert_eq!(gateway.status()["generation"], 25);
}

#[test]
fn held_request_of_disconnected_client_is_dropped() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    gateway.kill_container("web");
    gateway.curl("lan", "-m 1 -d order=1 -H 'Host: web.local' http://192.168.7.1/order").exits_with(28);
    // The request is dropped when the client disconnects, not at the end of the hold time.
    gateway.sandbox.sh("sleep 2.5; tail -n 1 /srv/gateway/logs/access.log").prints("\"status\":499");
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/after"), "200");
    assert_eq!(gateway.received("web", "/after"), 2);
    assert_eq!(gateway.received("web", "/order"), 0);
}

#[test]
fn a_streamed_upload_is_held_and_never_sent_twice() {
    let gateway = Gateway::start(&[with(route("web", 2), json!({"stream": true}))]);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    gateway.kill_container("web");
    gateway.beside(
        "sleep 1; exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.2 3000 web",
    );
    gateway.sandbox.sh("head -c 3000000 /dev/zero >/run/body").succeeds();
    let upload = |path: &str, rate: &str| {
        gateway.curl("lan", &format!("{rate} -T /run/body -H 'Host: web.local' http://192.168.7.1/{path}"))
    };
    upload("held", "").prints("\"length\": 3000000");
    // The container dies during the upload.
    gateway.beside("until grep -q 'head /broken' /run/backend/web.log; do sleep 0.05; done; kill -9 $(cat /run/backend/web.pid)
        exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/backend.py 10.87.1.2 3000 web");
    upload("broken", "--limit-rate 1M").prints("\"reason\":\"broke_off\"");
    assert_eq!(gateway.received("web", "head /broken"), 1);
}
