//! Runs a page from top to bottom in a sandbox, as one session of bash.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use similar::TextDiff;

use super::compare::Compare;
use super::page::{Page, Session};
use super::step::{Shown, Step, steps};
use crate::sandbox::{Builder, Sandbox};

/// The folder of the steps and their output, inside the sandbox.
const FOLDER: &str = "/usr/local/lib/documents";

/// Enough on a busy machine.
pub(crate) const PAGE_TAKES_AT_MOST: Duration = Duration::from_secs(300);

/// Prints the result of each step: the byte 1, the status, the output.
const PRINTED: &str = "for ((n = 0; ; n++)); do [[ -e $n.status ]] || break; printf '\\1%s\\n' \"$(<$n.status)\"; cat $n.out; done";

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    status: i32,
    printed: Vec<String>,
}

/// The differences from the page.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Formatted for people.
    pub(crate) differences: Vec<String>,
    /// The page with the actual output.
    pub(crate) renewed: String,
}

/// Runs the page on this Podman.
pub(crate) fn run(page: &Page, podman: &str) -> Outcome {
    let session = page.session.as_ref().unwrap_or_else(|| panic!("{} has no session", page.path));
    let steps = steps(page, podman, false).unwrap_or_else(|wrong| panic!("{wrong}"));
    let sandbox = begun(session, podman);
    judge(page, podman, &steps, &run_steps(&sandbox, &steps, PAGE_TAKES_AT_MOST))
}

/// The steps whose status or output differs from the page.
pub(crate) fn judge(page: &Page, podman: &str, steps: &[Step], ran: &[Ran]) -> Outcome {
    let compare = Compare::new();
    let mut found = Vec::new();
    let mut renewed = Vec::new();
    for (step, ran) in steps.iter().zip(ran) {
        let place = format!("{}:{} ({podman})\n$ {}", page.path, step.line, step.script);
        if ran.status != step.status {
            let printed = ran.printed.join("\n");
            found.push(format!("{place}\nended with {}, not {}:\n{printed}", ran.status, step.status));
        } else if let Some(shown) =
            step.output.as_ref().filter(|shown| !compare.agree(&shown.lines, &ran.printed))
        {
            found.push(format!("{place}\n{}", difference(&compare, &shown.lines, &ran.printed)));
            renewed.push((shown, &ran.printed));
        }
    }
    if ran.len() < steps.len() && found.is_empty() {
        found.push(format!("{}:{}: was not run", page.path, steps[ran.len()].line));
    }
    Outcome { differences: found, renewed: renew(page, &renewed) }
}

/// Compares the lines without the parts that vary, so that only real differences are shown.
fn difference(compare: &Compare, shown: &[String], printed: &[String]) -> String {
    let text = |lines: &[String]| lines.iter().map(|line| compare.shape(line) + "\n").collect::<String>();
    TextDiff::from_lines(&text(shown), &text(printed))
        .unified_diff()
        .header("the page", "printed")
        .to_string()
}

/// The sandbox of the session, after its `begin` functions.
fn begun(session: &Session, podman: &str) -> Sandbox {
    let builder: Builder = if podman == "podman5" { Sandbox::trixie() } else { Sandbox::podman4() };
    let sandbox = session.images.iter().fold(builder, |builder, image| builder.image(image)).start();
    write_vocabulary(&sandbox);
    let images = session.images.join(" ");
    let begin = session.begin.join(" ");
    sandbox
        .sh(&format!(
            "source {FOLDER}/prepare.sh; tag {images}; for word in {begin}; do \"begin_$word\"; done"
        ))
        .succeeds();
    sandbox
}

/// Writes the commands that pages may use in addition to installed programs.
pub(crate) fn write_vocabulary(sandbox: &Sandbox) {
    sandbox.write(&format!("{FOLDER}/prepare.sh"), &prepare());
    sandbox.write(&format!("{FOLDER}/reboot.sh"), &crate::podman_failures::reboot());
}

/// Runs the steps until one ends with a status other than the page's.
pub(crate) fn run_steps(sandbox: &Sandbox, steps: &[Step], at_most: Duration) -> Vec<Ran> {
    sandbox.write(&format!("{FOLDER}/session.sh"), &script(steps));
    run_session(sandbox, at_most);
    let printed = sandbox.sh(&format!("cd {FOLDER}; {PRINTED}"));
    printed.succeeds().stdout.split('\u{1}').skip(1).map(ran).collect()
}

/// A page may take longer than a script of a test. If the session is killed, the remaining steps are missing.
fn run_session(sandbox: &Sandbox, at_most: Duration) {
    let end = Instant::now() + at_most;
    // A reader does not have the settings of the tests' environment, such as Cargo's.
    let clean = r#"env -i PATH="$PATH" HOME=/root USER=root TERM=dumb LANG=C.UTF-8"#;
    let mut session = sandbox.spawn(&format!("exec {clean} bash {FOLDER}/session.sh"));
    while session.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            session.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Read at run time, like the pages, so that an edit needs no compilation.
fn prepare() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/documents/prepare.sh");
    std::fs::read_to_string(path).unwrap()
}

fn ran(text: &str) -> Ran {
    let (status, printed) = text.split_once('\n').unwrap_or((text, ""));
    let printed = printed.trim_end_matches('\n');
    let printed = if printed.is_empty() { Vec::new() } else { printed.lines().map(str::to_owned).collect() };
    Ran { status: status.parse().unwrap_or(-1), printed }
}

/// One shell sources each command from a file, so that variables and directories are kept. Output goes to files, so
/// that background processes of a command do not delay the next one.
fn script(steps: &[Step]) -> String {
    let mut text = format!(
        "source {FOLDER}/prepare.sh\nset +eu +o pipefail\ncd /root\n\
         step() {{ # NUMBER STATUS\n\
         \tsource {FOLDER}/$1.sh >{FOLDER}/$1.out 2>&1 </dev/null\n\
         \tlocal status=$?\n\
         \techo $status >{FOLDER}/$1.status\n\
         \t((status == $2)) || exit 0\n\
         }}\n"
    );
    for (number, step) in steps.iter().enumerate() {
        let _ = write!(
            text,
            "cat >{FOLDER}/{number}.sh <<'END_OF_FILE'\n{}\nEND_OF_FILE\nstep {number} {}\n",
            step.script, step.status
        );
    }
    text
}

/// The page with the actual output. Replaces from the last to the first, so that line numbers stay valid.
fn renew(page: &Page, renewed: &[(&Shown, &Vec<String>)]) -> String {
    let mut lines = page.lines.clone();
    for (shown, printed) in renewed.iter().rev() {
        let indented = |line: &String| format!("{}{line}", " ".repeat(shown.indent)).trim_end().to_owned();
        let inner: Vec<String> = printed.iter().map(indented).collect();
        lines.splice(shown.first..shown.first + shown.lines.len(), inner);
    }
    lines.join("\n") + "\n"
}
