# What is to be seen on Windows. Names of keys are those of src/windows/seen.rs; nothing is judged here.

# Microsoft's number for virtual machines that WSL made.
$script:wslCreator = '{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}'

function Get-Seen {
    param($Settings, [string] $Facts)
    $wsl = ConvertFrom-Json -InputObject $Facts
    $container = if ($wsl.container) { $wsl.container.address } else { '' }
    # An address that is never in use: the way to it is the way out of this PC.
    $lan = Get-Way -Address '192.0.2.1'
    $listeners = @(Get-Listener -Ports $Settings.Ports)
    return [ordered]@{
        version = 1
        facts = $Facts
        settings = [ordered]@{
            distribution = $Settings.Distribution
            subnet = $Settings.Subnet
            ports = @($Settings.Ports)
            name = $Settings.Name
        }
        wslconfig = Read-WslConfig
        addresses = @(Get-NetIPAddress -AddressFamily IPv4 -ErrorAction SilentlyContinue | ForEach-Object -Process { ConvertTo-Address -Found $_ })
        routes = @(Get-Route -Store 'ActiveStore') + @(Get-Route -Store 'PersistentStore')
        way = Get-Way -Address $wsl.eth0
        lan_rules = @(Get-LanRule)
        hyperv_rules = @(Get-HypervRule)
        hyperv = Get-HypervSetting
        networks = @(Get-Network)
        task = Get-TaskState
        service = Get-ServiceState
        openresty = Test-Path -LiteralPath $Settings.OpenResty -PathType Leaf
        listeners = $listeners
        processes = @(Get-GatewayProcess -Listeners $listeners)
        probes = [ordered]@{
            eth0 = Test-Ping -Address $wsl.eth0
            bridge = Test-Ping -Address $wsl.bridge
            container = Test-Ping -Address $container
            gateway = Test-Http -Url (Get-HealthUrl -Settings $Settings -Address '127.0.0.1')
            lan = if ($lan) { Test-Http -Url (Get-HealthUrl -Settings $Settings -Address $lan.address) } else { $null }
            name = Test-Http -Url (Get-HealthUrl -Settings $Settings -Address $Settings.Name)
        }
    }
}

function Read-WslConfig {
    $path = Join-Path -Path $env:USERPROFILE -ChildPath '.wslconfig'
    if (-not (Test-Path -LiteralPath $path)) { return $null }
    return [IO.File]::ReadAllText($path)
}

function ConvertTo-Address {
    param($Found)
    return [ordered]@{
        address = $Found.IPAddress
        prefix_length = [int] $Found.PrefixLength
        interface = [int] $Found.InterfaceIndex
        alias = $Found.InterfaceAlias
    }
}

function Get-Route {
    param([string] $Store)
    Get-NetRoute -AddressFamily IPv4 -PolicyStore $Store -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ destination = $_.DestinationPrefix; next_hop = $_.NextHop; interface = [int] $_.InterfaceIndex; store = $Store }
    }
}

# Find-NetRoute gives two things: the address that Windows would send from, and the route.
function Get-Way {
    param([string] $Address)
    if (-not $Address) { return $null }
    foreach ($found in @(Find-NetRoute -RemoteIPAddress $Address -ErrorAction SilentlyContinue)) {
        if ($found.CimClass.CimClassName -eq 'MSFT_NetIPAddress') { return ConvertTo-Address -Found $found }
    }
    return $null
}

function Get-LanRule {
    Get-NetFirewallRule -DisplayName 'Flatnet *' -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ name = $_.DisplayName; enabled = "$($_.Enabled)" }
    }
}

# Windows before 11 22H2 has no Hyper-V firewall, and so none of its commands.
function Test-HypervFirewall {
    return [bool] (Get-Command -Name 'Get-NetFirewallHyperVRule' -ErrorAction SilentlyContinue)
}

function Get-HypervRule {
    if (-not (Test-HypervFirewall)) { return }
    Get-NetFirewallHyperVRule -DisplayName 'Flatnet *' -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ name = $_.DisplayName; enabled = "$($_.Enabled)" }
    }
}

function Get-HypervSetting {
    if (-not (Test-HypervFirewall)) { return $null }
    $found = Get-NetFirewallHyperVVMSetting -PolicyStore ActiveStore -Name $script:wslCreator -ErrorAction SilentlyContinue
    if (-not $found) { return $null }
    return [ordered]@{ enabled = "$($found.Enabled)"; default_inbound = "$($found.DefaultInboundAction)" }
}

function Get-Network {
    Get-NetConnectionProfile -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ name = $_.Name; category = "$($_.NetworkCategory)"; interface = [int] $_.InterfaceIndex }
    }
}

function Get-TaskState {
    $found = Get-ScheduledTask -TaskName 'Flatnet' -ErrorAction SilentlyContinue
    if ($found) { return "$($found.State)" }
    return $null
}

function Get-ServiceState {
    $found = Get-Service -Name 'FlatnetGateway' -ErrorAction SilentlyContinue
    if ($found) { return "$($found.Status)" }
    return $null
}

function Get-Listener {
    param($Ports)
    Get-NetTCPConnection -State Listen -LocalPort $Ports -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ port = [int] $_.LocalPort; pid = [int] $_.OwningProcess }
    }
}

# All nginx, and who has the gateway's ports.
function Get-GatewayProcess {
    param($Listeners)
    $filter = "Name = 'nginx.exe'"
    foreach ($listener in $Listeners) { $filter += " OR ProcessId = $($listener.pid)" }
    Get-CimInstance -ClassName Win32_Process -Filter $filter | ForEach-Object -Process {
        [ordered]@{ pid = [int] $_.ProcessId; parent = [int] $_.ParentProcessId; name = $_.Name }
    }
}
