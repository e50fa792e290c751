//! Property tests: parsers never panic on any input, and accept only harmless values.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Version;
use super::arguments::Arguments;
use super::conf::Conf;
use super::version;
use crate::model::types::{AttachmentId, ContainerId, IfName, LinkAlias, Mac, NetnsPath, NetworkName};

/// JSON of any shape, with strings similar to valid ones.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".{0,40}",
        "[0-9./]{1,20}",
        "10\\.87\\.1\\.[0-9]{1,4}(/[0-9]{1,3})?",
        "(tcp|udp|[a-z]{0,5})"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..70_000_u32).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("hostPort"),
        Just("containerPort"),
        Just("hostIP"),
        Just("protocol"),
        Just("name"),
        Just("interface"),
        Just("address"),
        Just("interfaces"),
        Just("ips"),
        Just("routes"),
        Just("dns"),
        Just("flatnet"),
        Just("aliases"),
        Just("portMappings"),
        Just("mac"),
        Just("cni"),
        Just("containerID"),
        Just("ifname"),
        Just("sandbox"),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A network configuration with anything in any field.
fn any_conf() -> impl Strategy<Value = Value> {
    let version = prop_oneof![Just(json!("1.0.0")), Just(json!("1.1.0")), Just(json!("0.3.1")), any_json()];
    let name = prop_oneof![3 => Just(json!("flatnet")), 1 => any_json()];
    let config = prop_oneof![6 => Just(json!("/etc/flatnet/flatnet.yaml")), 1 => any_json()];
    (version, name, any_json(), any_json(), any_json(), any_json(), config).prop_map(
        |(version, name, runtime, args, previous, valid, config)| {
            json!({"cniVersion": version, "name": name, "runtimeConfig": runtime, "args": args,
                   "prevResult": previous, "cni.dev/valid-attachments": valid, "config": config})
        },
    )
}

/// Reads everything that any verb reads of a configuration.
fn read_all(stdin: &[u8]) {
    let mut found = Version::default();
    let _ = version::answer(stdin);
    let Ok(conf) = Conf::parse(stdin, &mut found) else { return };
    let _ = conf.aliases();
    let _ = conf.requested_ips(&Arguments::default());
    let _ = conf.requested_mac(&Arguments::default());
    let _ = conf.port_mappings();
    let _ = conf.valid_attachments();
    if let Ok(Some(previous)) = conf.previous() {
        let _ = previous.addresses(&IfName::parse("eth0").unwrap());
    }
}

/// Whether `sh`, `nft` and `ip -batch` treat it as part of a word.
fn is_harmless(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:".contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_are_parsed_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_cni_config_is_parsed_or_rejected(conf in any_conf()) {
        read_all(conf.to_string().as_bytes());
    }

    #[test]
    fn truncated_cni_config_is_parsed_or_rejected(conf in any_conf(), at in any::<prop::sample::Index>()) {
        let text = conf.to_string();
        read_all(&text.as_bytes()[..at.index(text.len())]);
    }

    #[test]
    fn arbitrary_arguments_are_parsed_or_rejected(text in prop_oneof![".{0,100}", "((IP|MAC|K8S_POD_NAME|IgnoreUnknown)=[^;]{0,20};){0,5}"]) {
        if let Ok(arguments) = Arguments::parse(&text) {
            prop_assert!(arguments.name.is_none_or(|name| is_harmless(name.as_str())));
        }
    }

    #[test]
    fn values_accepted_by_newtypes_are_harmless(text in prop_oneof![".{0,40}", "[a-zA-Z0-9_./\"'; -]{1,20}", "/[a-z./;]{1,20}"]) {
        prop_assert!(text.parse::<ContainerId>().map_or(true, |id| is_harmless(id.as_str()) && id.comment().len() <= 64));
        prop_assert!(text.parse::<IfName>().map_or(true, |name| is_harmless(name.as_str()) && name.as_str().len() <= 15));
        prop_assert!(text.parse::<NetnsPath>().map_or(true, |path| is_harmless(path.as_str()) && !path.as_str().split('/').any(|part| part == "..")));
        prop_assert!(text.parse::<NetworkName>().map_or(true, |name| is_harmless(name.table().as_str())));
        prop_assert!(text.parse::<Mac>().map_or(true, |mac| is_harmless(&mac.to_string())));
    }

    #[test]
    fn host_link_name_and_alias_are_harmless(id in "[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", ifname in "[A-Za-z_][A-Za-z0-9_.-]{0,14}") {
        let (Ok(container_id), Ok(if_name)) = (ContainerId::parse(&id), IfName::parse(&ifname)) else { return Ok(()) };
        let id = AttachmentId { container_id, if_name };
        let network = NetworkName::parse("flatnet").unwrap();
        prop_assert_eq!(id.host_link(&network).as_str().len(), 14);
        let alias = LinkAlias::of_attachment(&network, &id);
        prop_assert!(is_harmless(alias.as_str()) && alias.as_str().len() < 256);
        prop_assert!(alias.as_str().parse::<LinkAlias>().is_ok(), "what is written can be read: {}", alias);
    }
}
