//! What the elevated half refuses, whoever asks.

use super::{INSTALLED, has, pc};

/// Requests that a distribution, or a program of the user's, might make; and what is said to each.
const BAD: &[(&str, &str)] = &[
    (
        r#"{"do": "add_route", "interface": $lan, "next_hop": "192.168.8.9"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "192.168.8.9"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.1"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "add_route", "interface": $vpn, "next_hop": "172.28.16.5"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5; calc"}"#,
        "a next hop is an IPv4 address",
    ),
    (r#"{"do": "add_route", "interface": "2; calc", "next_hop": "172.28.16.5"}"#, "an interface is a number"),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5", "subnet": "0.0.0.0/0"}"#,
        "and no others",
    ),
    (
        r#"{"do": "remove_route", "interface": $vpn, "next_hop": "0.0.0.0", "store": "ActiveStore"}"#,
        "somebody else's",
    ),
    (
        r#"{"do": "remove_route", "interface": $wsl, "next_hop": "172.28.16.5", "store": "x"}"#,
        "other characters",
    ),
    (r#"{"do": "remove_lan_rule", "name": "*"}"#, "pattern"),
    (r#"{"do": "remove_lan_rule", "name": "Flatnet gateway *"}"#, "pattern"),
    (r#"{"do": "remove_hyperv_rule", "name": "Core Networking"}"#, "pattern"),
    (r#"{"do": "add_lan_rule", "ports": [3389]}"#, "and no others"),
    // A program is none of the request's, wherever it lies.
    (
        r#"{"do": "install_service", "wrapper": "WinSW", "path": "C:\\flatnet\\gateway\\evil.exe"}"#,
        "and no others",
    ),
    (
        r#"{"do": "install_service", "wrapper": "NSSM", "path": "C:\\Program Files\\WSL\\wsl.exe"}"#,
        "and no others",
    ),
    (
        r#"{"do": "install_service", "wrapper": "WinSW", "path": "C:\\Program Files\\Flatnet\\settings.psd1"}"#,
        "and no others",
    ),
    (r#"{"do": "install_service", "wrapper": "calc"}"#, "other characters"),
    // One rule of a name.
    (r#"{"do": "add_lan_rule"}"#, "there is a rule \"Flatnet gateway 80\" already"),
    (r#"{"do": "add_shared_rule"}"#, "there is a rule \"Flatnet gateway 80\" already"),
    (r#"{"do": "add_ports_rule"}"#, "there is a rule \"Flatnet gateway 80\" already"),
    (r#"{"do": "add_subnet_rule"}"#, "there is a rule \"Flatnet subnet 10.87.1.0/24\" already"),
    // One route, whoever made the one that is there.
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5"}"#,
        "there is a route to 10.87.1.0/24 already, via 0.0.0.0",
    ),
    // Hyper-V's other switch.
    (
        r#"{"do": "add_route", "interface": $other, "next_hop": "172.20.0.9"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "remove_route", "interface": $other, "next_hop": "172.20.0.9", "store": "ActiveStore"}"#,
        "somebody else's",
    ),
    // Nor whom tasks are for.
    (r#"{"do": "register_tasks", "user": "S-1-5-11"}"#, "and no others"),
    (r#"{"do": ["disable_task", "enable_task"]}"#, "is one text"),
    (r#"{"do": null}"#, "is one text"),
    ("null", "is one text"),
    (r#"{"do": "note", "text": "a\n"}"#, "other characters"),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5\n"}"#,
        "a next hop is an IPv4 address",
    ),
    (r#"{"do": "note", "text": "a\u0000b"}"#, "other characters"),
    (r#"{"do": "Invoke-Expression", "x": "calc"}"#, "and no others"),
    (r#"{"do": "start_gateway"}"#, "these scripts know no action"),
];

#[test]
fn elevated_half_rejects_unjustified_requests() {
    let Some(pc) = pc() else { return };
    pc.sh("ip -n windows link add vpn0 type veth peer name vpn1; ip -n windows addr add 10.8.0.2/24 dev vpn0; ip -n windows link set vpn0 up
        ip -n windows link set vpn1 up; ip -n windows route add 10.87.1.0/24 dev vpn0; ip -n windows link add other type veth peer name other1; ip -n windows addr add 172.20.0.1/20 dev other
        ip -n windows link set other up; ip -n windows link set other1 up
        echo '{\"other\": \"vEthernet (Default Switch)\"}' >/pc/state/aliases
        echo '[{\"DisplayName\": \"Flatnet gateway 80\", \"Enabled\": \"True\"}]' >/pc/state/rules.json
        echo '[{\"DisplayName\": \"Flatnet gateway 80\", \"Enabled\": \"True\"}, {\"DisplayName\": \"Flatnet subnet 10.87.1.0/24\", \"Enabled\": \"True\"}]' >/pc/state/hyperv.json").succeeds();
    let index = |link: &str| {
        pc.sh(&format!("ip -n windows -j link show dev {link} | jq -r '.[0].ifindex'"))
            .succeeds()
            .stdout
            .trim()
            .to_owned()
    };
    let (wsl, lan, vpn, other) = (index("vEthernet"), index("LAN"), index("vpn0"), index("other"));
    let actions: Vec<String> = BAD
        .iter()
        .map(|(action, _)| {
            action.replace("$wsl", &wsl).replace("$lan", &lan).replace("$vpn", &vpn).replace("$other", &other)
        })
        .collect();
    let request = |text: &str| pc.sandbox.write(&format!("{INSTALLED}/request.json"), text);
    let id = "00000000-0000-0000-0000-000000000001";
    request(&format!(r#"{{"version": 2, "id": "{id}", "actions": [{}]}}"#, actions.join(",\n")));
    let said = pc.elevated(&format!("& '{INSTALLED}/elevated.ps1'; \"exit $LASTEXITCODE\""));
    has(&said, &["exit 0"]);
    let result: serde_json::Value = serde_json::from_str(
        pc.sandbox.read(&format!("{INSTALLED}/log/result.json")).trim_start_matches('\u{feff}'),
    )
    .unwrap();
    for ((action, why), done) in BAD.iter().zip(result["done"].as_array().unwrap()) {
        assert!(done["error"].as_str().unwrap_or_default().contains(why), "{action}: {done}");
    }
    assert_eq!(pc.done(), "");
    has(&pc.sandbox.read(&format!("{INSTALLED}/log/flatnet.log")), &["error: refused"]);

    // The task asks nobody: it neither installs nor takes away.
    let silent = ["install_service", "remove_service", "register_tasks", "unregister_tasks", "remove_files"];
    let actions = silent.map(|name| format!(r#"{{"do": "{name}"}}"#)).join(",");
    request(&format!(r#"{{"version": 2, "id": "{id}", "actions": [{actions}]}}"#));
    pc.elevated(&format!("$env:FLATNET_USER = 'S-1-5-18'; & '{INSTALLED}/elevated.ps1'"));
    let result = pc.sandbox.read(&format!("{INSTALLED}/log/result.json"));
    for name in silent {
        has(&result, &[&format!("refused: the task does not {name}: Windows asks for that")]);
    }
    assert_eq!(pc.done(), "");

    // What is no request: another file, another version, too much; its text is not repeated.
    pc.sandbox.write("/root/secret", "root:secret");
    let mut said = String::new();
    for prepare in [
        "ln -sf /root/secret request.json",
        "rm request.json; echo '{\"version\": 2' >request.json",
        "echo '{\"version\": 1, \"id\": \"00000000-0000-0000-0000-000000000009\"}' >request.json",
        "echo '{\"version\": 2, \"id\": \"../x\", \"actions\": []}' >request.json",
        "head -c 70000 /dev/zero | tr '\\0' ' ' >request.json",
        "rm request.json",
    ] {
        pc.sh(&format!("cd '{INSTALLED}'; {prepare}")).succeeds();
        said += &pc.elevated(&format!("& '{INSTALLED}/elevated.ps1'; \"exit $LASTEXITCODE\""));
    }
    has(
        &said,
        &[
            "leads to another file",
            "is not JSON",
            "is not of this version",
            "has no id",
            "is too long",
            "there is no",
        ],
    );
    // Who asked is told, where it is known who did.
    let result = pc.sandbox.read(&format!("{INSTALLED}/log/result.json"));
    has(&result, &["00000000-0000-0000-0000-000000000009", "is not of this version"]);
    assert!(said.matches("exit 2").count() == 6 && !said.contains("secret"), "{said}");
}

#[test]
fn elevated_and_user_half_stay_separate() {
    let Some(pc) = pc() else { return };
    // Started elevated, the half that asks WSL2 stops; not elevated, the other one does.
    let said = pc.elevated("flat status\nflat up\nflat gateway start");
    assert_eq!(said.matches("error: this runs as administrator").count(), 3, "{said}");
    assert_eq!(said.matches("exit 2").count(), 3, "{said}");
    let said = pc.ps(&format!("& '{INSTALLED}/elevated.ps1'; \"exit $LASTEXITCODE\""));
    has(&said, &["not elevated", "exit 2"]);
    assert_eq!(pc.sh("cat /pc/state/wsl.log 2>/dev/null || true").stdout, "");

    // From a folder where others write nothing is registered, and the elevated half does not run.
    pc.sh("cp -rT /pc/scripts /pc/c/flatnet/scripts; :").succeeds();
    let said = pc.ps("& /pc/c/flatnet/scripts/flatnet.ps1 task register; \"exit $LASTEXITCODE\"\n& /pc/c/flatnet/scripts/task.ps1 register; \"exit $LASTEXITCODE\"");
    assert_eq!(said.matches("error: a task runs these scripts from").count(), 2, "{said}");
    let said = pc.elevated("& /pc/c/flatnet/scripts/elevated.ps1; \"exit $LASTEXITCODE\"");
    has(&said, &["elevated.ps1 runs from", "exit 2"]);
    assert_eq!(pc.done(), "");

    // A module in the user's folder that has a command of the scripts' is not loaded, in either half.
    let module = "/root/.local/share/powershell/Modules/Evil/Evil.psm1";
    pc.sh(&format!("mkdir -p $(dirname {module})")).succeeds();
    pc.sandbox.write(module, "Set-Content /pc/state/evil 1\nfunction Get-NetAdapter { }\nfunction Get-Acl { }\nfunction Get-Date { }\n");
    let said = pc.ps("$before = $env:PSModulePath\nflat up\n\"restored $($env:PSModulePath -eq $before)\"");
    has(&said, &["exit 0", "restored True"]);
    pc.sh("[ ! -e /pc/state/evil ]").succeeds();
    has(&pc.done(), &["powershell.exe RunAs", "elevated New-NetRoute"]);
    pc.nothing_of_others_was_elevated();

    // The name of a mutex, which anybody may have first, keeps nobody waiting.
    pc.sandbox.write("/pc/hold.ps1", "$mutex = New-Object Threading.Mutex $true, 'Global\\FlatnetElevated'; Set-Content /pc/state/held 1; Start-Sleep 900");
    pc.sh("setsid /opt/pwsh/pwsh -NoProfile -File /pc/hold.ps1 >/dev/null 2>&1 & until [ -e /pc/state/held ]; do sleep 0.1; done").succeeds();
    has(&pc.ps("flat down"), &["exit 0"]);
    assert_eq!(pc.left(), "");

    // A task of that name in another folder is another user's.
    pc.sh(r#"echo '[{"TaskName": "FlatnetElevated", "TaskPath": "\\x\\", "State": "Ready", "Xml": "<Task/>"}]' >/pc/state/tasks.json"#).succeeds();
    has(&pc.ps("flat down\nflat up"), &["exit 0"]);
    let done = pc.done();
    assert!(!done.contains("start FlatnetElevated") && done.contains("powershell.exe RunAs"), "{done}");

    // What WSL2 may not ask for is left out.
    pc.sh(r#"f=$(command -v flatnet); printf '#!/bin/sh\n[ "$2" = decide ] || exec %s "$@"\n%s "$@" | jq -c ".actions += [{do: \\"remove_files\\"}, {do: [\\"note\\"]}]"\n' $f $f >/usr/local/sbin/flatnet; chmod +x /usr/local/sbin/flatnet; [ "$(command -v flatnet)" = /usr/local/sbin/flatnet ]"#).succeeds();
    let said = pc.ps("flat up");
    has(&said, &["left out, because WSL2 may not ask for it: remove_files", "ask for it: note", "exit 0"]);
    pc.sh(&format!("rm /usr/local/sbin/flatnet; [ -e '{INSTALLED}/elevated.ps1' ]")).succeeds();
    assert_eq!(pc.done(), "");

    // A folder that others may write to is not installed from.
    pc.sandbox.write("/pc/state/more.ps1", "function Get-Acl { [CmdletBinding()] param($LiteralPath) $rules = [pscustomobject]@{ AccessControlType = 'Allow'; IdentityReference = 'S-1-5-11'; FileSystemRights = 0x1301bf }\n$acl = [pscustomobject]@{ Rules = $rules }\n$acl | Add-Member -MemberType ScriptMethod -Name GetOwner -Value { if (Test-Path /pc/state/owner) { Get-Content /pc/state/owner } else { 'S-1-5-32-544' } }\n$acl | Add-Member -MemberType ScriptMethod -Name GetAccessRules -Value { if (Test-Path /pc/state/owner) { return }; $this.Rules } -PassThru }\nExport-ModuleMember -Function Get-Acl\n");
    let said = pc.ps("& /pc/c/flatnet/scripts/flatnet.ps1 install; \"exit $LASTEXITCODE\"");
    has(&said, &["/pc/c/flatnet/scripts can be written to by others (S-1-5-11)", "copy it into", "exit 2"]);
    // Nor does nginx run from one.
    let said = pc.ps("flat gateway check\nflat gateway reload");
    has(
        &said,
        &[
            "OpenResty can be written to by others (S-1-5-11)",
            "/inheritance:r /grant:r \"*S-1-5-18:(OI)(CI)F\" \"*S-1-5-32-544:(OI)(CI)F\" \"*S-1-5-21-1-2-3-1001:(OI)(CI)F\"",
        ],
    );
    assert_eq!(said.matches("exit 1").count(), 2, "{said}");
    // Nor from one that somebody else made, and so can open at any time.
    pc.sandbox.write("/pc/state/owner", "S-1-5-21-1-2-3-1002");
    let said =
        pc.ps("flat gateway check\n& /pc/c/flatnet/scripts/flatnet.ps1 install; \"exit $LASTEXITCODE\"");
    has(
        &said,
        &[
            "OpenResty belongs to somebody else (S-1-5-21-1-2-3-1002)",
            "/setowner \"*S-1-5-21-1-2-3-1001\" /T",
            "/pc/c/flatnet/scripts belongs to somebody else",
            "exit 1",
            "exit 2",
        ],
    );
    assert_eq!(pc.done(), "");
    // Rights that stand for others, as an entry for what will be made in a folder has them; Windows' own, and the service's.
    let said = pc.ps("foreach ($name in 'windows', 'folder', 'copy', 'fail') { . \"/pc/c/Program Files/Flatnet/lib/$name.ps1\" }
        Set-Content /pc/state/owner $null
        function Get-Acl { param($LiteralPath, $ErrorAction)
            $acl = [pscustomobject]@{ Rules = [pscustomobject]@{ AccessControlType = 'Allow'; IdentityReference = $who; FileSystemRights = $what } }
            $acl | Add-Member -MemberType ScriptMethod -Name GetOwner -Value { 'S-1-5-18' }
            $acl | Add-Member -MemberType ScriptMethod -Name GetAccessRules -Value { $this.Rules } -PassThru }
        $who = 'S-1-5-11'
        foreach ($what in 0x10000000, 0x40000000, 0x2, 0x1200a9) { [bool] (Get-OtherWriter -Path '/pc/c') }
        $what = 0x1f01ff
        foreach ($who in 'S-1-5-18', $script:serviceId, 'S-1-3-4', 'S-1-5-32-545') { [bool] (Get-OtherWriter -Path '/pc/c') }
        foreach ($path in '\\\\wsl.localhost\\Debian\\x', '/pc/c') { try { Assert-OwnDisk -Path $path; 'disk' } catch { \"$_\" } }");
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "True",
            "True",
            "True",
            "False",
            "False",
            "False",
            "False",
            "True",
            "\\\\wsl.localhost\\Debian\\x is on no disk of this PC",
            "disk"
        ],
    );
}
