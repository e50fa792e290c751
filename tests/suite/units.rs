//! The systemd units of `init`: their commands at boot, and that systemd accepts them.

use crate::podman_failures::reboot;
use crate::sandbox::{Output, Sandbox};
use crate::world::World;

/// Stands in for `systemctl` of a running systemd: it starts the resolver, and prints the state of units that a test writes.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
"start --no-block flatnet-dns.service") setsid --fork /usr/local/bin/flatnet dns >/dev/null 2>&1 </dev/null ;;
"show --property=MainPID --value flatnet-dns.service") pgrep -f 'flatnet d[n]s' || echo 0 ;;
"show --property=ActiveState,UnitFileState "*) cat /run/shown ;;
*) exec /usr/bin/systemctl.real "$@" ;;
esac
"#;

/// A host on which systemd runs, as far as Flatnet can see.
fn with_systemd() -> Sandbox {
    let sandbox = Sandbox::podman4().image("busybox").start();
    sandbox.sh("mv /usr/bin/systemctl /usr/bin/systemctl.real").succeeds();
    sandbox.write("/usr/bin/systemctl", SYSTEMCTL);
    sandbox.sh("chmod 755 /usr/bin/systemctl").succeeds();
    sandbox
        .sh("mkdir -p /run/systemd/system && flatnet init")
        .prints("systemctl enable --now flatnet.service flatnet-gc.timer");
    sandbox
}

/// Runs the unit's commands, as systemd would.
pub(crate) fn start(sandbox: &Sandbox, unit: &str) -> Output {
    sandbox.sh(&format!(
        "sed -n 's/^ExecStart=//p' /etc/systemd/system/{unit} >/tmp/{unit}.sh; bash -e /tmp/{unit}.sh"
    ))
}

#[test]
fn units_are_valid_and_in_order() {
    let sandbox = with_systemd();
    sandbox
        .sh("cd /etc/systemd/system; systemd-analyze verify --man=no flatnet.service flatnet-repair.service flatnet-gc.service flatnet-gc.timer flatnet-metrics.service flatnet-metrics.timer flatnet-gateway-watch.service flatnet-dns.service")
        .prints_exactly("");
    // `systemd-analyze` does report an invalid unit.
    sandbox
        .sh("sed 's/^Type=oneshot/Typo=oneshot/' /etc/systemd/system/flatnet.service >/tmp/flatnet.service; systemd-analyze verify --man=no /tmp/flatnet.service")
        .complains("Typo");
    let unit = sandbox.read("/etc/systemd/system/flatnet.service");
    // The links that `systemctl enable` makes.
    sandbox
        .sh("SYSTEMD_OFFLINE=1 systemctl enable flatnet.service; cd /etc/systemd/system; ls -1 nftables.service.wants multi-user.target.wants")
        .prints("flatnet-repair.service\nflatnet.service\n");
    for line in [
        "Before=podman-restart.service podman.service docker.service\n",
        "PartOf=nftables.service\n",
        "Restart=on-failure\n",
        "WantedBy=multi-user.target nftables.service firewalld.service ufw.service netfilter-persistent.service\n",
        "ExecReload=/usr/local/bin/flatnet ",
    ] {
        assert!(unit.contains(&format!("\n{line}")), "{line}: {unit}");
    }
}

#[test]
fn gateway_install_writes_gateway_units() {
    let sandbox = with_systemd();
    sandbox.sh("rm /etc/systemd/system/flatnet-gateway-watch.service").succeeds();
    sandbox
        .sh("flatnet gateway install /srv/gateway")
        .prints("written     /etc/systemd/system/flatnet-gateway.service\n")
        .prints("written     /etc/systemd/system/flatnet-gateway-watch.service\n")
        .prints("  systemctl enable --now flatnet-gateway.service flatnet-gateway-watch.service\n");
    sandbox
        .sh("cd /etc/systemd/system; systemd-analyze verify --man=no flatnet-gateway.service flatnet-gateway-watch.service")
        .prints_exactly("");
    // As systemd does: test the configuration, then start in the foreground.
    let unit = sandbox.read("/etc/systemd/system/flatnet-gateway.service");
    let line = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    sandbox.sh(&line("ExecStartPre=")).succeeds();
    let mut nginx = sandbox.spawn(&format!("exec {}", line("ExecStart=")));
    sandbox.eventually("curl -s 127.0.0.1/_flatnet/healthz").prints_exactly("no routes");
    sandbox.sh("kill -QUIT $(cat /srv/gateway/logs/nginx.pid)").succeeds();
    assert!(nginx.wait().unwrap().success());
    // An edited unit is kept. With a gateway on Windows, only `watch` runs on this host.
    let edit = "cd /etc/systemd/system; echo '# mine' >>flatnet-gateway.service";
    sandbox.sh(&format!("{edit}; flatnet gateway install /srv/gateway")).prints(
        "kept        /etc/systemd/system/flatnet-gateway.service (edited; use --force to overwrite it)",
    );
    sandbox
        .sh("rm /etc/systemd/system/flatnet-gateway.service; flatnet gateway install /mnt/c/gateway; ! ls /etc/systemd/system/flatnet-gateway.service 2>&1")
        .prints("  systemctl enable --now flatnet-gateway-watch.service\n");
    // Without systemd, no unit is written.
    sandbox
        .sh("rm -r /run/systemd; rm /etc/systemd/system/flatnet-*; flatnet gateway install /srv/other; ! ls /etc/systemd/system/flatnet-* 2>&1")
        .prints("  nginx -p /srv/other -c conf/nginx.conf\n")
        .prints("  flatnet gateway watch   # keeps the routes up to date\n");
}

#[test]
fn commands_may_take_longer_at_boot() {
    let sandbox = with_systemd();
    sandbox
        .sh("mkdir /opt/slow; printf '#!/bin/sh\nsleep 2\nexec /usr/sbin/nft \"$@\"\n' >/opt/slow/nft; chmod 755 /opt/slow/nft
             sed -i 's/^  command_seconds: 10/  command_seconds: 1/; s,^tools: {},tools: {nft: /opt/slow/nft},' /etc/flatnet/flatnet.yaml")
        .succeeds();
    sandbox.sh("flatnet up").complains("was killed after 1 s");
    start(&sandbox, "flatnet.service").succeeds();
    // The option of that one run does not count as another configuration.
    sandbox
        .sh("cp /usr/sbin/nft /opt/slow/nft; flatnet up; flatnet plan --exit-code")
        .prints("Nothing to do");
    sandbox.sh("flatnet --command-seconds 0 up").complains("0 is not in 1..=600");
}

#[test]
fn status_says_that_the_unit_failed_or_was_stopped() {
    let sandbox = with_systemd();
    start(&sandbox, "flatnet.service").succeeds();
    let is = |active: &str, enabled: &str| {
        sandbox.write("/run/shown", &format!("ActiveState={active}\nUnitFileState={enabled}\n"));
        sandbox.sh("flatnet status || test $? = 1")
    };
    for (active, enabled) in
        [("active", "enabled"), ("activating", "enabled"), ("inactive", "disabled"), ("inactive", "")]
    {
        is(active, enabled).prints("problems    none");
    }
    for (active, enabled, what, mend) in [
        ("failed", "enabled", "flatnet.service has failed", "systemctl restart flatnet.service"),
        ("failed", "disabled", "flatnet.service has failed", "systemctl restart flatnet.service"),
        (
            "inactive",
            "enabled",
            "flatnet.service is enabled but was stopped",
            "systemctl start flatnet.service",
        ),
    ] {
        is(active, enabled).prints("problems    1").prints(what).prints(mend);
    }
}

/// nftables.service flushes the ruleset when it starts, while flatnet.service stays active and is not started again.
#[test]
fn what_nftables_takes_as_it_starts_is_put_back() {
    let sandbox = with_systemd();
    start(&sandbox, "flatnet.service").succeeds();
    sandbox.sh("nft flush ruleset; ! flatnet plan --exit-code").succeeds();
    start(&sandbox, "flatnet-repair.service").prints("replace table flatnet");
    sandbox.sh("flatnet plan --exit-code").prints("Nothing to do");
}

#[test]
fn boot_unit_lets_podman_restart_containers() {
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
fn gc_service_frees_dead_containers() {
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
