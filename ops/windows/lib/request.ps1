# Requests to the elevated script. A task takes no arguments, so the request is a file.

# Runs all actions elevated, prints the results, and throws if any failed.
function Invoke-Elevated {
    param([Parameter(Mandatory = $true)] [object[]] $Actions)
    $settings = Read-Settings
    if ($WhatIfPreference) {
        foreach ($action in $Actions) { Invoke-Action -Action ([pscustomobject] $action) -Settings $settings }
        return
    }
    $folder = Get-ProgramFolder
    if (-not (Test-Path -LiteralPath "$folder\elevated.ps1" -PathType Leaf)) {
        throw (New-Failure -What "the scripts are not installed in $folder" -Help "& '$(Get-ScriptPath)' install")
    }
    $id = [guid]::NewGuid().ToString()
    Write-Request -Folder $folder -Id $id -Actions $Actions
    Start-Elevated -Script "$folder\elevated.ps1" -Actions $Actions
    Show-Result -Result (Wait-Result -Folder $folder -Id $id) -Actions $Actions
}

function Show-Result {
    param([Parameter(Mandatory = $true)] $Result, [Parameter(Mandatory = $true)] [object[]] $Actions)
    $why = Get-Field -Object $Result -Name 'error'
    if ($why) { throw (New-Failure -What "$why" -Help "$($Result.help)") }
    $failed = 0
    foreach ($done in @($Result.done)) {
        foreach ($line in @($done.lines)) { Write-Host "$line" }
        if ($done.error) {
            $failed++
            $help = if ($done.help) { $done.help } else { "see $(Get-ProgramFolder)\log\flatnet.log for the actions before it" }
            $null = Show-Failure -Record @{ Exception = New-Failure -What "$($done.do): $($done.error)" -Help $help }
        }
    }
    if ($failed -gt 0) {
        $failure = New-Failure -What "$failed of $($Actions.Count) actions failed"
        $failure.Data['shown'] = $true
        throw $failure
    }
}

function Write-Request {
    param([string] $Folder, [string] $Id, [object[]] $Actions)
    $request = [ordered]@{ version = 2; id = $Id; actions = @($Actions) }
    $path = [IO.Path]::Combine($Folder, 'request.json')
    try {
        Set-Content -LiteralPath $path -Value (ConvertTo-Json -InputObject $request -Depth 5) -Encoding ASCII -ErrorAction Stop
    }
    catch { throw (New-Failure -What "$path cannot be written: $(Format-Failure -Record $_)" -Help "only the user who installed can write it: $(Get-InstallHelp)") }
}

# Uses the task, which needs no consent. If the task is missing, not for this user, or refuses the action, Windows shows a UAC prompt.
function Start-Elevated {
    param([string] $Script, [object[]] $Actions)
    $isAsked = @($Actions | Where-Object -FilterScript { $script:confirmedActions -ccontains $_.do }).Count -gt 0
    if (-not $isAsked -and (Get-ScheduledTask -TaskName 'FlatnetElevated' -TaskPath '\' -ErrorAction SilentlyContinue)) {
        try {
            Start-ScheduledTask -TaskName 'FlatnetElevated' -TaskPath '\' -ErrorAction Stop
            return
        }
        catch { Write-Host "  the task FlatnetElevated cannot be started ($(Format-Failure -Record $_)); asking for consent instead" }
    }
    Start-AsAdministrator -Arguments "-File ""$Script"""
}

function Start-AsAdministrator {
    param([Parameter(Mandatory = $true)] [string] $Arguments)
    $line = "-NoProfile -NonInteractive -ExecutionPolicy RemoteSigned $Arguments"
    try { $process = Start-Process -FilePath (Get-PowerShellProgram) -ArgumentList $line -Verb RunAs -WindowStyle Hidden -PassThru -ErrorAction Stop }
    catch { throw (New-Failure -What "Windows did not start the elevated script: $(Format-Failure -Record $_)" -Help "answer the UAC prompt with Yes, with an administrator's account if it asks for one") }
    # -Wait has no time limit.
    if ($process -and -not $process.HasExited) { $null = $process.WaitForExit(150000) }
}

function Wait-Result {
    param([string] $Folder, [string] $Id)
    $until = [DateTime]::UtcNow.AddSeconds(120)
    while ([DateTime]::UtcNow -lt $until) {
        $result = Read-Result -Folder $Folder -Id $Id
        if ($result) { return $result }
        Start-Sleep -Milliseconds 100
    }
    throw (New-Failure -What 'the elevated script did not answer within 120 s' -Help "see $Folder\log\flatnet.log for its progress, and 'Get-ScheduledTask FlatnetElevated' for its state")
}

# Null if the result is missing, incomplete, or of another request.
function Read-Result {
    param([string] $Folder, [string] $Id)
    try { $result = ConvertFrom-Json -InputObject (Get-Content -LiteralPath "$Folder\log\result.json" -Raw -ErrorAction Stop) }
    catch { return $null }
    if ((Get-Field -Object $result -Name 'id') -eq $Id) { return $result }
    return $null
}
