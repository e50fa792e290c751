//! `flatnet windows install` writes the scripts with Windows' line ends, and changes no other file.

use std::path::Path;

use crate::sandbox::Sandbox;

const SETUP: &str = "/mnt/c/Users/ann/AppData/Local/flatnet-setup";

fn wsl() -> Sandbox {
    let sandbox = Sandbox::podman4().start();
    sandbox.sh("mkdir -p /mnt/c/Users/{ann,Public,Default}/AppData/Local && flatnet init").succeeds();
    sandbox
}

/// The paths of all files below `folder`, relative to it.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn install_writes_scripts_with_crlf_and_prints_command() {
    let sandbox = wsl();
    let line = r#"cmd /c "C:\Users\ann\AppData\Local\flatnet-setup\flatnet.cmd" install"#;
    let install =
        "WSL_DISTRO_NAME=Debian-13 setpriv --reuid 1000 --regid 1000 --clear-groups flatnet windows install";
    sandbox.sh("chown 1000:1000 /mnt/c/Users/ann/AppData/Local").succeeds();
    sandbox.sh(install).prints_exactly(line);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/windows");
    let expected = files_below(&source);
    let list = format!("cd {SETUP}; find . -type f | cut -c3- | LC_ALL=C sort");
    sandbox.sh(&list).prints_exactly(&expected.join("\n"));
    for file in expected.iter().filter(|file| *file != "settings.psd1") {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        let lines: String = text.lines().map(|line| format!("{line}\r\n")).collect();
        assert_eq!(sandbox.read(&format!("{SETUP}/{file}")), lines, "{file}");
    }
    let settings = sandbox.read(&format!("{SETUP}/settings.psd1"));
    assert!(settings.contains("\r\n    Distribution = 'Debian-13'\r\n"), "{settings}");
    // An upgrade deletes files that Flatnet no longer has, and keeps foreign ones.
    sandbox.sh(&format!("cd {SETUP}; touch old.ps1 lib/old.ps1 notes.txt; echo >flatnet.ps1")).succeeds();
    sandbox.sh(install).prints_exactly(line);
    let mut with_notes = [expected, vec!["notes.txt".to_owned()]].concat();
    with_notes.sort();
    sandbox.sh(&list).prints_exactly(&with_notes.join("\n"));
}

#[test]
fn foreign_or_unusable_folder_is_rejected_unchanged() {
    let sandbox = wsl();
    sandbox.sh("mkdir -p /mnt/c/work /root/x; echo mine >/mnt/c/work/mine.ps1").succeeds();
    for (folder, why) in [
        ("/mnt/c/work", "contains files that are not Flatnet's"),
        ("/root/x", "is not on a disk of Windows"),
        ("'/mnt/c/Users/a&calc'", "contains characters other than"),
    ] {
        let output = sandbox.sh(&format!("flatnet windows install {folder}")).exits_with(2);
        assert!(output.stderr.contains(why) && output.stderr.contains("FLAT-E059"), "{folder}: {output}");
        assert_eq!(output.stdout, "", "{folder}");
    }
    sandbox.sh("find /mnt/c/work /root/x /mnt/c/Users -type f").prints_exactly("/mnt/c/work/mine.ps1");
    sandbox
        .sh("mkdir -p /mnt/c/Users/bob/AppData/Local; flatnet windows install")
        .complains("several profiles of Windows users");
}
