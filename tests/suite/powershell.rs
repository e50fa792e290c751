//! Windows' scripts, checked without Windows: they are parsed, every command and parameter is looked up in what its
//! manual says (`powershell/commands.json`), every name is defined, and what they exchange with `flatnet windows` has
//! the fields that it has there.

mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use tree::{COMMON, Call, Function, Script, below, children};

/// Variables that PowerShell itself sets.
const AUTOMATIC: [&str; 8] =
    ["_", "null", "true", "false", "psscriptroot", "lastexitcode", "pscmdlet", "whatifpreference"];
/// Where other commands than those that are written there are run: both print them first.
const RUNNERS: [(&str, &str); 2] = [("Invoke-Shown", "&$Command"), ("Invoke-Program", "&$Path")];

/// `commands.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manual {
    #[serde(rename = "about")]
    _about: String,
    commands: BTreeMap<String, Command>,
    programs: BTreeMap<String, Program>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    source: String,
    parameters: BTreeSet<String>,
    #[serde(default)]
    values: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    source: String,
    words: BTreeSet<String>,
}

fn manual() -> Manual {
    serde_json::from_str(include_str!("powershell/commands.json")).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/windows")
}

fn scripts() -> Vec<Script> {
    let mut paths = Vec::new();
    for folder in [folder(), folder().join("lib")] {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|end| end == "ps1" || end == "psd1")));
    }
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    paths.iter().map(|path| Script::read(path)).collect()
}

/// What is wrong with a call of a command that the scripts do not define.
fn against_manual(call: &Call, manual: &Manual) -> Vec<String> {
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

/// What is wrong with a call of a function.
fn against_function(call: &Call, function: &Function) -> Vec<String> {
    let given: BTreeSet<&str> = call.parameters.keys().map(String::as_str).collect();
    let unknown = given.iter().filter(|name| !function.parameters.contains(**name) && !COMMON.contains(name));
    let mut wrong: Vec<String> = unknown.map(|name| format!("{} has no -{name}", call.name)).collect();
    // The two runners take theirs by position.
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

/// The programs that `Invoke-Program` is given words for: which one is a setting, so the word must be one of any.
fn against_programs(script: &Script, manual: &Manual) -> Vec<String> {
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

#[test]
fn every_script_is_one_for_both_editions() {
    let faults: Vec<String> = scripts().iter().flat_map(Script::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_and_parameter_is_in_its_manual_or_defined() {
    let (manual, scripts) = (manual(), scripts());
    let functions: BTreeMap<String, Function> = scripts
        .iter()
        .flat_map(Script::functions)
        .map(|function| (function.name.clone(), function))
        .collect();
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for script in &scripts {
        for call in script.calls(script.root()) {
            let faults = match functions.get(&call.name) {
                Some(function) => against_function(&call, function),
                None if RUNNERS.iter().any(|(_, dynamic)| *dynamic == call.name)
                    && script.name == "run.ps1" =>
                {
                    vec![]
                }
                None if call.name.starts_with(".\"$PSScriptRoot\\lib\\") => vec![],
                None => against_manual(&call, &manual),
            };
            wrong.extend(faults.iter().map(|fault| format!("{}:{}: {fault}", script.name, call.line)));
            used.insert(call.name);
        }
        wrong.extend(against_programs(script, &manual));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unused: Vec<_> = manual.commands.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
    assert!(manual.commands.values().all(|command| command.source.starts_with("https://")));
}

/// What a script can reach: its own text, and that of the functions that it calls, in the files that it reads in.
fn missing_functions(entry: &Script, library: &[Script]) -> Vec<String> {
    let mut loaded = vec![entry];
    for call in entry.calls(entry.root()) {
        if let Some(name) = call.name.strip_prefix(".\"$PSScriptRoot\\lib\\") {
            loaded.push(library.iter().find(|script| script.name == name.trim_end_matches('"')).unwrap());
        }
    }
    let all: BTreeSet<String> =
        library.iter().flat_map(Script::functions).map(|function| function.name).collect();
    let mut here = BTreeMap::new();
    for script in &loaded {
        for function in script.functions() {
            here.insert(function.name.clone(), script.calls(function.node));
        }
    }
    let within = |node: &tree_sitter::Node| node.kind() == "command";
    let top = entry.top_level().into_iter().filter(within).flat_map(|node| entry.calls(node));
    let mut open: Vec<String> = top.map(|call| call.name).collect();
    let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
    while let Some(name) = open.pop() {
        match here.get(&name) {
            Some(calls) if seen.insert(name.clone()) => {
                open.extend(calls.iter().map(|call| call.name.clone()));
            }
            None if all.contains(&name) => missing.push(format!("{} does not read in {name}", entry.name)),
            _ => {}
        }
    }
    missing
}

#[test]
fn every_script_reads_in_the_functions_that_it_reaches() {
    let scripts = scripts();
    let entries = scripts.iter().filter(|script| folder().join(&script.name).exists());
    let missing: Vec<String> = entries.flat_map(|entry| missing_functions(entry, &scripts)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Variables that are read and were never given a value, which `Set-StrictMode` makes an error when it is too late.
fn unset_variables(script: &Script, of_scripts: &BTreeSet<String>) -> Vec<String> {
    let unset = |[set, read]: [BTreeSet<String>; 2], of: &str| {
        let known = |name: &String| {
            set.contains(name)
                || AUTOMATIC.contains(&name.as_str())
                || name.starts_with("env:")
                || of_scripts.contains(name)
        };
        let unset: Vec<String> = read.into_iter().filter(|name| !known(name)).collect();
        (!unset.is_empty()).then(|| format!("{}, {of}: {unset:?}", script.name))
    };
    let mut wrong: Vec<String> = script
        .functions()
        .iter()
        .filter_map(|function| unset(script.variables(below(function.node)), &function.name))
        .collect();
    wrong.extend(unset(script.variables(script.top_level().into_iter()), "outside of functions"));
    wrong
}

#[test]
fn every_variable_has_a_value() {
    let scripts = scripts();
    let of_scripts: BTreeSet<String> = scripts
        .iter()
        .flat_map(|script| script.variables(script.top_level().into_iter())[0].clone())
        .filter(|name| name.starts_with("script:"))
        .collect();
    let wrong: Vec<String> = scripts.iter().flat_map(|script| unset_variables(script, &of_scripts)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

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
fn what_windows_sends_has_the_fields_that_are_read() {
    let schema = schemars::schema_for!(flatnet::windows::seen::Seen).to_value();
    let wanted = objects(&schema);
    assert!(wanted.len() > 8, "{wanted:?}");
    let scripts = scripts();
    let senders = scripts.iter().filter(|script| ["look.ps1", "probe.ps1"].contains(&script.name.as_str()));
    let sent: BTreeSet<Vec<String>> = senders
        .flat_map(|script| {
            let literals = below(script.root()).filter(|node| node.kind() == "hash_literal_expression");
            literals.map(|hash| sorted(script.entries(hash).into_iter().map(|(key, _)| key).collect()))
        })
        .collect();
    assert_eq!(sent, wanted);
}

/// What is asked of `variable`, as `$variable.field`.
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
fn what_windows_is_told_to_do_is_what_it_can_do() {
    let schema = schemars::schema_for!(flatnet::windows::action::Action).to_value();
    let mut told = BTreeMap::new();
    for action in schema["oneOf"].as_array().unwrap() {
        let fields = action["properties"].as_object().unwrap();
        let name = fields["do"]["const"].as_str().unwrap().to_owned();
        told.insert(name, fields.keys().filter(|field| *field != "do").cloned().collect::<BTreeSet<_>>());
    }
    let scripts = scripts();
    let act = scripts.iter().find(|script| script.name == "act.ps1").unwrap();
    let mut can = BTreeMap::new();
    for clause in below(act.root()).filter(|node| node.kind() == "switch_clause") {
        let condition = act.words(children(clause).next().unwrap());
        if let [name] = &condition[..] {
            can.insert(name.clone(), fields_of(act, clause, "Action"));
        }
    }
    assert_eq!(can, told);
}

#[test]
fn what_windows_reads_of_the_answers_is_there() {
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

#[test]
fn the_checks_see_what_is_wrong() {
    let manual = manual();
    let script = |text: &str| Script::of("x.ps1", text.to_owned());
    for (text, fault) in [
        ("foo && bar", "PowerShell 7 only"),
        ("foo | bar &", "PowerShell 7 only"),
        ("$a = $b ? 1 : 2", "cannot be parsed"),
        ("$a = $b ?? 1", "cannot be parsed"),
        ("if ($a) { foo", "missing"),
        ("try { foo }", "try without"),
        ("foo \"bar", "cannot be parsed"),
        ("# \u{30c6}", "not ASCII"),
    ] {
        let faults = script(text).faults();
        assert!(faults.iter().any(|line| line.contains(fault)), "{text}: {faults:?}");
    }
    for (text, fault) in [
        ("New-NetRout -NextHop 1", "in no manual"),
        ("New-NetRoute -Nexthop 1", "has no -Nexthop"),
        ("Invoke-Shown New-NetRoute ([ordered]@{ Metric = 1 })", "has no -Metric"),
        (
            "Invoke-Shown New-NetRoute ([ordered]@{ PolicyStore = 'PersistentStore' })",
            "does not take PersistentStore",
        ),
        ("Get-NetRoute -PolicyStore Active", "does not take Active"),
        ("curl.exe --proxy x", "has no --proxy"),
    ] {
        let script = script(text);
        let calls = script.calls(script.root());
        let faults: Vec<String> = calls
            .iter()
            .filter(|call| call.name != "Invoke-Shown")
            .flat_map(|call| against_manual(call, &manual))
            .collect();
        assert!(faults.iter().any(|line| line.contains(fault)), "{text}: {faults:?}");
    }
    let defined =
        script("function Get-It { param([Parameter(Mandatory = $true)] $Name, $Other) $Name; $othr }");
    let function = &defined.functions()[0];
    for (text, fault) in
        [("Get-It -Nam x", "has no -Nam"), ("Get-It -Other 1", "needs -Name"), ("Get-It x", "by position")]
    {
        let script = script(text);
        let faults = against_function(&script.calls(script.root())[0], function);
        assert!(faults.iter().any(|line| line.contains(fault)), "{text}: {faults:?}");
    }
    let unset = unset_variables(&defined, &BTreeSet::new());
    assert!(unset[0].contains("othr") && !unset[0].contains("name"), "{unset:?}");
    assert_eq!(against_programs(&script("Invoke-Program $x @('-p', '-q')"), &manual).len(), 1);
    let entry = script("Get-It -Name 1");
    assert_eq!(missing_functions(&entry, &[defined]).len(), 1);
}
