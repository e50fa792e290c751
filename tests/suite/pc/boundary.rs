//! The boundary between the user's script and the elevated one.

use super::{INSTALLED, has, pc};

/// Requests that a distribution or a program of the user could make, and the error for each.
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
        "a next hop must be an IPv4 address",
    ),
    (
        r#"{"do": "add_route", "interface": "2; calc", "next_hop": "172.28.16.5"}"#,
        "an interface must be a number",
    ),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5", "subnet": "0.0.0.0/0"}"#,
        "must have exactly these fields",
    ),
    (
        r#"{"do": "remove_route", "interface": $vpn, "next_hop": "0.0.0.0", "store": "ActiveStore"}"#,
        "is not Flatnet's",
    ),
    (
        r#"{"do": "remove_route", "interface": $wsl, "next_hop": "172.28.16.5", "store": "x"}"#,
        "invalid characters",
    ),
    (r#"{"do": "remove_lan_rule", "name": "*"}"#, "pattern"),
    (r#"{"do": "remove_lan_rule", "name": "Flatnet gateway *"}"#, "pattern"),
    (r#"{"do": "remove_hyperv_rule", "name": "Core Networking"}"#, "pattern"),
    (r#"{"do": "add_lan_rule", "ports": [3389]}"#, "must have exactly these fields"),
    // A request cannot name a program, wherever it is.
    (
        r#"{"do": "install_service", "wrapper": "WinSW", "path": "C:\\flatnet\\gateway\\evil.exe"}"#,
        "must have exactly these fields",
    ),
    (
        r#"{"do": "install_service", "wrapper": "NSSM", "path": "C:\\Program Files\\WSL\\wsl.exe"}"#,
        "must have exactly these fields",
    ),
    (
        r#"{"do": "install_service", "wrapper": "WinSW", "path": "C:\\Program Files\\Flatnet\\settings.psd1"}"#,
        "must have exactly these fields",
    ),
    (r#"{"do": "install_service", "wrapper": "calc"}"#, "invalid characters"),
    // At most one rule per name.
    (r#"{"do": "add_lan_rule"}"#, "the rule \"Flatnet gateway 80\" already exists"),
    (r#"{"do": "add_shared_rule"}"#, "the rule \"Flatnet gateway 80\" already exists"),
    (r#"{"do": "add_ports_rule"}"#, "the rule \"Flatnet gateway 80\" already exists"),
    (r#"{"do": "add_subnet_rule"}"#, "the rule \"Flatnet subnet 10.87.1.0/24\" already exists"),
    // At most one route, even if another program added the existing one.
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5"}"#,
        "a route to 10.87.1.0/24 already exists, via 0.0.0.0",
    ),
    // Hyper-V's other switch.
    (
        r#"{"do": "add_route", "interface": $other, "next_hop": "172.20.0.9"}"#,
        "is not in the network of WSL's switch",
    ),
    (
        r#"{"do": "remove_route", "interface": $other, "next_hop": "172.20.0.9", "store": "ActiveStore"}"#,
        "is not Flatnet's",
    ),
    // Names: the zone of the settings only, once, and by a server in the subnet.
    (r#"{"do": "add_name_rule", "server": "8.8.8.8"}"#, "the server 8.8.8.8 is not in 10.87.1.0/24"),
    (r#"{"do": "add_name_rule", "server": "10.87.1.1; calc"}"#, "a server must be an IPv4 address"),
    (r#"{"do": "add_name_rule", "server": "10.87.1.1", "zone": "com"}"#, "must have exactly these fields"),
    (
        r#"{"do": "add_name_rule", "server": "10.87.1.1"}"#,
        "a rule for .direct.flatnet.internal already exists",
    ),
    (r#"{"do": "remove_name_rule", "name": "*"}"#, "invalid characters"),
    (
        r#"{"do": "remove_name_rule", "name": "{11111111-0000-0000-0000-000000000000}"}"#,
        "{11111111-0000-0000-0000-000000000000} is not Flatnet's",
    ),
    // A request cannot name the user of the tasks.
    (r#"{"do": "register_tasks", "user": "S-1-5-11"}"#, "must have exactly these fields"),
    (r#"{"do": ["disable_task", "enable_task"]}"#, "must be a string"),
    (r#"{"do": null}"#, "must be a string"),
    ("null", "must be a string"),
    (r#"{"do": "note", "text": "a\n"}"#, "invalid characters"),
    (
        r#"{"do": "add_route", "interface": $wsl, "next_hop": "172.28.16.5\n"}"#,
        "a next hop must be an IPv4 address",
    ),
    (r#"{"do": "note", "text": "a\u0000b"}"#, "invalid characters"),
    (r#"{"do": "Invoke-Expression", "x": "calc"}"#, "must have exactly these fields"),
    (r#"{"do": "start_gateway"}"#, "unknown action"),
];

#[test]
fn elevated_script_rejects_invalid_requests() {
    let Some(pc) = pc() else { return };
    pc.sh("ip -n windows link add vpn0 type veth peer name vpn1; ip -n windows addr add 10.8.0.2/24 dev vpn0; ip -n windows link set vpn0 up
        ip -n windows link set vpn1 up; ip -n windows route add 10.87.1.0/24 dev vpn0; ip -n windows link add other type veth peer name other1; ip -n windows addr add 172.20.0.1/20 dev other
        ip -n windows link set other up; ip -n windows link set other1 up
        echo '{\"other\": \"vEthernet (Default Switch)\"}' >/pc/state/aliases
        echo '[{\"DisplayName\": \"Flatnet gateway 80\", \"Enabled\": \"True\"}]' >/pc/state/rules.json
        echo '[{\"DisplayName\": \"VPN\", \"Name\": \"{11111111-0000-0000-0000-000000000000}\", \"Namespace\": [\".Direct.flatnet.internal\"]}]' >/pc/state/nrpt.json
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

    // The task runs without consent, so it neither installs nor removes.
    let silent = ["install_service", "remove_service", "register_tasks", "unregister_tasks", "remove_files"];
    let actions = silent.map(|name| format!(r#"{{"do": "{name}"}}"#)).join(",");
    request(&format!(r#"{{"version": 2, "id": "{id}", "actions": [{actions}]}}"#));
    pc.elevated(&format!("$env:FLATNET_USER = 'S-1-5-18'; & '{INSTALLED}/elevated.ps1'"));
    let result = pc.sandbox.read(&format!("{INSTALLED}/log/result.json"));
    for name in silent {
        has(&result, &[&format!("refused: the task does not run {name}, which requires a UAC prompt")]);
    }
    assert_eq!(pc.done(), "");

    // Files that are not requests: a link, another version, too large. Their text is not quoted.
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
            "is a link or another reparse point",
            "is not JSON",
            "is from another version",
            "has no id",
            "exceeds 65536 bytes",
            "does not exist",
        ],
    );
    // The result is written if the request's ID is known.
    let result = pc.sandbox.read(&format!("{INSTALLED}/log/result.json"));
    has(&result, &["00000000-0000-0000-0000-000000000009", "is from another version"]);
    assert!(said.matches("exit 2").count() == 6 && !said.contains("secret"), "{said}");
}

#[test]
fn elevated_and_user_scripts_stay_separate() {
    let Some(pc) = pc() else { return };
    // The user's script stops if elevated, the elevated script if not.
    let said = pc.elevated("flat status\nflat up\nflat gateway start");
    assert_eq!(said.matches("error: flatnet.ps1 must not run as administrator").count(), 3, "{said}");
    assert_eq!(said.matches("exit 2").count(), 3, "{said}");
    let said = pc.ps(&format!("& '{INSTALLED}/elevated.ps1'; \"exit $LASTEXITCODE\""));
    has(&said, &["not elevated", "exit 2"]);
    assert_eq!(pc.sh("cat /pc/state/wsl.log 2>/dev/null || true").stdout, "");

    // Tasks are not registered from a folder that others can write to, and elevated.ps1 does not run there.
    pc.sh("cp -rT /pc/scripts /pc/c/flatnet/scripts; :").succeeds();
    let said = pc.ps("& /pc/c/flatnet/scripts/flatnet.ps1 task register; \"exit $LASTEXITCODE\"\n& /pc/c/flatnet/scripts/task.ps1 register; \"exit $LASTEXITCODE\"");
    assert_eq!(said.matches("error: tasks run scripts only from").count(), 2, "{said}");
    let said = pc.elevated("& /pc/c/flatnet/scripts/elevated.ps1; \"exit $LASTEXITCODE\"");
    has(&said, &["elevated.ps1 runs only from", "exit 2"]);
    assert_eq!(pc.done(), "");

    // Neither script loads a module from the user's folder that defines a command they use.
    let module = "/root/.local/share/powershell/Modules/Evil/Evil.psm1";
    pc.sh(&format!("mkdir -p $(dirname {module})")).succeeds();
    pc.sandbox.write(module, "Set-Content /pc/state/evil 1\nfunction Get-NetAdapter { }\nfunction Get-Acl { }\nfunction Get-Date { }\n");
    let said = pc.ps("$before = $env:PSModulePath\nflat up\n\"restored $($env:PSModulePath -eq $before)\"");
    has(&said, &["exit 0", "restored True"]);
    pc.sh("[ ! -e /pc/state/evil ]").succeeds();
    has(&pc.done(), &["powershell.exe RunAs", "elevated New-NetRoute"]);
    pc.nothing_of_others_was_elevated();

    // A mutex that another process holds does not block the scripts.
    pc.sandbox.write("/pc/hold.ps1", "$mutex = New-Object Threading.Mutex $true, 'Global\\FlatnetElevated'; Set-Content /pc/state/held 1; Start-Sleep 900");
    pc.sh("setsid /opt/pwsh/pwsh -NoProfile -File /pc/hold.ps1 >/dev/null 2>&1 & until [ -e /pc/state/held ]; do sleep 0.1; done").succeeds();
    has(&pc.ps("flat down"), &["exit 0"]);
    assert_eq!(pc.left(), "");

    // A task of the same name in another folder is not used.
    pc.sh(r#"echo '[{"TaskName": "FlatnetElevated", "TaskPath": "\\x\\", "State": "Ready", "Xml": "<Task/>"}]' >/pc/state/tasks.json"#).succeeds();
    has(&pc.ps("flat down\nflat up"), &["exit 0"]);
    let done = pc.done();
    assert!(!done.contains("start FlatnetElevated") && done.contains("powershell.exe RunAs"), "{done}");

    // Actions that WSL2 may not request are skipped.
    pc.sh(r#"f=$(command -v flatnet); printf '#!/bin/sh\n[ "$2" = decide ] || exec %s "$@"\n%s "$@" | jq -c ".actions += [{do: \\"remove_files\\"}, {do: [\\"note\\"]}]"\n' $f $f >/usr/local/sbin/flatnet; chmod +x /usr/local/sbin/flatnet; [ "$(command -v flatnet)" = /usr/local/sbin/flatnet ]"#).succeeds();
    let said = pc.ps("flat up");
    has(
        &said,
        &["skipped: WSL2 may not request the action remove_files", "request the action note", "exit 0"],
    );
    pc.sh(&format!("rm /usr/local/sbin/flatnet; [ -e '{INSTALLED}/elevated.ps1' ]")).succeeds();
    assert_eq!(pc.done(), "");

    // Nothing is installed from a folder that others can write to.
    pc.sandbox.write("/pc/state/more.ps1", "function Get-Acl { [CmdletBinding()] param($LiteralPath) $rules = [pscustomobject]@{ AccessControlType = 'Allow'; IdentityReference = 'S-1-5-11'; FileSystemRights = 0x1301bf }\n$acl = [pscustomobject]@{ Rules = $rules }\n$acl | Add-Member -MemberType ScriptMethod -Name GetOwner -Value { if (Test-Path /pc/state/owner) { Get-Content /pc/state/owner } else { 'S-1-5-32-544' } }\n$acl | Add-Member -MemberType ScriptMethod -Name GetAccessRules -Value { if (Test-Path /pc/state/owner) { return }; $this.Rules } -PassThru }\nExport-ModuleMember -Function Get-Acl\n");
    let said = pc.ps("& /pc/c/flatnet/scripts/flatnet.ps1 install; \"exit $LASTEXITCODE\"");
    has(&said, &["/pc/c/flatnet/scripts is writable by others (S-1-5-11)", "copy it to", "exit 2"]);
    // nginx does not run from such a folder either.
    let said = pc.ps("flat gateway check\nflat gateway reload");
    has(
        &said,
        &[
            "OpenResty is writable by others (S-1-5-11)",
            "/inheritance:r /grant:r \"*S-1-5-18:(OI)(CI)F\" \"*S-1-5-32-544:(OI)(CI)F\" \"*S-1-5-21-1-2-3-1001:(OI)(CI)F\"",
        ],
    );
    assert_eq!(said.matches("exit 1").count(), 2, "{said}");
    // The same for a folder of another user, who can change its permissions at any time.
    pc.sandbox.write("/pc/state/owner", "S-1-5-21-1-2-3-1002");
    let said =
        pc.ps("flat gateway check\n& /pc/c/flatnet/scripts/flatnet.ps1 install; \"exit $LASTEXITCODE\"");
    has(
        &said,
        &[
            "OpenResty belongs to another user (S-1-5-21-1-2-3-1002)",
            "/setowner \"*S-1-5-21-1-2-3-1001\" /T",
            "/pc/c/flatnet/scripts belongs to another user",
            "exit 1",
            "exit 2",
        ],
    );
    assert_eq!(pc.done(), "");
    // Generic rights, which inherit-only entries have; accounts of Windows and of the service.
    let said = pc.ps("foreach ($name in 'windows', 'permissions', 'installation', 'failure') { . \"/pc/c/Program Files/Flatnet/lib/$name.ps1\" }
        Set-Content /pc/state/owner $null
        function Get-Acl { param($LiteralPath, $ErrorAction)
            $acl = [pscustomobject]@{ Rules = [pscustomobject]@{ AccessControlType = 'Allow'; IdentityReference = $who; FileSystemRights = $what } }
            $acl | Add-Member -MemberType ScriptMethod -Name GetOwner -Value { 'S-1-5-18' }
            $acl | Add-Member -MemberType ScriptMethod -Name GetAccessRules -Value { $this.Rules } -PassThru }
        $who = 'S-1-5-11'
        foreach ($what in 0x10000000, 0x40000000, 0x2, 0x1200a9) { [bool] (Get-OtherWriter -Path '/pc/c') }
        $what = 0x1f01ff
        foreach ($who in 'S-1-5-18', $script:serviceId, 'S-1-3-4', 'S-1-5-32-545') { [bool] (Get-OtherWriter -Path '/pc/c') }
        foreach ($path in '\\\\wsl.localhost\\Debian\\x', '/pc/c') { try { Assert-LocalDisk -Path $path; 'disk' } catch { \"$_\" } }");
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
            "\\\\wsl.localhost\\Debian\\x is not on a local disk",
            "disk"
        ],
    );
}
