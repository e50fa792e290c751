# What is Flatnet's on this Windows, and taking it back. WSL2 is not asked: it may be gone, and that is when `down` is wanted most.

# Actions of the elevated half that leave nothing of Flatnet.
function Get-Undo {
    param([Parameter(Mandatory = $true)] $Settings)
    $names = @(Get-LanRule | ForEach-Object -Process { $_.name } | Where-Object -FilterScript { Test-OwnName -Name $_ } | Select-Object -Unique)
    foreach ($name in $names) { @{ do = 'remove_lan_rule'; name = $name } }
    $rules = @(try { Get-HypervRule } catch { $null = Show-Failure -Record $_ })
    $names = @($rules | ForEach-Object -Process { $_.name } | Where-Object -FilterScript { Test-OwnName -Name $_ } | Select-Object -Unique)
    foreach ($name in $names) { @{ do = 'remove_hyperv_rule'; name = $name } }
    foreach ($route in @(Get-OwnRoute -Settings $Settings)) {
        @{ do = 'remove_route'; interface = $route.interface; next_hop = $route.next_hop; store = $route.store }
    }
}

function Test-OwnName {
    param([string] $Name)
    return $Name -cmatch '^Flatnet (gateway|subnet) [0-9 ./]*\z'
}

# To exactly the subnet, and by WSL's adapter, by one that is gone, or made by the elevated half: check.ps1 proves the same.
function Get-OwnRoute {
    param([Parameter(Mandatory = $true)] $Settings)
    $made = Read-MadeRoute
    $up = @(Get-Address | ForEach-Object -Process { $_.interface })
    $all = @(Get-Route -Store 'PersistentStore') + @(Get-Route -Store 'ActiveStore')
    $all | Where-Object -FilterScript { $_.destination -eq $Settings.Subnet } | Where-Object -FilterScript {
        $isMade = $made -and $made.interface -eq $_.interface -and $made.next_hop -eq $_.next_hop
        $isMade -or $_.interface -notin $up -or (Test-WslAdapter -Interface $_.interface)
    }
}

# Each is tried, whatever became of the one before; answers the number of those that failed.
function Invoke-Undo {
    param([Parameter(Mandatory = $true)] $Settings, [switch] $KeepTask)
    $failed = 0
    if (Get-ServiceState) {
        if ((Get-ServiceState) -ne 'Stopped') { $failed += Invoke-Tried -Work { Stop-Gateway -Settings $Settings } }
    }
    elseif (@(Get-OwnNginx -Settings $Settings).Count -gt 0) { $failed += Invoke-Tried -Work { Stop-Gateway -Settings $Settings } }
    $actions = @(Get-Undo -Settings $Settings)
    $task = Get-TaskState
    # The next event would do it all again.
    if (-not $KeepTask -and $task -and $task.state -ne 'Disabled') { $actions = @(@{ do = 'disable_task' }) + $actions }
    if ($actions.Count -gt 0) { $failed += Invoke-Tried -Work { Invoke-Elevated -Actions $actions } }
    return $failed
}

# What is still there, for people.
function Get-Left {
    param([Parameter(Mandatory = $true)] $Settings)
    foreach ($action in @(Get-Undo -Settings $Settings)) {
        if ($action.do -eq 'remove_route') { "the route to $($Settings.Subnet) via $($action.next_hop), interface $($action.interface)" }
        else { "the firewall rule ""$($action.name)""" }
    }
    foreach ($process in @(Get-OwnNginx -Settings $Settings)) { "the gateway's nginx, process $($process.pid)" }
}

# Tells what failed, and goes on.
function Invoke-Tried {
    param([Parameter(Mandatory = $true)] [scriptblock] $Work)
    try {
        & $Work | Out-Null
        return 0
    }
    catch {
        if (-not $_.Exception.Data.Contains('shown')) { $null = Show-Failure -Record $_ }
        return 1
    }
}
