//! Flatnet's commands in the running text: each command and its options exist.

use std::collections::BTreeSet;

use regex::Regex;

/// The commands between backticks that Flatnet does not know, each with the error.
#[expect(clippy::disallowed_methods, reason = "duct has no say in how a test runs the program")]
pub(crate) fn unknown(texts: &[String]) -> Vec<String> {
    let span = Regex::new("`(flatnet [^`]+)`").unwrap();
    let found = texts.iter().flat_map(|text| span.captures_iter(text));
    let commands: BTreeSet<String> = found.map(|found| alone(&found[1]).to_owned()).collect();
    assert!(!commands.is_empty(), "the texts name commands");
    let mut wrong = Vec::new();
    for command in commands {
        let words = || command.split_whitespace().skip(1);
        let options: Vec<&str> = words().filter(|word| word.starts_with("--")).collect();
        // What follows an option may be its value.
        let names = words()
            .skip_while(|word| word.starts_with("--"))
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let help = std::process::Command::new(env!("CARGO_BIN_EXE_flatnet"))
            .args(names)
            .arg("--help")
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&help.stdout).into_owned() + &String::from_utf8_lossy(&help.stderr);
        let lacks = |option: &&&str| {
            let name = option.split('=').next().unwrap_or_default();
            !said.split(|c: char| !c.is_ascii_lowercase() && c != '-').any(|word| word == name)
        };
        if !help.status.success() {
            wrong.push(format!("`{command}`: {said}"));
        } else if let Some(option) = options.iter().find(lacks) {
            wrong.push(format!("`{command}`: there is no {option}"));
        }
    }
    wrong
}

/// The command without following commands, pipes and redirections, and without a trailing `..`.
fn alone(command: &str) -> &str {
    let end = ["&&", ";", "|", ">", "<", "..", "["].iter().filter_map(|sign| command.find(sign)).min();
    command[..end.unwrap_or(command.len())].trim()
}

#[test]
fn unknown_command_is_detected() {
    for (text, is_known) in [
        ("`flatnet plan --dry-run`", true),
        ("`flatnet ps --all && true`", true),
        ("`flatnet explain FLAT-E045`", true),
        ("`flatnet gateway install DIR --platform windows`", true),
        ("`flatnet overlay ca --passphrase-file passphrase`", true),
        ("`flatnet mend`", false),
        ("`flatnet ps --everything`", false),
        ("`flatnet gateway mend`", false),
    ] {
        assert_eq!(unknown(&[text.to_owned()]).is_empty(), is_known, "{text}");
    }
}
