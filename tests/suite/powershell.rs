//! Static checks of Windows' scripts, without Windows: their syntax, every command and parameter against its manual
//! (`powershell/commands.json`), every function and variable, and the fields that they exchange with `flatnet windows`.

mod exchange;
mod manual;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use manual::{RUNNERS, against_function, against_manual, against_programs, manual};
use tree::{Function, Script, below};

/// Variables that PowerShell itself sets.
const AUTOMATIC: [&str; 13] = [
    "_",
    "null",
    "true",
    "false",
    "psscriptroot",
    "lastexitcode",
    "pscmdlet",
    "whatifpreference",
    "args",
    "host",
    "matches",
    "pshome",
    "psversiontable",
];
/// Calls through a value: a setting's test, a verb's script block, the script behind an old name.
const BY_VALUE: [&str; 3] = ["&$rules[$key].test", "&$Work", "&\"$PSScriptRoot\\flatnet.ps1\""];
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

#[test]
fn scripts_are_valid_in_both_powershell_editions() {
    let faults: Vec<String> = scripts().iter().flat_map(Script::faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn commands_and_parameters_are_documented_or_defined() {
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
                None if BY_VALUE.contains(&call.name.as_str()) => vec![],
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

/// Functions that a script reaches, directly or through others, but whose file it does not load.
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
            None if all.contains(&name) => missing.push(format!("{} does not load {name}", entry.name)),
            _ => {}
        }
    }
    missing
}

/// The verbs of `Get-Verb` that the scripts use.
const VERBS: &str = "Add Assert ConvertFrom ConvertTo Copy Deny Enter Exit Find Format Get Grant Install Invoke Join New Read Register \
    Remove Restart Restore Select Set Show Start Step Stop Test Uninstall Unregister Wait Write";

#[test]
fn functions_are_named_with_approved_verbs() {
    let verbs: BTreeSet<&str> = VERBS.split_whitespace().collect();
    let is_approved = |name: &str| name.split_once('-').is_some_and(|(verb, _)| verbs.contains(verb));
    let scripts = scripts();
    let names: Vec<String> = scripts.iter().flat_map(Script::functions).map(|one| one.name).collect();
    let wrong: Vec<&String> = names.iter().filter(|name| !is_approved(name)).collect();
    assert!(names.len() > 50 && wrong.is_empty(), "{wrong:?}");
    assert!(!is_approved("Deny") && !is_approved("Undo-Route"));
}

#[test]
fn scripts_load_every_function_they_reach() {
    let scripts = scripts();
    let entries = scripts.iter().filter(|script| folder().join(&script.name).exists());
    let missing: Vec<String> = entries.flat_map(|entry| missing_functions(entry, &scripts)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Variables that are read but never assigned, which `Set-StrictMode` reports only at run time.
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

/// `flatnet windows install` replaces the settings' values line by line.
#[test]
fn the_settings_have_a_line_for_each_key() {
    let text = std::fs::read_to_string(folder().join("settings.psd1")).unwrap();
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, ["Distribution", "Subnet", "Ports", "Name", "Zone", "GatewayDirectory", "OpenResty"]);
}

/// cmd reads the file line by line while it runs, and `uninstall` deletes it.
#[test]
fn command_file_ends_with_its_only_command() {
    let text = std::fs::read_to_string(folder().join("flatnet.cmd")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("@rem ") && lines[1].starts_with("@\"%SystemRoot%\\System32\\"), "{text}");
    assert!(lines[1].ends_with("-File \"%~dp0flatnet.ps1\" %* & exit /b"), "{text}");
    assert!(lines[1].contains(" -NoProfile -ExecutionPolicy RemoteSigned "), "{text}");
}

#[test]
fn script_checks_detect_faults() {
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
        ("Invoke-Cmdlet New-NetRoute ([ordered]@{ Metric = 1 })", "has no -Metric"),
        (
            "Invoke-Cmdlet New-NetRoute ([ordered]@{ PolicyStore = 'PersistentStore' })",
            "does not take PersistentStore",
        ),
        ("Get-NetRoute -PolicyStore Active", "does not take Active"),
        ("icacls.exe -x", "has no -x"),
    ] {
        let script = script(text);
        let calls = script.calls(script.root());
        let faults: Vec<String> = calls
            .iter()
            .filter(|call| call.name != "Invoke-Cmdlet")
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
