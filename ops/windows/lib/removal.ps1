# Removes Flatnet's own objects from Windows, without WSL2: `down` must also work when WSL2 is gone.

# The elevated actions that remove all firewall rules, rules of names and routes of Flatnet.
function Get-UndoAction {
    param([Parameter(Mandatory = $true)] $Settings)
    $names = @(Get-LanRule | ForEach-Object -Process { $_.name } | Where-Object -FilterScript { Test-OwnRuleName -Name $_ } | Select-Object -Unique)
    foreach ($name in $names) { @{ do = 'remove_lan_rule'; name = $name } }
    $rules = @(try { Get-HypervRule } catch { $null = Show-Failure -Record $_ })
    $names = @($rules | ForEach-Object -Process { $_.name } | Where-Object -FilterScript { Test-OwnRuleName -Name $_ } | Select-Object -Unique)
    foreach ($name in $names) { @{ do = 'remove_hyperv_rule'; name = $name } }
    $rules = @(try { Get-NameRule } catch { $null = Show-Failure -Record $_ })
    foreach ($rule in @($rules | Where-Object -FilterScript { $_.own })) { @{ do = 'remove_name_rule'; name = $rule.name } }
    foreach ($route in @(Get-OwnRoute -Settings $Settings)) {
        @{ do = 'remove_route'; interface = $route.interface; next_hop = $route.next_hop; store = $route.store }
    }
}

function Test-OwnRuleName {
    param([string] $Name)
    return $Name -cmatch '^Flatnet (gateway|subnet) [0-9 ./]*\z'
}

# Routes to exactly the subnet that use WSL's adapter or a missing one, or that the elevated script added. check.ps1 tests the same.
function Get-OwnRoute {
    param([Parameter(Mandatory = $true)] $Settings)
    $made = Read-AddedRoute
    $up = @(Get-Address | ForEach-Object -Process { $_.interface })
    $all = @(Get-Route -Store 'PersistentStore') + @(Get-Route -Store 'ActiveStore')
    $all | Where-Object -FilterScript { $_.destination -eq $Settings.Subnet } | Where-Object -FilterScript {
        $isMade = $made -and $made.interface -eq $_.interface -and $made.next_hop -eq $_.next_hop
        $isMade -or $_.interface -notin $up -or (Test-WslAdapter -Interface $_.interface)
    }
}

# Tries every step even if one fails, and returns the number of failures.
function Invoke-Undo {
    param([Parameter(Mandatory = $true)] $Settings, [switch] $KeepTask)
    $failed = 0
    if (Get-ServiceState) {
        if ((Get-ServiceState) -ne 'Stopped') { $failed += Invoke-Attempt -Work { Stop-Gateway -Settings $Settings } }
    }
    elseif (@(Get-OwnNginx -Settings $Settings).Count -gt 0) { $failed += Invoke-Attempt -Work { Stop-Gateway -Settings $Settings } }
    $actions = @(Get-UndoAction -Settings $Settings)
    $task = Get-TaskState
    # The task's next trigger would run `up` again.
    if (-not $KeepTask -and $task -and $task.state -ne 'Disabled') { $actions = @(@{ do = 'disable_task' }) + $actions }
    if ($actions.Count -gt 0) { $failed += Invoke-Attempt -Work { Invoke-Elevated -Actions $actions } }
    return $failed
}

# Descriptions of the objects that remain.
function Get-Leftover {
    param([Parameter(Mandatory = $true)] $Settings)
    foreach ($action in @(Get-UndoAction -Settings $Settings)) {
        if ($action.do -eq 'remove_route') { "the route to $($Settings.Subnet) via $($action.next_hop), interface $($action.interface)" }
        elseif ($action.do -eq 'remove_name_rule') { "the rule of names $($action.name)" }
        else { "the firewall rule ""$($action.name)""" }
    }
    foreach ($process in @(Get-OwnNginx -Settings $Settings)) { "the gateway's nginx, process $($process.pid)" }
}

# Runs the block, reports an error, and returns the number of failures: 0 or 1.
function Invoke-Attempt {
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
