//! Arbitrary content of files and of other programs' output: the parsers accept or reject it, and never panic.

use std::path::Path;

use flatnet::kernel::observe::{link, route, ruleset};
use flatnet::model::config;
use flatnet::state::names::NamesFile;
use flatnet::state::receipt;
use proptest::prelude::*;

const RULESETS: [&str; 2] =
    [include_str!("../captured/nft-1.0.6/inet.json"), include_str!("../captured/nft-1.0.6/arp.json")];
const ADDRESSES: &str = include_str!("../captured/iproute2-6.1/addr.json");

const NAMES: &str = "version 1\nnetwork flatnet\nlisten 10.87.1.1\nsubnet 10.87.1.0/24\nclient 10.9.0.0/16\nzone z.internal\n\
    domain flatnet.internal 10.87.1.1\nhost gateway 10.87.1.1\nupstream 2620:fe::9\nname 10.87.1.2 c1 eth0 web Alias.x\nname 10.87.1.3 c2 eth1\n";

/// Real output with one part replaced by another text.
fn broken(text: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,8}",
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("\"\"".to_owned()),
        Just("-1".to_owned())
    ];
    (any::<prop::sample::Index>(), 0..40_usize, piece).prop_map(move |(at, length, piece)| {
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let tail: String = chars.iter().skip(at + length).collect();
        chars.iter().take(at).collect::<String>() + &piece + &tail
    })
}

fn any_yaml() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("network"),
        Just("bridge"),
        Just("range"),
        Just("subnet"),
        Just("gateway"),
        Just("allocate"),
        Just("reserved"),
        Just("mtu"),
        Just("uplink"),
        Just("ingress_gateways"),
        Just("egress"),
        Just("host_ports"),
        Just("dns"),
        Just("limits"),
        Just("tools"),
        Just("paths"),
        Just("brigde"),
    ];
    let value = prop_oneof![
        "\\PC{0,20}",
        "10\\.87\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,2})?",
        "[0-9]{1,12}",
        Just("{from: 0.0.0.0, to: 255.255.255.255}".to_owned()),
        Just("{from: 10.87.1.9, to: 10.87.1.3}".to_owned()),
        Just("[255.255.255.255, 10.87.1.4]".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("255.255.255.255/32".to_owned()),
        Just("255.255.255.248/29".to_owned()),
        Just("auto".to_owned()),
        Just("*x".to_owned()),
        Just("&x [*x]".to_owned()),
    ];
    prop::collection::vec((key, value), 0..5)
        .prop_map(|fields| fields.into_iter().map(|(key, value)| format!("{key}: {value}\n")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_file_of_names_round_trips_or_is_rejected(text in broken(NAMES)) {
        if let Ok(file) = NamesFile::parse(&text) {
            prop_assert_eq!(NamesFile::parse(&file.to_string()).unwrap(), file);
        }
    }

    #[test]
    fn arbitrary_config_is_parsed_or_error_names_file(text in prop_oneof![any_yaml(), "\\PC{0,60}"]) {
        match config::parse(&text, Path::new("file.yaml")) {
            Ok(config) => {
                prop_assert!(config.pool().next().is_some(), "a configuration that is accepted has an address to give");
                prop_assert!(config.range.contains(&config.subnet) && config.subnet.contains(&config.bridge_address()));
            }
            Err(error) => prop_assert!(error.to_string().contains("file.yaml"), "{}", error),
        }
    }

    #[test]
    fn arbitrary_ruleset_is_parsed_or_rejected(text in prop_oneof![broken(RULESETS[0]), broken(RULESETS[1]), "\\PC{0,60}"]) {
        let _ = ruleset::parse(&text);
    }

    #[test]
    fn arbitrary_links_and_routes_are_parsed_or_rejected(text in prop_oneof![broken(ADDRESSES), "\\PC{0,60}"]) {
        let _ = link::parse(&text);
        let _ = route::parse(&text);
    }

    #[test]
    fn arbitrary_receipt_is_parsed_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = receipt::parse(&bytes);
    }
}
