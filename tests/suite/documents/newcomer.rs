//! The setup document, followed literally on an empty system: `./ops/test newcomer`.
//!
//! Installing commands reach package mirrors through a user-mode network (slirp4netns) that accepts no connections; all
//! others run without it. `git clone` clones the working tree, and Podman uses a test image instead of a registry.

#![expect(clippy::disallowed_methods, reason = "duct has no say in what a test starts")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::page::Page;
use super::run;
use super::step::steps;
use crate::sandbox::Sandbox;

const PAGE: &str = "docs/setup/phase-2-setup.md";

/// Enough for two compilations on a slow machine and some hundred packages.
const TAKES_AT_MOST: Duration = Duration::from_secs(3600);

/// The repository to clone, inside the sandbox.
const SOURCE: &str = "/srv/flatnet.git";

#[test]
#[ignore = "it takes minutes and downloads packages: ./ops/test newcomer"]
fn debian_12() {
    follow("bookworm", "podman4");
}

#[test]
#[ignore = "it takes minutes and downloads packages: ./ops/test newcomer"]
fn debian_13() {
    follow("trixie", "podman5");
}

fn follow(suite: &str, podman: &str) {
    let page = Page::read(PAGE).unwrap();
    let steps = steps(&page, podman, true).unwrap_or_else(|wrong| panic!("{wrong}"));
    let lines = script("newcomer.sh", &[suite]);
    let [tree, source] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("newcomer.sh printed {lines:?}");
    };
    script("images.sh", &["make", "web"]);
    let sandbox = Sandbox::tree(tree).bind(Path::new(source), SOURCE).start_as_it_is();
    let _network = Network::of(&sandbox);
    run::write_vocabulary(&sandbox);
    sandbox.write(
        "/etc/gitconfig",
        &format!(
            "[url \"{SOURCE}\"]\n\tinsteadOf = {}\n[safe]\n\tdirectory = *\n",
            env!("CARGO_PKG_REPOSITORY")
        ),
    );
    let ran = run::run_steps(&sandbox, &steps, TAKES_AT_MOST);
    let differences = run::judge(&page, podman, &steps, &ran).differences;
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// Runs a script of `ops/lib`, and returns what it prints.
fn script(name: &str, args: &[&str]) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "ops/lib", name].iter().collect();
    let output =
        Command::new(path).args(args).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{name} {args:?} ended with {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A sandbox's access to the Internet: `tap0`, 10.0.2.100. slirp4netns sends its packets from this machine's sockets.
struct Network(Child);

impl Network {
    fn of(sandbox: &Sandbox) -> Self {
        let slirp = ["--pdeathsig", "KILL", "slirp4netns", "--configure", "--disable-host-loopback"];
        let child = Command::new("setpriv")
            .args(slirp)
            .args([sandbox.first_process(), "tap0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let network = Self(child);
        sandbox.eventually("grep -q tap0 /proc/net/route");
        sandbox.write("/etc/resolv.conf", "nameserver 10.0.2.3\n");
        network
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
