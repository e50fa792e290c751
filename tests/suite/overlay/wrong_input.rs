//! Each command says what is wrong with a file that it cannot use, and what to give instead.

use super::{Lan, YAML};

#[test]
fn wrong_files_are_named_with_what_is_needed() {
    let lan = Lan::joined(&["h1"]);
    lan.sh("on h2 flatnet overlay request --name h2 >/tmp/h2.request
         mkdir /tmp/directory; : >/tmp/empty; echo 'correct horse' >/tmp/garbage; head -c 300 /dev/urandom >/tmp/binary
         sed 's/^number: .*/number: x/' /tmp/h1.invitation >/tmp/damaged.invitation; sed 's/^kind: .*/kind: x/' /tmp/h1.request >/tmp/damaged.request
         sed '/^-/!s/[A-Za-z0-9]/A/g' /ca/ca.crt >/tmp/damaged.crt")
        .succeeds();
    let sign = "flatnet overlay sign --ca /ca";
    let join = "on h1 flatnet overlay join";
    let peers = "on h1 flatnet overlay peers";
    let trust = "on h1 flatnet overlay trust";
    let with_passphrase = "flatnet overlay ca --ca /other --passphrase-file";
    let request = "Give the file with what `flatnet overlay request` printed on the new host";
    let invitation = "Give the file with what `flatnet overlay sign` printed where the authority is";
    let hosts = "Give the newest host's invitation, or another host's /etc/flatnet/overlay/peers.yaml";
    let certificate = "Give the file ca.crt of the authority's folder";
    let passphrase = "Give a file whose first line is the passphrase";
    let all = [
        (sign, request, "a request"),
        (join, invitation, "an invitation"),
        (peers, hosts, "a list of hosts"),
        (trust, certificate, "a certificate of Nebula"),
        (with_passphrase, passphrase, "a passphrase"),
    ];
    for (command, help, what) in all {
        for (file, says) in [
            ("absent", "there is no file /tmp/absent".to_owned()),
            ("directory", "/tmp/directory is a directory, not a file".to_owned()),
            ("empty", "/tmp/empty is empty".to_owned()),
            ("binary", "/tmp/binary is not text".to_owned()),
            ("garbage", format!("/tmp/garbage is not {what}")),
        ] {
            if (command, file) != (with_passphrase, "garbage") {
                refused(&lan, &format!("{command} /tmp/{file}"), &says, help);
            }
        }
    }
    for (command, file, says, help) in [
        (sign, "h1.invitation", "/tmp/h1.invitation is an invitation, and a request is needed", request),
        (
            sign,
            "damaged.request",
            "/tmp/damaged.request is not a valid request: unknown variant `x`",
            request,
        ),
        (join, "h2.request", "/tmp/h2.request is a request, and an invitation is needed", invitation),
        (join, "damaged.invitation", "/tmp/damaged.invitation is not a valid invitation: ", invitation),
        (peers, "h2.request", "/tmp/h2.request is a request, and a list of hosts is needed", hosts),
        (
            peers,
            "h1.invitation",
            "/tmp/h1.invitation is an invitation for kind nebula",
            "Nothing is needed with Nebula",
        ),
        (
            trust,
            "h1.invitation",
            "/tmp/h1.invitation is an invitation, and a certificate of Nebula is needed",
            certificate,
        ),
        (trust, "damaged.crt", "damaged", "unchanged"),
    ] {
        refused(&lan, &format!("{command} /tmp/{file}"), says, help);
    }
    refused(&lan, &format!("{trust} /ca/ca.key"), "/ca/ca.key is a private key", certificate);
    // By standard input, too, without what is in it.
    refused(&lan, &format!("{sign} </tmp/garbage"), "standard input is not a request", request);
    refused(&lan, &format!("{sign} </dev/null"), "standard input is empty", request);
    lan.sh(&format!("! {sign} /tmp/garbage 2>&1 | grep horse")).succeeds();
    // As another user.
    refused(
        &lan,
        "setpriv --reuid 65534 --clear-groups flatnet overlay sign --ca /ca /tmp/h2.request",
        "cannot read /ca/authority.yaml",
        "Use sudo",
    );
}

#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let lan = Lan::joined(&["h1"]);
    lan.sh("flatnet overlay ca --ca /vx --kind vxlan 2>/dev/null; on h2 flatnet overlay request --name h2 >/tmp/h2.request; echo >/tmp/garbage; mkdir /tmp/directory").succeeds();
    let files = "{ find /ca /vx /hosts/h1/etc /other ! -name lock 2>/dev/null || true; } | sort";
    let before = lan.sh(files).stdout;
    for (command, says, help) in [
        (
            "flatnet overlay sign /tmp/h2.request",
            "there is no certificate authority in /etc/flatnet/ca",
            "name its folder with --ca",
        ),
        (
            "flatnet overlay sign --ca /tmp/garbage /tmp/h2.request",
            "there is no certificate authority in /tmp/garbage",
            "name its folder with --ca",
        ),
        (
            "flatnet overlay sign --ca /ca --hours 90000 /tmp/h2.request",
            "the certificate would be valid for 90000 hours, but the authority's ends in 87599, at 20",
            "Use --hours 87599 or less",
        ),
        ("flatnet overlay sign --ca /ca --hours 900000 /tmp/h2.request", "900000 is not in 1..=876000", ""),
        (
            "on h3 flatnet overlay request --kind vxlan --name h3 --at 192.168.7.3 | flatnet overlay sign --ca /vx --hours 24",
            "with kind vxlan there are no certificates",
            "Leave --hours out",
        ),
        (
            "flatnet overlay ca --ca /other --kind vxlan --hours 24",
            "with --kind vxlan there is no key and no certificate",
            "Leave",
        ),
        (
            "flatnet overlay ca --ca /ca --no-passphrase",
            "cannot make /ca: it exists already",
            "Name a folder that does not exist yet",
        ),
        (
            "flatnet overlay lighthouse --ca /ca l2 --at 192.0.2.21:4242 /tmp/directory",
            "cannot make /tmp/directory: it exists already",
            "Name a folder",
        ),
        (
            "flatnet overlay lighthouse --ca /ca l2 --at 192.0.2.21 /tmp/new",
            "is not an address and port such as 203.0.113.7:4242",
            "",
        ),
        (
            "flatnet overlay revoke --ca /ca 9",
            "no host has the number 9",
            "`ls /ca/issued` lists the numbers",
        ),
        ("on h3 flatnet overlay leave", "this host has joined no overlay", "Nothing is to be done"),
        ("on h3 flatnet overlay trust /ca/ca.crt", "this host has joined no overlay", "flatnet overlay join"),
        (
            "on h3 flatnet overlay block 0054f1a9c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccdd",
            "this host has joined no overlay",
            "flatnet overlay join",
        ),
    ] {
        refused(&lan, command, says, help);
        assert_eq!(lan.sh(files).stdout, before, "{command}");
    }
    // Without Nebula's programs.
    lan.sh("mv /usr/bin/nebula-cert /tmp/").succeeds();
    for command in [
        "flatnet overlay ca --ca /other --no-passphrase",
        "flatnet overlay sign --ca /ca /tmp/h2.request",
        "flatnet overlay lighthouse --ca /ca l2 --at 192.0.2.21:4242 /tmp/new",
        "flatnet overlay revoke --ca /ca 1",
        "on h3 flatnet overlay request",
    ] {
        refused(&lan, command, "the program nebula-cert is missing", "Install Nebula 1.11 or later");
        assert_eq!(lan.sh(files).stdout, before, "{command}");
    }
}

/// The authority's certificate ends soon: what is signed ends with it, and nothing is signed afterwards.
#[test]
fn nothing_outlasts_the_authority() {
    let lan = Lan::new(YAML);
    lan.sh("flatnet overlay ca --ca /ca --no-passphrase --hours 2 2>/dev/null; on h1 flatnet overlay request --name h1 >/tmp/request").succeeds();
    refused(
        &lan,
        "flatnet overlay sign --ca /ca --hours 2 /tmp/request",
        "the authority's ends in 1, at 20",
        "Use --hours 1 or less",
    );
    lan.sh("flatnet overlay sign --ca /ca --hours 1 /tmp/request").prints("number: 1\n");
    lan.sh("nebula-cert ca -name old -networks 10.86.0.0/16 -unsafe-networks 10.87.0.0/16 -duration 1s -out-crt /tmp/ca.crt -out-key /tmp/ca.key; cp /tmp/ca.* /ca; sleep 2.1").succeeds();
    for command in ["sign --ca /ca /tmp/request", "lighthouse --ca /ca l1 --at 192.0.2.20:4242 /lights"] {
        refused(
            &lan,
            &format!("flatnet overlay {command}"),
            "the authority's certificate ended at 20",
            "Make a new authority",
        );
    }
    // A key that is not the authority's, and none.
    lan.sh("rm -r /ca; flatnet overlay ca --ca /ca --no-passphrase 2>/dev/null; cp /hosts/h1/etc/flatnet/overlay/host.key /ca/ca.key").succeeds();
    refused(
        &lan,
        "flatnet overlay sign --ca /ca /tmp/request",
        "the authority's key cannot be read",
        "from your copy",
    );
    lan.sh("rm /ca/ca.key").succeeds();
    refused(
        &lan,
        "flatnet overlay sign --ca /ca /tmp/request",
        "the authority's key is missing",
        "from your copy",
    );
}

fn refused(lan: &Lan, command: &str, says: &str, help: &str) {
    let said = lan.sh(command).fails().stderr;
    assert!(
        said.contains(says) && said.contains(help),
        "{command}: {said}\n(expected {says:?} and {help:?})"
    );
    assert!(!said.contains("dmesg") && !said.contains("exited with"), "{command}: {said}");
}
