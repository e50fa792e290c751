# Reads the observed state of Windows. The keys are those of src/windows/observed.rs, which `flatnet windows decide` evaluates.

function Get-Observation {
    param($Settings, [string] $Facts)
    $wsl = ConvertFrom-Json -InputObject $Facts
    $devices = Get-Device
    $addresses = @(Get-Address)
    $activeRoutes = @(Get-Route -Store 'ActiveStore')
    # An address reserved for documentation: its route is the default route.
    $out = Get-SourceAddress -Address '192.0.2.1' -Devices $devices
    $listeners = @(Get-Listener -Ports $Settings.Ports)
    return [ordered]@{
        version = 2
        facts = $Facts
        settings = [ordered]@{
            distribution = $Settings.Distribution
            subnet = $Settings.Subnet
            ports = @($Settings.Ports)
            name = $Settings.Name
            zone = $Settings.Zone
            openresty = $Settings.OpenResty
            file = Get-SettingsPath
        }
        wslconfig = Read-WslConfig
        addresses = $addresses
        routes = $activeRoutes + @(Get-Route -Store 'PersistentStore')
        made = Read-AddedRoute
        way = Get-SourceAddress -Address $wsl.eth0 -Devices $devices
        out = $out
        lan_rules = @(Get-LanRule)
        block_rules = @(Get-BlockRule -Settings $Settings)
        profiles = @(Get-FirewallProfile)
        hyperv_rules = @(try { Get-HypervRule } catch { $null = $_ })
        hyperv = Get-HypervSetting
        nrpt = Get-NameRuleState
        networks = @(Get-Network)
        task = Get-TaskState
        service = Get-ServiceState
        openresty = Test-Path -LiteralPath $Settings.OpenResty -PathType Leaf
        listeners = $listeners
        processes = @(Get-GatewayProcess -Settings $Settings -Listeners $listeners)
        portproxy = Get-NetshText -Arguments 'interface', 'portproxy', 'show', 'v4tov4'
        excluded = Get-NetshText -Arguments 'int', 'ipv4', 'show', 'excludedportrange', 'protocol=tcp'
        probes = Get-ProbeResult -Settings $Settings -Facts $wsl -Out $out
    }
}

# Containers and hosts may drop pings. A connection that is accepted or refused also proves that the address is reachable.
function Get-ProbeResult {
    param($Settings, $Facts, $Out)
    $container = if ($Facts.container) { $Facts.container.address } else { $null }
    $lan = if ($Out) { $Out.address } else { $null }
    $http = @($Settings.Ports)[0]
    $targets = @($Facts.eth0, $Facts.bridge, $container)
    $wanted = New-Object -TypeName Collections.ArrayList
    $at = @{}
    foreach ($target in $targets) {
        if (-not $target) { continue }
        $at[$target] = $wanted.Add(@{ ping = $target })
        $null = $wanted.Add(@{ host = $target; port = 80; http = $false })
    }
    $gateway = $wanted.Add(@{ host = '127.0.0.1'; port = $http; http = $true })
    $name = $wanted.Add(@{ host = $Settings.Name; port = $http; http = $true })
    if ($Settings.Zone -and $Facts.bridge) {
        $at['resolver'] = $wanted.Add(@{ host = $Facts.bridge; port = 53; http = $false })
        $at['zone'] = $wanted.Add(@{ host = "host.$($Settings.Zone)"; port = 53; http = $false })
    }
    if ($lan) { $at['lan'] = $wanted.Add(@{ host = $lan; port = $http; http = $true }) }
    foreach ($port in @($Settings.Ports)) { $at["port $port"] = $wanted.Add(@{ host = '127.0.0.1'; port = $port; http = $false }) }
    $came = Invoke-Probe -Wanted $wanted.ToArray()
    $answered = foreach ($target in $targets) {
        if ($target) { Test-Reachable -Probes @($came[$at[$target]], $came[$at[$target] + 1]) } else { 'none' }
    }
    return [ordered]@{
        eth0 = ConvertTo-BoolOrNull -Value $answered[0]
        bridge = ConvertTo-BoolOrNull -Value $answered[1]
        container = ConvertTo-BoolOrNull -Value $answered[2]
        gateway = ConvertTo-Answer -Probe $came[$gateway]
        lan = if ($lan) { ConvertTo-Answer -Probe $came[$at['lan']] } else { $null }
        name = ConvertTo-Answer -Probe $came[$name]
        resolver = if ($at.Contains('resolver')) { $null -eq $came[$at['resolver']].error } else { $null }
        zone = if ($at.Contains('zone')) { ConvertTo-Answer -Probe $came[$at['zone']] } else { $null }
        open_ports = @($Settings.Ports | Where-Object -FilterScript { $null -eq $came[$at["port $_"]].error })
    }
}

function ConvertTo-BoolOrNull {
    param($Value)
    if ($Value -is [bool]) { return $Value }
    return $null
}

function Read-WslConfig {
    $path = Join-Path -Path $env:USERPROFILE -ChildPath '.wslconfig'
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { return $null }
    return [string] (Get-Content -LiteralPath $path -Raw -ErrorAction Stop)
}

function Get-Address {
    $devices = Get-Device
    Get-NetIPAddress -AddressFamily IPv4 -ErrorAction SilentlyContinue | ForEach-Object -Process { ConvertTo-Address -Found $_ -Devices $devices }
}

function ConvertTo-Address {
    param($Found, [Parameter(Mandatory = $true)] $Devices)
    $device = $Devices["$($Found.InterfaceIndex)"]
    return [ordered]@{
        address = $Found.IPAddress
        prefix_length = [int] $Found.PrefixLength
        interface = [int] $Found.InterfaceIndex
        alias = $Found.InterfaceAlias
        switch = if ($device) { [bool] ($device -like 'Hyper-V Virtual Ethernet*') } else { $null }
    }
}

# The device description of each adapter, by interface index. It identifies virtual switches: adapter names are translated and can be
# changed. WSL's adapter is hidden.
function Get-Device {
    $devices = @{}
    if (Test-Command -Name 'Get-NetAdapter') {
        foreach ($adapter in @(Get-NetAdapter -IncludeHidden -ErrorAction SilentlyContinue)) { $devices["$($adapter.ifIndex)"] = "$($adapter.InterfaceDescription)" }
    }
    return $devices
}

function Get-Route {
    param([string] $Store)
    Get-NetRoute -AddressFamily IPv4 -PolicyStore $Store -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ destination = $_.DestinationPrefix; next_hop = $_.NextHop; interface = [int] $_.InterfaceIndex; store = $Store }
    }
}

# Find-NetRoute returns the source address and the route; this is the source address.
function Get-SourceAddress {
    param([string] $Address, [Parameter(Mandatory = $true)] $Devices)
    if (-not $Address) { return $null }
    foreach ($found in @(Find-NetRoute -RemoteIPAddress $Address -ErrorAction SilentlyContinue)) {
        if ($found.CimClass.CimClassName -eq 'MSFT_NetIPAddress') { return ConvertTo-Address -Found $found -Devices $Devices }
    }
    return $null
}

# The route that the elevated script added last: Flatnet's own, whatever the adapter's name.
function Read-AddedRoute {
    # Test-Path fails if this user cannot read the folder.
    $path = [IO.Path]::Combine((Get-ProgramFolder), 'log', 'route.json')
    if (-not [IO.File]::Exists($path)) { return $null }
    try { $made = ConvertFrom-Json -InputObject (Get-Content -LiteralPath $path -Raw -ErrorAction Stop) }
    catch { return $null }
    return [ordered]@{ interface = [int] $made.interface; next_hop = "$($made.next_hop)" }
}

function Get-LanRule {
    Get-NetFirewallRule -DisplayName 'Flatnet *' -ErrorAction SilentlyContinue | ForEach-Object -Process { ConvertTo-Rule -Found $_ }
}

function ConvertTo-Rule {
    param($Found)
    return [ordered]@{
        name = $Found.DisplayName
        enabled = "$($Found.Enabled)"
        action = "$(Get-Field -Object $Found -Name 'Action')"
        profiles = @(Get-Field -Object $Found -Name 'Profile') -join ', '
        program = "$(Get-Field -Object (Get-NetFirewallApplicationFilter -AssociatedNetFirewallRule $Found -ErrorAction SilentlyContinue) -Name 'Program')"
    }
}

# Rules that block the gateway's ports for every client. Windows adds such rules when its firewall prompt is cancelled or cannot be shown.
function Get-BlockRule {
    param($Settings)
    foreach ($found in @(Get-NetFirewallRule -Direction Inbound -Action Block -Enabled True -ErrorAction SilentlyContinue)) {
        $rule = ConvertTo-Rule -Found $found
        if ($rule.program -notin 'Any', $Settings.OpenResty) { continue }
        $port = Get-NetFirewallPortFilter -AssociatedNetFirewallRule $found -ErrorAction SilentlyContinue
        if ("$(Get-Field -Object $port -Name 'Protocol')" -notin 'Any', 'TCP', '6') { continue }
        $local = @(Get-Field -Object $port -Name 'LocalPort')
        if (@($Settings.Ports | Where-Object -FilterScript { Test-PortIn -Port $_ -Words $local }).Count -eq 0) { continue }
        # A rule for certain remote addresses is deliberate.
        if (Test-Command -Name 'Get-NetFirewallAddressFilter') {
            $address = Get-NetFirewallAddressFilter -AssociatedNetFirewallRule $found -ErrorAction SilentlyContinue
            if ("$(Get-Field -Object $address -Name 'RemoteAddress')" -notin 'Any', 'LocalSubnet') { continue }
        }
        $rule
    }
}

# A port of a rule is Any, a number or FROM-TO.
function Test-PortIn {
    param([int] $Port, [object[]] $Words)
    foreach ($word in $Words) {
        $ends = "$word" -split '-'
        if ("$word" -eq 'Any' -or "$word" -eq "$Port") { return $true }
        if ("$word" -match '^\d+-\d+\z' -and $Port -ge [int] $ends[0] -and $Port -le [int] $ends[1]) { return $true }
    }
    return $false
}

# The profiles in force, with group policy applied.
function Get-FirewallProfile {
    Get-NetFirewallProfile -PolicyStore ActiveStore -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{
            name = $_.Name
            enabled = "$($_.Enabled)"
            inbound = "$(Get-Field -Object $_ -Name 'AllowInboundRules')"
            local = "$(Get-Field -Object $_ -Name 'AllowLocalFirewallRules')"
        }
    }
}

function Get-HypervRule {
    if (-not (Test-Command -Name 'Get-NetFirewallHyperVRule')) { return }
    # No rule at all is an error as well.
    $found = @()
    try { $found = @(Get-NetFirewallHyperVRule -DisplayName 'Flatnet *' -ErrorAction Stop) }
    catch { if ("$($_.CategoryInfo.Category)" -ne 'ObjectNotFound') { throw } }
    $found | ForEach-Object -Process {
        [ordered]@{
            name = $_.DisplayName
            enabled = "$($_.Enabled)"
            action = "$(Get-Field -Object $_ -Name 'Action')"
            profiles = @(Get-Field -Object $_ -Name 'Profiles') -join ', '
            program = 'Any'
        }
    }
}

# Windows before 11 22H2 has neither the Hyper-V firewall nor its cmdlets.
function Get-HypervSetting {
    if (-not (Test-Command -Name 'Get-NetFirewallHyperVVMSetting')) { return $null }
    try {
        $found = Get-NetFirewallHyperVVMSetting -PolicyStore ActiveStore -Name $script:wslCreator -ErrorAction Stop
        # If the rules cannot be read, it is unknown which are missing.
        $null = Get-HypervRule
    }
    catch { return [ordered]@{ enabled = ''; default_inbound = ''; error = Format-Failure -Record $_ } }
    if (-not $found) { return $null }
    return [ordered]@{ enabled = "$($found.Enabled)"; default_inbound = "$($found.DefaultInboundAction)"; error = $null }
}

function Get-NameRuleState {
    if (-not (Test-Command -Name 'Get-DnsClientNrptRule')) { return $null }
    try { return [ordered]@{ rules = @(Get-NameRule); error = $null } }
    catch { return [ordered]@{ rules = @(); error = Format-Failure -Record $_ } }
}

# This PC's own rules of the NRPT, without those of a group policy.
function Get-NameRule {
    if (-not (Test-Command -Name 'Get-DnsClientNrptRule')) { return }
    $found = @()
    try { $found = @(Get-DnsClientNrptRule -ErrorAction Stop) }
    catch { if ("$($_.CategoryInfo.Category)" -ne 'ObjectNotFound') { throw } }
    $found | ForEach-Object -Process {
        [ordered]@{
            name = "$($_.Name)"
            namespaces = @(Get-Field -Object $_ -Name 'Namespace' | ForEach-Object -Process { "$_" } | Where-Object -FilterScript { $_ })
            servers = @(Get-Field -Object $_ -Name 'NameServers' | ForEach-Object -Process { "$_" -split '[,; ]+' } | Where-Object -FilterScript { $_ })
            own = "$(Get-Field -Object $_ -Name 'DisplayName')" -ceq $script:nameRule
        }
    }
}

function Get-Network {
    Get-NetConnectionProfile -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ name = $_.Name; category = "$($_.NetworkCategory)"; interface = [int] $_.InterfaceIndex }
    }
}

function Get-TaskState {
    $found = Get-ScheduledTask -TaskName 'Flatnet' -TaskPath '\' -ErrorAction SilentlyContinue
    if (-not $found) { return $null }
    $info = $null
    if (Test-Command -Name 'Get-ScheduledTaskInfo') { $info = Get-ScheduledTaskInfo -TaskName 'Flatnet' -TaskPath '\' -ErrorAction SilentlyContinue }
    $last = Get-Field -Object $info -Name 'LastRunTime'
    $result = Get-Field -Object $info -Name 'LastTaskResult'
    return [ordered]@{
        state = "$($found.State)"
        last_run = if ($last) { ([DateTime] $last).ToString('yyyy-MM-dd HH:mm', [Globalization.CultureInfo]::InvariantCulture) } else { $null }
        last_result = if ($null -ne $result) { [long] $result } else { $null }
    }
}

function Get-ServiceState {
    $found = Get-Service -Name 'FlatnetGateway' -ErrorAction SilentlyContinue
    if ($found) { return "$($found.Status)" }
    return $null
}

function Get-Listener {
    param($Ports)
    Get-NetTCPConnection -State Listen -LocalPort $Ports -ErrorAction SilentlyContinue | ForEach-Object -Process {
        [ordered]@{ address = "$($_.LocalAddress)"; port = [int] $_.LocalPort; pid = [int] $_.OwningProcess }
    }
}

# All nginx processes, and the processes that listen on the gateway's ports.
function Get-GatewayProcess {
    param($Settings, $Listeners)
    $filter = "Name = 'nginx.exe'"
    foreach ($listener in $Listeners) { $filter += " OR ProcessId = $($listener.pid)" }
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = 'FlatnetGateway'" -ErrorAction SilentlyContinue
    $wrapper = [int] (Get-Field -Object $service -Name 'ProcessId')
    Get-CimInstance -ClassName Win32_Process -Filter $filter -ErrorAction Stop | ForEach-Object -Process {
        # The command line of a service's process is not visible to other users.
        $ofService = ($wrapper -ne 0) -and ($wrapper -in $_.ProcessId, $_.ParentProcessId)
        [ordered]@{
            pid = [int] $_.ProcessId
            parent = [int] $_.ParentProcessId
            name = $_.Name
            path = Get-Field -Object $_ -Name 'ExecutablePath'
            ours = ($_.Name -eq 'nginx.exe') -and ($ofService -or (Test-OwnCommandLine -Settings $Settings -Line (Get-Field -Object $_ -Name 'CommandLine')))
        }
    }
}

# Flatnet's nginx is the one whose prefix (-p) is the gateway's directory, whichever user started it.
function Test-OwnCommandLine {
    param($Settings, [string] $Line)
    $prefix = [regex]::Escape(($Settings.GatewayDirectory -replace '\\', '/'))
    return ($Line -replace '\\', '/') -match "\s-p\s*""?$prefix/?(""|\s|`$)"
}

function Get-NetshText {
    param([Parameter(Mandatory = $true)] [string[]] $Arguments)
    $program = Get-SystemProgram -Name 'netsh.exe'
    if (-not (Test-Path -LiteralPath $program -PathType Leaf)) { return '' }
    return (Invoke-Limited -Path $program -Arguments $Arguments -Seconds 5).out
}
