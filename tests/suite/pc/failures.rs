//! Each failure is reported on a line, the remaining actions are tried, and the exit status says that something failed.

use super::{INSTALLED, has, line, pc};

/// Asserts that errors have neither a script position nor PowerShell's decoration.
#[track_caller]
fn is_plain(said: &str) {
    assert!(!said.contains("~~~") && !said.contains(".ps1:") && !said.contains("Line |"), "{said}");
}

#[test]
fn failed_action_is_reported_and_others_are_tried() {
    let Some(pc) = pc() else { return };
    pc.sh("touch /pc/state/hyperv-blocks").succeeds();
    // Dot-sourced and with -File, a module's error has another form.
    pc.sandbox.write("/pc/state/fail", "New-NetFirewallRule");
    let said = pc.ps("flat up");
    has(&said, &[": Access is denied.", "help: ", "stops at: firewall", "exit 1"]);
    is_plain(&said);
    has(&pc.left(), &["10.87.1.0/24 via", "Flatnet subnet 10.87.1.0/24", "nginx"]);
    pc.sandbox.write("/pc/state/fail", "Remove-NetFirewallHyperVRule");
    let said = pc.ps(". '/pc/c/Program Files/Flatnet/flatnet.ps1' down");
    has(&said, &[": Access is denied.", "  not removed: the firewall rule \"Flatnet subnet 10.87.1.0/24\""]);
    is_plain(&said);
    assert_eq!(pc.left().trim(), "Flatnet subnet 10.87.1.0/24");
    // Without a writable log, actions run and results are reported.
    pc.sh(&format!("rm /pc/state/fail; cd '{INSTALLED}/log'; mv flatnet.log away; mkdir flatnet.log"))
        .succeeds();
    has(&pc.ps("flat down\nflat up\nflat down"), &["is open", "exit 0"]);
    pc.sh(&format!("cd '{INSTALLED}/log'; [ -e route.json ]; rmdir flatnet.log; mv away flatnet.log"))
        .succeeds();
    assert_eq!(pc.left(), "");
    pc.ps("flat up");
    // The UAC prompt is answered with No.
    pc.sandbox.write("/pc/state/fail", "Start-Process");
    let said = pc.ps("flat down");
    has(
        &said,
        &[
            "error: Windows did not start the elevated script: The operation was canceled by the user.",
            "exit 2",
        ],
    );
    is_plain(&said);
}

#[test]
fn unavailable_wsl_is_reported() {
    let Some(pc) = pc() else { return };
    pc.ps("flat up");
    pc.sh("mv /etc/flatnet /etc/flatnet.away; touch /pc/state/wsl-stopped").succeeds();
    let said = pc.ps("flat status\nRemove-Item /pc/state/wsl-stopped\nflat status");
    has(
        &said,
        &[
            "error: the distribution Debian is stopped",
            "flatnet.ps1' up",
            "error: in WSL2: error[FLAT-E011]",
            "flatnet init",
        ],
    );
    is_plain(&said);
    assert_eq!(said.matches("exit 1").count(), 2, "{said}");
    assert!(!pc.sh("cat /pc/state/wsl.log").stdout.lines().last().unwrap().contains("decide"));
    pc.set("Distribution", "'Ubuntu'");
    let said = pc.ps("flat status\nflat up\nflat down");
    has(
        &said,
        &[
            "the distribution Ubuntu is stopped",
            "WSL has no distribution Ubuntu",
            "Flatnet's files remain",
            "exit 0",
        ],
    );
    assert_eq!(pc.left(), "");
    pc.sh("mv /etc/flatnet.away /etc/flatnet").succeeds();
    pc.set("Distribution", "'Debian'");
    // A program named flatnet in WSL2 can print anything: control characters do not reach the terminal, and an invalid answer is an error.
    pc.sh(r#"printf '#!/bin/sh\ncat >/dev/null; echo "$2" >>/pc/state/asked; cat /pc/state/answer-$2 2>/dev/null; exit $(cat /pc/state/status)\n' >/usr/local/sbin/flatnet; chmod +x /usr/local/sbin/flatnet
        echo '{"eth0": null, "bridge": "10.87.1.1", "bridge_link": "x", "container": null}' >/pc/state/answer-facts; echo 0 >/pc/state/status"#).succeeds();
    let mut said = String::new();
    for answer in [
        r#"{"layers": [{"layer": "mode", "level": "failure", "what": "a\u001b]0;evil\u0007b\u202ec", "commands": ["x\u009by"], "help": "l\nm"}], "stops_at": "mo\u001bde", "set_up": true, "offline": false, "actions": []}"#,
        "[]",
        "null",
        "<3>WSL (1) ERROR",
        "",
    ] {
        pc.sandbox.write("/pc/state/answer-decide", answer);
        said += &pc.ps("flat doctor");
    }
    pc.sandbox.write("/pc/state/answer-facts", "{}");
    said += &pc.ps("flat status");
    pc.sh("echo 127 >/pc/state/status").succeeds();
    said += &pc.ps("flat status");
    pc.sh("echo 1 >/pc/state/status; printf 'a\\033[2Jb Wsl/Service/0x8007 ' >/pc/state/answer-facts")
        .succeeds();
    said += &pc.ps("flat status");
    has(
        &said,
        &[
            "a?]0;evil?b?c",
            "x?y",
            "help  l m",
            "stops at: mo?de.",
            "error: unexpected output of 'flatnet windows decide look' in WSL2: layers, stops_at, set_up, offline, actions missing",
            "error: unexpected output of 'flatnet windows facts' in WSL2",
            "error: flatnet is not installed in the distribution Debian",
            "error: WSL did not start the distribution Debian: a?[2Jb Wsl/Service/0x8007",
        ],
    );
    assert!(!said.chars().any(|char| char.is_control() && char != '\n'), "{said:?}");
    assert_eq!(said.matches("exit 1").count(), 8, "{said}");
    is_plain(&said);
    pc.sh("rm /usr/local/sbin/flatnet").succeeds();
    // A program that hangs is stopped after a limit, with its children. This includes one that does not read all input.
    pc.sh("cp /pc/home/.wslconfig /pc/wslconfig; head -c 300000 /dev/zero | tr '\\0' '#' >>/pc/home/.wslconfig; echo decide >/pc/state/wsl-hangs").succeeds();
    // The test uses a shorter limit than the real 30 s.
    let file = format!("{INSTALLED}/lib/wsl.ps1");
    let text = pc.sandbox.read(&file);
    assert_eq!((text.matches("$Seconds = 30").count(), text.matches("-Seconds 30").count()), (1, 1));
    pc.sandbox
        .write(&file, &text.replace("$Seconds = 30", "$Seconds = 4").replace("-Seconds 30", "-Seconds 4"));
    let said = pc.ps("flat status");
    has(&said, &["error: WSL did not answer within 4 s", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    pc.sh("mv /pc/wslconfig /pc/home/.wslconfig; rm /pc/state/wsl-hangs").succeeds();
    pc.sh("touch /pc/state/wsl-hangs").succeeds();
    let said = pc.ps("flat status");
    has(&said, &["error: WSL did not answer within 4 s", "help: run wsl --shutdown", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    // WSL is not installed.
    pc.sh("rm /pc/c/Windows/System32/wsl.exe").succeeds();
    has(&pc.ps("flat doctor"), &["error: WSL is not installed", "help: run wsl --install", "exit 1"]);
}

#[test]
fn caller_environment_does_not_affect_scripts() {
    let Some(pc) = pc() else { return };
    let said = pc.ps(
        "$global:PSNativeCommandUseErrorActionPreference = $true
        $global:PSDefaultParameterValues = @{ '*:ErrorAction' = 'Stop'; 'ConvertTo-Json:Depth' = 1; 'Get-Content:Encoding' = 'Unicode' }
        $global:OFS = '+'
        $global:ErrorView = 'DetailedView'
        $global:ErrorActionPreference = 'SilentlyContinue'
        $global:InformationPreference = 'Stop'
        [Threading.Thread]::CurrentThread.CurrentCulture = 'de-DE'
        $printed = @(flat up *>&1)
        \"kept $PSNativeCommandUseErrorActionPreference $($PSDefaultParameterValues.Count) $OFS\"
        $global:PSDefaultParameterValues = @{}
        $printed | ForEach-Object { \"$_\" }",
    );
    has(&said, &["kept True 3 +", "is open", "exit 0"]);
    has(&pc.left(), &["10.87.1.0/24 via 172.28.16.5", "Flatnet gateway 80", "nginx"]);
    // curl.exe is neither needed nor present.
    pc.sh("[ ! -e /pc/c/Windows/System32/curl.exe ]").succeeds();
    assert!(line(&said, "gateway").contains("ok"), "{said}");
}
