//! Certificates that end, and clocks that are wrong.

use std::path::PathBuf;

use super::{Lan, YAML};
use crate::sandbox::Sandbox;

const DOCTOR: &str = "{ on h2 flatnet doctor --json || true; } | jq -r '.findings[] | select(.id == \"overlay-certificate\") | .level + \": \" + .what'";

/// What changes a program's clock: see `clock.c`.
#[expect(clippy::disallowed_methods, reason = "duct has no say in how a test starts its world")]
pub(crate) fn clock() -> PathBuf {
    let program = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/clock"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/overlay/clock.c");
    let built = std::process::Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(&program)
        .arg(source)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

#[test]
fn host_whose_certificate_ended_comes_back_with_the_next() {
    let lan = Lan::joined(&["h1", "h2"]);
    let ping = "ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2";
    lan.eventually(ping);
    lan.sh(DOCTOR).prints("good: the certificate is valid until");
    // Too short for `sign`, whose unit is an hour.
    lan.sh("nebula-cert sign -ca-crt /ca/ca.crt -ca-key /ca/ca.key -in-pub /ca/issued/2/host.pub -name h2 -networks 10.86.0.2/16 \
             -unsafe-networks 10.87.2.0/24 -duration 9s -out-crt /tmp/short.crt
         cat /tmp/short.crt >/hosts/h2/etc/flatnet/overlay/host.crt; kill -HUP $(cat /hosts/h2/nebula.pid)")
        .succeeds();
    lan.sh(ping).succeeds();
    lan.sh(DOCTOR).prints("warning: the certificate ends within 30 days");
    lan.sh("sleep 9").succeeds();
    lan.eventually(&format!("! {ping}"));
    lan.sh(DOCTOR).prints("failure: the certificate ended at ").prints("; this host's clock says ");
    lan.eventually("[[ $(on h1 flatnet overlay status --json | jq '.hosts | length') = 0 ]]");
    lan.sh("{ on h2 flatnet overlay status || true; } | grep -c 'this host.*'$(date -u +%F)")
        .prints_exactly("1");
    // Nebula does not start with it, and says so.
    lan.sh("on h2 nebula -test -config /etc/flatnet/overlay/nebula.yml 2>&1 || true")
        .prints("certificate for this host is expired");
    // Renewed as the doctor says.
    lan.sh("flatnet overlay sign --ca /ca --number 2 /tmp/h2.request >/tmp/h2.new 2>/dev/null; on h2 flatnet overlay join /tmp/h2.new
         kill -HUP $(cat /hosts/h2/nebula.pid)")
        .succeeds();
    lan.sh(&format!("until {ping}; do ((SECONDS < 30)) || exit 1; done")).succeeds();
    lan.sh(DOCTOR).prints("good: the certificate is valid until");
}

#[test]
fn host_whose_clock_was_wrong_comes_back_when_it_is_set() {
    let lan = Lan::in_sandbox(Sandbox::podman4().copy(&clock(), "/usr/local/bin/clock"), YAML)
        .join_all(&["h1", "h2"]);
    let ping = "ip netns exec c1 ping -q -c 1 -W 2 10.87.2.2";
    let soon = format!("until {ping}; do ((SECONDS < 30)) || exit 1; done");
    let set = |seconds: i64| lan.sh(&format!("echo {seconds} >/tmp/ahead; sleep 0.1")).succeeds();
    let doctor = DOCTOR.replace("on h2", "on h2 clock /tmp/ahead");
    set(0);
    lan.sh("stop_nebula h2; nebula_on h2 clock /tmp/ahead").succeeds();
    lan.sh(&soon).succeeds();
    for (ahead, says) in [
        (-3600, "failure: the certificate begins at "),
        // Longer than the authority's certificate.
        (11 * 365 * 86_400, "failure: the certificate ended at "),
    ] {
        // While Nebula runs, its tunnels end.
        set(ahead);
        lan.eventually(&format!("! {ping}"));
        lan.sh(&doctor).prints(says);
        lan.sh("{ on h2 clock /tmp/ahead flatnet overlay status || true; }").prints("No lighthouse answers.");
        set(0);
        lan.sh(&soon).succeeds();
        // It does not start so. Its unit tries again each second.
        set(ahead);
        lan.sh("stop_nebula h2; on h2 clock /tmp/ahead nebula -test -config /etc/flatnet/overlay/nebula.yml 2>&1 || true")
            .prints("certificate for this host is expired");
        set(0);
        lan.sh("nebula_on h2 clock /tmp/ahead").succeeds();
        lan.sh(&soon).succeeds();
    }
}
