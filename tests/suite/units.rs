//! The systemd units that `init` writes: what they run at boot, and that systemd takes them.

use crate::podman_failures::reboot;
use crate::sandbox::{Output, Sandbox};
use crate::world::World;

/// A host that systemd runs, as far as `init` can see.
fn with_systemd() -> Sandbox {
    let sandbox = Sandbox::podman4().image("busybox").start();
    sandbox
        .sh("mkdir -p /run/systemd/system && flatnet init")
        .prints("systemctl enable --now flatnet.service flatnet-gc.timer");
    sandbox
}

/// Runs what the unit says, as systemd would.
fn start(sandbox: &Sandbox, unit: &str) -> Output {
    sandbox.sh(&format!(
        "sed -n 's/^ExecStart=//p' /etc/systemd/system/{unit} >/tmp/{unit}.sh; bash -e /tmp/{unit}.sh"
    ))
}

#[test]
fn systemd_takes_them_in_the_right_order() {
    let sandbox = with_systemd();
    sandbox
        .sh("cd /etc/systemd/system; systemd-analyze verify --man=no flatnet.service flatnet-gc.service flatnet-gc.timer")
        .prints_exactly("");
    // It does say something about a unit that is wrong.
    sandbox
        .sh("sed 's/^Type=oneshot/Typo=oneshot/' /etc/systemd/system/flatnet.service >/tmp/flatnet.service; systemd-analyze verify --man=no /tmp/flatnet.service")
        .complains("Typo");
    let unit = sandbox.read("/etc/systemd/system/flatnet.service");
    for line in
        ["Before=podman-restart.service", "PartOf=nftables.service", "ExecReload=/usr/local/bin/flatnet "]
    {
        assert!(unit.contains(&format!("\n{line}")), "{line}: {unit}");
    }
}

#[test]
fn after_a_reboot_the_unit_makes_way_for_the_containers_that_podman_restarts() {
    let sandbox = with_systemd();
    start(&sandbox, "flatnet.service").succeeds();
    let fresh = World::of(&sandbox);
    sandbox
        .sh("podman run -d --name web --restart always --network flatnet flatnet-test/busybox
             podman run -d --name db --restart always --network flatnet flatnet-test/busybox")
        .succeeds();
    let addresses = "for c in web db; do podman inspect --format '{{.NetworkSettings.Networks.flatnet.IPAddress}}' $c; done";
    sandbox.sh(addresses).prints_exactly("10.87.1.2\n10.87.1.3");
    sandbox.sh(&reboot()).succeeds();
    start(&sandbox, "flatnet.service").prints("web");
    fresh.assert_is_back(&sandbox);
    sandbox.sh("podman start --all --filter restart-policy=always").succeeds();
    sandbox.sh(addresses).prints_exactly("10.87.1.2\n10.87.1.3");
    sandbox.sh("flatnet plan --exit-code; flatnet repair").prints("Nothing to do");
}

#[test]
fn the_timer_s_service_frees_the_dead() {
    let sandbox = with_systemd();
    start(&sandbox, "flatnet.service").succeeds();
    let fresh = World::of(&sandbox);
    sandbox.add_netns("c1");
    crate::cni::Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("ip netns del c1").succeeds();
    sandbox.eventually("! ip -br link | grep '^fn'");
    start(&sandbox, "flatnet-gc.service").prints("freed");
    fresh.assert_is_back(&sandbox);
}
