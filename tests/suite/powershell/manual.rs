//! Checks calls against the parameters of commands, programs and functions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::tree::{COMMON, Call, Function, Script};

/// The functions that run other commands, and how they call them; both print the command first.
pub(super) const RUNNERS: [(&str, &str); 2] = [("Invoke-Cmdlet", "&$Command"), ("Invoke-Program", "&$Path")];

/// `commands.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manual {
    #[serde(rename = "about")]
    _about: String,
    pub(super) commands: BTreeMap<String, Command>,
    pub(super) programs: BTreeMap<String, Program>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub(super) source: String,
    parameters: BTreeSet<String>,
    #[serde(default)]
    values: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    source: String,
    words: BTreeSet<String>,
}

pub(super) fn manual() -> Manual {
    serde_json::from_str(include_str!("commands.json")).unwrap()
}

/// The errors in a call of a command that the scripts do not define.
pub(super) fn against_manual(call: &Call, manual: &Manual) -> Vec<String> {
    if let Some(program) = manual.programs.get(&call.name) {
        let options = call.words.iter().filter(|word| word.starts_with('-'));
        let unknown = options.filter(|word| !program.words.contains(*word));
        return unknown.map(|word| format!("{} has no {word}: {}", call.name, program.source)).collect();
    }
    let Some(command) = manual.commands.get(&call.name) else {
        return vec![format!("{} is in no manual", call.name)];
    };
    let mut wrong = Vec::new();
    for (name, values) in &call.parameters {
        if !command.parameters.contains(name) && !COMMON.contains(&name.as_str()) {
            wrong.push(format!("{} has no -{name}: {}", call.name, command.source));
        }
        for value in values {
            if command.values.get(name).is_some_and(|known| !known.contains(value)) {
                wrong.push(format!("{} -{name} does not take {value}: {}", call.name, command.source));
            }
        }
    }
    wrong
}

/// The errors in a call of a function.
pub(super) fn against_function(call: &Call, function: &Function) -> Vec<String> {
    let given: BTreeSet<&str> = call.parameters.keys().map(String::as_str).collect();
    let unknown = given.iter().filter(|name| !function.parameters.contains(**name) && !COMMON.contains(name));
    let mut wrong: Vec<String> = unknown.map(|name| format!("{} has no -{name}", call.name)).collect();
    // The runners take positional arguments.
    if RUNNERS.iter().all(|(runner, _)| *runner != call.name) {
        let missing = function.mandatory.iter().filter(|name| !given.contains(name.as_str()));
        wrong.extend(missing.map(|name| format!("{} needs -{name}", call.name)));
        wrong.extend(
            call.words
                .iter()
                .filter(|word| !word.starts_with('-'))
                .map(|word| format!("{} is given {word} by position", call.name)),
        );
    }
    wrong
}

/// Unknown arguments of `Invoke-Program`. The program is often a setting, so an argument of any known program is accepted.
pub(super) fn against_programs(script: &Script, manual: &Manual) -> Vec<String> {
    let known: BTreeSet<&String> = manual.programs.values().flat_map(|program| &program.words).collect();
    let calls = script.calls(script.root()).into_iter().filter(|call| call.name == "Invoke-Program");
    let words = calls.flat_map(|call| call.words.into_iter().map(move |word| (call.line, word)));
    let program = |word: &str| manual.programs.contains_key(word);
    let value = |word: &str| word.starts_with('*') || word.contains(' ') || word.starts_with("NT ");
    words
        .filter(|(_, word)| !known.contains(word) && !program(word) && !value(word))
        .map(|(line, word)| format!("{}:{line}: no program takes {word}", script.name))
        .collect()
}
