//! Conntrack entries of a released address: DEL leaves `conntrack` running, and the next ADD of the address waits for it or, if
//! it failed, deletes them itself.

use crate::cni::{Call, host};
use crate::sandbox::Sandbox;

const FILES: &str = "find /run/flatnet/flatnet -name '*.flows'";

/// A host with the container c1 and room for one, whose `conntrack` writes a line to /tmp/ran, waits for /tmp/go, and then runs the script `then`.
fn with_conntrack(then: &str) -> Sandbox {
    let sandbox = host("subnet: 10.87.1.0/30\n");
    sandbox.sh("flatnet up").succeeds();
    for name in ["c1", "c2"] {
        sandbox.add_netns(name);
    }
    Call::add("c1").run(&sandbox).succeeds();
    sandbox.sh("mv /usr/sbin/conntrack /usr/sbin/conntrack.real").succeeds();
    sandbox.write(
        "/usr/sbin/conntrack",
        &format!("#!/bin/bash\necho $$ >>/tmp/ran\nuntil [[ -e /tmp/go ]]; do sleep 0.01; done\n{then}\n"),
    );
    sandbox.sh("chmod 755 /usr/sbin/conntrack; touch /tmp/ran").succeeds();
    sandbox
}

/// Detaches c1, whose address has an entry, while `conntrack` waits.
fn detach(sandbox: &Sandbox) {
    sandbox
        .sh("conntrack.real -I -p udp -s 10.87.1.2 -d 198.51.100.1 --sport 1 --dport 2 -t 100 -r 198.51.100.1 -q 10.87.1.2 \
             --reply-port-src 2 --reply-port-dst 1")
        .succeeds();
    Call::del("c1").run(sandbox).succeeds();
    sandbox.sh("until [[ -s /tmp/ran ]]; do sleep 0.01; done").succeeds();
    assert_eq!(ran(sandbox), 1, "DEL does not wait for it");
    assert_ne!(sandbox.sh(FILES).stdout, "");
}

/// How often `conntrack` ran.
fn ran(sandbox: &Sandbox) -> usize {
    sandbox.read("/tmp/ran").lines().count()
}

#[track_caller]
fn assert_nothing_left(sandbox: &Sandbox) {
    sandbox.sh("conntrack.real -L -d 198.51.100.1 2>/dev/null").prints_exactly("");
    sandbox.sh(FILES).prints_exactly("");
}

#[test]
fn next_add_waits_until_entries_are_deleted() {
    for name in ["c1", "c2"] {
        let sandbox = with_conntrack("exec conntrack.real \"$@\"");
        detach(&sandbox);
        let add = crate::traffic::cni_script("ADD", name, &serde_json::json!([]));
        let adding = sandbox.spawn(&format!("{add} >/tmp/said; echo $? >/tmp/status"));
        sandbox.sh("sleep 0.2; ! [[ -e /tmp/status ]]; touch /tmp/go").succeeds();
        sandbox.eventually("[[ -e /tmp/status ]]");
        drop(adding);
        sandbox.sh("cat /tmp/status").prints_exactly("0");
        assert_eq!(ran(&sandbox), 1, "{name}: once is enough");
        assert_nothing_left(&sandbox);
    }
}

#[test]
fn next_add_deletes_what_a_killed_or_failed_program_left() {
    for how in ["kill -9 $(cat /tmp/ran) $(ps -o ppid= -p $(cat /tmp/ran))", "touch /tmp/fails"] {
        let sandbox = with_conntrack("[[ -e /tmp/fails ]] && exit 1\nexec conntrack.real \"$@\"");
        detach(&sandbox);
        sandbox.sh(how).succeeds();
        sandbox.sh("touch /tmp/go").succeeds();
        sandbox.eventually("! pgrep -x conntrack");
        sandbox.sh("rm -f /tmp/fails; conntrack.real -L -d 198.51.100.1 2>/dev/null").prints("10.87.1.2");
        Call::add("c2").run(&sandbox).succeeds();
        assert_eq!(ran(&sandbox), 2, "{how}");
        assert_nothing_left(&sandbox);
    }
}

#[test]
fn missing_program_is_reported_by_del_and_add() {
    let sandbox = with_conntrack("");
    sandbox.sh("rm /usr/sbin/conntrack").succeeds();
    let answer = Call::del("c1").run(&sandbox);
    assert!(answer.stderr.contains("old UDP clients may have to wait"), "{}", answer.stderr);
    sandbox.sh(FILES).prints_exactly("");
    let answer = Call::add("c2").run(&sandbox);
    assert_eq!(answer.status, Some(0));
    assert!(answer.stderr.contains("old UDP clients may have to wait"), "{}", answer.stderr);
}

#[test]
fn program_that_hangs_holds_up_no_add_for_long() {
    let sandbox = with_conntrack("exec conntrack.real \"$@\"");
    detach(&sandbox);
    // The second one runs.
    sandbox.sh("cp /usr/sbin/conntrack.real /usr/sbin/conntrack.new; mv /usr/sbin/conntrack.new /usr/sbin/conntrack").succeeds();
    Call::add("c2").run(&sandbox).succeeds();
    sandbox.sh("conntrack.real -L -d 198.51.100.1 2>/dev/null").prints_exactly("");
    sandbox.sh("touch /tmp/go").succeeds();
    sandbox.eventually(&format!("[[ -z $({FILES}) ]]"));
}

#[test]
fn down_waits_until_entries_are_deleted() {
    let sandbox = with_conntrack("exec conntrack.real \"$@\"");
    detach(&sandbox);
    let down = sandbox.spawn("flatnet down; echo $? >/tmp/status");
    sandbox.eventually("! ip link show dev flatnet-br0");
    sandbox.sh("sleep 0.2; ! [[ -e /tmp/status ]]; touch /tmp/go").succeeds();
    sandbox.eventually("[[ -e /tmp/status ]]");
    drop(down);
    sandbox.sh("cat /tmp/status").prints_exactly("0");
    assert_nothing_left(&sandbox);
}

/// What a failed program left is deleted by the next ADD, also if there was a `down` in between.
#[test]
fn down_records_what_a_failed_program_left() {
    let sandbox = with_conntrack("[[ -e /tmp/fails ]] && exit 1\nexec conntrack.real \"$@\"");
    detach(&sandbox);
    sandbox.sh("touch /tmp/fails /tmp/go; flatnet down").succeeds();
    sandbox.sh(FILES).prints_exactly("");
    sandbox.sh("rm /tmp/fails; conntrack.real -L -d 198.51.100.1 2>/dev/null").prints("10.87.1.2");
    sandbox.sh("flatnet up").succeeds();
    Call::add("c2").run(&sandbox).succeeds();
    assert_nothing_left(&sandbox);
}
