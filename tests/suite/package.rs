//! The content of the Debian package of `./ops/package`. `package_life.rs` tests its behaviour.

#![allow(
    clippy::disallowed_methods,
    reason = "what makes packages and programs runs on this machine, not in a sandbox"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a script on this machine, in the folder where packages are made, and returns its output.
#[track_caller]
fn run(script: &str) -> String {
    let mut bash = Command::new("bash");
    // Packages contain the program under test instead of a release build.
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages"))
        .env("PROGRAM", env!("CARGO_BIN_EXE_flatnet"))
        .env("SOURCE", SOURCE)
        .env("VERSION", VERSION);
    let output = bash.output().expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{script}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The folder in which `./ops/package` packaged the program under test. All tests share it.
fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        // Uses the cargo-deb that `ops/test` has compiled, if any: it is next to the folder of the debug build.
        run("PATH=$(realpath \"$(dirname \"$PROGRAM\")/../cargo-deb/bin\" || true):$PATH
             strip -o program \"$PROGRAM\"; FLATNET_BINARY=$PWD/program \"$SOURCE/ops/package\"");
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages/package")
    })
}

pub(crate) fn deb() -> PathBuf {
    let architecture = run("dpkg --print-architecture");
    made().join(format!("flatnet_{VERSION}-1_{}.deb", architecture.trim()))
}

/// The tarball for this machine's architecture.
pub(crate) fn tarball() -> PathBuf {
    let architecture = run("dpkg --print-architecture");
    made().join(format!("flatnet-{VERSION}-{}-linux.tar.gz", architecture.trim()))
}

/// The package with an older version number.
pub(crate) fn older_deb() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let older = Path::new(env!("CARGO_TARGET_TMPDIR")).join("older.deb");
        run(&format!(
            "rm -rf older; dpkg-deb -R {} older; sed -i 's/^Version: .*/Version: 0.0.9-1/' older/DEBIAN/control
             dpkg-deb --root-owner-group -Zgzip -z1 -b older {}",
            deb().display(),
            older.display()
        ));
        older
    })
    .clone()
}

/// Each file of the package, as `MODE PATH` or `PATH -> TARGET`.
fn contents() -> BTreeSet<String> {
    run(&format!("dpkg-deb -c {}", deb().display()))
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[1], "0/0", "{line}");
            if line.starts_with('l') { words[5..].join(" ") } else { format!("{} {}", words[0], words[5]) }
        })
        .collect()
}

#[test]
fn package_contains_expected_files() {
    let contents = contents();
    let fixed = [
        "-rwxr-xr-x ./usr/bin/flatnet",
        "./usr/lib/cni/flatnet -> ../../bin/flatnet",
        "./usr/libexec/netavark/flatnet -> ../../bin/flatnet",
        "-rw-r--r-- ./etc/logrotate.d/flatnet",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-repair.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-gc.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-gc.timer",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-metrics.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-metrics.timer",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-dns.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-serve.socket",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-serve@.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-gateway.service",
        "-rw-r--r-- ./usr/lib/systemd/system/flatnet-gateway-watch.service",
        "-rw-r--r-- ./usr/lib/systemd/network/05-flatnet.network",
        "-rw-r--r-- ./usr/lib/NetworkManager/conf.d/90-flatnet.conf",
        "-rw-r--r-- ./usr/share/bash-completion/completions/flatnet",
        "-rw-r--r-- ./usr/share/zsh/vendor-completions/_flatnet",
        "-rw-r--r-- ./usr/share/fish/vendor_completions.d/flatnet.fish",
        "-rw-r--r-- ./usr/share/doc/flatnet/examples/flatnet.yaml",
        "-rw-r--r-- ./usr/share/doc/flatnet/examples/flatnet.conflist",
        "-rw-r--r-- ./usr/share/doc/flatnet/examples/flatnet.rules.yaml",
        "-rw-r--r-- ./usr/share/lintian/overrides/flatnet",
        "-rw-r--r-- ./usr/share/doc/flatnet/copyright",
        "-rw-r--r-- ./usr/share/doc/flatnet/third-party.gz",
        "-rw-r--r-- ./usr/share/doc/flatnet/changelog.gz",
        "-rw-r--r-- ./usr/share/doc/flatnet/changelog.Debian.gz",
    ];
    let rest: Vec<&String> = contents.iter().filter(|line| !fixed.contains(&line.as_str())).collect();
    assert_eq!(contents.len() - rest.len(), fixed.len(), "{contents:#?}");
    let copyright = run(&format!(
        "dpkg-deb --fsys-tarfile {} | tar -xO ./usr/share/doc/flatnet/copyright",
        deb().display()
    ));
    assert_eq!(
        copyright,
        std::fs::read_to_string(Path::new(SOURCE).join("ops/lib/package/copyright")).unwrap()
    );
    assert!(rest.len() > 25 && contents.contains("-rw-r--r-- ./usr/share/man/man1/flatnet-plan-add.1.gz"));
    assert!(rest.iter().all(|line| line.starts_with("-rw-r--r-- ./usr/share/man/man1/flatnet")), "{rest:#?}");
}

#[test]
fn lintian_finds_no_error() {
    let lintian = "lintian --no-cfg --allow-root --fail-on error";
    run(&format!("{lintian} {}", deb().display()));
    // Lintian does report an error in a broken package.
    let script = "rm -rf broken; dpkg-deb -R \"$DEB\" broken; rm broken/usr/share/doc/flatnet/copyright
        dpkg-deb --root-owner-group -Zgzip -z1 -b broken broken.deb >&2; ! LINTIAN broken.deb";
    let found = run(&script.replace("\"$DEB\"", &deb().display().to_string()).replace("LINTIAN", lintian));
    assert!(found.contains("E: flatnet: no-copyright-file"), "{found}");
}

#[test]
fn package_build_is_reproducible() {
    let sums = std::fs::read_to_string(made().join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 3, "{sums}");
    run(&format!("cd {} && sha256sum --check --quiet SHA256SUMS", made().display()));
    // Builds again with another folder and umask, other file times and another order of files on the disk.
    run("PATH=$(realpath \"$(dirname \"$PROGRAM\")/../cargo-deb/bin\" || true):$PATH
         rm -rf again && mkdir again && cp -r \"$SOURCE\"/{Cargo.toml,Cargo.lock,CHANGELOG.md,LICENSE,README.md,src,templates,ops,tests} again/
         export SOURCE_DATE_EPOCH=$(git -c safe.directory='*' -C \"$SOURCE\" log -1 --format=%ct || stat --format %Y \"$SOURCE/CHANGELOG.md\")
         umask 077; cp program again/program; chmod 755 again/program; unset CARGO_TARGET_DIR
         FLATNET_BINARY=$PWD/again/program again/ops/package");
    let again = Path::new(env!("CARGO_TARGET_TMPDIR")).join("again/target/package/SHA256SUMS");
    assert_eq!(std::fs::read_to_string(again).unwrap(), sums);
}

#[test]
fn sbom_lists_every_crate_with_checksum_and_licence() {
    let path = made().join(format!("flatnet-{VERSION}.cdx.json"));
    let bill: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    assert_eq!(bill["metadata"]["component"]["purl"], format!("pkg:cargo/flatnet@{VERSION}"));
    let components = bill["components"].as_array().unwrap();
    let mut refs: BTreeSet<&str> = components.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(refs.len(), components.len(), "each is named once");
    let lock = std::fs::read_to_string(Path::new(SOURCE).join("Cargo.lock")).unwrap();
    for one in components {
        let checksum = one["hashes"][0]["content"].as_str().unwrap();
        assert!(checksum.len() == 64 && lock.contains(checksum), "{one}");
        assert!(one["licenses"][0]["expression"].as_str().is_some_and(|text| !text.contains('/')), "{one}");
    }
    // The bill lists the program's dependencies, and not those of its tests.
    let names: BTreeSet<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(["clap", "duct", "serde_json", "rustix"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.contains("proptest") && !names.contains("tree-sitter"), "{names:?}");
    refs.insert(bill["metadata"]["component"]["bom-ref"].as_str().unwrap());
    let dependencies = bill["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.len(), refs.len());
    for one in dependencies {
        let on = one["dependsOn"].as_array().unwrap().iter().map(|on| on.as_str().unwrap());
        assert!(on.chain(one["ref"].as_str()).all(|name| refs.contains(name)), "{one}");
    }
}

/// Follows the install note of the tarball.
#[test]
fn tarball_installs_as_documented() {
    let sandbox = crate::sandbox::Sandbox::podman4().image("busybox");
    let architecture = run("dpkg --print-architecture");
    let name = format!("flatnet-{VERSION}-{}-linux", architecture.trim());
    let sandbox = sandbox
        .copy(&made().join(format!("{name}.tar.gz")), &format!("/root/{name}.tar.gz"))
        .copy(&made().join("SHA256SUMS"), "/root/SHA256SUMS")
        .start();
    sandbox.sh(&format!("rm /usr/local/bin/flatnet; cd /root && tar -xzf {name}.tar.gz")).succeeds();
    let note = sandbox.read(&format!("/root/{name}/INSTALL.txt"));
    let commands: Vec<&str> = note.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(commands.len(), 5, "{note}");
    let [install @ .., remove] = &commands[..] else { panic!("{note}") };
    sandbox
        .sh(&format!("cd /root/{name}; {}", install.join("\n")))
        .prints(&format!("{name}.tar.gz: OK\n"))
        .prints("written     /opt/cni/bin/flatnet -> /usr/local/bin/flatnet\n");
    sandbox
        .sh("podman run -d --name web --network flatnet flatnet-test/busybox && curl -sS --retry 9 --retry-all-errors --retry-delay 1 10.87.1.2")
        .prints("hello");
    // An upgrade of the running program.
    sandbox.sh(&format!("/root/{name}/install.sh; flatnet ps")).prints("web");
    sandbox.sh(&format!("cd /root/{name}; {remove}")).fails().complains("nothing was removed");
    sandbox.sh("flatnet --version; podman rm -f -t 0 web").succeeds();
    sandbox
        .sh(&format!("cd /root/{name}; {remove}; find /usr/local /etc -name '*flatnet*' -type f"))
        .prints("These stay");
    sandbox.sh("ls /usr/local/bin/flatnet").fails();
    sandbox.sh(&format!("/root/{name}/install.sh --nonsense")).fails().complains("unknown argument");
}
