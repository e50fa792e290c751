//! The rendered configuration: `nginx -t` on every variant, invalid settings, and ten thousand routes.

use serde_json::{Value, json};

use crate::gateway::{DIRECTORY, Gateway, document, route, settings, with};
use crate::sandbox::Sandbox;

fn test(gateway: &Gateway) -> crate::sandbox::Output {
    gateway.sandbox.sh(&format!("nginx -t -p {DIRECTORY} -c conf/nginx.conf"))
}

#[test]
fn nginx_accepts_every_variant() {
    for builder in [Sandbox::podman4(), Sandbox::trixie()] {
        nginx_speaks_http2_without_a_warning(&builder.start());
    }
    let certificate =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout conf/k.pem -out conf/c.pem";
    let tls = |redirect: bool| json!({"certificate": "c.pem", "key": "k.pem", "redirect": redirect});
    for platform in ["linux", "windows"] {
        for tls in [Value::Null, tls(false), tls(true)] {
            let gateway = Gateway::files_for(platform, &with(settings(), json!({"tls": tls})));
            gateway.sandbox.sh(&format!("cd {DIRECTORY}; {certificate}")).succeeds();
            if platform == "windows" {
                // OpenResty has the modules built in; Debian's nginx must load them.
                let modules = "/usr/lib/nginx/modules";
                let lines = format!(
                    "load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;"
                );
                gateway.sandbox.sh(&format!("cd {DIRECTORY}/conf; sed -i '1i {lines}' nginx.conf; grep -q 'worker_processes 1;' nginx.conf")).succeeds();
            }
            let output = test(&gateway).succeeds();
            assert!(!output.stderr.contains("warn"), "{platform} {tls}\n{output}");
        }
    }
}

/// Debian 12's nginx supports only `listen .. http2`; Debian 13's prints a warning about it. `install` rewrites files
/// from before an upgrade of nginx.
fn nginx_speaks_http2_without_a_warning(sandbox: &Sandbox) {
    let tls = json!({"certificate": "c.pem", "key": "k.pem"});
    let yaml = json!({"gateway": with(settings(), json!({"tls": tls}))});
    sandbox.write("/etc/flatnet/flatnet.yaml", &yaml.to_string());
    let key =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout conf/k.pem -out conf/c.pem";
    let away = "mv /usr/sbin/nginx /usr/sbin/nginx.away; flatnet gateway install; mv /usr/sbin/nginx.away /usr/sbin/nginx";
    sandbox.sh(&format!("{away}; cd {DIRECTORY}; {key}")).succeeds();
    let servers = sandbox.read(&format!("{DIRECTORY}/conf/conf.d/servers.conf"));
    assert!(servers.contains("listen 443 ssl http2 default_server;"), "{servers}");
    sandbox.sh("flatnet gateway install").succeeds();
    let output = sandbox.sh(&format!("nginx -t -p {DIRECTORY} -c conf/nginx.conf")).succeeds();
    assert!(!output.stderr.contains("warn"), "{output}");
    sandbox.sh(&format!("ip link set lo up; nginx -p {DIRECTORY} -c conf/nginx.conf")).succeeds();
    sandbox.eventually("curl -sk --http2 -o /dev/null -w '%{http_version}' https://127.0.0.1/ | grep -qx 2");
}

/// Flatnet's configuration rejects these settings, so only an edited nginx.conf can contain them.
#[test]
fn nginx_does_not_start_with_invalid_settings() {
    // A start is needed, because `nginx -t` runs no Lua.
    let start = |gateway: &Gateway| gateway.sandbox.sh(&format!("nginx -p {DIRECTORY} -c conf/nginx.conf"));
    for (edit, complaint) in [
        (
            "s!range = .*!range = {\"10.87.0.0\"},!",
            "setting range must be a list of networks such as 10.87.0.0/16, not 10.87.0.0",
        ),
        ("s/range = .*/range = {},/", "setting range must be a non-empty list of strings"),
        ("s/domains = .*/domains = {},/", "setting domains must be a non-empty list of strings"),
        ("s/ name = .*/ name = \"\",/", "setting name must be a string"),
    ] {
        let gateway = Gateway::files(&settings());
        gateway.sandbox.sh(&format!("sed -i '{edit}' {DIRECTORY}/conf/nginx.conf")).succeeds();
        start(&gateway).complains(complaint);
    }
    let gateway = Gateway::files(&settings());
    gateway.sandbox.sh(&format!("rm {DIRECTORY}/html/error.html")).succeeds();
    start(&gateway).complains("html/error.html");
}

#[test]
fn ten_thousand_routes_are_served() {
    let mut routes: Vec<Value> = (0..10_000)
        .map(|number| {
            let address = format!("10.87.{}.{}", 2 + number / 250, 1 + number % 250);
            let hosts = json!([format!("s{number}.flatnet.internal"), format!("s{number}.local")]);
            let endpoint = with(
                crate::gateway::endpoint("x", 2, "stopped"),
                json!({"address": address, "id": format!("{number:012x}")}),
            );
            with(route(&format!("s{number}"), 2), json!({"hosts": hosts, "endpoints": [endpoint]}))
        })
        .collect();
    routes.push(route("web", 2));
    let gateway = Gateway::start(&routes);
    gateway.container("web", 2);
    assert_eq!(gateway.code("http://web.local/"), "200");
    routes.push(route("late", 2));
    gateway.write_routes(&document(2, &routes));
    // After several successful connections in a row, both workers use the new table.
    let late = "ip netns exec lan curl -sf -o /dev/null -H 'Host: late.local' http://192.168.7.1/";
    gateway.sandbox.eventually(&format!("for i in 1 2 3 4 5 6; do {late}; done"));
    gateway.curl("lan", "-H 'Host: s9999.local' http://192.168.7.1/").prints("podman start x");
    gateway.curl("lan", "-f http://192.168.7.1/_flatnet/metrics").prints("flatnet_routes 10002");
    let done = gateway.drive("browse", &json!({"address": "192.168.7.1", "host": "web.local", "threads": 4, "seconds": 1, "methods": ["GET"]}));
    assert_eq!(done["failed"], json!([]), "{done}");
}

#[test]
fn a_reload_keeps_serving() {
    let gateway = Gateway::start(&[route("web", 2)]);
    gateway.container("web", 2);
    gateway.beside(&format!(
        "for i in 1 2 3; do sleep 0.5; nginx -p {DIRECTORY} -c conf/nginx.conf -s reload; done"
    ));
    let done = gateway.drive("browse", &json!({"address": "192.168.7.1", "host": "web.local", "threads": 4, "seconds": 3, "methods": ["GET"]}));
    // A reload closes idle connections while a request may be under way: at most one request fails for each client and
    // reload.
    let failed = done["failed"].as_array().unwrap();
    assert!(done["total"].as_u64() > Some(100) && failed.len() <= 12, "{done}");
    let closed = |problem: &Value| {
        problem
            .as_str()
            .is_some_and(|text| text.contains("RemoteDisconnected") || text.contains("ConnectionReset"))
    };
    assert!(failed.iter().all(closed), "{done}");
    assert_eq!(gateway.code("http://web.local/"), "200");
}
