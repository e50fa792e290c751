//! What goes wrong is told in a line, the rest is tried, and the end is the status.

use super::{INSTALLED, has, line, pc};

/// Neither a place in a script nor PowerShell's own decoration.
#[track_caller]
fn is_plain(said: &str) {
    assert!(!said.contains("~~~") && !said.contains(".ps1:") && !said.contains("Line |"), "{said}");
}

#[test]
fn failed_action_is_reported_and_others_are_tried() {
    let Some(pc) = pc() else { return };
    pc.sh("touch /pc/state/hyperv-blocks").succeeds();
    // At a prompt and by -File a module's error looks different.
    pc.sandbox.write("/pc/state/fail", "New-NetFirewallRule");
    let said = pc.ps("flat up");
    has(&said, &[": Access is denied.", "help: ", "stops at: firewall", "exit 1"]);
    is_plain(&said);
    has(&pc.left(), &["10.87.1.0/24 via", "Flatnet subnet 10.87.1.0/24", "nginx"]);
    pc.sandbox.write("/pc/state/fail", "Remove-NetFirewallHyperVRule");
    let said = pc.ps(". '/pc/c/Program Files/Flatnet/flatnet.ps1' down");
    has(&said, &[": Access is denied.", "  left: the firewall rule \"Flatnet subnet 10.87.1.0/24\""]);
    is_plain(&said);
    assert_eq!(pc.left().trim(), "Flatnet subnet 10.87.1.0/24");
    // A log that cannot be written keeps nothing from being done and told.
    pc.sh(&format!("rm /pc/state/fail; cd '{INSTALLED}/log'; mv flatnet.log away; mkdir flatnet.log"))
        .succeeds();
    has(&pc.ps("flat down\nflat up\nflat down"), &["The way is open", "exit 0"]);
    pc.sh(&format!("cd '{INSTALLED}/log'; [ -e route.json ]; rmdir flatnet.log; mv away flatnet.log"))
        .succeeds();
    assert_eq!(pc.left(), "");
    pc.ps("flat up");
    // Windows' question is answered with no.
    pc.sandbox.write("/pc/state/fail", "Start-Process");
    let said = pc.ps("flat down");
    has(
        &said,
        &[
            "error: Windows did not start the elevated half: The operation was canceled by the user.",
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
            "Nothing of Flatnet is left",
            "exit 0",
        ],
    );
    assert_eq!(pc.left(), "");
    pc.sh("mv /etc/flatnet.away /etc/flatnet").succeeds();
    pc.set("Distribution", "'Debian'");
    // What calls itself flatnet there says what it likes: nothing of it reaches the terminal as an order, and what is no answer is told.
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
            "error: what 'flatnet windows decide look' in WSL2 answered is nothing that these scripts understand: layers, stops_at, set_up, offline, actions is missing",
            "error: what 'flatnet windows facts' in WSL2 answered",
            "error: there is no flatnet in the distribution Debian",
            "error: WSL did not start the distribution Debian: a?[2Jb Wsl/Service/0x8007",
        ],
    );
    assert!(!said.chars().any(|char| char.is_control() && char != '\n'), "{said:?}");
    assert_eq!(said.matches("exit 1").count(), 8, "{said}");
    is_plain(&said);
    pc.sh("rm /usr/local/sbin/flatnet").succeeds();
    // It hangs: a limit, and nothing of it goes on. So, too, while it is told more than a pipe holds, and does not read.
    pc.sh("cp /pc/home/.wslconfig /pc/wslconfig; head -c 300000 /dev/zero | tr '\\0' '#' >>/pc/home/.wslconfig; echo decide >/pc/state/wsl-hangs").succeeds();
    // Half a minute is what people have; the test waits less.
    let file = format!("{INSTALLED}/lib/wsl.ps1");
    let text = pc.sandbox.read(&file);
    assert_eq!((text.matches("$Seconds = 30").count(), text.matches("-Seconds 30").count()), (1, 1));
    pc.sandbox
        .write(&file, &text.replace("$Seconds = 30", "$Seconds = 4").replace("-Seconds 30", "-Seconds 4"));
    let said = pc.ps("flat status");
    has(&said, &["error: WSL does not answer within 4 s", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    pc.sh("mv /pc/wslconfig /pc/home/.wslconfig; rm /pc/state/wsl-hangs").succeeds();
    pc.sh("touch /pc/state/wsl-hangs").succeeds();
    let said = pc.ps("flat status");
    has(&said, &["error: WSL does not answer within 4 s", "help: wsl --shutdown", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    // No WSL at all.
    pc.sh("rm /pc/c/Windows/System32/wsl.exe").succeeds();
    has(&pc.ps("flat doctor"), &["error: this Windows has no WSL", "help: wsl --install", "exit 1"]);
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
    has(&said, &["kept True 3 +", "The way is open", "exit 0"]);
    has(&pc.left(), &["10.87.1.0/24 via 172.28.16.5", "Flatnet gateway 80", "nginx"]);
    // No curl.exe is asked for, and none is there.
    pc.sh("[ ! -e /pc/c/Windows/System32/curl.exe ]").succeeds();
    assert!(line(&said, "gateway").contains("ok"), "{said}");
}
