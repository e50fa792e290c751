//! The units of systemd: it accepts them, and what they run connects a host.

use super::Lan;

/// Stands in for `systemctl` of a running systemd, and does with the unit of the overlay what that would do.
const SYSTEMCTL: &str = r#"#!/bin/bash
echo "$*" >>/tmp/systemctl
line() { sed -n "s/^$1=+\?//p" /etc/systemd/system/flatnet-overlay.service; }
case "$*" in
"restart flatnet-overlay.service")
    $(line ExecStartPre) 2>/dev/null || exit
    setsid $(line ExecStart) >/tmp/nebula.log 2>&1 </dev/null & echo $! >/tmp/main.pid
    until ip link show flatnet-ov0 >/dev/null 2>&1; do sleep 0.02; done
    $(line ExecStartPost) ;;
"reload-or-restart flatnet-overlay.service")
    MAINPID=$(cat /tmp/main.pid); eval "$(line ExecReload)" ;;
"disable --now flatnet-overlay.service")
    kill "$(cat /tmp/main.pid)"; until ! ip link show flatnet-ov0 >/dev/null 2>&1; do sleep 0.02; done ;;
esac
"#;

#[test]
fn units_run_nebula_from_join_to_leave() {
    let lan = Lan::joined(&["h2"]);
    lan.0.write("/tmp/systemctl.sh", SYSTEMCTL);
    lan.sh("install -m 755 /tmp/systemctl.sh /usr/bin/systemctl; mkdir -p /run/systemd/system").succeeds();
    lan.sh("on h1 flatnet up; join h1").succeeds();
    lan.sh("cat /tmp/systemctl")
        .prints("daemon-reload\nenable flatnet-overlay.service\nrestart flatnet-overlay.service\n");
    lan.sh("cp /lights/flatnet-lighthouse.service /etc/systemd/system/; mkdir /etc/flatnet-lighthouse
         cd /etc/systemd/system; systemd-analyze verify --man=no flatnet-overlay.service flatnet-lighthouse.service 2>&1")
        .prints_exactly("");
    // The control: it names a line that it does not know.
    lan.sh("cd /etc/systemd/system; sed 's/^RestartSec=/RestartSecs=/' flatnet-lighthouse.service >/tmp/flatnet-lighthouse.service
         systemd-analyze verify --man=no /tmp/flatnet-lighthouse.service 2>&1 || true")
        .prints("RestartSecs");
    let reaches = "on h1 ping -q -c 1 -W 2 10.87.1.2";
    lan.eventually(reaches);
    // Renewed, without an interruption of Nebula.
    let main = lan.sh("cat /tmp/main.pid").succeeds().stdout;
    lan.sh("flatnet overlay sign --ca /ca --number 2 /tmp/h1.request >/tmp/h1.new 2>/dev/null; on h1 flatnet overlay join /tmp/h1.new
         tail -n 1 /tmp/systemctl")
        .prints("reload-or-restart flatnet-overlay.service");
    lan.sh("cat /tmp/main.pid").prints_exactly(main.trim());
    lan.sh(reaches).succeeds();
    lan.sh("on h1 flatnet overlay leave; ! on h1 ip link show flatnet-ov0; ! ls /etc/systemd/system/flatnet-overlay.service").succeeds();
}
