//! The commands of a page in order, each with the output that the page shows.

use super::page::{Block, Page};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What bash runs.
    pub(crate) script: String,
    /// The line in the page, counted from 1.
    pub(crate) line: usize,
    /// The expected exit status: 1 with `# exits with 1` after the command, otherwise 0.
    pub(crate) status: i32,
    /// The output that the page shows; a block in `sh` shows none.
    pub(crate) output: Option<Shown>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) lines: Vec<String>,
    /// The first line in the page, counted from 0.
    pub(crate) first: usize,
    pub(crate) indent: usize,
}

/// All commands to run on this Podman, in order: on a newcomer's empty system, or on one with everything installed.
pub(crate) fn steps(page: &Page, podman: &str, is_newcomer: bool) -> Result<Vec<Step>, String> {
    let is_for = |block: &&Block| {
        block.not_run.is_none()
            && block.only.as_ref().is_none_or(|only| only == podman)
            && block.newcomer.is_none_or(|newcomer| newcomer == is_newcomer)
    };
    let mut steps = Vec::new();
    for block in page.blocks.iter().filter(is_for) {
        match block.language.as_str() {
            "setup" => steps.push(setup(page, block)),
            "console" => steps.extend(console(page, block)?),
            _ if block.newcomer.is_some() => steps.extend(script(page, block).into_iter().map(online)),
            _ => steps.extend(script(page, block)),
        }
    }
    Ok(steps)
}

/// Runs a step with access to package mirrors. The step is sourced, so that its directory and variables are kept.
fn online(step: Step) -> Step {
    Step { script: format!("online\n{}\ncame_of_it=$?\noffline\nreturn $came_of_it", step.script), ..step }
}

/// The block is one step, in a subshell that ends at the first failure.
fn setup(page: &Page, block: &Block) -> Step {
    let script = format!("(set -euo pipefail\n{}\n)", page.inside(block).join("\n"));
    Step { script, line: block.inner.start + 1, status: 0, output: None }
}

/// Each line is a command; a backslash at its end continues it on the next line.
fn script(page: &Page, block: &Block) -> Vec<Step> {
    let mut steps = Vec::new();
    let lines = page.inside(block);
    let mut at = 0;
    while at < lines.len() {
        let end = end_of_command(&lines, at);
        let text = lines[at..end].join("\n");
        if !text.trim().is_empty() && !text.trim_start().starts_with('#') {
            steps.push(command(&text, block.inner.start + at + 1, None));
        }
        at = end;
    }
    steps
}

/// `$ COMMAND` or, in a network namespace or container of that name, `NAME$ COMMAND`; then its output.
fn console(page: &Page, block: &Block) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let lines = page.inside(block);
    let mut at = 0;
    while at < lines.len() {
        let line = block.inner.start + at + 1;
        if let Some((place, text)) = prompt(lines[at]) {
            let end = end_of_command(&lines, at);
            let text = [&[text], &lines[at + 1..end]].concat().join("\n");
            let output = Shown { lines: Vec::new(), first: block.inner.start + end, indent: block.indent };
            let step = command(&text, line, Some(output));
            steps.push(Step { script: within(place, &step.script), ..step });
            at = end;
        } else {
            let output = steps.last_mut().and_then(|step| step.output.as_mut());
            let output = output.ok_or_else(|| format!("{}:{line}: output before any command", page.path))?;
            output.lines.push(lines[at].to_owned());
            at += 1;
        }
    }
    if block.varies.is_some() {
        for step in &mut steps {
            step.output = None;
        }
    }
    Ok(steps)
}

fn command(text: &str, line: usize, output: Option<Shown>) -> Step {
    let status = text.rsplit_once("# exits with ").and_then(|(_, number)| number.trim().parse().ok());
    Step { script: text.to_owned(), line, status: status.unwrap_or(0), output }
}

/// The place and the command, if this line has one.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (place, command) = line.split_once("$ ")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    place.chars().all(is_name).then_some((place, command))
}

fn end_of_command(lines: &[&str], start: usize) -> usize {
    let mut end = start;
    while lines.get(end).is_some_and(|line| line.ends_with('\\')) {
        end += 1;
    }
    (end + 1).min(lines.len())
}

fn within(place: &str, script: &str) -> String {
    if place.is_empty() {
        script.to_owned()
    } else {
        format!("at {place} <<'END_OF_STEP'\n{script}\nEND_OF_STEP")
    }
}
