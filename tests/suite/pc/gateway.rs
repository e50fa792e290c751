//! `OpenResty` on Windows, and other programs on its port.

use super::{has, line, pc};

#[test]
fn broken_config_blocks_reload_but_not_stop() {
    let Some(pc) = pc() else { return };
    let said = pc.ps("flat gateway start\nflat gateway start\nflat gateway reload\nflat gateway check");
    assert_eq!(said.matches("exit 0").count(), 4, "{said}");
    has(&said, &["the gateway is already running"]);
    pc.sh("cp /pc/c/flatnet/gateway/conf/nginx.conf /root/good; echo 'bogus;' >>/pc/c/flatnet/gateway/conf/nginx.conf").succeeds();
    let said = pc.ps("flat gateway check\nflat gateway reload\nflat gateway stop\nflat gateway stop\nflat gateway start\nflat gateway reload");
    assert!(said.matches("unknown directive \"bogus\"").count() >= 3 && !said.contains("~~~"), "{said}");
    let ends: Vec<&str> = said.lines().filter(|line| line.starts_with("exit ")).collect();
    assert_eq!(ends, ["exit 2", "exit 2", "exit 0", "exit 0", "exit 2", "exit 2"], "{said}");
    assert_eq!(pc.left(), "");
    pc.sh("cp /root/good /pc/c/flatnet/gateway/conf/nginx.conf").succeeds();
    has(
        &pc.ps("flat gateway reload\nflat gateway start"),
        &["error: the gateway is not running", "exit 1", "exit 0"],
    );
}

#[test]
fn websocket_does_not_block_reload_forever() {
    let text = include_str!("../../../templates/gateway/conf/nginx.conf.j2");
    assert!(
        text.contains("\nworker_shutdown_timeout "),
        "old workers would run until their last connection closes"
    );
}

/// An nginx that is not Flatnet's, on a port.
const OTHER: &str = "mkdir -p /root/other; echo 'pid /root/other/pid; error_log /root/other/err; events {} http { access_log off; server { listen PORT; location / { return 200 ok; } } }' >/root/other/conf
ip netns exec windows nginx -c /root/other/conf";

#[test]
fn other_programs_on_port_are_named_but_not_touched() {
    let Some(pc) = pc() else { return };
    // Another port, and the same port on an IPv6 address: no conflict.
    pc.sh(&OTHER.replace("PORT", "8080")).succeeds();
    let mut relay = pc.sandbox.spawn("exec ip netns exec windows python3 -c 'import socket, time; s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 1); s.bind((\"::1\", 80)); s.listen(); time.sleep(300)'");
    pc.sandbox.eventually("ip netns exec windows ss -Hltn 'sport = 80' | grep -q .");
    has(&pc.ps("flat up\nflat down"), &["is open", "Flatnet's files remain"]);
    assert_eq!(pc.left(), "");
    pc.sh("kill -QUIT $(cat /root/other/pid)").succeeds();
    relay.kill().unwrap();
    relay.wait().unwrap();

    // The same port: the program is named and not touched, and its 200 is not taken for Flatnet's.
    pc.sandbox.eventually("! ip netns exec windows ss -Hltn 'sport = 8080' | grep -q .");
    pc.sh(&OTHER.replace("PORT", "80")).succeeds();
    let said =
        pc.ps("flat up\nflat doctor\nflat gateway status\nflat gateway start\nflat gateway stop\nflat down");
    has(line(&said, "nginx"), &["FAILURE", "in use by another nginx", "C:\\Other\\nginx.exe"]);
    has(
        line(&said, "gateway"),
        &["FAILURE", "another server than Flatnet's gateway answers, with status 200"],
    );
    has(&said, &["error: port 80 is in use by process", "Flatnet's files remain"]);
    let ends: Vec<&str> = said.lines().filter(|line| line.starts_with("exit ")).collect();
    assert_eq!(ends, ["exit 1", "exit 1", "exit 1", "exit 1", "exit 0", "exit 0"], "{said}");
    pc.sh("kill -QUIT $(cat /root/other/pid)").succeeds();
    assert_eq!(pc.left(), "");

    // Port ranges that Windows reserves.
    pc.sandbox.write(
        "/pc/state/excluded",
        "\r\nStart Port    End Port\r\n----------    --------\r\n        80          80\r\n",
    );
    has(line(&pc.ps("flat status"), "nginx"), &["FAILURE", "port range that Windows reserves: 80 to 80"]);
}
