//! Invalid settings.

use std::fmt::Write as _;

use super::{has, pc};

#[test]
fn wrong_setting_is_rejected_with_its_key() {
    let Some(pc) = pc() else { return };
    let wrong = [
        ("Ports", "@()"),
        ("Ports", "'80'"),
        ("Ports", "@(0)"),
        ("Ports", "@(80, 65536)"),
        ("Ports", "@(80, 80)"),
        ("Ports", "80.5"),
        ("Ports", "$null"),
        ("Subnet", "'10.87.1.1/24'"),
        ("Subnet", "'10.87.1.0'"),
        ("Subnet", "'0.0.0.0/0'"),
        ("Subnet", "'10.87.300.0/24'"),
        ("Distribution", "''"),
        ("Distribution", "'Debian; calc'"),
        ("Distribution", "@('Debian')"),
        ("Name", "'flatnet internal'"),
        ("Name", "'-x'"),
        ("Zone", "'flatnet'"),
        ("Zone", "'.direct.flatnet.internal'"),
        ("Zone", "'direct.flatnet.internal;calc'"),
        ("Zone", "$null"),
        ("GatewayDirectory", "'flatnet\\gateway'"),
        ("GatewayDirectory", "'C:\\flatnet;gateway'"),
        ("OpenResty", "'C:\\openresty'"),
        ("OpenResty", "80"),
    ];
    // All in one PowerShell: each run reads the settings again.
    let file = "/pc/c/Program Files/Flatnet/settings.psd1";
    let mut text = format!("$file = '{file}'\n$good = Get-Content -Raw -LiteralPath $file\n");
    for (key, value) in wrong {
        let value = value.replace('\'', "''");
        let _ = write!(
            text,
            "$value = '{value}'
            Set-Content $file ($good -replace '(?m)^    {key} = .*$', ('    {key} = ' + $value.Replace('$', '$$')))
            \"{key} $value\"
            flat status\n"
        );
    }
    for whole in [
        "$good.Replace('Subnet', 'Subnets')",
        "$good -replace '(?m)^    Name = .*$', ''",
        "'@{'",
        "'Get-Process'",
    ] {
        let _ = write!(text, "Set-Content $file ({whole})\nflat up\n");
    }
    text += "Remove-Item $file\nflat down\n";
    let said = pc.ps(&text);
    for (key, value) in wrong {
        let after =
            said.split_once(&format!("{key} {value}\n")).unwrap_or_else(|| panic!("{key} {value}: {said}")).1;
        let answer = after.split("exit ").next().unwrap();
        assert!(
            answer.contains(&format!("settings.psd1: {key} is invalid: ")) && answer.contains("help: write"),
            "{key} = {value}: {answer}"
        );
    }
    has(&said, &["Subnets is unknown", "Name is missing", "cannot be read", "settings.psd1 does not exist"]);
    assert_eq!(said.matches("exit 2").count(), wrong.len() + 5, "{said}");
    assert!(!said.contains("~~~") && !said.contains(".ps1:"), "{said}");
    assert_eq!(pc.done() + &pc.sh("cat /pc/state/wsl.log 2>/dev/null || true").stdout, "");
}

#[test]
fn paths_with_spaces_and_other_ports_work() {
    let Some(pc) = pc() else { return };
    pc.sh("mkdir -p '/pc/c/Program Files (x86)'; mv '/pc/c/Program Files/OpenResty' '/pc/c/Program Files (x86)/Open Resty & more'").succeeds();
    pc.set("OpenResty", "'C:\\Program Files (x86)\\Open Resty & more\\nginx.exe'");
    let said = pc.ps("flat up\nflat gateway check\nflat gateway reload\nflat gateway stop\nflat down");
    assert_eq!(said.matches("exit 0").count(), 5, "{said}");
    assert_eq!(pc.left(), "");
    // Both sides must have the same ports; the rule follows the settings.
    pc.ps("flat up");
    pc.set("Ports", "@(80, 443)");
    let said = pc.ps("flat up");
    has(super::line(&said, "settings"), &["warning", "[80, 443]"]);
    has(super::line(&said, "gateway"), &["FAILURE", "443"]);
    assert!(
        pc.left().contains("Flatnet gateway 80 443") && !pc.left().contains("gateway 80\n"),
        "{}",
        pc.left()
    );
}
