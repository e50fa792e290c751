# The verbs of flatnet.ps1. Each sets $script:exitStatus; its output is the output of the script.

$script:exitStatus = 0
$script:stopsAt = ''
$script:wslActions = 'add_route', 'remove_route', 'add_lan_rule', 'add_shared_rule', 'remove_lan_rule', 'add_subnet_rule', 'add_ports_rule', 'remove_hyperv_rule',
    'add_name_rule', 'remove_name_rule', 'start_gateway', 'stop_gateway'

function Get-ScriptPath {
    return Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'flatnet.ps1'
}

# One run at a time: two would each act on a state that the other is changing.
function Invoke-Exclusive {
    param([Parameter(Mandatory = $true)] [scriptblock] $Work)
    $mutex = New-Object -TypeName Threading.Mutex -ArgumentList $false, 'Local\Flatnet'
    try { $isMine = $mutex.WaitOne(180000) } catch [Threading.AbandonedMutexException] { $isMine = $true }
    if (-not $isMine) { throw (New-Failure -What 'another run of these scripts has not finished' -Help 'find it with Get-Process powershell, pwsh') }
    try { & $Work }
    finally {
        $mutex.ReleaseMutex()
        $mutex.Dispose()
    }
}

function Show-Status {
    param([switch] $Full, [string[]] $Layers = @())
    $decision = Get-Decision -Settings (Read-Settings) -Verb 'look'
    Show-Decision -Decision $decision -Layers $Layers -Full:$Full
    if ($Layers.Count -eq 0) {
        Show-Summary -Decision $decision
        # For `status`, it is no error if Flatnet is not set up.
        if ($decision.stops_at -and ($Full -or $decision.set_up)) { $script:exitStatus = 1 }
        return
    }
    $failed = @($decision.layers | Where-Object -FilterScript { (Get-Field -Object $_ -Name 'layer') -in $Layers -and (Get-Field -Object $_ -Name 'level') -eq 'failure' })
    if ($failed.Count -gt 0 -or -not $decision.set_up) { $script:exitStatus = 1 }
}

function Invoke-Up {
    param([int] $WaitSeconds)
    $settings = Read-Settings
    $failed = 0
    $tried = @()
    # Several rounds, because some problems are visible only once the route is correct.
    for ($round = 1; $round -le 4; $round++) {
        $decision = Get-Decision -Settings $settings -Verb 'up' -WaitSeconds $(if ($round -eq 1) { $WaitSeconds } else { 0 })
        # Each action is tried once.
        $actions = @(@(Select-Action -Actions @($decision.actions)) + @(Get-TaskAction) | Where-Object -FilterScript { (ConvertTo-Json -InputObject $_ -Compress) -notin $tried })
        if ($actions.Count -eq 0 -or $round -eq 4) { break }
        $tried += @($actions | ForEach-Object -Process { ConvertTo-Json -InputObject $_ -Compress })
        Show-Route -Settings $settings -When 'before'
        foreach ($action in $actions) { Write-Host "  # $(Format-Line -Text "$(Get-Field -Object $action -Name 'why')")" }
        $failed += Invoke-Plan -Settings $settings -Actions $actions
        if ($WhatIfPreference) { return }
        Show-Route -Settings $settings -When 'after'
    }
    Show-Decision -Decision $decision
    Show-Summary -Decision $decision
    $script:stopsAt = Format-Line -Text "$($decision.stops_at)"
    if ($decision.stops_at) { $script:exitStatus = 1 }
    elseif ($failed -gt 0) { $script:exitStatus = 2 }
}

# Only the actions that WSL2 may request (src/windows/action.rs).
function Select-Action {
    param([object[]] $Actions)
    foreach ($action in $Actions) {
        $name = Get-Field -Object $action -Name 'do'
        if ($name -is [string] -and $script:wslActions -ccontains $name) { $action }
        else { Write-Host "  skipped: WSL2 may not request the action $("$name" -replace '[^a-z_]', '?')" }
    }
}

# `down` disables the task.
function Get-TaskAction {
    $task = Get-TaskState
    if ($task -and $task.state -eq 'Disabled') { [pscustomobject] @{ do = 'enable_task'; why = 'the task runs this again when something changes' } }
}

# Runs the elevated actions in one request, and the others directly. Returns the number of failures.
function Invoke-Plan {
    param([Parameter(Mandatory = $true)] $Settings, [Parameter(Mandatory = $true)] [object[]] $Actions)
    $failed = 0
    if (@($Actions | Where-Object -FilterScript { $_.do -eq 'stop_gateway' }).Count -gt 0) { $failed += Invoke-Attempt -Work { Stop-Gateway -Settings $Settings } }
    $elevated = @($Actions | Where-Object -FilterScript { $_.do -notin 'start_gateway', 'stop_gateway' })
    if ($elevated.Count -gt 0) { $failed += Invoke-Attempt -Work { Invoke-Elevated -Actions $elevated } }
    if (@($Actions | Where-Object -FilterScript { $_.do -eq 'start_gateway' }).Count -gt 0) { $failed += Invoke-Attempt -Work { Start-Gateway -Settings $Settings } }
    return $failed
}

function Invoke-Down {
    $settings = Read-Settings
    Write-Host 'Removing Flatnet''s objects from Windows, without WSL2.'
    $failed = Invoke-Undo -Settings $settings
    if ($WhatIfPreference) { return }
    $left = @(Get-Leftover -Settings $settings)
    foreach ($one in $left) { Write-Host "  not removed: $one" }
    if ($left.Count -eq 0) { Write-Host 'Done. Flatnet''s files remain, and its task, which is disabled.' }
    if ($left.Count -gt 0 -or $failed -gt 0) { $script:exitStatus = 2 }
}

function Invoke-GatewayVerb {
    param([string] $Name, [string] $Wrapper)
    $settings = Read-Settings
    switch ($Name) {
        'status' { Show-Status -Full -Layers 'nginx', 'gateway', 'firewall' }
        'check' { Test-Configuration -Settings $settings }
        'start' { Start-Gateway -Settings $settings }
        'stop' { Stop-Gateway -Settings $settings }
        'reload' { Restart-Gateway -Settings $settings }
        'install-service' { Install-Gateway -Settings $settings -Wrapper $Wrapper }
        'remove-service' { Uninstall-Gateway -Settings $settings }
        default { throw (New-Failure -What "the verb gateway has no action $Name" -Help "see Get-Help '$(Get-ScriptPath)'") }
    }
}

function Invoke-TaskVerb {
    param([string] $Name)
    switch ($Name) {
        'status' { Show-Task }
        'register' {
            Assert-Installed
            Invoke-Elevated -Actions @(@{ do = 'register_tasks' })
        }
        'unregister' { Invoke-Elevated -Actions @(@{ do = 'unregister_tasks' }) }
        default { throw (New-Failure -What "the verb task has no action $Name" -Help "see Get-Help '$(Get-ScriptPath)'") }
    }
}

# A task may run only scripts that users cannot change.
function Assert-Installed {
    if ((Split-Path -Path $PSScriptRoot -Parent) -eq (Get-ProgramFolder)) { return }
    throw (New-Failure -What "tasks run scripts only from $(Get-ProgramFolder), not from $(Split-Path -Path $PSScriptRoot -Parent)" -Help "run & '$(Get-ScriptPath)' install; then & '$(Get-ProgramFolder)\flatnet.ps1' task register")
}

function Show-Task {
    $task = Get-TaskState
    if (-not $task) {
        Write-Host "The task Flatnet is not registered. Register it: & '$(Get-ScriptPath)' task register"
        $script:exitStatus = 1
        return
    }
    $ran = if ($task.last_run) { ", last run at $($task.last_run) with result $($task.last_result)" } else { '' }
    Write-Host "The task Flatnet is $($task.state)$ran. Log: $(Get-ProgramFolder)\log\flatnet.log"
    if ($task.state -eq 'Disabled') { $script:exitStatus = 1 }
}

# Only administrators can write the log, so this is an elevated action. Success is not logged: the scheduler keeps the last result.
function Write-TaskNote {
    param([int] $Status)
    if ($Status -eq 0 -or -not (Get-ScheduledTask -TaskName 'FlatnetElevated' -TaskPath '\' -ErrorAction SilentlyContinue)) { return }
    $where = if ($script:stopsAt) { "; the path stops at: $script:stopsAt" } else { '' }
    Invoke-Elevated -Actions @(@{ do = 'note'; text = "up exited with $Status$where" })
}

function Invoke-Uninstall {
    $failed = Invoke-Undo -Settings (Read-Settings) -KeepTask
    if ($failed -gt 0) { throw (New-Failure -What 'not everything could be removed, so the scripts remain' -Help 'fix the errors above, then run it again') }
    Invoke-FileRemoval
}
