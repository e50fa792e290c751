//! Random input by stdin, environment, arguments and configuration: the answer follows the protocol, without a panic.
//!
//! The faces are called in this process, and the parsed requests are not executed: before execution, a face can neither
//! start a program nor change a file. `cni_hostile.rs` tests execution.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use flatnet::error::Kind;
use flatnet::faces::rootless::message::{Call, Message};
use flatnet::faces::{cni, netavark};
use flatnet::model::config;
use flatnet::model::types::User;
use serde_json::{Value, json};

use crate::cni::VERSIONS;
use crate::cni_hostile::hostile;
use crate::soak;

/// The limit of an error's length: an error must not contain input of any length.
const LONGEST_ERROR: usize = 2_000;

/// Pseudo-random numbers: the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// `SplitMix64`, which needs no warm-up.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The texts and the odd values that the fuzzer inserts.
struct Seeds {
    texts: Vec<String>,
    odd: Vec<Value>,
}

impl Seeds {
    fn new() -> Self {
        let mut texts = hostile();
        texts.extend(
            [
                "",
                "eth0",
                "c1",
                "flatnet",
                "1.0.0",
                "10.87.1.7",
                "10.87.1.7/24",
                "10.87.1.300",
                "::1",
                "auto",
                "tcp",
                "udp,tcp",
                "02:00:00:00:00:01",
                "ff:ff:ff:ff:ff:ff",
                "/etc/flatnet/flatnet.yaml",
                "/run/netns/c1",
                "/proc/self/ns/net",
            ]
            .map(str::to_owned),
        );
        let numbers =
            [json!(0), json!(-1), json!(65_535), json!(65_536), json!(u64::MAX), json!(1.5), json!(1e308)];
        let mut odd =
            vec![json!(null), json!(true), json!([]), json!({}), json!([[]]), json!({"": {}}), deep(100)];
        odd.extend(numbers);
        odd.extend(texts.iter().map(|text| json!(text)));
        Self { texts, odd }
    }
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// Replaces a random part of `value` with something odd, or removes it.
fn change(value: &mut Value, seeds: &Seeds, dice: &mut Dice) {
    match value {
        Value::Object(object) if !object.is_empty() && dice.below(5) > 0 => {
            let key = object.keys().nth(dice.below(object.len())).cloned().unwrap_or_default();
            match dice.below(8) {
                0 => drop(object.remove(&key)),
                1 => {
                    let moved = object.remove(&key).unwrap_or_default();
                    object.insert(dice.pick(&seeds.texts).clone(), moved);
                }
                _ => change(&mut object[&key], seeds, dice),
            }
        }
        Value::Array(list) if !list.is_empty() && dice.below(5) > 0 => {
            let at = dice.below(list.len());
            match dice.below(8) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => change(&mut list[at], seeds, dice),
            }
        }
        other => *other = dice.pick(&seeds.odd).clone(),
    }
}

/// Damages bytes: flips, removes, repeats, cuts off, inserts syntax characters.
fn break_bytes(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len());
    let end = (at + 1 + dice.below(20)).min(bytes.len());
    match dice.below(6) {
        _ if bytes.is_empty() => bytes.push(b'{'),
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.extend_from_within(at..end),
        4 => drop(bytes.splice(at..at, b"[{\"\\\0,:-".repeat(1 + dice.below(40)))),
        _ => drop(bytes.splice(at..end, std::iter::repeat_n(b'9', dice.below(400)))),
    }
}

/// Makes some changes to `base`, and sometimes damages bytes of the result.
fn mutated(base: &Value, seeds: &Seeds, dice: &mut Dice) -> Vec<u8> {
    let mut value = base.clone();
    for _ in 0..dice.below(4) {
        change(&mut value, seeds, dice);
    }
    let mut bytes = value.to_string().into_bytes();
    if dice.below(3) == 0 {
        for _ in 0..=dice.below(3) {
            break_bytes(&mut bytes, dice);
        }
    }
    bytes
}

/// The value of an environment variable: valid, invalid or none.
fn variable(good: &str, seeds: &Seeds, dice: &mut Dice) -> Option<OsString> {
    match dice.below(8) {
        0 => None,
        1 => Some(dice.pick(&seeds.texts).into()),
        2 => {
            let mut bytes = good.as_bytes().to_vec();
            break_bytes(&mut bytes, dice);
            Some(OsString::from_vec(bytes))
        }
        _ => Some(good.into()),
    }
}

/// Asserts that a protocol may carry a text to a terminal: it is not long, and has no control characters.
#[track_caller]
fn assert_tame(text: &str, input: &dyn Fn() -> String) {
    assert!(
        !text.is_empty() && text.len() <= LONGEST_ERROR,
        "an error of {} bytes: {}\n{text:.300}",
        text.len(),
        input()
    );
    assert!(!text.contains(char::is_control), "an error that steers a terminal: {text:?}\n{}", input());
}

fn a_configuration_of_cni() -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "flatnet", "type": "flatnet", "config": "/etc/flatnet/flatnet.yaml",
        "capabilities": {"portMappings": true, "ips": true, "mac": true, "aliases": true},
        "runtimeConfig": {
            "aliases": {"flatnet": ["web", "www"]}, "ips": ["10.87.1.7/24"], "mac": "02:00:00:00:00:01",
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "127.0.0.1"}],
        },
        "args": {"cni": {"ips": ["10.87.1.7"], "mac": "02:00:00:00:00:01"}},
        "prevResult": {
            "cniVersion": "1.1.0", "interfaces": [{"name": "br", "mac": "x"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
            "ips": [{"address": "10.87.1.7/24", "gateway": "10.87.1.1", "interface": 1}],
            "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["10.87.1.1"]},
        },
        "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}],
    })
}

fn one_call_of_cni(seeds: &Seeds, base: &Value, dice: &mut Dice) {
    let command = *dice.pick(&["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"]);
    let arguments = "IgnoreUnknown=1;K8S_POD_NAME=web;IP=10.87.1.7;MAC=02:00:00:00:00:01";
    let good = [command, "c1", "eth0", "/run/netns/c1", arguments];
    let variables = good.map(|good| variable(good, seeds, dice));
    let names = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS"];
    let value = |name: &str| variables[names.iter().position(|known| *known == name)?].clone();
    let stdin = mutated(base, seeds, dice);
    let input = || format!("{variables:?}\n{}", String::from_utf8_lossy(&stdin));

    let mut understood = false;
    let (answer, status) = cni::answer(&cni::Environment::of(value), &stdin, |_| {
        understood = true;
        Ok(())
    });
    let Some(answer) = refusal(understood, (answer, status), &input) else { return };
    let text = |key: &str| {
        answer[key].as_str().unwrap_or_else(|| panic!("{key} in {answer}: {}", input())).to_owned()
    };
    assert!(VERSIONS.contains(&text("cniVersion").as_str()), "{answer}");
    if status == 0 {
        assert_eq!(answer["supportedVersions"], json!(VERSIONS), "{}", input());
        return;
    }
    assert_eq!((status, answer.as_object().map(serde_json::Map::len)), (1, Some(4)), "{answer}: {}", input());
    assert!(answer["code"].as_u64().is_some_and(|code| code > 0), "{answer}");
    assert_tame(&(text("msg") + &text("details")), &input);
}

/// Returns the error answer to an input that was not understood. An input that was understood must succeed without an
/// answer.
fn refusal(
    understood: bool,
    (answer, status): (Option<Value>, u8),
    input: &dyn Fn() -> String,
) -> Option<Value> {
    if understood {
        assert_eq!((answer, status), (None, 0), "{}", input());
        return None;
    }
    Some(answer.unwrap_or_else(|| panic!("no answer: {}", input())))
}

fn a_call_of_netavark() -> Value {
    json!({
        "container_id": "c1", "container_name": "web",
        "port_mappings": [{"container_port": 80, "host_ip": "127.0.0.1", "host_port": 8080, "protocol": "tcp,udp", "range": 2}],
        "network": {
            "name": "flatnet", "id": "0", "driver": "flatnet", "network_interface": "flatnet-br0", "subnets": [],
            "options": {"config": "/etc/flatnet/flatnet.yaml"}, "ipam_options": {"driver": "flatnet"},
        },
        "network_options": {
            "interface_name": "eth0", "aliases": ["www"], "static_ips": ["10.87.1.7"], "static_mac": "02:00:00:00:00:01",
        },
        "name": "flatnet", "options": {"config": "/etc/flatnet/flatnet.yaml"},
    })
}

fn one_call_of_netavark(seeds: &Seeds, base: &Value, dice: &mut Dice) {
    let command = *dice.pick(&["create", "setup", "teardown", "info"]);
    let words = [command, "/run/netns/c1"]
        .into_iter()
        .take(if command.ends_with('p') || command == "teardown" { 2 } else { 1 });
    let arguments: Vec<String> = words
        .filter_map(|good| variable(good, seeds, dice))
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let stdin = mutated(base, seeds, dice);
    let input = || format!("{arguments:?}\n{}", String::from_utf8_lossy(&stdin));

    let mut understood = false;
    let (answer, status) = netavark::answer(
        &arguments,
        || Ok(stdin.clone()),
        |_| {
            understood = true;
            Ok(None)
        },
    );
    let Some(answer) = refusal(understood, (answer, status), &input) else { return };
    assert_eq!((status, answer.as_object().map(serde_json::Map::len)), (1, Some(1)), "{answer}: {}", input());
    assert_tame(answer["error"].as_str().unwrap_or_default(), &input);
}

fn a_message_of_a_user() -> Value {
    json!({"version": 1, "network": "flatnet", "call": {"attach": {
        "id": {"container_id": "c1", "if_name": "eth0"}, "netns": "/run/user/1001/netns/n1", "descriptor": 9,
        "name": "web", "aliases": ["www"], "ips": ["10.87.1.7"],
    }}})
}

fn other_messages_of_a_user() -> [Value; 3] {
    let id = json!({"container_id": "c1", "if_name": "eth0"});
    let calls =
        [json!("status"), json!({"detach": id}), json!({"check": {"id": id, "addresses": ["10.87.1.7"]}})];
    calls.map(|call| json!({"version": 1, "network": "flatnet", "call": call}))
}

/// A message that is understood means what it says: written again, and parsed, it is the same. What else it holds can be part of
/// no path, command or name of another user's.
fn one_message(seeds: &Seeds, bases: &[Value], dice: &mut Dice) {
    let bytes = mutated(dice.pick(bases), seeds, dice);
    let input = || String::from_utf8_lossy(&bytes).into_owned();
    let message = match Message::parse(&bytes) {
        Ok(message) => message,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Decode, "{}", input());
            return assert_tame(&error.to_line(), &input);
        }
    };
    let again = serde_json::to_vec(&message).unwrap_or_else(|error| panic!("{error}: {}", input()));
    assert_eq!(Message::parse(&again).ok().as_ref(), Some(&message), "{}", input());
    let Call::Attach(attach) = message.call else { return };
    let alice = User { name: "alice".parse().unwrap(), uid: NonZeroU32::new(1001).unwrap() };
    if let Ok(id) = alice.container_id(&attach.id.container_id) {
        assert_eq!(User::of(&id).as_ref(), Some(&alice), "{}", input());
        assert!(id.comment().starts_with("u1001.alice."), "{}", input());
    }
    for name in attach.name.iter().chain(&attach.aliases) {
        // The longest ones are refused.
        if let Ok(owned) = alice.container_name(name) {
            assert_eq!(owned.as_str().strip_suffix(".alice"), Some(name.as_str()), "{}", input());
        }
    }
}

fn one_configuration(seeds: &Seeds, base: &[u8], dice: &mut Dice) {
    let mut bytes = base.to_vec();
    for _ in 0..dice.below(4) {
        if dice.below(2) == 0 {
            break_bytes(&mut bytes, dice);
            continue;
        }
        // Replaces the value in one line.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let line = dice.below(text.lines().count());
        let odd = dice.pick(&seeds.odd);
        let lines = text.lines().enumerate().map(|(number, old)| match old.split_once(": ") {
            Some((key, _)) if number == line => format!("{key}: {odd}\n"),
            _ => format!("{old}\n"),
        });
        bytes = lines.collect::<String>().into_bytes();
    }
    let text = String::from_utf8_lossy(&bytes);
    match config::parse(&text, Path::new("file.yaml")) {
        Ok(config) => {
            assert!(config.pool().next().is_some(), "a configuration without an address to give:\n{text}");
            assert!(
                config.range.contains(&config.subnet) && config.subnet.contains(&config.bridge_address()),
                "{text}"
            );
        }
        Err(error) => {
            assert_tame(&error.to_line(), &|| text.clone().into_owned());
            assert!(error.to_line().contains("file.yaml"), "{}:\n{text}", error.to_line());
        }
    }
}

/// A configuration with every field.
fn a_configuration() -> Vec<u8> {
    let yaml = "allocate: {from: 10.87.1.2, to: 10.87.1.99}\nreserved: [10.87.1.9]\ndns: {servers: [10.87.1.1], search: [a.test]}\n\
                host_ports: [{protocol: tcp, port: 53}]\ningress_gateways: [192.0.2.1]\nuplink: eth0\nmtu: 1400\n";
    let config = config::parse(yaml, Path::new("file.yaml")).unwrap_or_else(|error| panic!("{error}"));
    config::to_yaml(&config.resolved()).unwrap_or_else(|error| panic!("{error}")).into_bytes()
}

#[test]
fn fuzzed_cni_call_never_panics() {
    let (seeds, base) = (Seeds::new(), a_configuration_of_cni());
    each_case(|dice| one_call_of_cni(&seeds, &base, dice));
}

#[test]
fn fuzzed_netavark_call_never_panics() {
    let (seeds, base) = (Seeds::new(), a_call_of_netavark());
    each_case(|dice| one_call_of_netavark(&seeds, &base, dice));
}

#[test]
fn fuzzed_message_of_a_user_never_panics() {
    let seeds = Seeds::new();
    let mut bases = other_messages_of_a_user().to_vec();
    bases.extend([a_message_of_a_user(), a_message_of_a_user(), a_message_of_a_user()]);
    each_case(|dice| one_message(&seeds, &bases, dice));
}

#[test]
fn configurations() {
    let (seeds, base) = (Seeds::new(), a_configuration());
    each_case(|dice| one_configuration(&seeds, &base, dice));
}

/// Calls `one` for each case, with one sequence of random numbers.
fn each_case(mut one: impl FnMut(&mut Dice)) {
    let cases = soak::count(20_000);
    let mut dice = Dice(soak::seed());
    for _ in 0..cases {
        one(&mut dice);
    }
    soak::report(cases, 0, &json!({}));
}
