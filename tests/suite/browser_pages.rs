//! The look and accessibility of the gateway's own pages.

use serde_json::json;

use crate::browser::{browse, sandbox, start_gateway};
use crate::routes::GATEWAY;
use crate::sandbox::Sandbox;

/// Only the Windows side, which also runs the containers' servers: the pages need no Podman.
fn windows() -> Sandbox {
    let sandbox = sandbox("pages").start();
    sandbox.add_netns("windows");
    sandbox.sh("for last in $(seq 2 40); do ip -n windows addr add 10.87.1.$last/32 dev lo; done").succeeds();
    let server = "busybox httpd -p 0.0.0.0:3000 -h /usr/share";
    sandbox.sh(&format!("ip netns exec windows {server}; flatnet init")).succeeds();
    start_gateway(&sandbox);
    sandbox
}

#[test]
fn gateway_pages_are_readable_on_every_screen() {
    let sandbox = windows();
    browse(&sandbox, "pages", &json!({"gateway": GATEWAY}));
}
