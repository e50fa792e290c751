//! Windows' scripts, run by a real PowerShell on an imitated Windows: tests/windows/pc says what of it is real.
//!
//! `FLATNET_PWSH` is the folder of a `pwsh`, or one is on PATH; without one these tests say that they were left out, and in CI fail.

mod boundary;
mod failures;
mod gateway;
mod life;
mod network;
mod service;
mod settings;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::sandbox::{Output, Sandbox};

/// Where the scripts are on the PC.
const INSTALLED: &str = "/pc/c/Program Files/Flatnet";

/// In each PowerShell: `flat VERB ..` as at a prompt, which says how it ended.
const PRELUDE: &str = "$ErrorActionPreference = 'Continue'
function flat { & '/pc/c/Program Files/Flatnet/flatnet.ps1' @args; \"exit $LASTEXITCODE\" }
";

/// A Windows PC with a WSL2 in which Flatnet is up and a container `web` runs.
struct Pc {
    sandbox: Sandbox,
}

/// One, or nothing where there is no PowerShell.
fn pc() -> Option<Pc> {
    let Some(powershell) = powershell() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no PowerShell: FLATNET_PWSH");
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        #[allow(clippy::explicit_write, reason = "what macros print of a test that passes is not shown")]
        writeln!(std::io::stderr(), "left out, no PowerShell: {name}").unwrap();
        return None;
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sandbox = Sandbox::podman4()
        .bind(&powershell, "/opt/pwsh")
        .bind(&source.join("ops/windows"), "/pc/scripts")
        .copy(&source.join("tests/windows/pc/setup.sh"), "/pc/setup.sh")
        .copy(&source.join("tests/windows/pc/Windows.psm1"), "/pc/Windows.psm1")
        .copy(&source.join("tests/windows/pc/prompt.ps1"), "/pc/prompt.ps1")
        .start();
    sandbox.sh("bash /pc/setup.sh").succeeds();
    Some(Pc { sandbox })
}

fn powershell() -> Option<PathBuf> {
    let named = std::env::var_os("FLATNET_PWSH").map(PathBuf::from);
    let on_path = || Some(which::which("pwsh").ok()?.canonicalize().ok()?.parent()?.to_owned());
    named.or_else(on_path).filter(|folder| folder.join("pwsh").exists())
}

impl Pc {
    /// In WSL2, or whatever is beside Windows.
    #[must_use = "a script whose outcome nobody looks at tests nothing"]
    fn sh(&self, script: &str) -> Output {
        self.sandbox.sh(script)
    }

    /// In one PowerShell on Windows, as a user: what it printed, both streams.
    fn ps(&self, text: &str) -> String {
        self.run("user", text)
    }

    /// The same, elevated.
    fn elevated(&self, text: &str) -> String {
        self.run("elevated", text)
    }

    /// By a PowerShell that waits for it (prompt.ps1). Where /pc/state/process is, by one of its own.
    fn run(&self, who: &str, text: &str) -> String {
        self.sandbox.write("/pc/run.ps1", &format!("{PRELUDE}{text}\n"));
        let elevated = if who == "elevated" { "FLATNET_ELEVATED=1 " } else { "" };
        let pwsh =
            "NO_COLOR=1 DOTNET_TieredPGO=0 ip netns exec windows /opt/pwsh/pwsh -NoProfile -NonInteractive";
        self.sh(&format!(
            "if [ -e /pc/state/process ]; then
                {elevated}{pwsh} -Command 'Import-Module -DisableNameChecking /pc/Windows.psm1; . /pc/run.ps1' 2>&1
                exit
            fi
            if [ ! -p /pc/prompt.in ]; then
                mkfifo /pc/prompt.in /pc/prompt.out
                {pwsh} -File /pc/prompt.ps1 </dev/null >>/pc/printed 2>&1 &
            fi
            : >/pc/printed
            echo {who} >/pc/prompt.in
            cat /pc/prompt.out >/dev/null
            cat /pc/printed"
        ))
        .stdout
    }

    /// What was done to Windows, one to a line; forgotten by that.
    fn done(&self) -> String {
        self.sh("cat /pc/state/done 2>/dev/null; rm -f /pc/state/done").stdout
    }

    /// What of Flatnet is on Windows: its route, names of rules, its nginx.
    fn left(&self) -> String {
        self.sh(
            "ip -n windows route show 10.87.1.0/24
            for store in rules hyperv; do jq -r '.[].DisplayName' /pc/state/$store.json 2>/dev/null || true; done
            ps -eo args= | grep -q '^nginx: master.*flatnet/gateway' && echo nginx || true",
        )
        .succeeds()
        .stdout
    }

    /// Changes a setting to a value of PowerShell's.
    fn set(&self, key: &str, value: &str) {
        let file = format!("{INSTALLED}/settings.psd1");
        let text = self.sandbox.read(&file);
        let lines = text.lines().map(|line| {
            if line.starts_with(&format!("    {key} = ")) {
                format!("    {key} = {value}")
            } else {
                line.to_owned()
            }
        });
        self.sandbox.write(&file, &(lines.collect::<Vec<_>>().join("\n") + "\n"));
    }

    /// Nothing that WSL2 or users can write to was ever started elevated.
    #[track_caller]
    fn nothing_of_others_was_elevated(&self) {
        let started = self.sh("cat /pc/state/wsl.log /pc/state/nginx.log 2>/dev/null || true").stdout;
        assert!(!started.is_empty() && !started.contains("elevated "), "{started}");
    }
}

/// The line of a stretch in what `status` or `doctor` says.
#[track_caller]
fn line<'a>(said: &'a str, layer: &str) -> &'a str {
    let is_it = |line: &&str| line.split_whitespace().nth(1) == Some(layer) && line.starts_with("  ");
    said.lines().find(is_it).unwrap_or_else(|| panic!("nothing about {layer}: {said}"))
}

/// Asserts that `said` has all of these.
#[track_caller]
fn has(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}
