//! From installation to removal.

use super::{INSTALLED, has, line, pc};

#[test]
fn from_install_to_uninstall() {
    let Some(pc) = pc() else { return };
    // An older version: a file that no longer exists, and settings without a newer key.
    pc.sh(&format!(
        "cp -rT /pc/scripts /pc/home/setup; cd '{INSTALLED}'; rm elevated.ps1 lib/check.ps1; touch lib/old.ps1
        mkdir /pc/home/precious; echo kept >/pc/home/precious/request.json; ln -s /pc/home/precious request; ln /pc/home/precious/request.json request.json
        sed -i \"/ Name = /d; s/Ports = .*/Ports = @(80)    # mine/\" settings.psd1"
    ))
    .succeeds();
    // From folders whose names contain PowerShell's quotation marks.
    pc.sh("for name in \"O'Brien\" 'O\u{2019};touch evil;\u{2019}' 'O\u{201b}x' '\u{201c}x\u{201d}'; do cp -rT /pc/home/setup \"/pc/home/$name\"; done").succeeds();
    for name in [
        "O''Brien",
        "O\u{2019}\u{2019};touch evil;\u{2019}\u{2019}",
        "O\u{201b}\u{201b}x",
        "\u{201c}x\u{201d}",
    ] {
        let said =
            pc.ps(&format!("cd /pc/state; & '/pc/home/{name}/flatnet.ps1' install; \"exit $LASTEXITCODE\""));
        has(&said, &["Installed in", "exit 0"]);
    }
    pc.sh("[ -z \"$(find / -xdev -name evil)\" ]").succeeds();
    pc.sh(&format!("rm -r /pc/state/tasks.json '{INSTALLED}/log' '{INSTALLED}/elevated.ps1'; touch '{INSTALLED}/lib/old.ps1'")).succeeds();
    pc.done();
    let said = pc.ps("& /pc/home/setup/flatnet.ps1 install; \"exit $LASTEXITCODE\"");
    has(&said, &["deleted old.ps1", "missing in", "Name = flatnet.internal", "exit 0", "flatnet.cmd' up"]);
    pc.sh(&format!("cd '{INSTALLED}'; [ -e elevated.ps1 ] && [ -e lib/check.ps1 ] && [ -e flatnet-gateway.exe ] && grep -q mine settings.psd1 && [ ! -e lib/old.ps1 ] && [ ! -L request ] && [ ! -s request.json ] && grep -q kept /pc/home/precious/request.json")).succeeds();
    let done = pc.done();
    has(
        &done,
        &[
            "powershell.exe RunAs",
            "elevated icacls",
            "Flatnet/request.json /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F *S-1-5-21-1-2-3-1001:(R,W)",
            // Other users cannot read the scripts and settings: an open file blocks others.
            "/Flatnet /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-21-1-2-3-1001:(OI)(CI)RX *S-1-5-80-3934990286-408122525-426942533-3047471882-2994523024:(OI)(CI)RX /Q",
            "Flatnet/log /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-21-1-2-3-1001:(OI)(CI)RX",
            "Flatnet/lock /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /Q",
            "Register-ScheduledTask FlatnetElevated",
        ],
    );
    pc.sh(&format!(
        "sed -i \"s/^    Ports/    Name = 'flatnet.internal'\\n    Ports/\" '{INSTALLED}/settings.psd1'"
    ))
    .succeeds();

    // From here to the task, each script runs in its own process, with the command line that Windows uses.
    pc.sh("touch /pc/state/process").succeeds();
    // First printed only; then run, without a prompt because the tasks are registered.
    let shown = pc.ps("flat up -WhatIf");
    let rest = pc.ps("flat up")
        + &pc.ps("$x = & '/pc/c/Program Files/Flatnet/flatnet.ps1' status\n\"$($x.Count) $($x[0].Layer) $(($x | Where-Object Level -eq FAILURE).Count)\"");
    has(
        &shown,
        &["What if", "New-NetRoute -DestinationPrefix 10.87.1.0/24", "New-NetFirewallRule", "nginx.exe"],
    );
    has(&rest, &["The path from the LAN to the containers is open", "exit 0", "16 settings 0"]);
    let done = pc.done();
    has(&done, &["start FlatnetElevated", "elevated New-NetRoute 10.87.1.0/24 172.28.16.5 ActiveStore"]);
    assert!(!done.contains("RunAs") && done.matches("New-NetRoute").count() == 1, "{done}");
    pc.sh("ip netns exec lan curl -sf -o /dev/null http://192.168.8.1/").succeeds();
    pc.nothing_of_others_was_elevated();

    // eth0's address changes, and the task runs as its XML says; the log has its actions.
    pc.sh("ip addr del 172.28.16.5/20 dev eth0; ip addr add 172.28.20.9/20 dev eth0; ip route add default via 172.28.16.1").succeeds();
    let said = pc.ps("Start-ScheduledTask -TaskName Flatnet\nflat doctor\nflat task");
    assert!(pc.left().contains("via 172.28.20.9"), "{said} {}", pc.sh("cat /pc/state/hidden").stdout);
    has(line(&said, "task"), &["ok", "2026-11-29 08:00"]);
    has(&said, &["with result 0"]);
    has(
        &pc.sh(&format!("cat '{INSTALLED}/log/flatnet.log'")).stdout,
        &["Remove-NetRoute", "-NextHop 172.28.20.9"],
    );

    pc.sh("rm /pc/state/process").succeeds();

    // `down` disables the task, so that its next trigger does not run `up`; `up` enables it.
    let said = pc.ps("flat down\nflat down");
    assert_eq!(pc.left(), "", "{said}");
    assert_eq!(said.matches("exit 0").count(), 2, "{said}");
    has(&pc.done(), &["Disable-ScheduledTask Flatnet"]);
    pc.ps("flat up");
    has(&pc.done(), &["Enable-ScheduledTask Flatnet"]);
    // Tasks are for the user who ran `install`, and need a UAC prompt.
    let said = pc.ps("flat task unregister\nflat task register");
    assert_eq!(said.matches("exit 0").count(), 2, "{said}");
    assert_eq!(pc.done().matches("powershell.exe RunAs").count(), 2, "{said}");
    has(&pc.sh("jq -r '.[].Xml' /pc/state/tasks.json").stdout, &["GRGX;;;S-1-5-21-1-2-3-1001)"]);

    // `uninstall` works without WSL2.
    pc.sh("rm /pc/c/Windows/System32/wsl.exe").succeeds();
    pc.sh(&format!(
        "mkdir /pc/home/kept; touch /pc/home/kept/file; ln -s /pc/home/kept '{INSTALLED}/lib/elsewhere'"
    ))
    .succeeds();
    let said = pc.ps("flat uninstall");
    has(&said, &["Flatnet is removed from Windows", "exit 0"]);
    assert_eq!(pc.left(), "");
    has(&pc.done(), &["powershell.exe RunAs", "elevated Unregister-ScheduledTask FlatnetElevated"]);
    pc.sh(&format!(
        "[ -e /pc/home/kept/file ] && [ ! -e '{INSTALLED}' ] && [ \"$(jq length /pc/state/tasks.json)\" = 0 ]"
    ))
    .succeeds();
}

/// docs/windows.md from its fourth step on: nothing comes from the source tree.
#[test]
fn page_leads_from_the_package_to_the_portal() {
    let Some(pc) = pc() else { return };
    let setup = "/pc/c/Users/ann/AppData/Local/flatnet-setup";
    pc.sh(&format!(
        "rm -rf '{INSTALLED}' /pc/c/flatnet/gateway; mkdir -p /mnt $(dirname {setup}); ln -s /pc/c /mnt/c
        flatnet gateway install /mnt/c/flatnet/gateway --platform windows; flatnet gateway sync"
    ))
    .succeeds();
    let printed = pc.sh("flatnet windows install").succeeds().stdout;
    has(&printed, &["flatnet-setup\\flatnet.cmd\" install"]);
    let said = pc.ps(&format!("& '{setup}/flatnet.ps1' install; \"exit $LASTEXITCODE\""));
    has(&said, &["Installed in", "exit 0"]);
    has(&pc.ps("flat up -WhatIf"), &["What if", "New-NetRoute -DestinationPrefix 10.87.1.0/24"]);
    assert_eq!(pc.left(), "", "-WhatIf changes nothing");
    has(&pc.ps("flat up"), &["The path from the LAN to the containers is open", "exit 0"]);
    has(&pc.ps("flat doctor"), &["exit 0"]);
    pc.sh("ip netns exec lan curl -sf http://192.168.8.1/ | grep -i flatnet").succeeds();
}

#[test]
fn status_succeeds_where_flatnet_is_not_set_up() {
    let Some(pc) = pc() else { return };
    let set_up = "Flatnet is not set up on this Windows. The path stops at: route.";
    let ends = |said: &str| said.lines().filter_map(|line| line.strip_prefix("exit ")).collect::<String>();
    let said = pc.ps("flat\nflat doctor\nflat gateway status");
    assert_eq!((ends(&said).as_str(), said.matches(set_up).count()), ("011", 2), "{said}");
    assert!(!said.contains("FAILURE"), "{said}");
    // An independent problem is a failure.
    pc.sh("sysctl -qw net.ipv4.ip_forward=0").succeeds();
    let said = pc.ps("flat");
    has(line(&said, "forwarding"), &["FAILURE"]);
    has(&said, &["The path stops at: forwarding.", "flatnet.ps1' doctor", "exit 1"]);
    pc.sh("sysctl -qw net.ipv4.ip_forward=1").succeeds();
    // A missing object is a failure after `up`, and not after `down`.
    let said = pc.ps("flat up\nflat gateway stop\nflat\nflat down\nflat");
    assert_eq!((ends(&said).as_str(), said.matches(set_up).count()), ("00100", 1), "{said}");
}

#[test]
fn uninstall_reports_what_blocks_it() {
    let Some(pc) = pc() else { return };
    pc.sh("echo Stopped >/pc/state/service; echo 'sc delete' >/pc/state/fail").succeeds();
    let said = pc.ps("flat uninstall");
    has(
        &said,
        &[
            "error: remove_service: ",
            "Access is denied.",
            "error: remove_files: the service FlatnetGateway still exists",
            "exit 2",
        ],
    );
    pc.sh(&format!("rm /pc/state/fail; [ -e '{INSTALLED}/flatnet.ps1' ]")).succeeds();
    let said = pc.ps("flat uninstall");
    has(&said, &["and the folder that these scripts were installed from", "exit 0"]);
    pc.sh(&format!("[ ! -e '{INSTALLED}' ]")).succeeds();
}

#[test]
fn help_and_old_script_names_still_work() {
    let Some(pc) = pc() else { return };
    let said = pc.ps(&format!(
        "(Get-Help '{INSTALLED}/flatnet.ps1' -Full | Out-String)
        & '{INSTALLED}/task.ps1'; \"task $LASTEXITCODE\"
        & '{INSTALLED}/openresty.ps1' check -WhatIf; \"openresty $LASTEXITCODE\"
        & '{INSTALLED}/openresty.ps1' status; \"judged $LASTEXITCODE\"
        & '{INSTALLED}/install.ps1'; \"install $LASTEXITCODE\""
    ));
    has(
        &said,
        &["uninstall  remove everything", "task 1", "What if", "openresty 0", "judged 1", "install 2"],
    );
    assert_eq!(pc.done(), "");
}
