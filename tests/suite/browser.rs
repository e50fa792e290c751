//! The complete path of a request: a colleague's browser in the LAN, Windows with the gateway, WSL2 with Podman and
//! Flatnet.
//!
//! ```text
//! colleague 192.168.50.23 -- 192.168.50.1 windows 192.168.77.1 -- 192.168.77.10 the sandbox itself -- 10.87.1.2 ..
//! Chromium, git, curl        nginx, by `flatnet gateway install`   Podman 5, `flatnet gateway watch`
//! ```
//!
//! The browser comes from the Debian 13 tree, which is the same on every machine. `tests/browser/*.py` controls it.

#![allow(clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::podman::{Flavour, Lab};
use crate::routes::GATEWAY;
use crate::sandbox::{Builder, Output, Sandbox};

/// The names in the colleague's hosts file; a real LAN may have them in its DNS.
const NAMES: &str = "flatnet.internal app.flatnet.internal steady.flatnet.internal forge.flatnet.internal \
    adminer.flatnet.internal nobody.flatnet.internal app.local adminer.local old.local";

const SCENARIOS: [(&str, &str); 5] = [
    ("browser.py", include_str!("../browser/browser.py")),
    ("life.py", include_str!("../browser/life.py")),
    ("look.js", include_str!("../browser/look.js")),
    ("pages.py", include_str!("../browser/pages.py")),
    ("services.py", include_str!("../browser/services.py")),
];

/// A sandbox with a browser. The browser's pictures go to the folder `pictures/<name>`.
pub(crate) fn sandbox(name: &str) -> Builder {
    let pictures = pictures().join(name);
    // Pictures of an earlier run could be mistaken for new ones.
    let _ = fs::remove_dir_all(&pictures);
    fs::create_dir_all(&pictures).unwrap_or_else(|error| panic!("{}: {error}", pictures.display()));
    Sandbox::trixie().bind(&pictures, "/pictures")
}

/// The folder `pictures` in cargo's target directory.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pictures")
}

/// Sets up the LAN behind the namespace `windows`, and starts nginx there with the files of `flatnet gateway install`.
pub(crate) fn start_gateway(sandbox: &Sandbox) {
    sandbox.sh(&format!("/usr/local/lib/flatnet-test/lan.sh {NAMES}")).succeeds();
    sandbox.sh("flatnet gateway install").succeeds();
    sandbox.sh(&format!("ip netns exec windows nginx -p {GATEWAY} -c conf/nginx.conf")).succeeds();
}

/// Runs `tests/browser/<name>.py` with the colleague's browser.
#[track_caller]
pub(crate) fn browse(sandbox: &Sandbox, name: &str, plan: &Value) {
    for (file, text) in SCENARIOS {
        sandbox.write(&format!("/usr/local/lib/browser/{file}"), text);
    }
    let script = format!("exec ip netns exec colleague /usr/bin/python3 -B /usr/local/lib/browser/{name}.py");
    let output = sandbox.sh_with_stdin(&script, &plan.to_string());
    assert_eq!(
        output.status,
        Some(0),
        "{output}\npictures, the last one failed.png: {}",
        pictures().display()
    );
}

/// The complete setup; `flatnet gateway watch` updates the routes.
pub(crate) fn lan(name: &str, images: &[&str]) -> Lab {
    let builder = images.iter().fold(sandbox(name), |builder, image| builder.image(image));
    let lab = Lab::start_in(builder, Flavour::Netavark);
    start_gateway(&lab.sandbox);
    lab.sh("flatnet gateway watch >/tmp/watch.out 2>&1 &").succeeds();
    lab
}

/// Runs a script on the colleague's PC.
#[must_use = "an unchecked outcome tests nothing"]
pub(crate) fn colleague(lab: &Lab, script: &str) -> Output {
    lab.sandbox.sh_with_stdin("exec ip netns exec colleague bash -euo pipefail", script)
}
