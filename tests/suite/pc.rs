//! Windows' scripts, run by a real PowerShell on an imitated Windows. tests/windows/pc describes what is imitated.
//!
//! `pwsh` must be on PATH or in the folder `FLATNET_PWSH`. Without it these tests are skipped with a note; in CI they fail.

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

/// The folder of the installed scripts on the PC.
const INSTALLED: &str = "/pc/c/Program Files/Flatnet";

/// Defines `flat VERB ..` in each PowerShell: it runs the script as from a prompt and prints the exit status.
const PRELUDE: &str = "$ErrorActionPreference = 'Continue'
function flat { & '/pc/c/Program Files/Flatnet/flatnet.ps1' @args; \"exit $LASTEXITCODE\" }
";

/// A Windows PC whose WSL2 runs Flatnet and a container `web`.
struct Pc {
    sandbox: Sandbox,
}

/// Starts a PC, or returns nothing if there is no PowerShell.
fn pc() -> Option<Pc> {
    let Some(powershell) = powershell() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has no PowerShell: FLATNET_PWSH");
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        #[allow(
            clippy::explicit_write,
            reason = "macros' output is captured, and hidden if the test passes"
        )]
        writeln!(std::io::stderr(), "skipped, no PowerShell: {name}").unwrap();
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
    /// Runs a shell script in WSL2 or around Windows.
    #[must_use = "an unchecked outcome tests nothing"]
    fn sh(&self, script: &str) -> Output {
        self.sandbox.sh(script)
    }

    /// Runs PowerShell text on Windows as a user, and returns both output streams.
    fn ps(&self, text: &str) -> String {
        self.run("user", text)
    }

    /// Runs PowerShell text elevated, and returns both output streams.
    fn elevated(&self, text: &str) -> String {
        self.run("elevated", text)
    }

    /// Uses the waiting PowerShell (prompt.ps1), or a new process if /pc/state/process exists.
    fn run(&self, who: &str, text: &str) -> String {
        self.sandbox.write("/pc/run.ps1", &format!("{PRELUDE}{text}\n"));
        let elevated = if who == "elevated" { "FLATNET_ELEVATED=1 " } else { "" };
        let pwsh = "NO_COLOR=1 DOTNET_TieredPGO=0 POWERSHELL_TELEMETRY_OPTOUT=1 ip netns exec windows /opt/pwsh/pwsh -NoProfile -NonInteractive";
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

    /// Returns and clears the log of changes to Windows, one per line.
    fn done(&self) -> String {
        self.sh("cat /pc/state/done 2>/dev/null; rm -f /pc/state/done").stdout
    }

    /// Flatnet's objects on Windows: its route, the names of its rules, its nginx.
    fn left(&self) -> String {
        self.sh(
            "ip -n windows route show 10.87.1.0/24
            for store in rules hyperv nrpt; do jq -r '.[].DisplayName' /pc/state/$store.json 2>/dev/null || true; done
            ps -eo args= | grep -q '^nginx: master.*flatnet/gateway' && echo nginx || true",
        )
        .succeeds()
        .stdout
    }

    /// Sets a setting to a PowerShell expression.
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

    /// Asserts that no program that WSL2 or users can write to was started elevated.
    #[track_caller]
    fn nothing_of_others_was_elevated(&self) {
        let started = self.sh("cat /pc/state/wsl.log /pc/state/nginx.log 2>/dev/null || true").stdout;
        assert!(!started.is_empty() && !started.contains("elevated "), "{started}");
    }
}

/// A layer's line in the output of `status` or `doctor`.
#[track_caller]
fn line<'a>(said: &'a str, layer: &str) -> &'a str {
    let is_it = |line: &&str| line.split_whitespace().nth(1) == Some(layer) && line.starts_with("  ");
    said.lines().find(is_it).unwrap_or_else(|| panic!("no line of {layer}: {said}"))
}

/// Asserts that `said` contains all of these.
#[track_caller]
fn has(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}
