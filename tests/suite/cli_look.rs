//! `ps`, `status`, `inspect` and `gc`, against a real kernel.

use serde_json::{Value, json};

use crate::cni::{Call, host, host_link};
use crate::sandbox::Sandbox;

/// A host that is up. Its bridges do not call iptables.
fn host_that_is_up(config: &str) -> Sandbox {
    let sandbox = host(config);
    sandbox.sh("echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables && flatnet up").succeeds();
    sandbox
}

/// Attaches the container `id` by name.
fn attach(sandbox: &Sandbox, id: &str, name: &str) {
    sandbox.add_netns(id);
    add(id, name).run(sandbox).succeeds();
}

fn add(id: &str, name: &str) -> Call {
    Call::add(id).var("CNI_ARGS", &format!("IgnoreUnknown=1;K8S_POD_NAME={name}"))
}

fn json_of(sandbox: &Sandbox, command: &str) -> Value {
    let stdout = sandbox.sh(&format!("{command} --json || [ $? = 1 ]")).succeeds().stdout;
    serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("`{command} --json` printed no JSON: {error}\n{stdout}"))
}

/// The problems that `flatnet status` reports. Its exit status must match.
fn problems(sandbox: &Sandbox) -> Vec<String> {
    let report = json_of(sandbox, "flatnet status");
    let problems: Vec<Value> = serde_json::from_value(report["problems"].clone()).unwrap();
    let output = sandbox.sh("flatnet status").exits_with(i32::from(!problems.is_empty()));
    for problem in &problems {
        for part in ["id", "what", "shows", "doc"] {
            assert!(output.stdout.contains(problem[part].as_str().unwrap()), "{part} is missing\n{output}");
        }
        for command in problem["commands"].as_array().into_iter().flatten() {
            assert!(output.stdout.contains(command.as_str().unwrap()), "{command} is missing\n{output}");
        }
    }
    problems.iter().map(|problem| problem["what"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_problem(sandbox: &Sandbox, what: &str) {
    let found = problems(sandbox);
    assert!(found.len() == 1 && found[0].contains(what), "wanted the one problem {what:?}, found {found:#?}");
}

#[test]
fn ps_sorts_by_address_and_all_shows_released() {
    let sandbox = host_that_is_up("");
    sandbox.sh("flatnet ps").prints_exactly("NAME  ID  ADDRESS  MAC  HOST LINK  SINCE  STATE");
    for (id, name) in [("aaaaaaaaaaaaaaaa", "web"), ("bbbb", "db"), ("cccc", "gone")] {
        attach(&sandbox, id, name);
    }
    Call::del("cccc").run(&sandbox).succeeds_silently();
    let lines = sandbox.sh("flatnet ps | sed -E 's/[0-9]+ s ago/AGO/; s/ +/ /g'").succeeds().stdout;
    let (web, db) = (host_link("aaaaaaaaaaaaaaaa", "eth0"), host_link("bbbb", "eth0"));
    assert_eq!(
        lines,
        format!(
            "NAME ID ADDRESS MAC HOST LINK SINCE STATE\n\
             web aaaaaaaaaaaa 10.87.1.2 02:f1:0a:57:01:02 {web} AGO running\n\
             db bbbb 10.87.1.3 02:f1:0a:57:01:03 {db} AGO running\n"
        )
    );
    sandbox.sh("flatnet ps --all").prints("\ngone  cccc");
    let rows = json_of(&sandbox, "flatnet ps --all");
    assert_eq!(rows[0]["container_id"], "aaaaaaaaaaaaaaaa");
    assert_eq!([&rows[1]["state"], &rows[2]["state"]], ["running", "released"]);
    assert_eq!(rows[2]["host_link"], Value::Null);
}

#[test]
fn status_of_configured_host_shows_no_problems() {
    let sandbox = host_that_is_up("subnet: 10.87.1.0/29\n");
    attach(&sandbox, "aaaa", "web");
    sandbox.sh("flatnet status").prints_exactly(
        "network     flatnet: 10.87.1.0/29 of 10.87.0.0/16
host        as configured
bridge      flatnet-br0, 10.87.1.1, containers routed
uplink      none
mtu         1500
egress      masqueraded
ingress     none
addresses   1 held, 4 of 5 free, 0 remembered
containers  1 running
ports       0 published
routes      no gateway here
problems    none",
    );
}

#[test]
fn status_finds_what_is_missing_on_this_host() {
    let sandbox = host("");
    assert_problem(&sandbox, "this host is not set up as configured; missing: nft: replace table flatnet");
    sandbox.sh("flatnet up && sysctl -qw net.ipv4.ip_forward=0").succeeds();
    assert_problem(&sandbox, "net.ipv4.ip_forward is 0: this host does not forward packets");
    sandbox.sh("flatnet down && ip link add flatnet-br0 type bridge").succeeds();
    assert_problem(&sandbox, "the link flatnet-br0 does not belong to Flatnet");
}

#[test]
fn status_finds_dead_cut_unfinished_and_orphaned_containers() {
    let sandbox = host_that_is_up("");
    attach(&sandbox, "aaaa", "web");
    sandbox.sh(&format!("ip link del {}", host_link("aaaa", "eth0"))).succeeds();
    assert_problem(&sandbox, "container web aaaa (eth0), 10.87.1.2: its link fn");
    sandbox.sh("flatnet gc").prints_exactly("Nothing to free: every address belongs to a running container.");

    sandbox.sh("ip netns del aaaa").succeeds();
    assert_problem(&sandbox, "container web aaaa (eth0), 10.87.1.2: its namespace is gone");
    sandbox.sh("flatnet gc").prints_exactly("freed web aaaa (eth0), 10.87.1.2");
    assert_eq!(problems(&sandbox), Vec::<String>::new());

    attach(&sandbox, "bbbb", "db");
    let receipt = "/var/lib/flatnet/flatnet/receipts/bbbb@eth0";
    sandbox.sh(&format!("head -n1 {receipt}.json >x; cat x >{receipt}.json")).succeeds();
    assert_problem(&sandbox, "container db bbbb (eth0), 10.87.1.3: ADD has not finished");
    sandbox.sh("touch /run/flatnet/flatnet/bbbb@eth0.undo").succeeds();
    let found = problems(&sandbox).join("\n");
    assert!(
        found.contains(
            "container db bbbb (eth0), 10.87.1.3: it was detached, but some steps could not be undone"
        ),
        "{found}"
    );
    sandbox.sh("flatnet gc").prints_exactly("freed db bbbb (eth0), 10.87.1.3");

    attach(&sandbox, "cccc", "lost");
    sandbox
        .sh(&format!("ip netns del cccc; rm {}", receipt.replace("bbbb@eth0", "cccc@eth0.json")))
        .succeeds();
    sandbox.eventually(&format!("! ip link show {}", host_link("cccc", "eth0")));
    let found = problems(&sandbox).join("\n");
    assert!(found.contains("10.87.1.4 is held by lost cccc (eth0), which has no receipt"), "{found}");
    sandbox.sh("flatnet ps").prints("orphan");
    let freed = json_of(&sandbox, "flatnet gc");
    assert_eq!(freed["freed"][0]["was"], "lost cccc (eth0), 10.87.1.4");
    assert_eq!(freed["errors"], json!([]));
}

#[test]
fn status_reports_dropping_chains_and_help_fixes_them() {
    let sandbox = host_that_is_up("");
    sandbox
        .sh("nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'")
        .succeeds();
    assert_problem(&sandbox, "chain FORWARD of table ip filter drops forwarded packets of containers");
    mend(&sandbox);
    assert_eq!(problems(&sandbox), Vec::<String>::new());

    let as_docker = "flush chain ip filter FORWARD; add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER";
    sandbox.sh(&format!("nft '{as_docker}'")).succeeds();
    assert!(mend(&sandbox).contains("iptables -I DOCKER-USER -s 10.87.1.0/24 -j ACCEPT"));
    assert_eq!(problems(&sandbox), Vec::<String>::new());
}

/// Runs the commands that fix the first problem.
fn mend(sandbox: &Sandbox) -> String {
    let report = json_of(sandbox, "flatnet status");
    let commands: Vec<String> = serde_json::from_value(report["problems"][0]["commands"].clone()).unwrap();
    assert!(!commands.is_empty(), "{report}");
    sandbox.sh(&commands.join("\n")).succeeds();
    commands.join("\n")
}

#[test]
fn status_reports_address_exhaustion() {
    let sandbox = host_that_is_up("subnet: 10.87.1.0/30\n");
    attach(&sandbox, "aaaa", "web");
    assert_problem(&sandbox, "1 of 1 addresses are held");
}

#[test]
fn inspect_accepts_any_identifier_of_a_container() {
    let sandbox = host_that_is_up("");
    attach(&sandbox, "abcd1111", "web");
    attach(&sandbox, "abcd2222", "db");
    let link = host_link("abcd1111", "eth0");
    for word in ["web", "abcd1", "abcd1111", "10.87.1.2", &link] {
        let found = json_of(&sandbox, &format!("flatnet inspect {word}"));
        assert_eq!(found["receipt"]["container_id"], "abcd1111", "{word}");
        assert_eq!(found["state"], "running");
    }
    let text = sandbox.sh("flatnet inspect web").succeeds().stdout;
    let commands = text.matches("\n# ok, took ").count();
    assert!(commands >= 3, "{text}");
    assert!(text.contains(&format!("#   undo: ip link del dev {link}\n")), "{text}");
    assert!(text.contains("ip -n abcd1111 -batch - <<'EOF'\naddr add 10.87.1.2/24"), "{text}");

    sandbox.sh("flatnet inspect abcd").exits_with(2).complains(
        "error[FLAT-E004]: \"abcd\" is ambiguous; it matches 2 containers: web abcd1111 (eth0), 10.87.1.2, db abcd2222 (eth0), 10.87.1.3\nhelp: Give the address",
    );
    sandbox.sh("flatnet inspect nobody").exits_with(2).complains(
        "error[FLAT-E003]: no container \"nobody\" is attached to flatnet\nhelp: Run `flatnet ps --all`, which lists names, IDs and addresses",
    );
    Call::del("abcd1111").run(&sandbox).succeeds_silently();
    sandbox.sh("flatnet inspect web").complains("; 10.87.1.2 was web's, released ");
}

/// The undo commands that `inspect` prints remove the attachment completely.
#[test]
fn the_undo_that_inspect_prints_works_when_pasted() {
    let sandbox = host_that_is_up("");
    attach(&sandbox, "aaaa", "web");
    let script = "flatnet inspect web | sed '1,/^To undo everything by hand/d' >undo; sh -ex undo";
    sandbox.sh(script).succeeds();
    sandbox.sh(&format!("! ip link show {}", host_link("aaaa", "eth0"))).succeeds();
    sandbox.sh("nft list ruleset | grep -c aaaa || true").prints_exactly("0");
}

#[test]
fn unreadable_receipt_is_a_finding_of_the_doctor() {
    let sandbox = host_that_is_up("");
    attach(&sandbox, "aaaa", "web");
    // /proc/PID/mem of a process that has ended: opening it succeeds, reading it fails.
    let receipt = "/var/lib/flatnet/flatnet/receipts/*.json";
    let output =
        sandbox.sh(&format!("mount --bind /proc/self/mem {receipt} && flatnet doctor")).exits_with(2);
    for part in ["attachments: cannot read", "reachable: receipts cannot be read", "not looked at"] {
        assert!(output.stdout.contains(part), "{part} is missing\n{output}");
    }
}
