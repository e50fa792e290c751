//! An isolated environment for a test: real Podman, `ip` and `nft` as root, and nothing that reaches the machine.
//!
//! `ops/lib/sandbox.sh` makes the sandbox, and can also open one by hand. This module holds a sandbox and runs scripts
//! in it. Each test makes its own sandbox, so tests can run in parallel.
//!
//! ```ignore
//! let sandbox = Sandbox::podman4().image("busybox").start();
//! sandbox.sh("flatnet init && flatnet up").succeeds();
//! sandbox.sh("ip -br link show flatnet0").prints("flatnet0");
//! ```

#![allow(
    clippy::panic,
    clippy::disallowed_methods,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    dead_code,
    reason = "a panic is a failed test; duct has no say in how a test starts its world; an assertion may end a \
              chain; this is a vocabulary, of which not every word need be used"
)]

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time limit of a script. Then the script is ended and the test fails, so that a hanging Podman cannot block the
/// run.
const SCRIPT_SECONDS: u64 = 400;

/// The path of the binary under test inside a sandbox. It is on `PATH`, as after an installation.
pub(crate) const FLATNET: &str = "/usr/local/bin/flatnet";

/// The content of a sandbox at its start.
#[must_use = "a builder does nothing until `start` is called"]
#[derive(Debug, Clone, Default)]
pub(crate) struct Builder {
    options: Vec<String>,
}

impl Builder {
    /// Loads the test image `flatnet-test/<name>` (`ops/lib/images.sh list`), making it the first time.
    pub(crate) fn image(self, name: &str) -> Self {
        self.option("--image", name)
    }

    /// Binds a file or folder of the machine to `inside`: writes to it reach the machine.
    pub(crate) fn bind(self, source: &Path, inside: &str) -> Self {
        self.option("--bind", &format!("{}:{inside}", source.display()))
    }

    /// Copies a file of the machine to `inside`.
    pub(crate) fn copy(self, source: &Path, inside: &str) -> Self {
        self.option("--copy", &format!("{}:{inside}", source.display()))
    }

    /// Starts the sandbox with the flatnet binary in it and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it cannot be started; the message contains the output of `sandbox.sh`.
    pub(crate) fn start(self) -> Sandbox {
        Sandbox::start(&self.copy(&program(), FLATNET).options)
    }

    /// Starts the sandbox without the flatnet binary.
    ///
    /// # Panics
    ///
    /// As [`Builder::start`].
    pub(crate) fn start_as_it_is(self) -> Sandbox {
        Sandbox::start(&self.options)
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }
}

/// The program that is tested: this build's, or `FLATNET_TEST_PROGRAM`, as for the build for aarch64 under qemu.
fn program() -> PathBuf {
    std::env::var_os("FLATNET_TEST_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_flatnet").into(), PathBuf::from)
}

/// A running sandbox. It ends, with every process in it, when this value is dropped or the test process dies.
#[derive(Debug)]
pub(crate) struct Sandbox {
    started: Instant,
    /// `sandbox.sh --hold`: killing it kills all that is inside.
    holder: Child,
    /// The sandbox ends when this pipe is closed, by drop or because the test process died.
    _lifeline: ChildStdin,
    /// The PID of the first process inside, as the machine sees it.
    first_process: String,
}

impl Sandbox {
    /// A sandbox of this machine's own system and its Podman: on Debian 12 Podman 4, which calls flatnet as CNI plugin.
    pub(crate) fn podman4() -> Builder {
        Builder::default()
    }

    /// A Debian 13 with Podman 5, which calls flatnet as netavark plugin. The first use makes its tree, which takes
    /// minutes.
    pub(crate) fn trixie() -> Builder {
        Builder { options: vec!["--trixie".to_owned()] }
    }

    /// A sandbox of the system in `folder`, without any configuration.
    pub(crate) fn tree(folder: &str) -> Builder {
        Builder { options: vec!["--tree".to_owned(), folder.to_owned()] }
    }

    /// Runs a script with `bash -euo pipefail` inside and returns its outcome, which the caller must check.
    ///
    /// # Panics
    ///
    /// If the script cannot be started or exceeds the time limit.
    #[must_use = "an unchecked outcome tests nothing"]
    pub(crate) fn sh(&self, script: &str) -> Output {
        self.sh_with_stdin(script, "")
    }

    /// Runs a script with text for its stdin, such as a CNI configuration.
    ///
    /// # Panics
    ///
    /// As [`Sandbox::sh`].
    #[must_use = "an unchecked outcome tests nothing"]
    pub(crate) fn sh_with_stdin(&self, script: &str, stdin: &str) -> Output {
        let limit = ["timeout", "--kill-after=5", &SCRIPT_SECONDS.to_string()];
        run(self.entered(&limit).args(["bash", "-euo", "pipefail", "-c", script]), script, stdin)
    }

    /// Starts a script in the background, with its output discarded. It ends with the sandbox. To end it earlier, kill
    /// the returned child: that ends the script's own process, not what it started.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub(crate) fn spawn(&self, script: &str) -> Child {
        self.entered(&[])
            .args(["bash", "-euo", "pipefail", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("could not start `{script}` in the sandbox: {error}"))
    }

    /// Makes a network namespace as `ip netns add` does, with `lo` up, and returns its path inside.
    ///
    /// # Panics
    ///
    /// If there is one of that name.
    pub(crate) fn add_netns(&self, name: &str) -> String {
        self.sh(&format!("ip netns add '{name}' && ip -n '{name}' link set lo up")).succeeds();
        format!("/run/netns/{name}")
    }

    /// Writes a file inside, and makes its folders.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub(crate) fn write(&self, path: &str, content: &str) {
        self.sh_with_stdin(&format!("mkdir -p \"$(dirname '{path}')\" && cat >'{path}'"), content).succeeds();
    }

    /// Reads a file inside.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    pub(crate) fn read(&self, path: &str) -> String {
        self.sh(&format!("cat '{path}'")).succeeds().stdout
    }

    /// Repeats a script until it succeeds, for effects that take a moment, such as the start of a server.
    ///
    /// # Panics
    ///
    /// If it has not succeeded within ten seconds; the message is about the last try.
    pub(crate) fn eventually(&self, script: &str) -> Output {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let output = self.sh(script);
            if output.status == Some(0) || Instant::now() > end {
                return output.succeeds();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The PID of the sandbox's first process, as the machine sees it: `ops/lib/sandbox.sh --enter PID bash` looks
    /// inside.
    pub(crate) fn first_process(&self) -> &str {
        &self.first_process
    }

    fn start(options: &[String]) -> Self {
        let mut complaints = scratch_file();
        let started = Instant::now();
        let mut holder = Command::new(script())
            .args(options)
            .arg("--hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(duplicate(&complaints))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", script().display()));
        let (Some(lifeline), Some(stdout)) = (holder.stdin.take(), holder.stdout.take()) else {
            unreachable!("both were asked for as pipes");
        };
        let mut first_process = String::new();
        let ready = BufReader::new(stdout).read_line(&mut first_process);
        if !matches!(ready, Ok(1..)) {
            let status = holder.wait();
            panic!(
                "the sandbox did not start: {} {} --hold ended with {status:?}\n{}",
                script().display(),
                options.join(" "),
                read_all(&mut complaints),
            );
        }
        Self { started, holder, _lifeline: lifeline, first_process: first_process.trim().to_owned() }
    }

    /// Does the same as `sandbox.sh --enter`, without its shell: a test may enter a thousand times.
    fn entered(&self, through: &[&str]) -> Command {
        static CLEAN: OnceLock<Vec<(String, String)>> = OnceLock::new();
        let environment = CLEAN.get_or_init(|| self.clean_environment());
        let mut command = Command::new("nsenter");
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .args([
                "--target",
                &self.first_process,
                "--net",
                "--mount",
                "--pid",
                "--uts",
                "--ipc",
                "--cgroup",
                "--",
            ])
            .args(through);
        command
    }

    /// The environment of commands that enter a sandbox: the same in all sandboxes.
    fn clean_environment(&self) -> Vec<(String, String)> {
        let env = ["--enter", &self.first_process, "env", "--null"];
        let output = Command::new(script()).args(env).output().expect("sandbox.sh runs");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("an environment of text");
        let pair =
            |entry: &str| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        text.split('\0').filter_map(pair).collect()
    }
}

impl Drop for Sandbox {
    /// Kills the holder; the kernel then kills everything inside: see `start` in `ops/lib/sandbox.sh`.
    fn drop(&mut self) {
        // A holder that has already exited counts as killed.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        note_time(self.started.elapsed());
    }
}

/// Appends `MILLISECONDS TEST` to the file that `FLATNET_TEST_TIMES` names, so that `ops/test` can list the slowest
/// tests.
fn note_time(took: Duration) {
    let Some(path) = std::env::var_os("FLATNET_TEST_TIMES") else { return };
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("{} {test}\n", took.as_millis());
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// The outcome of a script. It is shown in full when an assertion on it fails.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) script: String,
    /// Its exit status; none if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Asserts exit status 0.
    ///
    /// # Panics
    ///
    /// If it is another.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Output {
        self.exits_with(0)
    }

    /// Asserts any exit status but 0.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub(crate) fn fails(self) -> Output {
        assert_ne!(self.status, Some(0), "succeeded, but should have failed\n{self}");
        self
    }

    /// Asserts this exit status.
    ///
    /// # Panics
    ///
    /// If it is another.
    #[track_caller]
    pub(crate) fn exits_with(self, status: i32) -> Output {
        assert_eq!(self.status, Some(status), "the exit status is wrong\n{self}");
        self
    }

    /// Asserts success and that stdout holds this text.
    ///
    /// # Panics
    ///
    /// If not.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Output {
        let output = self.exits_with(0);
        assert!(output.stdout.contains(text), "stdout lacks {text:?}\n{output}");
        output
    }

    /// Asserts success and that stdout, without white space around it, is this text.
    ///
    /// # Panics
    ///
    /// If not.
    #[track_caller]
    pub(crate) fn prints_exactly(self, text: &str) -> Output {
        let output = self.exits_with(0);
        assert_eq!(output.stdout.trim(), text.trim(), "stdout differs\n{output}");
        output
    }

    /// Asserts failure and that stderr holds this text.
    ///
    /// # Panics
    ///
    /// If not.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Output {
        let output = self.fails();
        assert!(output.stderr.contains(text), "stderr lacks {text:?}\n{output}");
        output
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or_else(|| "ended by a signal".to_owned(), |status| status.to_string());
        writeln!(f, "--- script\n{}\n--- status\n{status}", self.script.trim_end())?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}\n---", self.stdout.trim_end(), self.stderr.trim_end())
    }
}

/// Output is collected in files, not pipes: a daemon that the script leaves behind would keep a pipe open.
fn run(command: &mut Command, script: &str, stdin: &str) -> Output {
    let (mut input, mut stdout, mut stderr) = (scratch_file(), scratch_file(), scratch_file());
    if let Err(error) = input.write_all(stdin.as_bytes()).and_then(|()| input.rewind()) {
        panic!("could not hand stdin to `{script}`: {error}");
    }
    let start = Instant::now();
    let status = command
        .stdin(input)
        .stdout(duplicate(&stdout))
        .stderr(duplicate(&stderr))
        .status()
        .unwrap_or_else(|error| panic!("could not run `{script}` in the sandbox: {error}"));
    let output = Output {
        script: script.to_owned(),
        status: status.code(),
        stdout: read_all(&mut stdout),
        stderr: read_all(&mut stderr),
    };
    assert!(
        start.elapsed() < Duration::from_secs(SCRIPT_SECONDS),
        "the script was terminated after {SCRIPT_SECONDS} s\n{output}",
    );
    output
}

/// `ops/lib/sandbox.sh` of the source tree that this test was compiled from.
fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/lib/sandbox.sh")
}

fn scratch_file() -> fs::File {
    tempfile::tempfile().unwrap_or_else(|error| panic!("could not make a temporary file: {error}"))
}

fn duplicate(file: &fs::File) -> fs::File {
    file.try_clone().unwrap_or_else(|error| panic!("could not duplicate a temporary file: {error}"))
}

fn read_all(file: &mut fs::File) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)) {
        panic!("could not read a temporary file: {error}");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
