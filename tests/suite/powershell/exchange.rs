//! The protocol between Windows' scripts and `flatnet windows`: both sides use the same fields.

use std::collections::{BTreeMap, BTreeSet};

use super::scripts;
use super::tree::{Script, below, children};

/// Field names of every object in a schema.
fn objects(schema: &serde_json::Value) -> BTreeSet<Vec<String>> {
    let inner = schema["$defs"].as_object().into_iter().flat_map(|defs| defs.values());
    let fields =
        |object: &serde_json::Value| Some(object["properties"].as_object()?.keys().cloned().collect());
    std::iter::once(schema).chain(inner).filter_map(fields).map(sorted).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn scripts_send_the_fields_the_program_reads() {
    let schema = schemars::schema_for!(flatnet::windows::observed::Observed).to_value();
    let expected = objects(&schema);
    assert!(expected.len() > 8, "{expected:?}");
    let scripts = scripts();
    let senders =
        scripts.iter().filter(|script| ["observe.ps1", "probe.ps1"].contains(&script.name.as_str()));
    let sent: BTreeSet<Vec<String>> = senders
        .flat_map(|script| {
            // Only [ordered] hashtables are sent; the others are passed between functions.
            let literals = below(script.root()).filter(|node| {
                let cast = node.parent().and_then(|parent| parent.parent());
                let is_cast = cast.is_some_and(|cast| script.text(cast).starts_with("[ordered]"));
                node.kind() == "hash_literal_expression" && is_cast
            });
            literals.map(|hash| sorted(script.entries(hash).into_iter().map(|(key, _)| key).collect()))
        })
        .collect();
    assert_eq!(sent, expected);
}

/// The fields that are read as `$variable.field`.
fn fields_of(script: &Script, node: tree_sitter::Node, variable: &str) -> BTreeSet<String> {
    let members = below(node).filter(|node| node.kind() == "member_access");
    let named = members.filter_map(|member| {
        let (of, field) = (member.named_child(0)?, member.named_child(1)?);
        let is_it = script.text(of).eq_ignore_ascii_case(&format!("${variable}"));
        is_it.then(|| script.text(field).to_owned())
    });
    named.collect()
}

#[test]
fn scripts_implement_every_action() {
    let schema = schemars::schema_for!(flatnet::windows::action::Action).to_value();
    let mut requested = BTreeMap::new();
    for action in schema["oneOf"].as_array().unwrap() {
        let fields = action["properties"].as_object().unwrap();
        let name = fields["do"]["const"].as_str().unwrap().to_owned();
        requested
            .insert(name, fields.keys().filter(|field| *field != "do").cloned().collect::<BTreeSet<_>>());
    }
    let scripts = scripts();
    let actions = scripts.iter().find(|script| script.name == "actions.ps1").unwrap();
    let mut can = BTreeMap::new();
    for clause in below(actions.root()).filter(|node| node.kind() == "switch_clause") {
        let condition = actions.words(children(clause).next().unwrap());
        if let [name] = &condition[..] {
            can.insert(name.clone(), fields_of(actions, clause, "Action"));
        }
    }
    // flatnet.ps1 starts and stops OpenResty, not elevated.
    for gateway in ["start_gateway", "stop_gateway"] {
        assert_eq!(requested.remove(gateway), Some(BTreeSet::new()));
        assert!(!can.contains_key(gateway));
    }
    for (action, fields) in &requested {
        assert_eq!(can.get(action), Some(fields), "{action}");
    }
}

#[test]
fn fields_read_by_scripts_exist_in_answers() {
    let case = crate::windows::base();
    let decision = flatnet::windows::decide::decide(flatnet::windows::decide::Verb::Up, &case).unwrap();
    let decision = serde_json::to_value(decision).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&case.facts).unwrap();
    let of = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut checked = 0;
    for script in scripts() {
        for (variable, answer) in
            [("decision", &decision), ("layer", &decision["layers"][0]), ("wsl", &facts)]
        {
            let read = fields_of(&script, script.root(), variable);
            let known = of(answer);
            assert!(read.is_subset(&known), "{}: ${variable} has {known:?}, not {read:?}", script.name);
            checked += read.len();
        }
    }
    assert!(checked > 8, "{checked}");
}
