# The verbs of flatnet.ps1. Each sets $script:ended, the exit status: what they write is for who called them.

$script:ended = 0
$script:stops = ''
$script:ofWsl = 'add_route', 'remove_route', 'add_lan_rule', 'add_shared_rule', 'remove_lan_rule', 'add_subnet_rule', 'add_ports_rule', 'remove_hyperv_rule',
    'start_gateway', 'stop_gateway'

function Get-ScriptPath {
    return Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'flatnet.ps1'
}

# One run after the other: two would plan with what the other is about to change.
function Invoke-Alone {
    param([Parameter(Mandatory = $true)] [scriptblock] $Work)
    $mutex = New-Object -TypeName Threading.Mutex -ArgumentList $false, 'Local\Flatnet'
    try { $isMine = $mutex.WaitOne(180000) } catch [Threading.AbandonedMutexException] { $isMine = $true }
    if (-not $isMine) { throw (New-Failure -What 'another run of these scripts does not end' -Help 'Get-Process powershell, pwsh shows it') }
    try { & $Work }
    finally {
        $mutex.ReleaseMutex()
        $mutex.Dispose()
    }
}

function Invoke-Look {
    param([switch] $Full, [string[]] $Layers = @())
    $decision = Get-Decision -Settings (Read-Settings) -Verb 'look'
    Show-Decision -Decision $decision -Layers $Layers -Full:$Full
    if ($Layers.Count -eq 0) {
        Show-End -Decision $decision
        # What nobody has set up is no fault to `status`.
        if ($decision.stops_at -and ($Full -or $decision.set_up)) { $script:ended = 1 }
        return
    }
    $failed = @($decision.layers | Where-Object -FilterScript { (Get-Field -Object $_ -Name 'layer') -in $Layers -and (Get-Field -Object $_ -Name 'level') -eq 'failure' })
    if ($failed.Count -gt 0 -or -not $decision.set_up) { $script:ended = 1 }
}

function Invoke-Up {
    param([int] $WaitSeconds)
    $settings = Read-Settings
    $failed = 0
    $tried = @()
    # A second round, because some of what is in the way shows only when the route is right.
    for ($round = 1; $round -le 4; $round++) {
        $decision = Get-Decision -Settings $settings -Verb 'up' -WaitSeconds $(if ($round -eq 1) { $WaitSeconds } else { 0 })
        # What failed is not tried again.
        $actions = @(@(Select-Action -Actions @($decision.actions)) + @(Get-TaskAction) | Where-Object -FilterScript { (ConvertTo-Json -InputObject $_ -Compress) -notin $tried })
        if ($actions.Count -eq 0 -or $round -eq 4) { break }
        $tried += @($actions | ForEach-Object -Process { ConvertTo-Json -InputObject $_ -Compress })
        Show-Route -Settings $settings -When 'before'
        foreach ($action in $actions) { Write-Host "  # $(Format-Line -Text "$(Get-Field -Object $action -Name 'why')")" }
        $failed += Invoke-Planned -Settings $settings -Actions $actions
        if ($WhatIfPreference) { return }
        Show-Route -Settings $settings -When 'after'
    }
    Show-Decision -Decision $decision
    Show-End -Decision $decision
    $script:stops = Format-Line -Text "$($decision.stops_at)"
    if ($decision.stops_at) { $script:ended = 1 }
    elseif ($failed -gt 0) { $script:ended = 2 }
}

# What WSL2 may ask for (src/windows/action.rs), and nothing else.
function Select-Action {
    param([object[]] $Actions)
    foreach ($action in $Actions) {
        $name = Get-Field -Object $action -Name 'do'
        if ($name -is [string] -and $script:ofWsl -ccontains $name) { $action }
        else { Write-Host "  left out, because WSL2 may not ask for it: $("$name" -replace '[^a-z_]', '?')" }
    }
}

# `down` has disabled it.
function Get-TaskAction {
    $task = Get-TaskState
    if ($task -and $task.state -eq 'Disabled') { [pscustomobject] @{ do = 'enable_task'; why = 'the task runs this again when something changes' } }
}

# What needs an administrator in one request, then what does not: answers how many parts failed.
function Invoke-Planned {
    param([Parameter(Mandatory = $true)] $Settings, [Parameter(Mandatory = $true)] [object[]] $Actions)
    $failed = 0
    if (@($Actions | Where-Object -FilterScript { $_.do -eq 'stop_gateway' }).Count -gt 0) { $failed += Invoke-Tried -Work { Stop-Gateway -Settings $Settings } }
    $elevated = @($Actions | Where-Object -FilterScript { $_.do -notin 'start_gateway', 'stop_gateway' })
    if ($elevated.Count -gt 0) { $failed += Invoke-Tried -Work { Invoke-Elevated -Actions $elevated } }
    if (@($Actions | Where-Object -FilterScript { $_.do -eq 'start_gateway' }).Count -gt 0) { $failed += Invoke-Tried -Work { Start-Gateway -Settings $Settings } }
    return $failed
}

function Invoke-Down {
    $settings = Read-Settings
    Write-Host 'WSL2 is not asked: this takes back what is on Windows.'
    $failed = Invoke-Undo -Settings $settings
    if ($WhatIfPreference) { return }
    $left = @(Get-Left -Settings $settings)
    foreach ($one in $left) { Write-Host "  left: $one" }
    if ($left.Count -eq 0) { Write-Host 'Nothing of Flatnet is left on Windows but its files and its task, which is disabled.' }
    if ($left.Count -gt 0 -or $failed -gt 0) { $script:ended = 2 }
}

function Invoke-GatewayVerb {
    param([string] $Name, [string] $Wrapper)
    $settings = Read-Settings
    switch ($Name) {
        'status' { Invoke-Look -Full -Layers 'nginx', 'gateway', 'firewall' }
        'check' { Test-Configuration -Settings $settings }
        'start' { Start-Gateway -Settings $settings }
        'stop' { Stop-Gateway -Settings $settings }
        'reload' { Restart-Gateway -Settings $settings }
        'install-service' { Install-Gateway -Settings $settings -Wrapper $Wrapper }
        'remove-service' { Uninstall-Gateway -Settings $settings }
        default { throw (New-Failure -What "gateway has no action $Name" -Help "Get-Help '$(Get-ScriptPath)'") }
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
        default { throw (New-Failure -What "task has no action $Name" -Help "Get-Help '$(Get-ScriptPath)'") }
    }
}

# What runs by itself lies where only administrators write.
function Assert-Installed {
    if ((Split-Path -Path $PSScriptRoot -Parent) -eq (Get-ProgramFolder)) { return }
    throw (New-Failure -What "a task runs these scripts from $(Get-ProgramFolder) only, and these are in $(Split-Path -Path $PSScriptRoot -Parent)" -Help "& '$(Get-ScriptPath)' install; then & '$(Get-ProgramFolder)\flatnet.ps1' task register")
}

function Show-Task {
    $task = Get-TaskState
    if (-not $task) {
        Write-Host "There is no task Flatnet: & '$(Get-ScriptPath)' task register"
        $script:ended = 1
        return
    }
    $ran = if ($task.last_run) { ", ran last at $($task.last_run), and ended with $($task.last_result)" } else { '' }
    Write-Host "The task Flatnet is $($task.state)$ran. What it did: $(Get-ProgramFolder)\log\flatnet.log"
    if ($task.state -eq 'Disabled') { $script:ended = 1 }
}

# The log is the administrators'. Nothing new is not worth a line: the scheduler remembers the last result.
function Write-TaskNote {
    param([int] $Status)
    if ($Status -eq 0 -or -not (Get-ScheduledTask -TaskName 'FlatnetElevated' -TaskPath '\' -ErrorAction SilentlyContinue)) { return }
    $where = if ($script:stops) { "; the way stops at: $script:stops" } else { '' }
    Invoke-Elevated -Actions @(@{ do = 'note'; text = "up ended with $Status$where" })
}

function Invoke-Uninstall {
    $failed = Invoke-Undo -Settings (Read-Settings) -KeepTask
    if ($failed -gt 0) { throw (New-Failure -What 'not all could be taken back, so the scripts stay' -Help 'mend what is said above, and run it again') }
    Invoke-FileRemoval
}
