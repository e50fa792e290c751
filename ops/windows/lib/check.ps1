# Validates requests to the elevated script against the settings and the observed state of Windows. Any process of the user can make
# a request, including those in WSL2.

# Actions that install or uninstall require a UAC prompt; the task, which runs without one, refuses them.
$script:confirmedActions = 'install_service', 'remove_service', 'register_tasks', 'unregister_tasks', 'remove_files'

function Assert-Action {
    param([AllowNull()] $Action, [Parameter(Mandatory = $true)] $Settings)
    $name = Get-Field -Object $Action -Name 'do'
    if ($name -isnot [string]) { Deny-Action -What 'the name of an action must be a string' }
    if ($script:confirmedActions -ccontains $name -and (Get-UserId) -eq 'S-1-5-18') { Deny-Action -What "the task does not run $name, which requires a UAC prompt" }
    switch -CaseSensitive ($name) {
        'add_route' { Assert-Field -Action $Action -Names 'interface', 'next_hop'; Assert-Number -Value $Action.interface; Assert-NextHop -Interface $Action.interface -NextHop $Action.next_hop; Assert-NewRoute -Subnet $Settings.Subnet }
        'remove_route' { Assert-Field -Action $Action -Names 'interface', 'next_hop', 'store'; Assert-Number -Value $Action.interface; Assert-OwnRoute -Action $Action }
        { $_ -in 'remove_lan_rule', 'remove_hyperv_rule' } { Assert-Field -Action $Action -Names 'name' }
        { $_ -in 'add_lan_rule', 'add_shared_rule' } { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-LanRule) -Name (Get-PortsRuleName -Settings $Settings) }
        'add_subnet_rule' { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-HypervRule) -Name "Flatnet subnet $($Settings.Subnet)" }
        'add_ports_rule' { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-HypervRule) -Name (Get-PortsRuleName -Settings $Settings) }
        'add_name_rule' { Assert-Field -Action $Action -Names 'server'; Assert-NewNameRule -Settings $Settings -Server $Action.server }
        'remove_name_rule' { Assert-Field -Action $Action -Names 'name'; Assert-OwnNameRule -Name $Action.name }
        { $_ -in 'start_service', 'restart_service' } { Assert-Field -Action $Action -Names @(); Assert-ServiceAccount }
        'install_service' { Assert-Field -Action $Action -Names 'wrapper'; Assert-Text -Value $Action.wrapper -Pattern '^(WinSW|NSSM)\z'; Assert-AdministratorsOnly -Path (Get-WrapperPath); Assert-AdministratorsOnly -Path $Settings.OpenResty }
        'note' { Assert-Field -Action $Action -Names 'text'; Assert-Text -Value $Action.text -Pattern '^[ -~]{1,300}\z' }
        default { Assert-Field -Action $Action -Names @() }
    }
}

function Deny-Action {
    param([Parameter(Mandatory = $true)] [string] $What)
    throw (New-Failure -What "refused: $What" -Help "the elevated script runs only actions that match $(Get-SettingsPath) and the state of Windows")
}

# Requires exactly these fields.
function Assert-Field {
    param($Action, [string[]] $Names = @())
    $given = @($Action.PSObject.Properties | ForEach-Object -Process { $_.Name } | Where-Object -FilterScript { $_ -cne 'do' -and $_ -cne 'why' })
    if (@($given | Where-Object -FilterScript { -not ($Names -ccontains $_) }).Count -gt 0 -or $given.Count -ne $Names.Count) {
        Deny-Action -What "an action must have exactly these fields: $($Names -join ', ')"
    }
}

function Assert-Number {
    param($Value)
    if (($Value -isnot [int] -and $Value -isnot [long]) -or $Value -lt 1 -or $Value -gt [uint32]::MaxValue) { Deny-Action -What 'an interface must be a number' }
}

function Assert-Text {
    param($Value, [string] $Pattern)
    if ($Value -isnot [string] -or $Value -cnotmatch $Pattern) { Deny-Action -What 'a text contains invalid characters' }
}

# The user can write what the service runs, so no other account may run it.
function Assert-ServiceAccount {
    $account = Get-Field -Object (Get-CimInstance -ClassName Win32_Service -Filter "Name = '$script:service'" -ErrorAction Stop) -Name 'StartName'
    if ("$account" -ne $script:account) { Deny-Action -What "the service $script:service runs as '$account', not as $script:account; run 'flatnet.ps1 gateway install-service'" }
}

# At most one rule per name: otherwise each request would add another.
function Assert-NewRule {
    param([object[]] $Rules, [string] $Name)
    if (@($Rules | Where-Object -FilterScript { $_.name -eq $Name }).Count -gt 0) { Deny-Action -What "the rule ""$Name"" already exists" }
}

# At most one rule for the zone, even if another program added it, and only with a server in the subnet.
function Assert-NewNameRule {
    param([Parameter(Mandatory = $true)] $Settings, $Server)
    if (-not (Test-Address -Value $Server)) { Deny-Action -What 'a server must be an IPv4 address' }
    if (-not (Test-AddressInNetwork -Inner "$Server/32" -Outer $Settings.Subnet)) { Deny-Action -What "the server $Server is not in $($Settings.Subnet)" }
    if (-not $Settings.Zone) { Deny-Action -What 'no zone is set' }
    $there = @(Get-NameRule | Where-Object -FilterScript { @($_.namespaces | ForEach-Object -Process { $_ -replace '^\.', '' }) -contains $Settings.Zone })
    if ($there.Count -gt 0) { Deny-Action -What "a rule for .$($Settings.Zone) already exists" }
}

# Only a rule of Flatnet is removed.
function Assert-OwnNameRule {
    param($Name)
    Assert-Text -Value $Name -Pattern '^\{[0-9A-Fa-f-]{36}\}\z'
    if (@(Get-NameRule | Where-Object -FilterScript { $_.own -and $_.name -eq $Name }).Count -eq 0) { Deny-Action -What "the rule of names $Name is not Flatnet's" }
}

# The next hop must be in the network of WSL's switch.
function Assert-NextHop {
    param($Interface, $NextHop)
    if (-not (Test-Address -Value $NextHop)) { Deny-Action -What 'a next hop must be an IPv4 address' }
    if (-not (Test-Switch -Interface $Interface -Address $NextHop)) { Deny-Action -What "$NextHop at interface $Interface is not in the network of WSL's switch" }
}

# At most one route: Windows would split the traffic between two, even if another program added the first.
function Assert-NewRoute {
    param([Parameter(Mandatory = $true)] [string] $Subnet)
    $there = @(Get-Route -Store 'ActiveStore' | Where-Object -FilterScript { $_.destination -eq $Subnet })
    if ($there.Count -gt 0) { Deny-Action -What "a route to $Subnet already exists, via $($there[0].next_hop), interface $($there[0].interface)" }
}

# Only a route of Flatnet is removed: it uses WSL's switch or a missing adapter, or this script added it.
function Assert-OwnRoute {
    param($Action)
    if (-not (Test-Address -Value $Action.next_hop)) { Deny-Action -What 'a next hop must be an IPv4 address' }
    Assert-Text -Value $Action.store -Pattern '^(ActiveStore|PersistentStore)\z'
    $made = Read-AddedRoute
    if ($made -and $made.interface -eq $Action.interface -and $made.next_hop -eq $Action.next_hop) { return }
    $addresses = @(Get-Address)
    if ($addresses.Count -eq 0) { Deny-Action -What 'the addresses of Windows cannot be read' }
    $isUp = @($addresses | Where-Object -FilterScript { $_.interface -eq $Action.interface }).Count -gt 0
    if ($isUp -and -not (Test-WslAdapter -Interface $Action.interface)) { Deny-Action -What "the route through interface $($Action.interface) is not Flatnet's" }
}

function Test-Address {
    param($Value)
    return ($Value -is [string]) -and ($Value -match '^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}\z')
}

# WSL's switch has no default route, and the address is in its network but is not its own.
function Test-Switch {
    param($Interface, $Address)
    $holding = @(Get-Address | Where-Object -FilterScript { $_.address -ne $Address -and (Test-AddressInNetwork -Inner "$Address/32" -Outer "$($_.address)/$($_.prefix_length)") })
    if (@($holding | Where-Object -FilterScript { $_.interface -eq $Interface }).Count -eq 0) { return $false }
    if (@(Get-Route -Store 'ActiveStore' | Where-Object -FilterScript { $_.destination -eq '0.0.0.0/0' -and $_.interface -eq $Interface }).Count -gt 0) { return $false }
    if (Test-WslAdapter -Interface $Interface) { return $true }
    # A renamed switch: accepted if no adapter has WSL's name and it is the only candidate, or a virtual switch.
    if (@(Get-Address | Where-Object -FilterScript { Test-WslAdapter -Interface $_.interface }).Count -gt 0) { return $false }
    $one = @($holding | Where-Object -FilterScript { $_.interface -eq $Interface })[0]
    return ($one.switch -ne $false) -and ($holding.Count -eq 1 -or $one.switch)
}

# Recognised by WSL's name for it: Hyper-V's other switches are called vEthernet too.
function Test-WslAdapter {
    param($Interface)
    return @(Get-Address | Where-Object -FilterScript { $_.interface -eq $Interface -and $_.switch -ne $false -and $_.alias -match 'WSL' }).Count -gt 0
}

function Test-AddressInNetwork {
    param([string] $Inner, [string] $Outer)
    $inside = $Inner -split '/'
    $around = $Outer -split '/'
    if ($inside.Count -ne 2 -or -not (Test-Address -Value $inside[0]) -or $inside[1] -notmatch '^\d{1,2}$' -or [int] $inside[1] -gt 32) { return $false }
    if ([int] $around[1] -lt 1 -or [int] $inside[1] -lt [int] $around[1]) { return $false }
    $size = [Math]::Pow(2, 32 - [int] $around[1])
    return [Math]::Floor((ConvertTo-Number -Address $inside[0]) / $size) -eq [Math]::Floor((ConvertTo-Number -Address $around[0]) / $size)
}

function ConvertTo-Number {
    param([string] $Address)
    $number = [double] 0
    foreach ($byte in ($Address -split '\.')) { $number = $number * 256 + [int] $byte }
    return $number
}

# Programs of a service must be where only administrators can write.
function Assert-AdministratorsOnly {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not (Test-Path -LiteralPath $Path -PathType Leaf)) { throw (New-Failure -What "$Path does not exist" -Help 'see docs/windows.md for where to get it') }
    $programs = (Split-Path -Path (Get-ProgramFolder) -Parent) + [IO.Path]::DirectorySeparatorChar
    $whole = (Resolve-Path -LiteralPath $Path).ProviderPath
    if (-not $whole.StartsWith($programs, [StringComparison]::OrdinalIgnoreCase) -or $whole -match '\.\.') {
        Deny-Action -What "$Path is not in $programs, where only administrators can write"
    }
}
