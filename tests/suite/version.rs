//! `flatnet --version` names the commit, whether from git or from an archive.

#![allow(
    clippy::disallowed_methods,
    reason = "what makes packages and programs runs on this machine, not in a sandbox"
)]

use std::path::Path;
use std::process::Command;

use crate::sandbox::Sandbox;

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The output of a program; nothing if it fails or is missing.
fn output_of(program: &mut Command) -> Option<String> {
    let output = program.output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn version_output_names_commit() {
    let log = ["-C", SOURCE, "-c", "safe.directory=*", "log", "-1", "--abbrev=12", "--format=%h %cs"];
    let commit = output_of(Command::new("git").args(log));
    let sandbox = Sandbox::podman4().start();
    let said = sandbox.sh("flatnet --version").succeeds().stdout;
    let wanted = commit.unwrap_or_else(|| "of a commit that is not known".to_owned());
    assert!(said.starts_with(&format!("flatnet {VERSION} ({wanted}")), "{said}");
    sandbox.sh("flatnet -V").prints_exactly(&format!("flatnet {VERSION}"));
}

/// The output of the build script in a folder where git is of no help, with `archived` as the commit file.
fn built_in(folder: &Path, archived: &str) -> String {
    let file = folder.join("ops/lib/package/commit");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, archived).unwrap();
    let script = folder.join("build-script");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-o"]).arg(&script).arg(Path::new(SOURCE).join("src/build.rs"));
    assert!(script.exists() || output_of(&mut rustc).is_some(), "rustc compiles build.rs");
    output_of(Command::new(&script).current_dir(folder).env("CARGO_PKG_VERSION", "1.2.3")).unwrap()
}

#[test]
fn version_comes_from_archive_or_is_unknown_without_git() {
    let folder = tempfile::tempdir().unwrap();
    let version = "cargo:rustc-env=FLATNET_VERSION=1.2.3 ";
    let said = built_in(folder.path(), &format!("0123456789ab{} 2026-11-23\n", "c".repeat(28)));
    assert!(said.contains(&format!("{version}(0123456789ab 2026-11-23)\n")), "{said}");
    let said = built_in(folder.path(), "$Format:%h %cs$\n");
    assert!(said.contains(&format!("{version}(of a commit that is not known)\n")), "{said}");
    // A folder inside another repository does not have a commit of its own.
    let init = output_of(Command::new("git").args(["init", "-q"]).arg(folder.path()));
    let inner = folder.path().join("inner");
    assert!(init.is_none() || built_in(&inner, "$\n").contains(&format!("{version}(of a commit")));
}

/// `git archive` puts the commit where the build script looks for it.
#[test]
fn git_archive_contains_its_commit() {
    let attributes = std::fs::read_to_string(Path::new(SOURCE).join(".gitattributes")).unwrap();
    assert!(attributes.lines().any(|line| line == "/ops/lib/package/commit export-subst"), "{attributes}");
    let archive =
        format!("git -c safe.directory='*' -C {SOURCE} archive HEAD ops/lib/package/commit | tar -xO");
    let Some(text) = output_of(Command::new("bash").args(["-o", "pipefail", "-c", &archive])) else { return };
    let (commit, date) = text.split_once(' ').unwrap();
    assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
    assert!(date.len() == 10 && date.starts_with("20"), "{text}");
}
