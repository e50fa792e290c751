//! Sets the commit that `flatnet --version` and bug reports name.
//!
//! It comes from git in a clone, and from `ops/lib/package/commit` in an archive made by git; elsewhere it is unknown.
//! Nothing here depends on the time, the folder or the user of the build, so the same source makes the same bytes.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "cargo listens on stdout; the program's own way to start others is not built yet"
)]

use std::path::Path;
use std::process::Command;

/// `git archive` writes the commit in the place of what stands there between dollar signs (.gitattributes).
const ARCHIVED: &str = "ops/lib/package/commit";
/// What the program is made of.
const SOURCE: [&str; 5] = ["src", "templates", "ops/windows", "Cargo.toml", "Cargo.lock"];

fn main() {
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let commit =
        from_git().or_else(from_archive).unwrap_or_else(|| "of a commit that is not known".to_owned());
    println!("cargo:rustc-env=FLATNET_VERSION={version} ({commit})");
    for path in SOURCE.into_iter().chain([ARCHIVED]).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// `b795154ab12c 2026-11-23`, with a word when what is built differs from that.
fn from_git() -> Option<String> {
    // A folder inside another repository does not belong to that repository.
    let here = std::env::current_dir().and_then(std::fs::canonicalize).ok()?;
    if git(&["rev-parse", "--show-toplevel"])? != here.to_str()? {
        return None;
    }
    let commit = short(&git(&["log", "-1", "--format=%H %cs"])?)?;
    // HEAD alone stays the same from commit to commit; where logs are turned off the refs tell.
    for name in ["HEAD", "logs/HEAD", "refs/heads", "packed-refs"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let status = [&["status", "--porcelain", "--untracked-files=no", "--"][..], &SOURCE[..]].concat();
    let is_changed = git(&status).is_none_or(|changes| !changes.is_empty());
    Some(if is_changed { format!("{commit}, changed since") } else { commit })
}

fn from_archive() -> Option<String> {
    let text = std::fs::read_to_string(ARCHIVED).ok()?;
    short(text.trim())
}

/// `COMMIT DATE` with as much of the commit as people compare, whatever git would take for enough.
fn short(text: &str) -> Option<String> {
    let (commit, date) = text.split_once(' ')?;
    let is_one = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| format!("{} {date}", &commit[..12]))
}

/// What git prints; nothing where there is no git, or no repository.
fn git(words: &[&str]) -> Option<String> {
    // Root may build another user's clone; only git's own programs run here.
    let output = Command::new("git").args(["-c", "safe.directory=*"]).args(words).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
