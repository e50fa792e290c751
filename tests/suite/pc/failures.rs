//! What goes wrong is told in a line, the rest is tried, and the end is the status.

use super::{INSTALLED, has, line, pc};

/// Neither a place in a script nor PowerShell's own decoration.
#[track_caller]
fn is_plain(said: &str) {
    assert!(!said.contains("~~~") && !said.contains(".ps1:") && !said.contains("Line |"), "{said}");
}

#[test]
fn each_action_that_fails_is_told_and_the_others_are_tried() {
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
fn a_wsl_that_is_gone_stopped_or_hangs_is_named() {
    let Some(pc) = pc() else { return };
    pc.ps("flat up");
    pc.sh("mv /etc/flatnet /etc/flatnet.away; touch /pc/state/wsl-stopped").succeeds();
    let said = pc.ps("flat status\nRemove-Item /pc/state/wsl-stopped\nflat status");
    has(
        &said,
        &[
            "error: the distribution Debian is stopped",
            "flatnet.ps1 up",
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
    // It hangs: a limit, and nothing of it goes on. So, too, while it is told more than a pipe holds, and does not read.
    pc.sh("mv /etc/flatnet.away /etc/flatnet; cp /pc/home/.wslconfig /pc/wslconfig; head -c 300000 /dev/zero | tr '\\0' '#' >>/pc/home/.wslconfig; echo decide >/pc/state/wsl-hangs").succeeds();
    pc.set("Distribution", "'Debian'");
    let said = pc.ps("flat status");
    has(&said, &["error: WSL does not answer within 30 s", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    pc.sh("mv /pc/wslconfig /pc/home/.wslconfig; rm /pc/state/wsl-hangs").succeeds();
    pc.sh("touch /pc/state/wsl-hangs").succeeds();
    let said = pc.ps("flat status");
    has(&said, &["error: WSL does not answer within 30 s", "help: wsl --shutdown", "exit 1"]);
    pc.sh("pgrep -x sleep").fails();
    // No WSL at all.
    pc.sh("rm /pc/c/Windows/System32/wsl.exe").succeeds();
    has(&pc.ps("flat doctor"), &["error: this Windows has no WSL", "help: wsl --install", "exit 1"]);
}

#[test]
fn nothing_of_the_callers_changes_anything() {
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
