//! The distribution that `podman machine` makes in WSL2, imitated in a Debian 13: Fedora's os-release, Podman 5 of a user, a kernel with
//! Microsoft's name, and a systemd in a mount and a PID namespace of its own, outside of which Windows' programs start.

use std::path::Path;

use serde_json::Value;

use crate::package;
use crate::podman::IMAGE;
use crate::sandbox::{Output, Sandbox};

/// A real systemd would need cgroups that it can write to, so a shell that reaps processes plays it. `inside COMMAND` is what Podman's
/// `enterns` does.
const MACHINE: &str = r#"
printf 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=43\n' >/usr/lib/os-release
echo wsl >/etc/containers/podman-machine
printf '[user]\ndefault=user\n' >/etc/wsl.conf
echo 6.6.114.1-microsoft-standard-WSL2 >/root/osrelease
printf '#!/bin/sh\necho nat\n' >/usr/bin/wslinfo
cat >/usr/local/bin/inside <<'ENTER'
#!/bin/sh
exec nsenter --mount --pid --wd=/root --target "$(pgrep -o -x systemd)" "$@"
ENTER
mv /usr/bin/systemctl /usr/bin/systemctl.real
cat >/usr/bin/systemctl <<'SYSTEMCTL'
#!/bin/bash
socket=/var/lib/flatnet-serve/socket
case "$*" in
    daemon-reload) ;;
    'start --no-block flatnet-dns.service') setsid --fork /usr/local/bin/flatnet dns >/dev/null 2>&1 </dev/null ;;
    'enable --now flatnet-serve.socket')
        setsid --fork systemd-socket-activate --accept --inetd --seqpacket --listen $socket \
            "$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' /etc/systemd/system/flatnet-serve@.service)" serve >/dev/null 2>&1 </dev/null
        until [[ -S $socket ]]; do sleep 0.05; done
        chgrp flatnet $socket && chmod 660 $socket ;;
    'start flatnet.service') /usr/local/bin/flatnet up ;;
    *) SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl.real "$@" ;;
esac
SYSTEMCTL
chmod 755 /usr/bin/wslinfo /usr/local/bin/inside /usr/bin/systemctl
useradd --create-home --uid 1000 user

# Windows, the next hop of eth0.
ip netns add windows
ip link add eth0 type veth peer name ethernet netns windows
ip addr add 172.27.0.2/20 dev eth0
ip -n windows addr add 172.27.0.1/20 dev ethernet
ip link set eth0 up
ip -n windows link set ethernet up
ip route add default via 172.27.0.1
ip -n windows route add 10.87.1.0/24 via 172.27.0.2

cp /bin/bash /usr/lib/systemd/systemd
setsid --fork unshare --kill-child --fork --pid --mount --mount-proc --propagation shared bash -c '
    mkdir -p /run/systemd/system
    mount --bind /root/osrelease /proc/sys/kernel/osrelease
    exec /lib/systemd/systemd -c "while :; do sleep 1000 & wait; done"' >/dev/null 2>&1 </dev/null
mount --bind /root/osrelease /proc/sys/kernel/osrelease
"#;

fn machine() -> Sandbox {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut builder = Sandbox::trixie().image("busybox").copy(&package::tarball(), "/root/flatnet.tar.gz");
    for file in ["ops/wsl/setup", "ops/wsl/90-flatnet.conf", "templates/flatnet-gateway.service"] {
        builder = builder.copy(&source.join(file), &format!("/src/{file}"));
    }
    let sandbox = builder.start_as_it_is();
    sandbox.sh(MACHINE).succeeds();
    sandbox.eventually("[[ $(inside cat /proc/1/comm) == systemd ]]");
    sandbox
}

/// The doctor's findings, where `place` is empty or `inside`.
#[track_caller]
fn findings(sandbox: &Sandbox, place: &str) -> impl Fn(&str) -> Value {
    let output = sandbox.sh(&format!("{place} flatnet doctor --json || true")).succeeds();
    let report: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    let all = report["findings"].as_array().unwrap().clone();
    move |id| {
        all.iter().find(|finding| finding["id"] == id).unwrap_or_else(|| panic!("{id}: {report:#}")).clone()
    }
}

/// The command that an error advises, between backquotes.
fn advised(output: &Output) -> String {
    let help = output.stderr.lines().find(|line| line.starts_with("help:")).unwrap_or_default();
    help.split('`').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn podman_machine_is_set_up_from_outside_and_inside() {
    let sandbox = machine();
    install_from_tarball(&sandbox);
    init_leads_to_systemd(&sandbox);
    containers_of_root_and_user_are_reached(&sandbox);
    outside_takes_no_container_for_dead(&sandbox);
    setup_enters_the_namespaces(&sandbox);
    user_mode_networking_is_named(&sandbox);
}

/// The image has neither nftables nor conntrack-tools.
fn install_from_tarball(sandbox: &Sandbox) {
    sandbox.sh("mv /usr/sbin/conntrack /usr/sbin/nft /root/").succeeds();
    let installed =
        sandbox.sh("cd /root && tar -xzf flatnet.tar.gz && flatnet-*-linux/install.sh").succeeds();
    for told in [
        "nft, which Flatnet needs: dnf install nftables",
        "conntrack, which Flatnet needs: dnf install conntrack-tools",
    ] {
        assert!(installed.stderr.contains(&format!("missing: {told}\n")), "{told}: {installed}");
    }
    assert_eq!(installed.stderr.matches("missing").count(), 2, "{installed}");
    sandbox
        .sh("mkdir -p /etc/flatnet; echo '# nothing' >/etc/flatnet/flatnet.yaml; inside flatnet up")
        .complains("dnf install nftables");
    sandbox.sh("rm -r /etc/flatnet; mv /root/conntrack /root/nft /usr/sbin/").succeeds();
}

fn init_leads_to_systemd(sandbox: &Sandbox) {
    let refused = sandbox.sh("flatnet init --host 1").fails();
    assert!(
        refused
            .stderr
            .contains("error[FLAT-E034]: systemd and Podman's containers run in namespaces of their own"),
        "{refused}"
    );
    sandbox.sh("ls /etc/flatnet /usr/local/libexec/netavark/flatnet").fails();
    let initialised = sandbox.sh(&advised(&refused)).succeeds();
    for told in [
        "written     /etc/flatnet/flatnet.yaml",
        "systemctl enable --now flatnet.service",
        "\n  flatnet init --rootless user\n",
    ] {
        assert!(initialised.stdout.contains(told), "{told}: {initialised}");
    }
    assert!(!initialised.stdout.contains("user-mode"), "{initialised}");
}

fn containers_of_root_and_user_are_reached(sandbox: &Sandbox) {
    sandbox.sh("inside flatnet up; inside podman network create -d flatnet flatnet").succeeds();
    sandbox.sh(&format!("inside podman run -d --name rootful --network flatnet {IMAGE}")).succeeds();
    sandbox.sh("inside /usr/local/lib/flatnet-test/rootless_users.sh user busybox").succeeds();
    sandbox.sh("flatnet init --rootless user").complains("nsenter --mount --pid");
    sandbox.sh("inside flatnet init --rootless user").prints("systemctl enable --now flatnet-serve.socket");
    sandbox.sh("inside as user podman network create -d flatnet flatnet").succeeds();
    sandbox.sh(&format!("inside as user podman run -d --name web --network flatnet {IMAGE}")).succeeds();
    for address in ["10.87.1.2", "10.87.1.3"] {
        let who = format!("http://{address}/cgi-bin/who");
        sandbox.eventually(&format!("curl -sS -m 3 {who}")).prints("10.87.1.1");
        sandbox.sh(&format!("ip netns exec windows curl -sS -m 3 {who}")).prints("172.27.0.1");
    }
    sandbox
        .sh("inside as user podman exec web timeout 5 wget -qO- http://rootful/cgi-bin/who")
        .prints("10.87.1.3");
    let finding = findings(sandbox, "inside");
    for id in ["wsl-systemd", "wsl-networking-mode", "rootless"] {
        assert_eq!(finding(id)["level"], "good", "{:#}", finding(id));
    }
}

/// There /run/netns lacks the mounts of containers' namespaces.
fn outside_takes_no_container_for_dead(sandbox: &Sandbox) {
    let warned = findings(sandbox, "")("wsl-systemd");
    assert_eq!(warned["level"], "warning", "{warned}");
    assert!(
        warned["what"]
            .as_str()
            .unwrap()
            .starts_with("systemd and Podman's containers run in namespaces of their own"),
        "{warned}"
    );
    let again = warned["commands"][0].as_str().unwrap();
    assert!(again.starts_with("nsenter --mount --pid") && again.ends_with("flatnet doctor"), "{again}");
    let before =
        sandbox.sh("inside flatnet ps --json | jq -c '[.[] | {name, address, state}]'").succeeds().stdout;
    sandbox.sh("flatnet up; flatnet gc; flatnet repair; flatnet inspect web.user").succeeds();
    sandbox.sh("inside flatnet ps --json | jq -c '[.[] | {name, address, state}]'").prints_exactly(&before);
    assert!(before.contains("web.user") && before.contains("rootful"), "{before}");
    sandbox.sh("curl -sS -m 3 http://10.87.1.3/cgi-bin/who").prints("10.87.1.1");
}

fn setup_enters_the_namespaces(sandbox: &Sandbox) {
    let missing = sandbox.sh("/src/ops/wsl/setup --check").exits_with(1);
    for told in ["note: continues in the namespaces of systemd", "missing: flatnet.service is enabled"] {
        assert!(missing.stdout.contains(told), "{told}: {missing}");
    }
    sandbox.sh("/src/ops/wsl/setup").prints("flatnet.service is enabled and started");
    let inside = sandbox.sh("inside /src/ops/wsl/setup --check").prints_exactly("nothing is missing");
    assert_eq!(inside.stderr, "");
    // Any user can make what looks the same, but for its user namespace: root does not enter it.
    let decoy = "inside as user unshare -Ur --mount --pid --fork /lib/systemd/systemd -c 'sleep 1000; true'";
    let mut decoy = sandbox.spawn(decoy);
    sandbox.eventually("inside grep -l 'NSpid:.*[[:space:]]1$' $(inside pgrep -x systemd | sed 's,.*,/proc/&/status,') | grep -v '/1/'");
    sandbox.sh("inside /src/ops/wsl/setup --check").prints_exactly("nothing is missing");
    sandbox.sh("inside flatnet init").succeeds();
    decoy.kill().unwrap();
    decoy.wait().unwrap();
}

/// Podman's relay becomes the next hop, for all distributions.
fn user_mode_networking_is_named(sandbox: &Sandbox) {
    sandbox.sh("ip tuntap add podman-usermode mode tap; ip addr add 192.168.127.2/24 dev podman-usermode; ip link set podman-usermode up; ip route replace default via 192.168.127.1").succeeds();
    let warned = findings(sandbox, "inside")("wsl-networking-mode");
    assert!(
        warned["what"].as_str().unwrap().starts_with("podman machine's user-mode networking is on"),
        "{warned}"
    );
    assert!(
        warned["help"].as_str().unwrap().contains("podman machine set --user-mode-networking=false"),
        "{warned}"
    );
    sandbox.sh("inside flatnet init").prints("Windows has no route to containers");
    sandbox.sh("/src/ops/wsl/setup --check").prints("user-mode networking is on");
    // The relay is let in no more than any other host.
    sandbox.sh("inside flatnet up; inside flatnet status --json | jq -c .ingress_gateways").succeeds();
    sandbox.sh("nft list ruleset | grep -c 192.168.127.1 || true").prints_exactly("0");
    sandbox
        .sh("ip link del podman-usermode; ip route add default via 172.27.0.1; inside flatnet up")
        .succeeds();
    sandbox.sh("ip netns exec windows curl -sS -m 3 http://10.87.1.3/cgi-bin/who").prints("172.27.0.1");
}
