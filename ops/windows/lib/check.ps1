# What is asked of the elevated half is proven before it is done: by the settings, and by what this half sees itself. Who asks may
# be anybody that runs as the user, WSL2 among them.

# What installs, or takes away what is installed: never by the task, which asks nobody.
$script:asked = 'install_service', 'remove_service', 'register_tasks', 'unregister_tasks', 'remove_files'

function Assert-Action {
    param([AllowNull()] $Action, [Parameter(Mandatory = $true)] $Settings)
    $name = Get-Field -Object $Action -Name 'do'
    if ($name -isnot [string]) { Deny -What 'the name of an action is one text' }
    if ($script:asked -ccontains $name -and (Get-UserId) -eq 'S-1-5-18') { Deny -What "the task does not $name`: Windows asks for that" }
    switch -CaseSensitive ($name) {
        'add_route' { Assert-Field -Action $Action -Names 'interface', 'next_hop'; Assert-Number -Value $Action.interface; Assert-NextHop -Interface $Action.interface -NextHop $Action.next_hop; Assert-NewRoute -Subnet $Settings.Subnet }
        'remove_route' { Assert-Field -Action $Action -Names 'interface', 'next_hop', 'store'; Assert-Number -Value $Action.interface; Assert-OwnRoute -Action $Action }
        { $_ -in 'remove_lan_rule', 'remove_hyperv_rule' } { Assert-Field -Action $Action -Names 'name' }
        { $_ -in 'add_lan_rule', 'add_shared_rule' } { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-LanRule) -Name (Get-PortsRuleName -Settings $Settings) }
        'add_subnet_rule' { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-HypervRule) -Name "Flatnet subnet $($Settings.Subnet)" }
        'add_ports_rule' { Assert-Field -Action $Action -Names @(); Assert-NewRule -Rules @(Get-HypervRule) -Name (Get-PortsRuleName -Settings $Settings) }
        { $_ -in 'start_service', 'restart_service' } { Assert-Field -Action $Action -Names @(); Assert-ServiceAccount }
        'install_service' { Assert-Field -Action $Action -Names 'wrapper'; Assert-Text -Value $Action.wrapper -Pattern '^(WinSW|NSSM)\z'; Assert-Protected -Path (Get-WrapperPath); Assert-Protected -Path $Settings.OpenResty }
        'note' { Assert-Field -Action $Action -Names 'text'; Assert-Text -Value $Action.text -Pattern '^[ -~]{1,300}\z' }
        default { Assert-Field -Action $Action -Names @() }
    }
}

function Deny {
    param([Parameter(Mandatory = $true)] [string] $What)
    throw (New-Failure -What "refused: $What" -Help "the elevated half does only what $(Get-SettingsPath) and Windows itself bear out")
}

# These fields, and no others.
function Assert-Field {
    param($Action, [string[]] $Names = @())
    $given = @($Action.PSObject.Properties | ForEach-Object -Process { $_.Name } | Where-Object -FilterScript { $_ -cne 'do' -and $_ -cne 'why' })
    if (@($given | Where-Object -FilterScript { -not ($Names -ccontains $_) }).Count -gt 0 -or $given.Count -ne $Names.Count) {
        Deny -What "an action has the fields $($Names -join ', '), and no others"
    }
}

function Assert-Number {
    param($Value)
    if (($Value -isnot [int] -and $Value -isnot [long]) -or $Value -lt 1 -or $Value -gt [uint32]::MaxValue) { Deny -What 'an interface is a number' }
}

function Assert-Text {
    param($Value, [string] $Pattern)
    if ($Value -isnot [string] -or $Value -cnotmatch $Pattern) { Deny -What 'a text has other characters than it may have' }
}

# What it runs, others write: as another account it would be theirs.
function Assert-ServiceAccount {
    $account = Get-Field -Object (Get-CimInstance -ClassName Win32_Service -Filter "Name = '$script:service'" -ErrorAction Stop) -Name 'StartName'
    if ("$account" -ne $script:account) { Deny -What "the service $script:service runs as '$account', and not as $script:account; 'flatnet.ps1 gateway install-service' mends that" }
}

# One of a name: else each request would add another.
function Assert-NewRule {
    param([object[]] $Rules, [string] $Name)
    if (@($Rules | Where-Object -FilterScript { $_.name -eq $Name }).Count -gt 0) { Deny -What "there is a rule ""$Name"" already" }
}

# The next hop lies in the network of WSL's switch.
function Assert-NextHop {
    param($Interface, $NextHop)
    if (-not (Test-Address -Value $NextHop)) { Deny -What 'a next hop is an IPv4 address' }
    if (-not (Test-Switch -Interface $Interface -Address $NextHop)) { Deny -What "$NextHop at interface $Interface is not in the network of WSL's switch" }
}

# One route: a second would take half of what the first is for, whoever made that.
function Assert-NewRoute {
    param([Parameter(Mandatory = $true)] [string] $Subnet)
    $there = @(Get-Route -Store 'ActiveStore' | Where-Object -FilterScript { $_.destination -eq $Subnet })
    if ($there.Count -gt 0) { Deny -What "there is a route to $Subnet already, via $($there[0].next_hop), interface $($there[0].interface)" }
}

# A route is removed where it is ours: it leads to WSL's switch, or to an adapter that is gone, or was made here.
function Assert-OwnRoute {
    param($Action)
    if (-not (Test-Address -Value $Action.next_hop)) { Deny -What 'a next hop is an IPv4 address' }
    Assert-Text -Value $Action.store -Pattern '^(ActiveStore|PersistentStore)\z'
    $made = Read-MadeRoute
    if ($made -and $made.interface -eq $Action.interface -and $made.next_hop -eq $Action.next_hop) { return }
    $addresses = @(Get-Address)
    if ($addresses.Count -eq 0) { Deny -What 'Windows does not tell its addresses' }
    $isUp = @($addresses | Where-Object -FilterScript { $_.interface -eq $Action.interface }).Count -gt 0
    if ($isUp -and -not (Test-WslAdapter -Interface $Action.interface)) { Deny -What "the route by interface $($Action.interface) is somebody else's" }
}

function Test-Address {
    param($Value)
    return ($Value -is [string]) -and ($Value -match '^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}\z')
}

# The switch leads to WSL only: it bears no default route, and the address is one of its network and not its own.
function Test-Switch {
    param($Interface, $Address)
    $holding = @(Get-Address | Where-Object -FilterScript { $_.address -ne $Address -and (Test-Within -Inner "$Address/32" -Outer "$($_.address)/$($_.prefix_length)") })
    if (@($holding | Where-Object -FilterScript { $_.interface -eq $Interface }).Count -eq 0) { return $false }
    if (@(Get-Route -Store 'ActiveStore' | Where-Object -FilterScript { $_.destination -eq '0.0.0.0/0' -and $_.interface -eq $Interface }).Count -gt 0) { return $false }
    if (Test-WslAdapter -Interface $Interface) { return $true }
    # Renamed: then no other bears WSL's name, and it must be the only one, and not be known for another device.
    if (@(Get-Address | Where-Object -FilterScript { Test-WslAdapter -Interface $_.interface }).Count -gt 0) { return $false }
    $one = @($holding | Where-Object -FilterScript { $_.interface -eq $Interface })[0]
    return ($one.switch -ne $false) -and ($holding.Count -eq 1 -or $one.switch)
}

# By the name that WSL gives it; Hyper-V has other switches, and they are called vEthernet, too.
function Test-WslAdapter {
    param($Interface)
    return @(Get-Address | Where-Object -FilterScript { $_.interface -eq $Interface -and $_.switch -ne $false -and $_.alias -match 'WSL' }).Count -gt 0
}

function Test-Within {
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

# What a service runs lies where only administrators write.
function Assert-Protected {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not (Test-Path -LiteralPath $Path -PathType Leaf)) { throw (New-Failure -What "there is no $Path" -Help 'docs/windows.md says where it comes from') }
    $programs = (Split-Path -Path (Get-ProgramFolder) -Parent) + [IO.Path]::DirectorySeparatorChar
    $whole = (Resolve-Path -LiteralPath $Path).ProviderPath
    if (-not $whole.StartsWith($programs, [StringComparison]::OrdinalIgnoreCase) -or $whole -match '\.\.') {
        Deny -What "$Path is not in $programs, where only administrators write"
    }
}
