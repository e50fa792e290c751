//! DELs that wait for one another: the first deletes the set elements of all in one transaction, and nothing depends on its survival.

use crate::cni::{Call, host};
use crate::sandbox::Sandbox;

const CONTAINERS: [&str; 4] = ["c1", "c2", "c3", "c4"];
const FILES: &str = "find /run/flatnet/flatnet -name '*.asks' -o -name '*.leaving' | sort";

/// A host with four containers, whose `nft` writes a line to /tmp/ran for each transaction, and then runs the script `then`.
fn with_nft(then: &str) -> Sandbox {
    let sandbox = host("limits: {lock_seconds: 5}\n");
    sandbox.sh("flatnet up").succeeds();
    for name in CONTAINERS {
        sandbox.add_netns(name);
        Call::add(name).run(&sandbox).succeeds();
    }
    sandbox.sh("mv /usr/sbin/nft /usr/sbin/nft.real").succeeds();
    let script = format!(
        "#!/bin/bash\nif [[ $* == *'-f -' ]]; then\necho $PPID >>/tmp/ran\n{then}\nfi\nexec nft.real \"$@\"\n"
    );
    sandbox.write("/usr/sbin/nft", &script);
    sandbox.sh("chmod 755 /usr/sbin/nft; touch /tmp/ran").succeeds();
    sandbox
}

/// Starts a DEL of each of `names` while another process holds the network's lock, and then releases it.
fn detach_at_once(sandbox: &Sandbox, names: &[&str]) {
    sandbox.sh("setsid flock /run/flatnet/flatnet.lock sh -c 'touch /tmp/held; until [ -e /tmp/go ]; do sleep 0.01; done' >/dev/null 2>&1 &
         until [ -e /tmp/held ]; do sleep 0.01; done").succeeds();
    for name in names {
        let del = Call::del(name).script();
        sandbox.sh(&format!("{{ {del} && echo 0 >/tmp/{name}.status || echo $? >/tmp/{name}.status; }} >/tmp/{name}.said 2>&1 &")).succeeds();
    }
    let wanted = names.len();
    sandbox.eventually(&format!("[[ $({FILES} | wc -l) = {wanted} ]]"));
    sandbox.sh("touch /tmp/go").succeeds();
}

fn await_all(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        sandbox.eventually(&format!("[[ -s /tmp/{name}.status ]]"));
        sandbox.sh(&format!("cat /tmp/{name}.said /tmp/{name}.status")).prints_exactly("0");
    }
}

fn transactions(sandbox: &Sandbox) -> usize {
    sandbox.read("/tmp/ran").lines().count()
}

#[track_caller]
fn assert_all_gone(sandbox: &Sandbox) {
    sandbox.sh("nft.real list table inet flatnet | grep -c 'comment \"c[1-4]\"' || true").prints_exactly("0");
    sandbox.sh("ip -br link | grep -c ^fn || true").prints_exactly("0");
    sandbox.sh("ls -A /run/flatnet/flatnet /var/lib/flatnet/flatnet/receipts | grep -c '[.]asks\\|[.]leaving\\|[.]json\\|fn' || true").prints_exactly("0");
    sandbox.sh("flatnet ps --json | jq length").prints_exactly("0");
}

#[test]
fn one_transaction_deletes_elements_of_all() {
    let sandbox = with_nft("");
    detach_at_once(&sandbox, &CONTAINERS);
    await_all(&sandbox, &CONTAINERS);
    assert_eq!(transactions(&sandbox), 1);
    assert_all_gone(&sandbox);
}

#[test]
fn killed_leader_harms_no_other() {
    for how in ["kill -9 $(cat /tmp/ran)", "kill -9 $(cat /tmp/ran) $(pgrep -f '^/bin/bash /usr/sbin/nft')"] {
        let sandbox =
            with_nft("[[ $(wc -l </tmp/ran) != 1 ]] || until [[ -e /tmp/nft.go ]]; do sleep 0.01; done");
        detach_at_once(&sandbox, &CONTAINERS);
        sandbox.eventually("[[ -s /tmp/ran ]]");
        sandbox.sh(&format!("{how}; sleep 0.1; touch /tmp/nft.go")).succeeds();
        for name in CONTAINERS {
            sandbox.eventually(&format!("[[ -s /tmp/{name}.status ]]"));
        }
        let killed: Vec<&str> = CONTAINERS
            .into_iter()
            .filter(|name| sandbox.read(&format!("/tmp/{name}.status")) != "0\n")
            .collect();
        assert_eq!(killed.len(), 1, "{how}: {killed:?}");
        Call::del(killed[0]).run(&sandbox).succeeds_silently();
        assert_all_gone(&sandbox);
    }
}

#[test]
fn failed_transaction_is_repeated_by_each_for_itself() {
    let sandbox = with_nft("if [[ $(wc -l </tmp/ran) = 1 ]]; then echo broken >&2; exit 1; fi");
    detach_at_once(&sandbox, &CONTAINERS);
    await_all(&sandbox, &CONTAINERS);
    assert!(transactions(&sandbox) >= 4, "{}", transactions(&sandbox));
    assert_all_gone(&sandbox);
}

#[test]
fn killed_del_that_waited_takes_nothing_from_its_container() {
    for again in [false, true] {
        let sandbox = with_nft("");
        detach_at_once_and_kill(&sandbox);
        if again {
            Call::add("c1").run(&sandbox).succeeds();
        }
        Call::del("c2").run(&sandbox).succeeds_silently();
        sandbox.sh(FILES).prints_exactly("");
        sandbox.sh("nft.real list set inet flatnet bindings").prints("10.87.1.2 ");
        sandbox.sh("flatnet ps --json | jq -r '.[].address'").prints("10.87.1.2\n");
    }
}

/// The DEL of c1 waits for the lock and is killed.
fn detach_at_once_and_kill(sandbox: &Sandbox) {
    let held = sandbox.spawn("exec flock /run/flatnet/flatnet.lock sh -c 'touch /tmp/held; exec sleep 1000'");
    sandbox.eventually("[[ -e /tmp/held ]]");
    let del = Call::del("c1").script();
    sandbox.sh(&format!("{{ {del}; }} >/dev/null 2>&1 &")).succeeds();
    sandbox.eventually(&format!("[[ -n $({FILES}) ]]"));
    sandbox.sh("pkill -9 -x flatnet; pkill -x sleep").succeeds();
    drop(held);
}

#[test]
fn address_and_interface_wait_for_nft_of_a_killed_del() {
    let sandbox =
        with_nft("[[ $(wc -l </tmp/ran) != 1 ]] || until [[ -e /tmp/nft.go ]]; do sleep 0.01; done");
    detach_at_once(&sandbox, &CONTAINERS);
    sandbox.eventually("[[ -s /tmp/ran ]]");
    // All of them; `nft` goes on, and holds what it deletes.
    sandbox.sh("pkill -9 -x flatnet").succeeds();
    let taken_over = sandbox
        .sh("basename -a -s @eth0.leaving $(find /run/flatnet/flatnet -name '*.leaving')")
        .succeeds()
        .stdout;
    let taken_over: Vec<&str> = taken_over.split_whitespace().collect();
    assert_eq!(taken_over.len(), 3, "{taken_over:?}");
    let said = Call::add(taken_over[0]).run(&sandbox).fails_with(11);
    assert!(said.contains("@eth0.leaving for 5 s"), "{said}");
    let deferred = Call::del(taken_over[1]).run(&sandbox);
    assert!(deferred.stderr.contains("could not be undone"), "{}", deferred.stderr);
    sandbox.sh("touch /tmp/nft.go").succeeds();
    sandbox.eventually("! pgrep -f '^/bin/bash /usr/sbin/nft' && ! pgrep -x nft.real");
    let result = Call::add(taken_over[0]).run(&sandbox).succeeds();
    let address = crate::cni::address(&result);
    sandbox.sh("nft.real list set inet flatnet bindings").prints(&format!(" . {address} "));
    for name in CONTAINERS {
        Call::del(name).run(&sandbox).succeeds_silently();
    }
    assert_all_gone(&sandbox);
}

#[test]
fn file_of_a_killed_del_takes_nothing_while_others_use_its_container() {
    let sandbox = with_nft("");
    let link = crate::cni::host_link("c1", "eth0");
    sandbox
        .sh(&format!(
            "touch /run/flatnet/flatnet/c1@eth0.asks; mkdir /run/flatnet/flatnet/c9@eth0.asks
         setsid flock /run/flatnet/flatnet/{link}.lock sh -c 'touch /tmp/busy; sleep 1000' >/dev/null 2>&1 &
         until [[ -e /tmp/busy ]]; do sleep 0.01; done"
        ))
        .succeeds();
    Call::del("c2").run(&sandbox).succeeds_silently();
    sandbox.sh("nft.real list set inet flatnet bindings").prints(" . 10.87.1.2 ");
    sandbox.sh("ls /run/flatnet/flatnet").prints("c9@eth0.asks");
    sandbox.sh("! ls /run/flatnet/flatnet/c1@eth0.asks").succeeds();
}
