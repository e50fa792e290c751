//! `ops/wsl/setup`, and the unit that runs the gateway inside WSL2.

use std::path::Path;

use crate::sandbox::{Builder, Output, Sandbox};

/// A host with the parts of the source tree that the script needs at /src.
fn host() -> Sandbox {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["ops/wsl/setup", "ops/wsl/90-flatnet.conf", "templates/flatnet-gateway.service"];
    let copy = |builder: Builder, file: &str| builder.copy(&source.join(file), &format!("/src/{file}"));
    let sandbox = files.into_iter().fold(Sandbox::podman4(), copy).start();
    sandbox.sh("rm -f /etc/wsl.conf; sysctl -qw net.ipv4.ip_forward=0").succeeds();
    sandbox
}

/// Uses systemd's own `systemctl`: without a running systemd it can enable units, and skips starting them.
fn with_systemd(sandbox: &Sandbox, arguments: &str) -> Output {
    sandbox.sh(&format!("mkdir -p /run/systemd/system; SYSTEMD_OFFLINE=1 /src/ops/wsl/setup {arguments}"))
}

#[test]
fn setup_with_systemd_enables_forwarding_and_unit() {
    let sandbox = host();
    sandbox.sh("mkdir -p /run/systemd/system; flatnet init").succeeds();
    let missing = with_systemd(&sandbox, "--check").exits_with(1);
    assert!(missing.stdout.contains("missing: /etc/sysctl.d/90-flatnet.conf"), "{missing}");
    assert!(missing.stdout.contains("missing: flatnet.service is enabled"), "{missing}");
    sandbox.sh("ls /etc/sysctl.d/90-flatnet.conf").fails();
    with_systemd(&sandbox, "").succeeds();
    sandbox
        .sh("cat /proc/sys/net/ipv4/ip_forward; SYSTEMD_OFFLINE=1 systemctl is-enabled flatnet.service")
        .prints_exactly("1\nenabled");
    with_systemd(&sandbox, "--check").prints_exactly("nothing is missing");
}

#[test]
fn setup_without_systemd_keeps_foreign_boot_command() {
    let sandbox = host();
    sandbox.sh("flatnet init").succeeds();
    sandbox.sh("/src/ops/wsl/setup --check").exits_with(1);
    sandbox.sh("/src/ops/wsl/setup").succeeds();
    sandbox
        .sh("cat /proc/sys/net/ipv4/ip_forward; ip -br link show dev flatnet-br0 | cut -d' ' -f1")
        .prints_exactly("1\nflatnet-br0");
    assert_eq!(sandbox.read("/etc/wsl.conf").trim(), "[boot]\ncommand = /usr/local/bin/flatnet up");
    sandbox.sh("/src/ops/wsl/setup --check").prints("nothing is missing");

    sandbox.sh("printf '[boot]\\r\\n[user]\\ndefault=me\\n' >/etc/wsl.conf; /src/ops/wsl/setup").succeeds();
    let merged = sandbox.read("/etc/wsl.conf").replace('\r', "");
    assert_eq!(merged, "[boot]\ncommand = /usr/local/bin/flatnet up\n[user]\ndefault=me\n");

    let own = "[boot]\ncommand = service docker start\n";
    sandbox.write("/etc/wsl.conf", own);
    sandbox.sh("/src/ops/wsl/setup").complains("command = service docker start; /usr/local/bin/flatnet up");
    assert_eq!(sandbox.read("/etc/wsl.conf"), own);
}

/// The command in the unit's line `key=`, ready to be pasted.
fn command(sandbox: &Sandbox, key: &str) -> String {
    let unit = sandbox.read("/etc/systemd/system/flatnet-gateway.service");
    let lines: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).collect();
    assert!(!lines.is_empty(), "{key}: {unit}");
    lines.join(" && ")
}

#[test]
fn gateway_in_wsl_reloads_only_valid_config() {
    let sandbox = host();
    sandbox.sh("mkdir -p /run/systemd/system; flatnet init").succeeds();
    with_systemd(&sandbox, "--gateway /srv/gateway")
        .complains("flatnet gateway install /srv/gateway --platform linux");
    let configuration = "pid logs/nginx.pid; error_log logs/error.log; events {}
        http { access_log off; server { listen 80; location / { return 200 'first\\n'; } } }\n";
    sandbox.sh("mkdir -p /srv/gateway/conf /srv/gateway/logs").succeeds();
    sandbox.write("/srv/gateway/conf/nginx.conf", configuration);
    with_systemd(&sandbox, "--gateway /srv/gateway").succeeds();
    with_systemd(&sandbox, "--gateway /srv/gateway --check").prints_exactly("nothing is missing");
    sandbox
        .sh("systemd-analyze verify --man=no /etc/systemd/system/flatnet-gateway.service")
        .prints_exactly("");

    sandbox.sh(&command(&sandbox, "ExecStartPre")).succeeds();
    let mut nginx = sandbox.spawn(&format!("exec {}", command(&sandbox, "ExecStart")));
    sandbox.sh("ip addr add 192.0.2.9/32 dev lo").succeeds();
    sandbox.eventually("curl -s http://192.0.2.9/").prints_exactly("first");

    let reload = command(&sandbox, "ExecReload");
    sandbox.write("/srv/gateway/conf/nginx.conf", &configuration.replace("return 200", "retrun 200"));
    sandbox.sh(&reload).complains("retrun");
    sandbox.sh("curl -s http://192.0.2.9/").prints_exactly("first");
    sandbox.write("/srv/gateway/conf/nginx.conf", &configuration.replace("first", "second"));
    sandbox.sh(&reload).succeeds();
    sandbox.eventually("curl -s http://192.0.2.9/ | grep second");
    sandbox.sh("kill -QUIT $(cat /srv/gateway/logs/nginx.pid)").succeeds();
    assert!(nginx.wait().unwrap().success());
}
