//! The commands of the documents: each runs here and prints the page's output, or the page says why it is not run.
//!
//! [`page`] explains the marks of commands. `FLATNET_GOLDEN=write` updates the output in the pages.

mod compare;
mod editions;
mod equal;
mod links;
mod newcomer;
pub(crate) mod page;
mod parts;
mod ruleset;
mod run;
mod spans;
mod step;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use self::page::{Block, Page};
use self::run::Outcome;

/// Makes a test for each page and each version of Podman that the page has a session for.
macro_rules! sessions {
    ($($name:ident: $path:literal on $($podman:ident),+;)+) => {
        /// The sessions that have a test.
        const TESTED: &[(&str, &str)] = &[$($(($path, stringify!($podman)),)+)+];
        $(mod $name {
            $(#[test] fn $podman() { super::runs_as_written($path, stringify!($podman)); })+
        })+
    };
}

sessions! {
    readme: "README.md" on podman4;
    setup: "docs/setup/phase-2-setup.md" on podman4, podman5;
    doctor: "docs/operations/doctor.md" on podman5;
    troubleshooting: "docs/operations/troubleshooting.md" on podman4, podman5;
    gateway: "docs/operations/gateway.md" on podman4;
    gateway_routes: "docs/operations/gateway-routes.md" on podman4, podman5;
    cni_operations: "docs/operations/cni-operations.md" on podman4, podman5;
    metrics: "docs/operations/metrics.md" on podman4, podman5;
    nft_ruleset: "docs/operations/nft-ruleset.md" on podman4, podman5;
    other_runtimes: "docs/operations/other-runtimes.md" on podman4, podman5;
    address_exhausted: "ops/runbooks/address-exhausted.md" on podman4;
    container_unreachable: "ops/runbooks/container-unreachable.md" on podman4, podman5;
    crash: "ops/runbooks/crash.md" on podman4, podman5;
    gateway_down: "ops/runbooks/gateway-down.md" on podman4;
    moving_subnet: "ops/runbooks/moving-subnet.md" on podman4, podman5;
    nft_flush: "ops/runbooks/nft-flush.md" on podman4, podman5;
    wsl_address: "ops/runbooks/wsl-address.md" on podman4;
}

/// Pages that have a Japanese edition.
const EDITIONS: &[&str] = &[
    "README.md",
    "docs/operations/cni-operations.md",
    "docs/operations/names-in-the-lan.md",
    "docs/operations/troubleshooting.md",
    "docs/setup/phase-2-setup.md",
    "docs/setup/podman-machine.md",
    "docs/setup/rootless.md",
    "docs/setup/second-host.md",
    "docs/windows.md",
];

fn runs_as_written(path: &str, podman: &str) {
    let page = Page::read(path).unwrap();
    let Outcome { differences, renewed } = run::run(&page, podman);
    let is_first = page.session.is_some_and(|session| session.podmans[0] == podman);
    if is_first && std::env::var("FLATNET_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), renewed).unwrap();
        if EDITIONS.contains(&path) {
            follow(path, false);
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// Copies the parts that are identical in both languages from the English page to its Japanese edition.
fn follow(path: &str, is_translated: bool) {
    let edition = editions::edition(path);
    let japanese = text(&edition);
    let followed = editions::follow(path, &text(path), &japanese, is_translated);
    if followed != japanese {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(edition), followed).unwrap();
    }
}

/// The Markdown files of the source tree, in order.
fn documents() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let is_ours =
                !name.starts_with('.') && (!folder.is_empty() || ["docs", "ops"].contains(&name.as_str()));
            if entry.path().is_dir() && is_ours {
                folders.push(path);
            } else if entry.path().extension().is_some_and(|extension| extension == "md") {
                found.insert(path);
            }
        }
    }
    found
}

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// All pages except Japanese editions, which have the commands of the English pages.
fn pages() -> Vec<Page> {
    let pages = documents().into_iter().filter(|path| !path.ends_with(".ja.md"));
    let read: Vec<_> = pages.map(|path| Page::read(&path)).collect();
    let wrong: Vec<&String> = read.iter().filter_map(|page| page.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    read.into_iter().map(Result::unwrap).collect()
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let pages = pages();
    let run: BTreeSet<(&str, &str)> = pages
        .iter()
        .flat_map(|page| {
            let podmans = page.session.iter().flat_map(|session| &session.podmans);
            podmans.map(|podman| (page.path.as_str(), podman.as_str()))
        })
        .collect();
    assert_eq!(run, TESTED.iter().copied().collect(), "`sessions!` in documents.rs lists these");
    // An indented block has no language, so it could be a command or not.
    for page in pages.iter().filter(|page| page.path != "docs/operations/errors.md") {
        let mut before = "";
        let mut is_inside = false;
        for (number, line) in page.lines.iter().enumerate() {
            is_inside ^= line.trim_start().starts_with("```");
            let begins = before.is_empty() && line.starts_with("    ") && !line.trim().is_empty();
            let is_list = line.trim_start().starts_with("- ");
            assert!(!begins || is_inside || is_list, "{}:{}: code is fenced", page.path, number + 1);
            before = line.trim();
        }
    }
}

#[test]
fn every_link_has_a_target() {
    let broken: Vec<String> = documents().iter().flat_map(|path| links::broken(path, &text(path))).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn japanese_editions_match_english() {
    let there: BTreeSet<String> = documents().into_iter().filter(|path| path.ends_with(".ja.md")).collect();
    assert_eq!(
        there,
        EDITIONS.iter().map(|path| editions::edition(path)).collect(),
        "`EDITIONS` lists these"
    );
    if std::env::var("FLATNET_GOLDEN").is_ok_and(|value| value == "translated") {
        for path in EDITIONS {
            follow(path, true);
        }
    }
    let different = |path: &&str| editions::differences(path, &text(path), &text(&editions::edition(path)));
    let found: Vec<String> = EDITIONS.iter().flat_map(different).collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn inline_commands_exist() {
    // several-hosts.md describes commands that are not implemented.
    let pages = documents().into_iter().filter(|path| path != "docs/architecture/several-hosts.md");
    let texts: Vec<String> = pages.map(|path| text(&path)).collect();
    let unknown = spans::unknown(&texts);
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn commands_not_run_are_listed() {
    let mut list = "# Commands that no test runs\n\n\
        Tests run all other commands of the documents: `cargo test --features faults --test suite documents`, and for commands that install packages\n\
        `./ops/test newcomer`. To regenerate this list, run the former with `FLATNET_GOLDEN=write`.\n\n\
        | page | section | first line | why |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for page in pages() {
        for block in page.blocks.iter().filter(|block| block.not_run.is_some()) {
            let Block { heading, not_run, .. } = block;
            let first = page.inside(block).first().copied().unwrap_or_default();
            let first = first.split("  #").next().unwrap_or_default().replace('|', "\\|");
            let why = not_run.as_deref().unwrap_or_default();
            let _ = writeln!(list, "| {} | {heading} | `{}` | {why} |", page.path, first.trim());
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands-not-run.md");
    let mut differences = Vec::new();
    crate::golden_file::compare(&path, &list, &mut differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The runner reports a wrong page at the line of the difference.
#[test]
fn wrong_output_in_page_is_detected() {
    let text = "# T\n<!-- session: podman4 -->\n```console\n$ cd /tmp; word=kept\n$ echo $PWD $word\n/tmp kept\n\
        $ printf 'a\\nb\\n'\na\nc\n$ false # exits with 1\n$ (exit 3)\n$ echo never\n```\n";
    let page = Page::parse("lies.md", text).unwrap();
    let found = run::run(&page, "podman4").differences;
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("lies.md:7 ") && found[0].contains("\n-c\n+b\n"), "{}", found[0]);
    assert!(found[1].starts_with("lies.md:11 ") && found[1].contains("ended with 3, not 0"), "{}", found[1]);
}

#[test]
fn only_newcomer_session_runs_install_blocks() {
    let text = "# T\n<!-- session: podman4 -->\n<!-- newcomer: it installs -->\n```sh\na\n```\n\
        <!-- setup suite\nb\n-->\n<!-- setup newcomer\nc\n-->\n```sh\nd\n```\n";
    let page = Page::parse("page.md", text).unwrap();
    let words = |is_newcomer| {
        let steps = step::steps(&page, "podman4", is_newcomer).unwrap();
        let words = steps
            .iter()
            .flat_map(|step| step.script.lines())
            .filter(|line| ["a", "b", "c", "d"].contains(line));
        words.map(str::to_owned).collect::<String>()
    };
    assert_eq!((words(true).as_str(), words(false).as_str()), ("acd", "bd"));
}

#[test]
fn invalid_block_or_mark_is_rejected() {
    for (text, wrong) in [
        ("```sh\nls\n```\n", "neither run"),
        ("```\nls\n```\n", "without a language"),
        ("<!-- session: podman4 -->\n```powershell\nls\n```\n", "PowerShell"),
        ("<!-- not run: later -->\nwords\n", "not followed by a block"),
        ("<!-- not run: later -->\n```text\nls\n```\n", "holds no commands"),
        ("<!-- session: podman6 -->\n", "no session"),
        ("<!-- run: it -->\n", "no mark"),
        ("<!-- setup somebody\ntrue\n-->\n", "no mark"),
        ("<!-- newcomer: it installs -->\nwords\n", "not followed by a block"),
        ("```sh\nls\n", "does not end"),
    ] {
        let error = Page::parse("page.md", text).unwrap_err();
        assert!(error.starts_with("page.md:") && error.contains(wrong), "{text:?}: {error}");
    }
    Page::parse("page.md", "<!-- not run: on Windows -->\n\n```powershell\nls\n```\n").unwrap();
}
