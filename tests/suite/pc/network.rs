//! Networking modes, VPNs, LANs and firewalls.

use super::{has, line, pc};

#[test]
fn network_mode_changes_are_followed() {
    let Some(pc) = pc() else { return };
    pc.sh("touch /pc/state/hyperv-blocks").succeeds();
    let said = pc.ps("flat up");
    has(&said, &["is open", "exit 0"]);
    has(&pc.left(), &["Flatnet subnet 10.87.1.0/24", "via 172.28.16.5"]);
    // In mirrored mode the route and OpenResty are removed, and the firewalls allow the ports to WSL2.
    pc.sh("echo mirrored >/pc/state/mode; echo '[experimental]' >>/pc/home/.wslconfig").succeeds();
    let said = pc.ps("flat up\nflat doctor");
    let left = pc.left();
    assert!(
        !left.contains("via")
            && !left.contains("nginx")
            && !left.contains("subnet")
            && left.contains("Flatnet gateway 80"),
        "{left}{said}"
    );
    has(line(&said, "name"), &["flatnet.internal resolves to this PC"]);
    assert!(
        pc.sh("jq -r '.[0].Profiles | join(\",\")' /pc/state/hyperv.json").stdout.contains("Private,Domain")
    );
    // Two rules of the same name, as 0.1.0 added them.
    pc.sh("jq '. + .' /pc/state/hyperv.json >/pc/state/x && mv /pc/state/x /pc/state/hyperv.json; echo nat >/pc/state/mode").succeeds();
    let said = pc.ps("flat up\nflat up");
    assert_eq!(said.matches("exit 0").count(), 2, "{said}");
    has(&pc.left(), &["via 172.28.16.5", "Flatnet subnet", "nginx"]);
    pc.done();
    // A mode without routes.
    pc.sh("echo virtioproxy >/pc/state/mode").succeeds();
    let said = pc.ps("flat up\nflat down");
    has(line(&said, "mode"), &["FAILURE", "virtioproxy"]);
    assert_eq!(pc.left(), "");
}

#[test]
fn wsl_adapter_is_identified_among_others() {
    let Some(pc) = pc() else { return };
    pc.sh("echo '{\"vEthernet\": \"\\u30a4\\u30fc\\u30b5\\u30cd\\u30c3\\u30c8 5\", \"LAN\": \"\\u793e\\u5185\"}' >/pc/state/aliases").succeeds();
    // A renamed adapter, in Japanese, is identified by its network.
    has(&pc.ps("flat up"), &["is open", "exit 0"]);
    // A LAN with the same addresses, and a VPN: the working route stays, and both are named.
    pc.sh("ip -n windows link add WiFi type veth peer name wifi1 netns lan
        ip -n windows addr add 172.28.16.50/24 dev WiFi; ip -n windows link set WiFi up
        ip -n lan addr add 172.28.16.5/24 dev wifi1; ip -n lan link set wifi1 up")
        .succeeds();
    pc.done();
    let said = pc.ps("flat up\nflat doctor");
    has(line(&said, "eth0"), &["FAILURE", "WiFi"]);
    has(line(&said, "container"), &["ok"]);
    assert_eq!(pc.done(), "");
    pc.sh("ip -n windows link del WiFi; ip -n windows link add vpn0 type veth peer name vpn1; ip -n windows addr add 172.21.0.5/24 dev vpn0
        ip -n windows link set vpn0 up; ip -n windows route add 172.28.16.0/21 dev vpn0").succeeds();
    let said = pc.ps("flat up");
    has(line(&said, "eth0"), &["warning", "vpn0", "172.28.16.0/21"]);
    assert_eq!(pc.done(), "");
    has(&pc.left(), &["via 172.28.16.5 dev vEthernet"]);
    // Removed by the recorded route, since the adapter's name does not identify it.
    pc.ps("flat down");
    assert_eq!(pc.left(), "");
    pc.done();
    // A VPN that routes the subnet: no route is added, and the VPN's stays.
    pc.sh("ip -n windows route del 172.28.16.0/21 dev vpn0; ip -n windows route add 10.87.1.0/24 dev vpn0")
        .succeeds();
    let said = pc.ps("flat up\nflat down");
    has(line(&said, "route"), &["FAILURE", "vpn0"]);
    assert!(!pc.done().contains("NetRoute"), "{said}");
    has(&pc.left(), &["10.87.1.0/24 dev vpn0"]);
    // A known device takes precedence over the adapter's name.
    pc.sh("ip -n windows route del 10.87.1.0/24 dev vpn0; ip -n windows addr add 172.28.16.77/24 dev vpn0
        echo '{\"vpn0\": \"WireGuard Tunnel\", \"vEthernet\": \"Hyper-V Virtual Ethernet Adapter #3\", \"LAN\": \"Intel\"}' >/pc/state/devices
        echo '{\"vpn0\": \"WSL VPN\", \"vEthernet\": \"Ethernet 5\"}' >/pc/state/aliases").succeeds();
    let said = pc.ps("flat up");
    has(&pc.left(), &["via 172.28.16.5 dev vEthernet"]);
    has(line(&said, "eth0"), &["WSL VPN"]);
}

#[test]
fn answer_of_later_layer_proves_earlier_ones() {
    let Some(pc) = pc() else { return };
    // WSL2 drops pings and connections; then the container ignores pings.
    pc.sh("nft 'table ip ufw { chain in { type filter hook input priority 0; iifname eth0 icmp type echo-request drop; iifname eth0 tcp dport 80 drop; }; }'").succeeds();
    let said = pc.ps("flat up");
    has(&said, &["is open", "exit 0"]);
    pc.sh("ip netns exec web sysctl -qw net.ipv4.icmp_echo_ignore_all=1").succeeds();
    has(line(&pc.ps("flat status"), "container"), &["ok"]);
    assert!(!pc.done().contains("HyperV"), "a rule was added although the path works");
    // Nothing answers.
    pc.sh("ip netns exec web ip link set eth0 down").succeeds();
    let said = pc.ps("flat status");
    has(line(&said, "container"), &["FAILURE"]);
    has(&said, &["stops at: eth0", "exit 1"]);
}

#[test]
fn settings_that_block_the_lan_are_failures() {
    let Some(pc) = pc() else { return };
    let said = pc.ps("flat up\nSet-Content /pc/state/public 1\nflat doctor\nRemove-Item /pc/state/public\nSet-Content /pc/state/policy 1\nflat doctor\nRemove-Item /pc/state/policy
        $env:FLATNET_ELEVATED = '1'
        New-NetFirewallRule -DisplayName nginx.exe -Direction Inbound -Action Block -Program 'C:\\program files\\openresty\\nginx.exe'
        $env:FLATNET_ELEVATED = $null
        flat doctor");
    has(
        &said,
        &[
            "this PC's LAN, Home, is marked Public",
            "Set-NetConnectionProfile -InterfaceIndex",
            "a policy disables this PC's own firewall rules in Private networks",
            "a rule of Windows' firewall for C:\\program files\\openresty\\nginx.exe blocks",
            "Where-Object DisplayName -eq 'nginx.exe' | Remove-NetFirewallRule",
        ],
    );
    assert_eq!(said.matches("exit 1").count(), 3, "{said}");
    // Changes to a rule that blocks port 80, and the number of blocking rules after each.
    let said = pc.ps("foreach ($name in 'windows', 'run', 'observe') { . \"/pc/c/Program Files/Flatnet/lib/$name.ps1\" }
        foreach ($more in @{}, @{ LocalPort = '79-81' }, @{ LocalPort = 80, 443 }, @{ Program = 'C:\\openresty\\NGINX.exe' }, @{ RemoteAddress = 'LocalSubnet' },
            @{ LocalPort = '8080' }, @{ LocalPort = '81-90' }, @{ Protocol = 'UDP' }, @{ RemoteAddress = '192.0.2.1' }, @{ Program = 'C:\\Other\\nginx.exe' },
            @{ Enabled = 'False' }, @{ Direction = 'Outbound' }, @{ Action = 'Allow' }) {
            $rule = @{ DisplayName = 'some'; Enabled = 'True'; Direction = 'Inbound'; Action = 'Block'; LocalPort = 80; Protocol = 'TCP' }
            foreach ($key in $more.Keys) { $rule[$key] = $more[$key] }
            ConvertTo-Json @([pscustomobject] $rule) | Set-Content /pc/state/rules.json
            @(Get-BlockRule -Settings @{ OpenResty = 'C:\\openresty\\nginx.exe'; Ports = @(80) }).Count
        }");
    assert_eq!(said.split_whitespace().collect::<String>(), "1111100000000", "{said}");
    // A failing cmdlet is not a missing one. Then: Windows before 11 22H2, without a LAN.
    for cmdlet in ["Get-NetFirewallHyperVVMSetting", "Get-NetFirewallHyperVRule"] {
        pc.sandbox.write("/pc/state/fail", cmdlet);
        has(line(&pc.ps("flat status"), "hyper-v"), &["unseen", "Access is denied."]);
    }
    pc.sh("touch /pc/state/windows-10; rm /pc/state/rules.json; ip -n windows link del LAN").succeeds();
    let said = pc.ps("flat up");
    has(line(&said, "hyper-v"), &["no Hyper-V firewall"]);
    has(line(&said, "firewall"), &["unseen", "not connected to a LAN"]);
    has(&said, &["The PC is not connected to a LAN."]);
}

#[test]
fn containers_names_resolve_on_windows_by_one_rule() {
    let Some(pc) = pc() else { return };
    // Two rules of other programs. One is for the zone: it stays, and Flatnet adds none.
    let other = |name: &str, namespace: &str| {
        format!(
            r#"{{"Name": "{{{name}-0000-0000-0000-000000000000}}", "Namespace": ["{namespace}"], "NameServers": ["192.168.8.9"], "DisplayName": "VPN"}}"#
        )
    };
    let (vpn, taken) = (other("11111111", ".corp.example"), other("22222222", "direct.flatnet.internal"));
    pc.sandbox.write("/pc/state/nrpt.json", &format!("[{vpn}, {taken}]"));
    let said = pc.ps("flat up\nflat doctor");
    has(line(&said, "nrpt"), &["warning", "another program's rule", "192.168.8.9"]);
    assert_eq!(said.matches("exit 0").count(), 2, "{said}");
    assert!(!pc.done().contains("NrptRule"), "{said}");
    pc.sandbox.write("/pc/state/nrpt.json", &format!("[{vpn}]"));
    let resolves = |name: &str| {
        pc.sh(&format!("ip netns exec windows getent ahostsv4 {name} | awk 'NR == 1 {{ print $1 }}'")).stdout
    };
    assert_eq!(resolves("web.direct.flatnet.internal"), "");

    let said = pc.ps("flat up\nflat up\nflat doctor");
    has(line(&said, "nrpt"), &["ok", "10.87.1.1 answers for .direct.flatnet.internal"]);
    assert_eq!(said.matches("exit 0").count(), 3, "{said}");
    let done = pc.done();
    let add = "elevated Add-DnsClientNrptRule .direct.flatnet.internal 10.87.1.1\n";
    assert_eq!(done.matches(add).count(), 1, "{done}");
    assert_eq!(resolves("web.direct.flatnet.internal"), "10.87.1.2\n");

    // A rule that leads elsewhere is replaced.
    pc.sh("sed -i s/10.87.1.1/10.87.1.9/ /pc/state/nrpt.json").succeeds();
    has(line(&pc.ps("flat status"), "nrpt"), &["warning", "missing or outdated"]);
    has(line(&pc.ps("flat up"), "nrpt"), &["ok"]);
    let done = pc.done();
    assert!(done.contains("elevated Remove-DnsClientNrptRule {") && done.contains(add), "{done}");

    // The resolver does not run; then Windows does not use the rule.
    pc.sh("kill $(pgrep -f 'flatnet d[n]s'); while pgrep -f 'flatnet d[n]s'; do sleep 0.05; done").succeeds();
    has(line(&pc.ps("flat status"), "nrpt"), &["warning", "the resolver does not answer at 10.87.1.1"]);
    pc.sh("flatnet up >/dev/null; : >/etc/netns/windows/resolv.conf").succeeds();
    let said = pc.ps("flat doctor");
    has(line(&said, "nrpt"), &["warning", "host.direct.flatnet.internal does not resolve"]);
    has(&said, &["Get-DnsClientNrptPolicy -Effective"]);

    // Rules that cannot be read are left alone.
    pc.sandbox.write("/pc/state/fail", "Get-DnsClientNrptRule");
    has(line(&pc.ps("flat up"), "nrpt"), &["unseen", "Access is denied."]);
    pc.sh("rm /pc/state/fail").succeeds();

    // Without a zone the rule is removed. `down` removes it, too, and leaves that of the other program.
    pc.set("Zone", "''");
    let said = pc.ps("flat up");
    has(line(&said, "nrpt"), &["-", "has no zone"]);
    assert!(!pc.left().contains("Flatnet names"), "{said}");
    pc.set("Zone", "'direct.flatnet.internal'");
    pc.ps("flat up");
    has(&pc.left(), &["Flatnet names"]);
    has(&pc.ps("flat down"), &["Remove-DnsClientNrptRule -Name '{", "-Force:$true", "exit 0"]);
    assert_eq!(pc.left(), "VPN\n");
}
