//! Proxying: headers, bodies, WebSocket, server-sent events, HTTPS and gRPC; and the access log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::gateway::{DIRECTORY, Gateway, endpoint, route, with};

#[test]
fn forwarded_headers_from_clients_are_overwritten() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    let claims = "-H 'X-Forwarded-For: 1.2.3.4' -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Host: evil' -H 'X-Real-IP: 1.2.3.4' \
        -H 'X-Forwarded-Port: 1' -H 'X-Forwarded-Prefix: /evil' -H 'Forwarded: for=1.2.3.4' -H 'X-Request-ID: $(bad)'";
    let output =
        gateway.curl("lan", &format!("-i {claims} -H 'Host: web.local' http://192.168.7.1/")).succeeds();
    let (head, body) = output.stdout.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    let headers = &answer["headers"];
    for (name, value) in [
        ("host", "web.local"),
        ("x-forwarded-for", "192.168.7.2"),
        ("x-real-ip", "192.168.7.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "web.local"),
        ("x-forwarded-port", "80"),
    ] {
        assert_eq!(headers[name], value, "{headers}");
    }
    assert_eq!(
        (&headers["forwarded"], &headers["x-forwarded-prefix"]),
        (&Value::Null, &Value::Null),
        "{headers}"
    );
    let id = headers["x-request-id"].as_str().unwrap();
    assert!(id.len() >= 8 && id.chars().all(|one| one.is_ascii_digit() || "-.".contains(one)), "{id}");
    assert!(head.contains(&format!("X-Request-ID: {id}")), "{head}");
    let own =
        gateway.curl("lan", "-i -H 'X-Request-ID: build-4711.a' -H 'Host: web.local' http://192.168.7.1/");
    own.prints("X-Request-ID: build-4711.a").prints("\"x-request-id\": \"build-4711.a\"");
    // HTTP/1.0 allows requests without the header Host.
    gateway
        .curl("lan", "-0 -H 'Host:' --request-target http://web.local/x http://192.168.7.1/")
        .prints("\"host\": \"web.local\"")
        .prints("\"x-forwarded-host\": \"web.local\"");
    // The client's connection stays open, both for containers and for the gateway's pages.
    for host in ["web.local", "nobody.local", "192.168.7.1"] {
        let twice = format!(
            "-o /dev/null -o /dev/null -w '%{{num_connects}} ' -H 'Host: {host}' http://192.168.7.1/ http://192.168.7.1/"
        );
        gateway.curl("lan", &twice).succeeds().prints_exactly("1 0");
    }
}

#[test]
fn websockets_and_events_pass_and_survive_swaps() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    // The route moves to another address twice while the WebSocket is open.
    let list = |generation, last| {
        crate::gateway::document(
            generation,
            &[with(route("web", 3), json!({"endpoints": [endpoint("web", last, "running")]}))],
        )
    };
    gateway.sandbox.write("/run/2.json", &list(2, 3).to_string());
    gateway.sandbox.write("/run/3.json", &list(3, 2).to_string());
    gateway.beside(
        "until test -e /run/ready; do sleep 0.05; done; for i in 2 3; do mv /run/$i.json /srv/gateway/state/routes.json; sleep 0.6; done",
    );
    let plan = json!({"address": "192.168.7.1", "host": "web.local", "messages": 20, "pause": 0.1, "ready": "/run/ready"});
    let done = gateway.drive("websocket", &plan);
    assert_eq!(done["status"], 101, "{done}");
    let expected: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    assert_eq!(done["echoes"], json!(expected));
    gateway.await_generation(3);
    // Events are sent every 0.4 s and must not be buffered: each event's timestamp is compared with its arrival.
    let script = "ip netns exec lan curl -sN -H 'Host: web.local' http://192.168.7.1/sse |
        while read -r field number sent; do [[ $field != data: ]] || echo \"$(date +%s.%N) $sent\"; done |
        awk '{ late = $1 - $2; if (late > 0.2) exit 1; count++ } END { print count }'";
    gateway.sandbox.sh(script).prints_exactly("3");
}

#[test]
fn large_uploads_are_buffered_or_streamed() {
    let gateway = Gateway::start(&[route("web", 2), with(route("stream", 2), json!({"stream": true}))]);
    gateway.container("web", 2);
    gateway.sandbox.sh("head -c 40000000 /dev/urandom >/run/upload").succeeds();
    let digest = gateway.sandbox.sh("sha256sum </run/upload | cut -d' ' -f1").succeeds().stdout;
    for (name, method) in [
        ("web", "-T"),
        ("stream", "-T"),
        ("web", "-H 'Transfer-Encoding: chunked' -T"),
        ("stream", "-H 'Transfer-Encoding: chunked' -T"),
    ] {
        let arguments = format!("-H 'Host: {name}.local' {method} /run/upload http://192.168.7.1/put");
        let answer: Value = serde_json::from_str(&gateway.curl("lan", &arguments).succeeds().stdout).unwrap();
        assert_eq!(answer["length"], 40_000_000, "{name} {method}");
        assert_eq!(answer["digest"], digest.trim(), "{name} {method}");
    }
    // At 2 MB/s a body of 3 MB takes 1.5 s. With `stream` the container gets the head at once, otherwise with the whole
    // body.
    for (name, at_once) in [("web", false), ("stream", true)] {
        let arguments =
            format!("-H 'Host: {name}.local' --limit-rate 2M --data-binary @- http://192.168.7.1/{name}");
        gateway
            .sandbox
            .sh(&format!("head -c 3000000 /run/upload | ip netns exec lan curl -sS {arguments}"))
            .succeeds();
        let log = gateway.sandbox.read("/run/backend/web.log");
        let time = |note: &str| -> f64 {
            let line = log.lines().find(|line| line.ends_with(&format!("{note} /{name}"))).unwrap();
            line.split(' ').next().unwrap().parse().unwrap()
        };
        let gap = time("POST") - time("head");
        assert_eq!(gap > 0.7, at_once, "{name}: {gap} s between its head and its end");
    }
}

#[test]
fn https_and_grpc_containers_are_reached() {
    let scheme = |name: &str, port: u16, scheme: &str| {
        with(
            route(name, 2),
            json!({"scheme": scheme, "endpoints": [with(endpoint(name, 2, "running"), json!({"port": port}))]}),
        )
    };
    // nginx plays the containers: one has a self-signed certificate, two support only HTTP/2.
    let servers = "daemon off; pid /run/box.pid; error_log stderr; events {} http { access_log off;
        server { listen 10.87.1.2:8443 ssl; ssl_certificate /run/c.pem; ssl_certificate_key /run/k.pem; return 200 \"tls $ssl_server_name\"; }
        server { listen 10.87.1.2:50051 http2; location / { add_header grpc-status 0; default_type application/grpc; return 200 $server_protocol$uri; } }
        server { listen 10.87.1.2:50052 ssl http2; ssl_certificate /run/c.pem; ssl_certificate_key /run/k.pem;
            location / { default_type application/grpc; return 200 $server_protocol$scheme; } } }";
    let tls = json!({"certificate": "/run/c.pem", "key": "/run/k.pem"});
    let gateway = Gateway::files(&with(crate::gateway::settings(), json!({"tls": tls})));
    certificate(&gateway);
    gateway.sandbox.write("/run/box.conf", servers);
    gateway.beside("exec ip netns exec box nginx -c /run/box.conf");
    let routes = [
        scheme("secure", 8443, "https"),
        scheme("rpc", 50051, "grpc"),
        scheme("rpcs", 50052, "grpcs"),
        with(scheme("rpcdead", 50053, "grpc"), json!({"hold": 0})),
    ];
    gateway.write_routes(&crate::gateway::document(1, &routes));
    gateway.run();
    let body = |host: &str, options: &str| {
        gateway.curl(
            "lan",
            &format!("-k {options} --resolve {host}:443:192.168.7.1 https://{host}/pkg.Service/Method"),
        )
    };
    gateway
        .sandbox
        .eventually("curl -sf 127.0.0.1/_flatnet/status | jq -e 'all(.routes[:3][]; .health == \"up\")'");
    body("secure.local", "").prints_exactly("tls secure.local");
    body("rpc.local", "--http2 -i -H 'Content-Type: application/grpc'")
        .prints("HTTP/2.0/pkg.Service/Method")
        .prints("grpc-status: 0");
    body("rpcs.local", "--http2").prints_exactly("HTTP/2.0https");
    body("rpcdead.local", "--http2 -i -H 'Content-Type: application/grpc'")
        .prints("HTTP/2 200")
        .prints("grpc-status: 14");
}

/// The gRPC library's client and server: calls of each kind, status and trailers, unbuffered messages.
#[test]
fn a_grpc_client_talks_to_a_grpc_server() {
    let tls = json!({"certificate": "/run/c.pem", "key": "/run/k.pem"});
    let gateway = Gateway::files(&with(crate::gateway::settings(), json!({"tls": tls})));
    certificate(&gateway);
    gateway.beside(
        "exec ip netns exec box /usr/bin/python3 -B /usr/local/lib/drive/grpc_calls.py serve 10.87.1.2:50051",
    );
    let ends = json!([with(endpoint("web", 2, "running"), json!({"port": 50051}))]);
    let web = with(route("web", 2), json!({"scheme": "grpc", "hold": 0, "endpoints": ends}));
    gateway.write_routes(&crate::gateway::document(1, &[web]));
    gateway.run();
    let is_up = "curl -sf 127.0.0.1/_flatnet/status | jq -e '.routes[0].health == \"up\"'";
    gateway.sandbox.eventually(is_up);
    let mut plan = json!({"address": "192.168.7.1", "name": "web.local", "certificate": "/run/c.pem"});
    let done = gateway.drive("grpc_calls", &plan);
    assert_eq!(done["echo"], true, "{done}");
    assert_eq!(done["trailer"], "by the client", "{done}");
    let late: Vec<f64> = done["late"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(
        late.len() == 3 && late.iter().all(|&late| late < 0.3),
        "each message comes when it is sent: {done}"
    );
    assert_eq!(done["chat"], json!(["re: hello 0", "re: hello 1", "re: hello 2"]));
    assert_eq!(done["not_found"], json!(["NOT_FOUND", "there is no nobody"]));
    assert_eq!(done["unknown"][0], "UNIMPLEMENTED", "{done}");
    assert_eq!(done["deadline"][0], "DEADLINE_EXCEEDED", "{done}");
    gateway.sandbox.sh("kill $(pgrep -f '[g]rpc_calls.py serve')").succeeds();
    plan["refused"] = json!(true);
    let refused = gateway.drive("grpc_calls", &plan);
    assert_eq!(refused["refused"][0], "UNAVAILABLE", "{refused}");
    assert!(refused["refused"][1].as_str().is_some_and(|text| text.contains("web")), "{refused}");
}

/// A certificate for web.local, at /run/c.pem and /run/k.pem.
pub(crate) fn certificate(gateway: &Gateway) {
    // Not *.local: clients reject a wildcard directly below a top-level domain.
    let subject = "-subj /CN=gateway -addext subjectAltName=DNS:web.local";
    gateway
        .sandbox
        .sh(&format!("openssl req -x509 -newkey rsa:2048 -nodes -days 2 {subject} -keyout /run/k.pem -out /run/c.pem 2>/dev/null"))
        .succeeds();
}

#[test]
fn tls_redirect_is_optional_and_http2_works() {
    let tls = json!({"certificate": "/run/c.pem", "key": "/run/k.pem", "listen": 8443, "redirect": true});
    let gateway = Gateway::files(&with(crate::gateway::settings(), json!({"tls": tls})));
    certificate(&gateway);
    gateway.container("web", 2);
    gateway.write_routes(&crate::gateway::document(1, &[route("web", 2)]));
    gateway.run();
    let plain = gateway.curl("lan", "-i -d x -H 'Host: web.local' 'http://192.168.7.1/a%2Fb?q=1'");
    plain.prints("308 Permanent Redirect").prints("Location: https://web.local:8443/a%2Fb?q=1");
    let secure = gateway.curl(
        "lan",
        "-i --http2 --cacert /run/c.pem --resolve web.local:8443:192.168.7.1 https://web.local:8443/x",
    );
    secure
        .prints("HTTP/2 200")
        .prints("\"x-forwarded-proto\": \"https\"")
        .prints("\"x-forwarded-port\": \"8443\"")
        .prints("\"host\": \"web.local:8443\"");
    // Request IDs are unique, even for simultaneous requests on one connection.
    let many = "-k --http2 --parallel --resolve web.local:8443:192.168.7.1 'https://web.local:8443/[1-40]' -o /dev/null \
                -w '%header{x-request-id}\\n'";
    let ids: Vec<String> = gateway.curl("lan", many).succeeds().stdout.lines().map(str::to_owned).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (40, 40), "{ids:?}");
    let connections: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('-').nth(1)).collect();
    assert_eq!(connections.len(), 1, "{ids:?}");
    // The portal's links use the scheme and port of the browser's request.
    gateway.curl("lan", "-k https://192.168.7.1:8443/").prints("href=\"https://web.local:8443/\"");
    let mistaken = gateway.curl("lan", "-i http://192.168.7.1:8443/x");
    mistaken.prints("308 Permanent Redirect").prints("Location: https://192.168.7.1:8443/x");
}

#[test]
fn the_log_is_json_and_can_be_rotated() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    gateway.curl("lan", "-f -A 'a\"b\\c' -H 'Host: web.local' 'http://192.168.7.1/x?\"'").succeeds();
    let log = format!("{DIRECTORY}/logs/access.log");
    let line = gateway.sandbox.eventually(&format!("grep . {log} | tail -n 1 | jq -e .")).stdout;
    let line: Value = serde_json::from_str(&line).unwrap();
    for (key, value) in [
        ("route", "web"),
        ("container", "web"),
        ("client", "192.168.7.2"),
        ("user_agent", "a\"b\\c"),
        ("upstream", "10.87.1.2:3000"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line["upstream_seconds"].as_str().is_some_and(|text| text.parse::<f64>().is_ok()), "{line}");
    assert_eq!(line["status"], 200);
    // The log format of proxied requests has the same fields as the other one.
    assert_eq!(gateway.code("http://nobody.local/unusual"), "404");
    let fields = |path: &str| format!("\"$(grep -m 1 {path} {log} | jq -c keys_unsorted)\"");
    gateway.sandbox.eventually(&format!(
        "grep -q /unusual {log} && test {} = {}",
        fields("/x"),
        fields("/unusual")
    ));
    // Uses the installed logrotate file. On Windows a person does the same: rename, then `-s reopen`.
    let prepare =
        format!("sed 's,/var/lib/flatnet-gateway,{DIRECTORY},g' {DIRECTORY}/logrotate >/run/logrotate");
    gateway
        .sandbox
        .sh(&format!("{prepare}; /usr/sbin/logrotate --force --state /run/rotated /run/logrotate"))
        .succeeds();
    gateway.sandbox.eventually(&format!("test -e {log}"));
    gateway.sandbox.sh("sleep 0.2").succeeds();
    assert_eq!(gateway.code("http://web.local/after"), "200");
    gateway.sandbox.eventually(&format!("grep -q /after {log}"));
    gateway.sandbox.sh(&format!("grep -c /after {log}.1 || true")).prints_exactly("0");
}
