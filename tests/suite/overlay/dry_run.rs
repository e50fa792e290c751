//! `--dry-run` of the commands where the authority is, and of `request`: it changes nothing, shows what is then done, and its undo takes
//! that back.

use super::{Lan, YAML};

/// Runs the commands, or the undo, of a plan in JSON.
const FUNCTIONS: &str = r#"
paste() { jq -r '.tasks[].command | "printf %s \(.stdin // "" | @sh) | \(.argv | @sh)"' "$1" >/tmp/paste; bash -euo pipefail /tmp/paste; }
undo() { jq -r '.tasks | reverse[] | .undo[] | "printf %s \(.stdin // "" | @sh) | \(.argv | @sh)"' "$1" >/tmp/paste; bash -euo pipefail /tmp/paste; }
found() { find /ca /lights /hosts/h1/etc ! -name lock "$@" 2>/dev/null || true; }
files() { found -printf '%M %p\n' | sort; found -type f | sort | xargs -r sha256sum; }
# Without what is another one each time: keys and certificates.
names() { files | grep -vE '^[0-9a-f]{64} .*(key|pub|crt|known_hosts|revoked)$'; }
keep() { rm -rf /kept; mkdir /kept; for folder in /ca /lights /hosts/h1/etc; do [[ ! -e $folder ]] || cp -a --parents $folder /kept; done; }
back() { rm -rf /ca /lights; rm -rf /hosts/h1/etc/flatnet/overlay; cp -a /kept/. /; }
"#;

#[test]
fn dry_run_shows_what_is_done_and_changes_nothing() {
    let lan = Lan::new(YAML);
    let sh = |script: &str| lan.sh(&format!("{FUNCTIONS}{script}"));
    for (command, on) in [
        ("overlay ca --ca /ca --no-passphrase", ""),
        ("overlay lighthouse --ca /ca l1 --at 192.0.2.20:4242 /lights/l1", ""),
        ("overlay request --name h1", "on h1"),
        ("overlay sign --ca /ca /tmp/request", ""),
        // The second one renews.
        ("overlay sign --ca /ca --hours 24 --number 1 /tmp/request", ""),
        ("overlay revoke --ca /ca 1", ""),
    ] {
        sh("keep; files >/tmp/before").succeeds();
        let text = sh(&format!("{on} flatnet {command} --dry-run")).succeeds().stdout;
        assert!(text.contains("     undo: ") && text.contains("\nCommands:\n"), "{command}: {text}");
        sh(&format!(
            "{on} flatnet --json {command} --dry-run >/tmp/plan.json 2>/dev/null; files | diff /tmp/before -"
        ))
        .prints_exactly("");
        // The commands of the plan, pasted, and then their undo.
        let paste = if on.is_empty() {
            "paste /tmp/plan.json"
        } else {
            "export -f paste; on h1 bash -c 'paste /tmp/plan.json'"
        };
        let undo = if on.is_empty() {
            "undo /tmp/plan.json"
        } else {
            "export -f undo; on h1 bash -c 'undo /tmp/plan.json'"
        };
        sh(&format!("{paste} >/dev/null; names >/tmp/pasted; ! cmp -s /tmp/before /tmp/pasted; {undo}; files | diff /tmp/before -"))
            .prints_exactly("");
        // The command itself does the same.
        sh(&format!("back; files | diff /tmp/before -; {on} flatnet {command} >/tmp/printed 2>/dev/null; names | diff /tmp/pasted -"))
            .prints_exactly("");
        sh("if grep -q flatnet_join_request: /tmp/printed; then cp /tmp/printed /tmp/request; fi").succeeds();
    }
    sh("ls /ca/issued/1").prints_exactly("1.crt\n2.crt\nhost.pub\nrequest.yaml\nrevoked");
    sh("wc -l </ca/revoked").prints_exactly("2");
    // What is there is not made again.
    sh("on h1 flatnet overlay request --dry-run").prints_exactly("Nothing would be changed.");
}

#[test]
fn failure_takes_back_what_was_done() {
    let lan = Lan::new(YAML);
    let sh = |script: &str| lan.sh(&format!("{FUNCTIONS}{script}"));
    sh("flatnet overlay ca --ca /ca --no-passphrase 2>/dev/null; on h1 flatnet overlay request --name h1 >/tmp/request; files >/tmp/before")
        .succeeds();
    // Each command fails at its last step that runs a program of Nebula.
    sh("mv /usr/bin/nebula-cert /tmp/real; printf '#!/bin/sh\\n[ $1 != sign ] || exit 1\\nexec /tmp/real \"$@\"\\n' >/usr/bin/nebula-cert; chmod 755 /usr/bin/nebula-cert")
        .succeeds();
    for command in ["lighthouse --ca /ca l1 --at 192.0.2.20:4242 /lights/l1", "sign --ca /ca /tmp/request"] {
        sh(&format!("flatnet overlay {command}")).complains("everything was rolled back");
        sh("files | diff /tmp/before -").prints_exactly("");
    }
}
