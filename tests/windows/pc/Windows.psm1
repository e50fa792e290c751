# Imitates Windows' cmdlets for setup.sh's PC: `ip` is its network, and /pc/state stores objects that Linux lacks. The cmdlets
# have the parameters that the scripts use, and the properties and errors that Microsoft documents. They are a module like
# Windows' own cmdlets, so that a script's preference variables do not affect them.
#
# /pc/state/fail names cmdlets that must fail. /pc/state/done logs the changes, one per line.
Set-StrictMode -Off
$global:pc = '/pc/state'
$env:PATH = "/pc/c/Windows/System32:$env:PATH"
$env:SystemRoot = 'C:\Windows'
$env:ProgramFiles = 'C:\Program Files'
$env:USERPROFILE = '/pc/home'
$env:LOCALAPPDATA = '/pc/home/AppData/Local'
if (-not (Get-PSDrive -Name C -ErrorAction SilentlyContinue)) { New-PSDrive -Name C -PSProvider FileSystem -Root /pc/c -Scope Global | Out-Null }

# --- stored objects -----------------------------------------------------------------------------------

function Read-Kept($name) { if (Test-Path "$pc/$name.json") { @(Get-Content -Raw "$pc/$name.json" | ConvertFrom-Json) } }
function Save-Kept($name, $list) { ConvertTo-Json -InputObject @($list | Where-Object { $_ }) -Depth 6 | Set-Content "$pc/$name.json" }
function Write-Done($text) { Add-Content "$pc/done" "$(if ($env:FLATNET_ELEVATED) { 'elevated ' })$text" }
function Write-Missing($what) { Write-Error "No $what objects found. Verify the value of the property and retry." -Category ObjectNotFound }
function Test-Failing($name) { (Test-Path "$pc/fail") -and (Get-Content "$pc/fail") -contains $name }
# Called first by cmdlets that change something: requires elevation.
function Begin-Change($name, $text) {
    if (Test-Failing $name) { Write-Error 'Access is denied.'; return $false }
    if (-not $env:FLATNET_ELEVATED) { Write-Error "$name`: Access is denied: not elevated."; return $false }
    Write-Done "$name $text"
    $true
}

# --- adapters, addresses, routes ------------------------------------------------------------------------

function Get-Links { ip -j -4 addr | ConvertFrom-Json }
function Get-AliasOf($link) {
    $names = if (Test-Path "$pc/aliases") { Get-Content -Raw "$pc/aliases" | ConvertFrom-Json } else { $null }
    if ($names -and $names.$link) { return $names.$link }
    if ($link -eq 'vEthernet') { 'vEthernet (WSL (Hyper-V firewall))' } else { $link }
}
function New-Cim($class, $properties) {
    $object = [pscustomobject] $properties
    $object | Add-Member CimClass ([pscustomobject] @{ CimClassName = $class })
    $object
}
function New-AddressObject($link, $address) {
    New-Cim MSFT_NetIPAddress ([ordered]@{ IPAddress = $address.local; PrefixLength = [byte]$address.prefixlen; InterfaceIndex = [uint32]$link.ifindex; InterfaceAlias = (Get-AliasOf $link.ifname) })
}
function Get-NetIPAddress { [CmdletBinding()] param($AddressFamily) foreach ($link in Get-Links) { foreach ($address in $link.addr_info) { New-AddressObject $link $address } } }
if (Test-Path "$pc/devices") {
    function Get-NetAdapter { [CmdletBinding()] param([switch]$IncludeHidden)
        $devices = Get-Content -Raw "$pc/devices" | ConvertFrom-Json
        foreach ($link in Get-Links) { [pscustomobject]@{ ifIndex = [uint32]$link.ifindex; InterfaceDescription = $devices.($link.ifname) } } }
}
function Get-Index($link) { (ip -j link show dev $link | ConvertFrom-Json).ifindex }
function Get-Name($index) { (ip -j link | ConvertFrom-Json | Where-Object ifindex -eq $index).ifname }
function Get-NetRoute { [CmdletBinding()] param($AddressFamily, $PolicyStore = 'ActiveStore', $DestinationPrefix)
    if ($PolicyStore -eq 'PersistentStore') { $routes = @(Read-Kept persistent) }
    else {
        $routes = foreach ($route in (ip -j -4 route | ConvertFrom-Json)) {
            $to = if ($route.dst -eq 'default') { '0.0.0.0/0' } elseif ($route.dst -match '/') { $route.dst } else { "$($route.dst)/32" }
            New-Cim MSFT_NetRoute ([ordered]@{ DestinationPrefix = $to; NextHop = $(if ($route.gateway) { $route.gateway } else { '0.0.0.0' }); InterfaceIndex = [uint32](Get-Index $route.dev); Store = 'ActiveStore' })
        }
    }
    if (-not $DestinationPrefix) { return $routes }
    $routes = @($routes | Where-Object DestinationPrefix -eq $DestinationPrefix)
    if ($routes.Count) { $routes } else { Write-Missing MSFT_NetRoute }
}
function Find-NetRoute { [CmdletBinding()] param($RemoteIPAddress)
    $route = ip -j route get $RemoteIPAddress 2>$null | ConvertFrom-Json
    if (-not $route) { Write-Error 'The network location cannot be reached.'; return }
    $link = Get-Links | Where-Object ifname -eq $route.dev
    New-AddressObject $link ($link.addr_info | Where-Object local -eq $route.prefsrc)
}
function New-NetRoute { [CmdletBinding()] param($DestinationPrefix, [uint32]$InterfaceIndex, $NextHop, $PolicyStore)
    if (-not (Begin-Change New-NetRoute "$DestinationPrefix $NextHop $PolicyStore")) { return }
    $said = ip route add $DestinationPrefix via $NextHop dev (Get-Name $InterfaceIndex) 2>&1
    if ($LASTEXITCODE) { Write-Error "Instance MSFT_NetRoute already exists ($said)" } }
function Remove-NetRoute { [CmdletBinding(SupportsShouldProcess)] param($DestinationPrefix, [uint32]$InterfaceIndex, $NextHop, $PolicyStore)
    if (-not (Begin-Change Remove-NetRoute "$DestinationPrefix $NextHop $PolicyStore")) { return }
    if ($PolicyStore -eq 'PersistentStore') { Save-Kept persistent @(Read-Kept persistent | Where-Object NextHop -ne $NextHop); return }
    ip route del $DestinationPrefix via $NextHop dev (Get-Name $InterfaceIndex) 2>$null
    if ($LASTEXITCODE) { Write-Missing MSFT_NetRoute } }

# --- the firewalls ---------------------------------------------------------------------------------------

function Find-Rule($store, $DisplayName) { $found = @(Read-Kept $store | Where-Object DisplayName -like $DisplayName); if ($found.Count) { $found } else { Write-Missing MSFT_NetFirewallRule } }
function Add-Rule($store, $command, $parameters) {
    if (-not (Begin-Change $command $parameters.DisplayName)) { return }
    $rule = [ordered]@{ Enabled = 'True' }
    foreach ($key in $parameters.Keys) { if ($key -ne 'ErrorAction') { $rule[$key] = $parameters[$key] } }
    Save-Kept $store (@(Read-Kept $store) + [pscustomobject]$rule)
}
function Remove-Rule($store, $command, $DisplayName) {
    if (-not (Begin-Change $command $DisplayName)) { return }
    $rules = @(Read-Kept $store)
    $left = @($rules | Where-Object DisplayName -ne $DisplayName)
    if ($left.Count -eq $rules.Count) { return Write-Missing MSFT_NetFirewallRule }
    Save-Kept $store $left
}
function Get-NetFirewallRule { [CmdletBinding()] param($DisplayName, $Direction, $Action, $Enabled)
    if ($DisplayName) { return Find-Rule rules $DisplayName }
    $found = @(Read-Kept rules | Where-Object { $_.Direction -eq $Direction -and $_.Action -eq $Action -and $_.Enabled -eq $Enabled })
    if ($found.Count) { $found } else { Write-Missing MSFT_NetFirewallRule } }
function Get-Filter($rule, $names) { $filter = [ordered]@{}; foreach ($name in $names) { $filter[$name] = if ($rule.$name) { $rule.$name } else { 'Any' } }; [pscustomobject]$filter }
function Get-NetFirewallApplicationFilter { [CmdletBinding()] param($AssociatedNetFirewallRule) Get-Filter $AssociatedNetFirewallRule Program }
function Get-NetFirewallPortFilter { [CmdletBinding()] param($AssociatedNetFirewallRule) Get-Filter $AssociatedNetFirewallRule Protocol, LocalPort }
function Get-NetFirewallAddressFilter { [CmdletBinding()] param($AssociatedNetFirewallRule) Get-Filter $AssociatedNetFirewallRule RemoteAddress }
function New-NetFirewallRule { [CmdletBinding()] param($DisplayName, [ValidateSet('Inbound')]$Direction, [ValidateSet('Allow', 'Block')]$Action, $Protocol, [string[]]$LocalPort, [string[]]$Profile, $Program, $RemoteAddress) Add-Rule rules New-NetFirewallRule $PSBoundParameters }
function Remove-NetFirewallRule { [CmdletBinding(SupportsShouldProcess)] param($DisplayName) Remove-Rule rules Remove-NetFirewallRule $DisplayName }
function Get-NetFirewallProfile { [CmdletBinding()] param($PolicyStore) foreach ($name in 'Domain', 'Private', 'Public') { [pscustomobject]@{ Name = $name; Enabled = 'True'; AllowInboundRules = 'True'; AllowLocalFirewallRules = $(if (Test-Path "$pc/policy") { 'False' } else { 'True' }) } } }
function Get-NetConnectionProfile { [CmdletBinding()] param()
    if (-not (ip -j link show dev LAN 2>$null)) { return Write-Missing MSFT_NetConnectionProfile }
    [pscustomobject]@{ Name = 'Home'; InterfaceIndex = [uint32](Get-Index LAN); NetworkCategory = $(if (Test-Path "$pc/public") { 'Public' } else { 'Private' }) } }
if (-not (Test-Path "$pc/windows-10")) {
    function Get-NetFirewallHyperVRule { [CmdletBinding()] param($DisplayName) if (Test-Failing Get-NetFirewallHyperVRule) { Write-Error 'Access is denied.'; return }; Find-Rule hyperv $DisplayName }
    function New-NetFirewallHyperVRule { [CmdletBinding()] param($DisplayName, $Direction, $Action, $VMCreatorId, [string[]]$LocalAddresses, $Protocol, [string[]]$LocalPorts, [string[]]$Profiles) Add-Rule hyperv New-NetFirewallHyperVRule $PSBoundParameters; Set-Hyperv }
    function Remove-NetFirewallHyperVRule { [CmdletBinding(SupportsShouldProcess)] param($DisplayName) Remove-Rule hyperv Remove-NetFirewallHyperVRule $DisplayName; Set-Hyperv }
    function Get-NetFirewallHyperVVMSetting { [CmdletBinding()] param($PolicyStore, $Name)
        if (Test-Failing Get-NetFirewallHyperVVMSetting) { Write-Error 'Access is denied.'; return }
        [pscustomobject]@{ Enabled = 'True'; DefaultInboundAction = 'Block' } }
}
# If /pc/state/hyperv-blocks exists, Windows itself reaches the subnet only with a rule for it.
function Set-Hyperv {
    $blocks = (Test-Path "$pc/hyperv-blocks") -and -not (Read-Kept hyperv | Where-Object DisplayName -like 'Flatnet subnet*')
    nsenter --net=/proc/1/ns/net nft delete table inet hyperv 2>$null
    if ($blocks) { nsenter --net=/proc/1/ns/net nft 'table inet hyperv { chain c { type filter hook prerouting priority -150; iifname "eth0" ip daddr 10.87.1.0/24 ct state new drop; }; }' }
}

# --- rules of names -----------------------------------------------------------------------------------------

# Windows asks the servers of a rule for its names only; this imitation has no other servers, so it asks them for all.
function Save-NameRules($rules) {
    Save-Kept nrpt $rules
    @(foreach ($rule in $rules) { foreach ($server in $rule.NameServers) { "nameserver $server" } }) -join "`n" | Set-Content /etc/netns/windows/resolv.conf
}
function Get-DnsClientNrptRule { [CmdletBinding()] param()
    if (Test-Failing Get-DnsClientNrptRule) { Write-Error 'Access is denied.'; return }
    $rules = @(Read-Kept nrpt)
    if ($rules.Count) { $rules } else { Write-Missing DnsClientNrptRule } }
function Add-DnsClientNrptRule { [CmdletBinding()] param([string[]]$Namespace, [string[]]$NameServers, $DisplayName, $Comment)
    if (-not (Begin-Change Add-DnsClientNrptRule "$Namespace $NameServers")) { return }
    Save-NameRules (@(Read-Kept nrpt) + [pscustomobject]@{ Name = "{$([guid]::NewGuid().ToString().ToUpperInvariant())}"; Namespace = $Namespace; NameServers = $NameServers; DisplayName = $DisplayName; Comment = $Comment }) }
function Remove-DnsClientNrptRule { [CmdletBinding(SupportsShouldProcess)] param($Name, [switch]$Force)
    if (-not $Force) { Write-Error 'Confirmation is required: -Force.'; return }
    if (-not (Begin-Change Remove-DnsClientNrptRule $Name)) { return }
    $rules = @(Read-Kept nrpt)
    $left = @($rules | Where-Object Name -ne $Name)
    if ($left.Count -eq $rules.Count) { return Write-Missing DnsClientNrptRule }
    Save-NameRules $left }

# --- tasks, services, processes --------------------------------------------------------------------------

# Without a path, searches all folders.
function Find-Task($TaskName, $TaskPath) { Read-Kept tasks | Where-Object { $_.TaskName -eq $TaskName -and (-not $TaskPath -or $_.TaskPath -eq $TaskPath) } }
function Get-ScheduledTask { [CmdletBinding()] param($TaskName, $TaskPath) $found = @(Find-Task $TaskName $TaskPath); if ($found.Count) { $found } else { Write-Missing MSFT_ScheduledTask } }
function Get-ScheduledTaskInfo { [CmdletBinding()] param($TaskName, $TaskPath) Find-Task $TaskName $TaskPath | ForEach-Object { [pscustomobject]@{ LastRunTime = $_.Ran; LastTaskResult = $_.Result } } }
function Register-ScheduledTask { [CmdletBinding()] param($TaskName, $TaskPath, [string]$Xml, [switch]$Force)
    if (-not (Begin-Change Register-ScheduledTask $TaskName)) { return }
    $null = [xml]$Xml
    Save-Kept tasks (@(Read-Kept tasks | Where-Object TaskName -ne $TaskName) + [pscustomobject]@{ TaskName = $TaskName; TaskPath = $TaskPath; State = 'Ready'; Xml = $Xml; Ran = $null; Result = 267011 }) }
function Unregister-ScheduledTask { [CmdletBinding(SupportsShouldProcess)] param($TaskName, $TaskPath) if (Begin-Change Unregister-ScheduledTask $TaskName) { Save-Kept tasks @(Read-Kept tasks | Where-Object TaskName -ne $TaskName) } }
function Set-Task($TaskName, $values) { Save-Kept tasks @(Read-Kept tasks | ForEach-Object { if ($_.TaskName -eq $TaskName) { foreach ($key in $values.Keys) { $_.$key = $values[$key] } }; $_ }) }
function Disable-ScheduledTask { [CmdletBinding()] param($TaskName, $TaskPath) if (Begin-Change Disable-ScheduledTask $TaskName) { Set-Task $TaskName @{ State = 'Disabled' } } }
function Enable-ScheduledTask { [CmdletBinding()] param($TaskName, $TaskPath) if (Begin-Change Enable-ScheduledTask $TaskName) { Set-Task $TaskName @{ State = 'Ready' } } }
# Runs the command in the task's XML with the run level there, and waits for its end.
function Start-ScheduledTask { [CmdletBinding()] param($TaskName, $TaskPath)
    if (Test-Failing Start-ScheduledTask) { Write-Error 'Access is denied.'; return }
    $task = ([xml](Find-Task $TaskName $TaskPath).Xml).Task
    Write-Done "start $TaskName"
    $env:FLATNET_USER = $task.Principals.Principal.UserId
    $code = Invoke-Line $task.Actions.Exec.Command $task.Actions.Exec.Arguments ($task.Principals.Principal.RunLevel -eq 'HighestAvailable')
    $env:FLATNET_USER = $null
    Set-Task $TaskName @{ Ran = '2026-11-29T08:00:00'; Result = $code } }
# Runs a Windows command line with bash; returns its exit status.
function Invoke-Line($command, $arguments, $elevated) {
    $before = $env:FLATNET_ELEVATED
    $env:FLATNET_ELEVATED = if ($elevated) { '1' } else { $null }
    $name = Split-Path -Leaf ($command -replace '\\', '/')
    $line = $arguments -replace '\\', '/'
    try {
        if ($elevated -and $name -eq 'powershell.exe' -and $line -match '-File "([^"]+)"$' -and -not (Test-Path "$pc/process")) { Invoke-Inside $Matches[1] }
        else { bash -c "exec $name $($line -replace '\$', '\$')" *>> /pc/state/hidden; $LASTEXITCODE }
    }
    finally { $env:FLATNET_ELEVATED = $before }
}
# Runs a script in a new runspace of this process, which takes a quarter of the time of a new process. The script sees nothing of
# the caller except the environment, which is restored afterwards. If /pc/state/process exists, a process is used instead.
function Invoke-Inside($file) {
    $kept = @{}
    foreach ($name in 'PATH', 'PSModulePath') { $kept[$name] = [Environment]::GetEnvironmentVariable($name) }
    $shell = [powershell]::Create()
    try {
        $said = $shell.AddScript("Import-Module -DisableNameChecking /pc/Windows.psm1; . '$file'; `$LASTEXITCODE").Invoke()
        @($said) + @($shell.Streams.Information) + @($shell.Streams.Error) | Out-String | Add-Content "$pc/hidden"
        $said[-1]
    }
    finally {
        $shell.Dispose()
        foreach ($name in $kept.Keys) { [Environment]::SetEnvironmentVariable($name, $kept[$name]) }
    }
}
function Start-ProcessHere { [CmdletBinding()] param($FilePath, $ArgumentList, $WorkingDirectory, $WindowStyle, $Verb, [switch]$Wait, [switch]$PassThru)
    if (Test-Failing Start-Process) { Write-Error 'The operation was canceled by the user.'; return }
    Write-Done "Start-Process $(Split-Path -Leaf ($FilePath -replace '\\', '/')) $Verb"
    if ("$FilePath" -match 'nginx') { $null = bash -c "setsid '/pc/c/$($FilePath.Substring(3) -replace '\\', '/')' $ArgumentList >/dev/null 2>&1 &"; return }
    $null = Invoke-Line $FilePath $ArgumentList ($Verb -eq 'RunAs' -or $env:FLATNET_ELEVATED) }
function Get-Service { [CmdletBinding()] param($Name) if (Test-Path "$pc/service") { [pscustomobject]@{ Status = (Get-Content "$pc/service") } } else { Write-Error "Cannot find any service with service name '$Name'." } }
function Start-Service { [CmdletBinding()] param($Name) if (Begin-Change Start-Service $Name) { Set-Content "$pc/service" Running; $null = bash -c "FLATNET_ELEVATED= setsid '/pc/c/Program Files/OpenResty/nginx.exe' -p C:/flatnet/gateway -c conf/nginx.conf >/dev/null 2>&1 &" } }
function Stop-Service { [CmdletBinding()] param($Name) if (Begin-Change Stop-Service $Name) { Set-Content "$pc/service" Stopped; pkill -QUIT --ns $PID --nslist net -f 'nginx: master.*flatnet/gateway' } }
function Restart-Service { [CmdletBinding()] param($Name) Stop-Service -Name $Name; Start-Sleep 1; Start-Service -Name $Name }
function Get-CimInstance { [CmdletBinding()] param($ClassName, $Filter)
    if ($ClassName -eq 'Win32_Service') {
        if (Test-Path "$pc/service") { [pscustomobject]@{ Name = 'FlatnetGateway'; ProcessId = [uint32]0; StartName = $(if (Test-Path "$pc/account") { Get-Content "$pc/account" } else { 'LocalSystem' }) } }
        return
    }
    $here = (Get-Item /proc/self/ns/net).Target
    foreach ($line in (ps -eo pid=,ppid=,comm=)) {
        $id, $parent, $name = -split $line
        if ((Get-Item "/proc/$id/ns/net" -ErrorAction SilentlyContinue).Target -ne $here) { continue }
        $ours = $name -eq 'nginx' -and "$(ls -l "/proc/$id/fd" 2>$null)" -match '/pc/c/flatnet/gateway/'
        if ($name -eq 'nginx') { $name = 'nginx.exe' }
        if ($Filter -notmatch "ProcessId = $id(\D|$)" -and $name -ne 'nginx.exe') { continue }
        $path = if ($ours) { 'C:\Program Files\OpenResty\nginx.exe' } else { "C:\Other\$name" }
        [pscustomobject]@{ ProcessId = [uint32]$id; ParentProcessId = [uint32]$parent; Name = $name; ExecutablePath = $path; CommandLine = """$path""$(if ($ours) { ' -p C:/flatnet/gateway -c conf/nginx.conf' })" }
    } }
function Get-NetTCPConnection { [CmdletBinding()] param($State, $LocalPort)
    foreach ($line in (ss -Hltnp)) {
        $words = -split $line
        $at = $words[3].LastIndexOf(':')
        if ([int]$words[3].Substring($at + 1) -notin $LocalPort) { continue }
        [pscustomobject]@{ LocalAddress = $words[3].Substring(0, $at).Trim('[', ']'); LocalPort = [uint16]$words[3].Substring($at + 1); OwningProcess = [uint32]$(if ($line -match 'pid=(\d+)') { $Matches[1] }) }
    } }
# Only these functions query the elevation and the user.
function Assert-ElevatedHere { if (-not $env:FLATNET_ELEVATED) { throw 'not elevated' } }
function Test-ElevatedHere { [bool]$env:FLATNET_ELEVATED }
function Get-UserIdHere { if ($env:FLATNET_USER) { $env:FLATNET_USER } else { 'S-1-5-21-1-2-3-1001' } }
Set-Alias Get-UserId Get-UserIdHere
Set-Alias Start-Process Start-ProcessHere
Set-Alias Assert-Elevated Assert-ElevatedHere
Set-Alias Test-Elevated Test-ElevatedHere
if (Test-Path "$pc/more.ps1") { . "$pc/more.ps1" }
Set-Hyperv
$global:LASTEXITCODE = 0
Export-ModuleMember -Function *-Net*, *-DnsClient*, *-ScheduledTask*, *-Service, *-CimInstance, *Here -Alias *
