//! Invalid input in environment, standard input and configuration: each error has its code and names the problem.

use serde_json::json;

use crate::cni::{CONFIG, Call, host};
use crate::sandbox::Sandbox;
use crate::world::World;

/// A host after `flatnet up`, with a namespace that is not yet attached, and its world.
fn ready() -> (Sandbox, World) {
    let sandbox = host("");
    sandbox.add_netns("c1");
    sandbox.sh("flatnet up").succeeds();
    let before = World::of(&sandbox);
    (sandbox, before)
}

#[test]
fn missing_variables_are_all_named() {
    let (sandbox, before) = ready();
    let cases: [(&str, &[&str], &str); 6] = [
        ("ADD", &["CNI_NETNS"], "CNI_NETNS must be set"),
        (
            "ADD",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
            "CNI_CONTAINERID and CNI_NETNS and CNI_IFNAME must be set",
        ),
        ("ADD", &["CNI_CONTAINERID"], "CNI_CONTAINERID must be set"),
        (
            "DEL",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
            "CNI_CONTAINERID and CNI_IFNAME must be set",
        ),
        ("DEL", &["CNI_IFNAME"], "CNI_IFNAME must be set"),
        ("CHECK", &["CNI_NETNS", "CNI_IFNAME"], "CNI_NETNS and CNI_IFNAME must be set"),
    ];
    for (command, missing, wanted) in cases {
        let call = missing.iter().fold(Call::new(command, "c1"), |call, name| call.without(name));
        assert!(call.run(&sandbox).fails_with(4).contains(wanted), "{command} {missing:?}");
        let call = missing.iter().fold(Call::new(command, "c1"), |call, name| call.var(name, ""));
        assert!(call.run(&sandbox).fails_with(4).contains(wanted), "{command} with empty {missing:?}");
    }
    for command in ["", "add", "DESTROY"] {
        let said = Call::new(command, "c1").run(&sandbox).fails_with(4);
        assert!(said.contains("expected ADD, DEL, CHECK, GC, STATUS or VERSION"), "{said}");
    }
    before.assert_is_back(&sandbox);
}

#[test]
fn unknown_arguments_are_rejected_unless_ignored() {
    let (sandbox, before) = ready();
    let said = Call::add("c1").var("CNI_ARGS", "COLOUR=blue;SHAPE=round").run(&sandbox).fails_with(4);
    assert!(said.contains("COLOUR, SHAPE") && said.contains("IgnoreUnknown=1"), "{said}");
    Call::add("c1").var("CNI_ARGS", "IgnoreUnknown=0;COLOUR=blue").run(&sandbox).fails_with(4);
    before.assert_is_back(&sandbox);
    for value in ["1", "true"] {
        let arguments = format!("COLOUR=blue;IgnoreUnknown={value};K8S_POD_NAME=web");
        Call::add("c1").var("CNI_ARGS", &arguments).run(&sandbox).succeeds();
        sandbox.sh("cat /var/lib/flatnet/flatnet/receipts/c1@eth0.json").prints(r#""name":"web""#);
        // DEL ignores invalid values that it does not need.
        Call::del("c1").var("CNI_ARGS", "COLOUR=blue;IP=nonsense").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn address_and_mac_can_be_requested_in_every_way() {
    let (sandbox, before) = ready();
    let mac = "02:aa:bb:cc:dd:ee";
    let ways = [
        Call::add("c1").var("CNI_ARGS", "IP=10.87.1.77;MAC=02:aa:bb:cc:dd:ee"),
        Call::add("c1").conf("runtimeConfig", json!({"ips": ["10.87.1.77/24"], "mac": mac})),
        Call::add("c1").conf("runtimeConfig", json!({"ips": ["10.87.1.77", "10.87.1.77"], "mac": mac})),
        Call::add("c1").conf("args", json!({"cni": {"ips": ["10.87.1.77"], "mac": mac}})),
    ];
    for call in ways {
        let result = call.run(&sandbox).succeeds();
        assert_eq!(result["ips"][0]["address"], json!("10.87.1.77/24"));
        assert_eq!(result["interfaces"][2]["mac"], json!(mac));
        sandbox.sh("ip -n c1 -br link show eth0").prints(mac);
        Call::check("c1", &result).run(&sandbox).succeeds_silently();
        Call::del("c1").run(&sandbox).succeeds_silently();
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn unavailable_address_is_rejected_with_reason() {
    let (sandbox, _) = ready();
    sandbox.add_netns("c2");
    Call::add("c2")
        .var("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=db;IP=10.87.1.9;MAC=02:aa:00:00:00:01")
        .run(&sandbox)
        .succeeds();
    let before = World::of(&sandbox);
    for (arguments, code, wanted) in [
        ("IP=10.87.1.1", 101, "is the bridge's own"),
        ("IP=10.87.1.0", 101, "network address"),
        ("IP=10.87.1.255", 101, "broadcast address"),
        ("IP=10.87.2.9", 101, "not inside this host's subnet 10.87.1.0/24"),
        ("IP=10.87.1.9", 101, "10.87.1.9 is held by db c2 (eth0)"),
        ("MAC=02:aa:00:00:00:01", 101, "is held by db c2 (eth0)"),
        ("MAC=02:f1:0a:57:01:01", 101, "is held by the bridge"),
        ("MAC=01:00:5e:00:00:01", 4, "unicast"),
        ("IP=2001:db8::1", 2, "\"2001:db8::1\" is not an IPv4 address"),
        ("IP=10.87.1.300", 4, "not an IPv4 address"),
    ] {
        let said = Call::add("c1").var("CNI_ARGS", arguments).run(&sandbox).fails_with(code);
        assert!(said.contains(wanted), "{arguments}: {said}");
        before.assert_is_back(&sandbox);
    }
    for (ips, wanted) in [
        (json!(["10.87.1.20", "10.87.1.21"]), "10.87.1.20, 10.87.1.21"),
        (
            json!(["10.87.1.20", "2001:db8::1/64"]),
            "\"2001:db8::1\" is not an IPv4 address. Remove --ip6, or write `ipv6: auto` into the configuration",
        ),
    ] {
        let said = Call::add("c1").conf("runtimeConfig", json!({"ips": ips})).run(&sandbox).fails_with(2);
        assert!(said.contains(wanted), "{said}");
        before.assert_is_back(&sandbox);
    }
}

#[test]
fn invalid_network_configuration_fails_to_decode() {
    let (sandbox, before) = ready();
    let too_long = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    for stdin in
        ["", "{", "flatnet", "[]", "\"x\"", "7", "{\"name\": \"flatnet\"} {}", "\u{fffd}", too_long.as_str()]
    {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            Call::new(command, "c1").stdin(stdin).run(&sandbox).fails_with(6);
        }
    }
    for ports in [
        json!(7),
        json!([{"hostPort": 70000, "containerPort": 80}]),
        json!([{"hostPort": 80}]),
        json!(["80"]),
    ] {
        let said =
            Call::add("c1").conf("runtimeConfig", json!({"portMappings": ports})).run(&sandbox).fails_with(6);
        assert!(said.contains("runtimeConfig.portMappings"), "{said}");
    }
    let said = Call::add("c1").conf("name", json!("")).run(&sandbox).fails_with(7);
    assert!(said.contains("no field name"), "{said}");
    let said = Call::gc(&[]).conf("cni.dev/valid-attachments", json!("all")).run(&sandbox).fails_with(6);
    assert!(said.contains("cni.dev/valid-attachments"), "{said}");
    before.assert_is_back(&sandbox);
}

#[test]
fn invalid_config_file_error_names_its_line() {
    let (sandbox, before) = ready();
    let other = "/etc/flatnet/other.yaml";
    let call = Call::add("c1").conf("config", json!(other));
    let said = call.run(&sandbox).fails_with(7);
    assert!(said.contains(other) && said.contains("flatnet init"), "{said}");
    for (yaml, wanted) in [
        ("network: flatnet\nsubnet: [\n", "other.yaml:"),
        ("network: flatnet\nbrigde: x\n", "other.yaml:2:1: unknown field `brigde`"),
        (
            "network: flatnet\nsubnet: 10.88.1.0/24\n",
            "other.yaml:2: subnet: 10.88.1.0/24 is not inside range",
        ),
        (
            "network: blue\n",
            "network name mismatch: \"flatnet\" from the runtime, blue in /etc/flatnet/other.yaml",
        ),
    ] {
        sandbox.write(other, yaml);
        let said = call.run(&sandbox).fails_with(7);
        assert!(said.contains(wanted), "{yaml}: {said}");
    }
    sandbox.write(other, "");
    sandbox.sh(&format!("chmod 666 {other}")).succeeds();
    let said = call.run(&sandbox).fails_with(7);
    assert!(said.contains("is writable by users other than root") && said.contains("chmod 644"), "{said}");
    sandbox.sh(&format!("rm {other}; mkfifo {other}")).succeeds();
    let said = call.run(&sandbox).fails_with(7);
    assert!(said.contains("is not a regular file"), "{said}");
    sandbox.sh(&format!("rm {other}")).succeeds();
    for path in [json!("flatnet.yaml"), json!("")] {
        Call::add("c1").conf("config", path).run(&sandbox).fails_with(7);
    }
    Call::add("c1").conf("config", json!(7)).run(&sandbox).fails_with(6);
    before.assert_is_back(&sandbox);
    Call::add("c1").conf("config", json!(CONFIG)).run(&sandbox).succeeds();
}

#[test]
fn invalid_namespace_path_is_code_8() {
    let (sandbox, before) = ready();
    sandbox.sh("touch /tmp/file; mkfifo /tmp/pipe; mkdir /tmp/directory").succeeds();
    for (path, wanted) in [
        ("/run/netns/nobody", "cannot open the network namespace /run/netns/nobody"),
        ("/proc/999999/ns/net", "cannot open the network namespace"),
        ("/tmp/file", "/tmp/file is not a network namespace"),
        ("/tmp/pipe", "is not a network namespace"),
        ("/tmp/directory", "is not a network namespace"),
        ("/dev/null", "is not a network namespace"),
        ("/proc/1/ns/mnt", "not a network namespace"),
        ("/proc/1/ns/pid", "not a network namespace"),
        ("/proc/1/ns/net", "this host's own network namespace"),
        ("/proc/self/ns/net", "this host's own network namespace"),
    ] {
        let said = Call::add("c1").netns(path).run(&sandbox).fails_with(8);
        assert!(said.contains(wanted), "{path}: {said}");
    }
    before.assert_is_back(&sandbox);
}

#[test]
fn every_way_to_name_a_namespace_works() {
    let (sandbox, before) = ready();
    // A process of the host that holds the namespace open as descriptor 9.
    let holding = "exec 9</run/netns/c1; echo $$ >/tmp/holder; exec sleep 100";
    let mut holder = sandbox.spawn(holding);
    let of_host = sandbox.eventually("grep . /tmp/holder").stdout.trim().to_owned();
    let mut sleeper = sandbox.spawn("echo $$ >/tmp/sleeper; exec nsenter --net=/run/netns/c1 sleep 100");
    let inside = sandbox.eventually(
        "test $(readlink /proc/$(cat /tmp/sleeper)/ns/net) != $(readlink /proc/1/ns/net) && cat /tmp/sleeper",
    );
    let running = World::of(&sandbox);
    let paths = [
        format!("/proc/{}/ns/net", inside.stdout.trim()),
        format!("/proc/{of_host}/fd/9"),
        "/run/netns/c1".to_owned(),
        "/var/run/netns/c1".to_owned(),
    ];
    for path in paths {
        let result = Call::add("c1").netns(&path).run(&sandbox).succeeds();
        assert_eq!(result["interfaces"][2]["sandbox"], json!(path));
        sandbox.sh("ip -n c1 -br addr show eth0").prints("10.87.1.2/24");
        Call::check("c1", &result).netns(&path).run(&sandbox).succeeds_silently();
        Call::del("c1").netns(&path).conf("prevResult", result).run(&sandbox).succeeds_silently();
        running.assert_is_back(&sandbox);
    }
    sandbox.sh("kill $(cat /tmp/holder /tmp/sleeper)").succeeds();
    let _ = (holder.wait(), sleeper.wait());
    before.assert_is_back(&sandbox);
}

/// The kernel removes a link some time after its namespace's path, only when no process is in the namespace any more.
#[test]
fn what_a_dying_container_holds_is_assigned_once_the_kernel_has_removed_its_link() {
    let (sandbox, _) = ready();
    for arguments in ["IP=10.87.1.9", "MAC=02:aa:00:00:00:01"] {
        sandbox.add_netns("c2");
        Call::add("c2").var("CNI_ARGS", arguments).run(&sandbox).succeeds();
        let process = sandbox.spawn("ip netns exec c2 sleep 0.5");
        sandbox.eventually("[ -n \"$(ip netns pids c2)\" ]");
        sandbox.sh("ip netns del c2; ip -o link | grep -q ': fn'").succeeds();
        Call::add("c1").var("CNI_ARGS", arguments).run(&sandbox).succeeds();
        Call::del("c1").run(&sandbox).succeeds_silently();
        drop(process);
    }
    sandbox.add_netns("c2");
    Call::add("c2").run(&sandbox).succeeds();
    let process = sandbox.spawn("ip netns exec c2 sleep 0.5");
    sandbox.eventually("[ -n \"$(ip netns pids c2)\" ]");
    sandbox.sh("ip netns del c2; flatnet down").succeeds();
    drop(process);
}
