//! `flatnet rules`: the desired ruleset, and its comparison with the loaded one.

use serde_json::{Value, json};

use crate::cni::{Call, host, host_link};
use crate::faults::with_fault;
use crate::sandbox::Sandbox;

/// The lines of `flatnet rules --live` that differ, without its two header lines.
fn differences(sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox.sh("flatnet rules --live || [ $? = 1 ]").succeeds();
    let marked = output.stdout.lines().skip(2).filter(|line| !line.starts_with(' '));
    let found: Vec<String> = marked.map(|line| line.replace('\t', "")).collect();
    sandbox.sh("flatnet rules --live").exits_with(i32::from(!found.is_empty()));
    let json = sandbox.sh("flatnet rules --live --json || [ $? = 1 ]").succeeds().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["differs"], !found.is_empty());
    found
}

/// The element of the set `bindings` that allows `address` on this container's link.
fn binding(container_id: &str, address: &str) -> String {
    format!("\"{}\" . {address}", host_link(container_id, "eth0"))
}

fn host_with_a_container() -> Sandbox {
    host_with_a_container_and("")
}

fn host_with_a_container_and(yaml: &str) -> Sandbox {
    let sandbox = host(yaml);
    sandbox.add_netns("aaaa");
    sandbox.add_netns("bbbb");
    let ports = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    for (id, name) in [("aaaa", "web"), ("bbbb", "db")] {
        let call = Call::add(id).var("CNI_ARGS", &format!("IgnoreUnknown=1;K8S_POD_NAME={name}"));
        let call = if id == "aaaa" { call.conf("runtimeConfig", ports.clone()) } else { call };
        call.run(&sandbox).succeeds();
    }
    sandbox
}

#[test]
fn rules_prints_what_up_loads_and_needs_no_root() {
    let sandbox = host("");
    sandbox.sh("flatnet rules | nft -f - && flatnet rules --live").succeeds();
    let root = sandbox.sh("flatnet rules").succeeds().stdout;
    sandbox.sh("setpriv --reuid 65534 --clear-groups flatnet rules").prints_exactly(&root);
}

#[test]
fn rules_live_ignores_counters_and_names_containers() {
    let sandbox = host_with_a_container();
    sandbox.sh("ping -qc2 10.87.1.2 && ip netns exec aaaa ping -qc2 10.87.1.3").succeeds();
    assert_eq!(differences(&sandbox), Vec::<String>::new());
    let text = sandbox.sh("flatnet rules --live").succeeds().stdout;
    for line in [
        format!("{} comment \"aaaa\",  # web\n", binding("aaaa", "10.87.1.2")),
        format!("{} comment \"bbbb\",  # db\n", binding("bbbb", "10.87.1.3")),
        ": 10.87.1.2 . 80,  # web\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is missing in {text}");
    }
    let counted = text
        .lines()
        .find(|line| line.contains("counter packets") && line.contains("packets from containers"));
    assert!(counted.is_some_and(|line| !line.contains("packets 0 ")), "counters are shown: {text}");
}

/// The elements of an unfinished ADD are not reported as differences, whether they are loaded or not.
#[test]
fn rules_live_skips_containers_in_transition() {
    let sandbox = host_with_a_container();
    sandbox.add_netns("cccc");
    with_fault(Call::add("cccc"), "kill@1", &sandbox);
    let delete = "nft delete element inet flatnet bindings";
    let (coming, there) = (binding("cccc", "10.87.1.4"), binding("bbbb", "10.87.1.3"));
    sandbox.sh(&format!("! nft get element inet flatnet bindings '{{ {coming} }}'")).succeeds();
    sandbox.sh("flatnet rules --live").succeeds().prints(&format!("\n~\t\t\t{coming}"));
    sandbox.sh(&format!("{delete} '{{ {there} }}'")).succeeds();
    sandbox.sh("flatnet rules --live || [ $? = 1 ]").prints(&format!("\n-\t\t\t{there}"));
}

#[test]
fn rules_live_marks_what_was_changed_by_hand() {
    let sandbox = host_with_a_container();
    sandbox.sh("nft insert rule inet flatnet who_may_come_in ip saddr 192.0.2.1 accept").succeeds();
    assert_eq!(differences(&sandbox), ["+ip saddr 192.0.2.1 accept"]);
    let gone = binding("bbbb", "10.87.1.3");
    sandbox.sh(&format!("nft delete element inet flatnet bindings '{{ {gone} }}'")).succeeds();
    assert_eq!(
        differences(&sandbox),
        [format!("-{gone} comment \"bbbb\",  # db"), "+ip saddr 192.0.2.1 accept".to_owned()]
    );
    sandbox.sh("flatnet up").succeeds();
    assert_eq!(differences(&sandbox), Vec::<String>::new());
    let stray = "\"fn000000000001\" . 10.87.1.9 comment \"cccc\"";
    sandbox.sh(&format!("nft 'add element inet flatnet bindings {{ {stray} }}'")).succeeds();
    assert_eq!(differences(&sandbox), [format!("+{stray},  # not an attached container's")]);
}

/// With `bridging: plain` there is a second table.
#[test]
fn rules_live_marks_a_table_that_is_gone() {
    let sandbox = host_with_a_container_and("bridging: plain\n");
    assert_eq!(differences(&sandbox), Vec::<String>::new());
    sandbox.sh("nft delete table arp flatnet").succeeds();
    let missing = differences(&sandbox);
    assert!(missing.len() > 5 && missing.iter().all(|line| line.starts_with('-')), "{missing:#?}");
    assert_eq!(missing[0], "-table arp flatnet {");
}

/// nft 1.1 formats rules differently from 1.0.6. This Debian 13 has no /etc/protocols, so protocols are numbers there.
#[test]
fn published_port_is_recognised_with_nft_1_1() {
    let sandbox = Sandbox::trixie().image("busybox").start();
    let script = "rm -f /etc/protocols; flatnet init >/dev/null; podman network create -d flatnet flatnet
        podman run -d --name web -p 8080:80 -p 127.0.0.1:81:81/udp --network flatnet flatnet-test/busybox sleep 1000";
    sandbox.sh(script).succeeds();
    sandbox
        .sh("flatnet plan --dry-run --exit-code")
        .prints_exactly("Nothing to do: already in the desired state.");
    sandbox.sh("flatnet rules --live").prints(": 10.87.1.2 . 81,  # web\n");
    sandbox.sh("nft insert rule inet flatnet who_may_come_in accept").succeeds();
    assert_eq!(differences(&sandbox), ["+accept"]);
}

#[test]
fn rules_live_reports_unneeded_arp_table() {
    let sandbox = host_with_a_container();
    let loaded = "+++ loaded: nft list table inet flatnet";
    sandbox.sh("flatnet rules --live").prints(&format!("{loaded}\n"));
    sandbox.sh("nft add table arp flatnet").succeeds();
    assert_eq!(differences(&sandbox), ["+table arp flatnet {", "+}"]);
    let output = sandbox.sh("flatnet rules --live").exits_with(1);
    assert!(output.stdout.contains(&format!("{loaded}; nft list table arp flatnet\n")), "{output}");
}
