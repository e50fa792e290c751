//! From installing to removing.

use super::{INSTALLED, has, line, pc};

#[test]
fn from_install_to_uninstall() {
    let Some(pc) = pc() else { return };
    // Both halves by the lines that Windows runs.
    pc.sh("touch /pc/state/process").succeeds();
    // As an older version left it: a file that is no more, and settings of the user's with one key less.
    pc.sh(&format!(
        "cp -rT /pc/scripts /pc/home/setup; cd '{INSTALLED}'; rm elevated.ps1 lib/check.ps1; touch lib/old.ps1
        mkdir /pc/home/precious; echo kept >/pc/home/precious/request.json; ln -s /pc/home/precious request; ln /pc/home/precious/request.json request.json
        sed -i \"/ Name = /d; s/Ports = .*/Ports = @(80)    # mine/\" settings.psd1"
    ))
    .succeeds();
    // From a folder whose name has what ends a text in PowerShell.
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
    has(&said, &["deleted: old.ps1", "missing in", "Name = flatnet.internal", "exit 0", "flatnet.cmd' up"]);
    pc.sh(&format!("cd '{INSTALLED}'; [ -e elevated.ps1 ] && [ -e lib/check.ps1 ] && [ -e flatnet-gateway.exe ] && grep -q mine settings.psd1 && [ ! -e lib/old.ps1 ] && [ ! -L request ] && [ ! -s request.json ] && grep -q kept /pc/home/precious/request.json")).succeeds();
    let done = pc.done();
    has(
        &done,
        &[
            "powershell.exe RunAs",
            "elevated icacls",
            "Flatnet/request.json /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F *S-1-5-21-1-2-3-1001:(R,W)",
            // Nobody else reads the scripts and settings either: who has one open keeps others from it.
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

    // Nothing is set up, which is no fault to `status`; shown, and not done; then done, and nothing is asked, since the tasks are there.
    let said = pc.ps("flat status\nflat doctor\nflat up -WhatIf\nflat up\n$x = & '/pc/c/Program Files/Flatnet/flatnet.ps1' status\n\"$($x.Count) $($x[0].Layer) $(($x | Where-Object Level -eq FAILURE).Count)\"");
    let (fresh, said) = said.split_once("exit 1").unwrap();
    has(
        fresh,
        &[
            "Nothing of Flatnet is set up on this Windows, so the way stops at: route.",
            "flatnet.ps1' up",
            "exit 0",
        ],
    );
    assert!(!fresh.contains("FAILURE"), "{fresh}");
    let (shown, rest) = said.split_once("exit 0").unwrap();
    has(
        shown,
        &["What if", "New-NetRoute -DestinationPrefix 10.87.1.0/24", "New-NetFirewallRule", "nginx.exe"],
    );
    has(rest, &["The way is open from the LAN to the containers", "exit 0", "15 settings 0"]);
    let done = pc.done();
    has(&done, &["start FlatnetElevated", "elevated New-NetRoute 10.87.1.0/24 172.28.16.5 ActiveStore"]);
    assert!(!done.contains("RunAs") && done.matches("New-NetRoute").count() == 1, "{done}");
    pc.sh("ip netns exec lan curl -sf -o /dev/null http://192.168.8.1/").succeeds();
    pc.nothing_of_others_was_elevated();

    // eth0 has another address, and the task runs as its XML says; what it did is in the log.
    pc.sh("ip addr del 172.28.16.5/20 dev eth0; ip addr add 172.28.20.9/20 dev eth0; ip route add default via 172.28.16.1").succeeds();
    let said = pc.ps("Start-ScheduledTask -TaskName Flatnet\nflat doctor\nflat task");
    assert!(pc.left().contains("via 172.28.20.9"), "{said} {}", pc.sh("cat /pc/state/hidden").stdout);
    has(line(&said, "task"), &["ok", "2026-11-29 08:00"]);
    has(&said, &["ended with 0"]);
    has(
        &pc.sh(&format!("cat '{INSTALLED}/log/flatnet.log'")).stdout,
        &["Remove-NetRoute", "-NextHop 172.28.20.9"],
    );

    // `down` keeps the next event from undoing it, and `up` takes that back.
    let said = pc.ps("flat down\nflat down\nflat status\nflat gateway status");
    assert_eq!(pc.left(), "", "{said}");
    has(&said, &["Nothing of Flatnet is set up on this Windows"]);
    assert_eq!((said.matches("exit 0").count(), said.matches("exit 1").count()), (3, 1), "{said}");
    has(&pc.done(), &["Disable-ScheduledTask Flatnet"]);
    pc.ps("flat up");
    has(&pc.done(), &["Enable-ScheduledTask Flatnet"]);
    // For whom `install` was run, after Windows' question.
    let said = pc.ps("flat task unregister\nflat task register");
    assert_eq!(said.matches("exit 0").count(), 2, "{said}");
    assert_eq!(pc.done().matches("powershell.exe RunAs").count(), 2, "{said}");
    has(&pc.sh("jq -r '.[].Xml' /pc/state/tasks.json").stdout, &["GRGX;;;S-1-5-21-1-2-3-1001)"]);

    // What keeps it from ending is told; the scripts stay.
    pc.sh("echo Stopped >/pc/state/service; echo 'sc delete' >/pc/state/fail").succeeds();
    let said = pc.ps("flat uninstall");
    has(
        &said,
        &[
            "error: remove_service: ",
            "Access is denied.",
            "error: remove_files: the service FlatnetGateway is still there",
            "exit 2",
        ],
    );
    pc.sh("rm /pc/state/service /pc/state/fail").succeeds();
    pc.done();
    pc.ps("flat task register");

    // Without WSL2.
    pc.sh("rm /pc/c/Windows/System32/wsl.exe").succeeds();
    pc.sh(&format!(
        "mkdir /pc/home/kept; touch /pc/home/kept/file; ln -s /pc/home/kept '{INSTALLED}/lib/elsewhere'"
    ))
    .succeeds();
    let said = pc.ps("flat uninstall");
    has(&said, &["Nothing of Flatnet is left on Windows", "exit 0"]);
    assert_eq!(pc.left(), "");
    has(&pc.done(), &["powershell.exe RunAs", "elevated Unregister-ScheduledTask FlatnetElevated"]);
    pc.sh(&format!(
        "[ -e /pc/home/kept/file ] && [ ! -e '{INSTALLED}' ] && [ \"$(jq length /pc/state/tasks.json)\" = 0 ]"
    ))
    .succeeds();
}

#[test]
fn help_and_old_names_lead_to_the_one_script() {
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
        &["uninstall  take everything back", "task 1", "What if", "openresty 0", "judged 1", "install 2"],
    );
    assert_eq!(pc.done(), "");
}
