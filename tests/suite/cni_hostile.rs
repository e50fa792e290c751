//! Hostile values: shell, nft, paths, format strings. Each is used literally, or rejected.

use serde_json::json;

use crate::cni::{CONFIG, Call, host, run_all};
use crate::sandbox::Sandbox;
use crate::traffic::cni_script;
use crate::world::World;

/// The values that the tests pass as name, path or address.
pub(crate) fn hostile() -> Vec<String> {
    let mut values: Vec<String> = [
        "\"; flush ruleset; add table inet owned; #",
        "x\" } }; delete table inet bystander; #",
        "'; touch /tmp/owned; '",
        "$(touch /tmp/owned)",
        "`touch /tmp/owned`",
        "a;touch /tmp/owned",
        "a|touch /tmp/owned",
        "a\ntouch /tmp/owned\n",
        "a\nlink del flatnet-br0",
        "../../../../tmp/owned",
        "/tmp/owned",
        "..",
        ".",
        "-all",
        "--help",
        "-n",
        "%s%n%x",
        "a b",
        "a\tb",
        "a\\nb",
        "a@b",
        "*",
        "é\u{301}🦀\u{202e}",
        "\u{7f}\u{1b}[31m",
        "all",
        "lo",
        "default",
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("x".repeat(10_240));
    values.push("\"".repeat(10_240));
    values
}

/// A host with a container, and a table and a file that must not change.
fn watched() -> (Sandbox, World) {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox
        .sh("flatnet up; nft add table inet bystander
             nft 'add set inet bystander s { type ipv4_addr; elements = { 192.0.2.1 }; }'
             nft 'add chain inet bystander c { type filter hook input priority 0; }'
             nft 'add rule inet bystander c accept comment \"mine\"'
             mkdir /tmp/watched; echo mine >/tmp/watched/file")
        .succeeds();
    Call::add("c2").run(&sandbox).succeeds();
    let before = World::of(&sandbox);
    (sandbox, before)
}

/// Everything that a hostile value could change: the watched file, its folders, and new files.
fn files(sandbox: &Sandbox) -> String {
    let look = "cat /tmp/watched/file; ls -A / /root /tmp/watched /etc/flatnet /run /run/netns
                find /tmp /run /root /etc /var/lib -maxdepth 2 -name '*owned*'";
    sandbox.sh(look).succeeds().stdout
}

/// Calls ADD, CHECK and DEL with each value in one place. Each call must fail with an error of the protocol, or do only
/// what the literal value asks for.
#[track_caller]
fn try_everywhere(place: impl Fn(Call, &str) -> Call) {
    let (sandbox, before) = watched();
    let files_before = files(&sandbox);
    let calls: Vec<Call> = hostile()
        .iter()
        .flat_map(|value| {
            ["ADD", "CHECK", "DEL"].map(|command| place(Call::new(command, "c1").version("1.1.0"), value))
        })
        .collect();
    for answer in run_all(&sandbox, &calls).iter().filter(|answer| answer.status != Some(0)) {
        let said = answer.fails();
        assert!(said.len() < 2_000, "an error is no place for 10 kB: {said}");
        assert!(!said.contains('\u{1b}'), "an error must not steer a terminal: {said:?}");
    }
    before.assert_is_back(&sandbox);
    assert_eq!(files_before, files(&sandbox));
}

#[test]
fn hostile_container_id_is_harmless() {
    try_everywhere(|call, value| call.var("CNI_CONTAINERID", value));
}

#[test]
fn hostile_interface_name_is_harmless() {
    try_everywhere(Call::ifname);
}

#[test]
fn hostile_namespace_path_is_harmless() {
    try_everywhere(|call, value| call.netns(&format!("/run/netns/{value}")));
}

#[test]
fn hostile_cni_args_are_harmless() {
    try_everywhere(|call, value| call.var("CNI_ARGS", &format!("IgnoreUnknown=1;K8S_POD_NAME={value}")));
}

#[test]
fn hostile_address_and_mac_are_harmless() {
    try_everywhere(|call, value| {
        call.conf("runtimeConfig", json!({"ips": [value], "mac": value}))
            .conf("args", json!({"cni": {"ips": [value]}}))
    });
}

#[test]
fn hostile_aliases_and_ports_are_harmless() {
    try_everywhere(|call, value| {
        let port = json!({"hostPort": 80, "containerPort": 80, "protocol": value, "hostIP": value});
        call.conf("runtimeConfig", json!({"aliases": {"flatnet": [value]}, "portMappings": [port]}))
    });
}

#[test]
fn hostile_network_name_and_config_path_are_harmless() {
    try_everywhere(|call, value| call.conf("name", json!(value)));
    try_everywhere(|call, value| call.conf("config", json!(format!("/{value}"))));
}

#[test]
fn hostile_prev_result_is_harmless() {
    try_everywhere(|call, value| {
        let previous = json!({
            "cniVersion": value, "interfaces": [{"name": value, "sandbox": value}],
            "ips": [{"address": value, "interface": 0}, {"address": value, "interface": u64::MAX}, {"interface": -1}],
            "routes": [{"dst": value}], "dns": {"nameservers": [value]},
        });
        call.conf("prevResult", previous)
    });
}

#[test]
fn hostile_valid_attachments_are_harmless() {
    let (sandbox, before) = watched();
    let files_before = files(&sandbox);
    let gc = |value: &String| {
        let listed =
            json!([{"containerID": value, "ifname": value}, {"containerID": "c2", "ifname": "eth0"}]);
        Call::gc(&[]).conf("cni.dev/valid-attachments", listed)
    };
    for answer in run_all(&sandbox, &hostile().iter().map(gc).collect::<Vec<_>>()) {
        answer.succeeds_silently();
    }
    before.assert_is_back(&sandbox);
    assert_eq!(files_before, files(&sandbox));
}

#[test]
fn hostile_configuration_is_harmless() {
    let (sandbox, before) = watched();
    let files_before = files(&sandbox);
    let mut cases = String::new();
    for field in ["network", "bridge", "subnet", "gateway", "mtu", "uplink", "tools"] {
        for value in hostile() {
            let value = json!(value);
            let yaml = match field {
                "tools" => format!("tools: {{ip: {value}, nft: {value}}}\n"),
                _ => format!("{field}: {value}\n"),
            };
            cases.push_str(&yaml);
            cases.push('\u{4}');
        }
    }
    sandbox.write("/tmp/cases", &cases);
    // One script makes all calls, because entering the sandbox for each would be slow.
    let each = r#"
        while IFS= read -r -d $'\004' yaml; do
            printf '%s\n' "$yaml" >/etc/flatnet/flatnet.yaml
            CALL >/tmp/answer && status=0 || status=$?
            [[ $status == 1 && $(cat /tmp/answer) == '{"cniVersion":"1.0.0","code":'* ]] ||
                { printf 'not refused: %.200s\n' "$yaml" >&2; cat /tmp/answer >&2; exit 1; }
        done </tmp/cases
        rm /tmp/answer /tmp/cases"#;
    sandbox.sh(&each.replace("CALL", &Call::add("c1").script())).succeeds();
    sandbox.sh(&format!(": >{CONFIG}; touch -d @0 {CONFIG}")).succeeds();
    before.assert_is_back(&sandbox);
    assert_eq!(files_before, files(&sandbox));
}

/// The namespace's path is pointed at another namespace while an ADD runs, at each boundary of a lock.
#[test]
fn path_replaced_during_add_does_not_change_the_namespace() {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.add_netns("c2");
    sandbox.sh("flatnet up").succeeds();
    let add = cni_script("ADD", "c1", &json!([])).replace("/run/netns/c1", "/tmp/way");
    let del = cni_script("DEL", "c1", &json!([]));
    let mut boundaries = 0;
    for boundary in 1..80 {
        let tried = sandbox.sh(&format!(
            "rm -f /tmp/flatnet-paused /tmp/flatnet-go-on /tmp/status; ln -sfn /run/netns/c1 /tmp/way
             {{ export FLATNET_FAULT=pause@{boundary}; {add}; echo $? >/tmp/status; }} >/tmp/said 2>&1 &
             until [ -e /tmp/flatnet-paused ] || [ -e /tmp/status ]; do sleep 0.002; done
             [ -e /tmp/flatnet-paused ] || {{ wait; {del}; exit 9; }}
             ln -sfn /run/netns/c2 /tmp/way; touch /tmp/flatnet-go-on; wait
             echo \"$(cat /tmp/status) $(ip -n c1 -o link | grep -c eth0) $(ip -n c2 -o link | grep -c eth0)\"; cat /tmp/said; {del}"
        ));
        if tried.status == Some(9) {
            break;
        }
        boundaries += 1;
        assert!(tried.stdout.starts_with("0 1 0\n"), "boundary {boundary}\n{tried}");
    }
    assert!(boundaries > 3, "{boundaries} boundaries");
}
