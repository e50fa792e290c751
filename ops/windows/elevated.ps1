# The elevated half: does what request.json asks for, from a closed list, after it has proven each of it (lib\check.ps1),
# and writes down what it did. It starts nothing that lies where others may write, and never WSL (docs/adr/0018).
#
# Started by flatnet.ps1, by the task FlatnetElevated or after Windows' question; it has no arguments.

[CmdletBinding()]
param()

# Before any command: a module of that name in a user's own folder would be found first.
$env:PSModulePath = [IO.Path]::Combine($PSHOME, 'Modules')
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$PSDefaultParameterValues = @{}
$ProgressPreference = 'SilentlyContinue'
$InformationPreference = 'Continue'
$WhatIfPreference = $false
$OFS = ' '
. "$PSScriptRoot\lib\fail.ps1"
. "$PSScriptRoot\lib\windows.ps1"
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\look.ps1"
. "$PSScriptRoot\lib\gateway.ps1"
. "$PSScriptRoot\lib\service.ps1"
. "$PSScriptRoot\lib\tasks.ps1"
. "$PSScriptRoot\lib\log.ps1"
. "$PSScriptRoot\lib\lock.ps1"
. "$PSScriptRoot\lib\check.ps1"
. "$PSScriptRoot\lib\act.ps1"
. "$PSScriptRoot\lib\installed.ps1"

# Of the request that is being answered.
$script:id = ''

function Invoke-Request {
    $request = Read-Request
    $result = [ordered]@{ version = 2; id = $request.id; done = @() }
    foreach ($action in @(Get-Field -Object $request -Name 'actions')) { $result.done += Invoke-Checked -Action $action }
    # The folder may be gone now.
    if (Test-Path -LiteralPath "$(Get-ProgramFolder)\log" -PathType Container) { Write-Result -Result $result }
}

# What it says is not repeated: it may be any file that this half may read.
function Read-Request {
    $path = [IO.Path]::Combine($PSScriptRoot, 'request.json')
    $text = Read-Short -Path $path
    try { $request = ConvertFrom-Json -InputObject $text }
    catch { throw (New-Failure -What "$path is not JSON" -Help (Get-InstallHelp)) }
    if ("$(Get-Field -Object $request -Name 'id')" -notmatch '^[0-9a-f-]{36}\z') { throw (New-Failure -What "$path has no id" -Help (Get-InstallHelp)) }
    $script:id = "$($request.id)"
    if ((Get-Field -Object $request -Name 'version') -ne 2) { throw (New-Failure -What "$path is not of this version" -Help (Get-InstallHelp)) }
    return $request
}

# By one handle, and no more than a request may have: the user can change the file at any time, and make it lead elsewhere, also
# between a look and the opening.
function Read-Short {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not [IO.File]::Exists($Path)) { throw (New-Failure -What "there is no $Path" -Help 'flatnet.ps1 writes it') }
    Assert-Plain -Path $Path
    $stream = [IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite')
    try {
        Assert-Plain -Path $Path
        $bytes = New-Object -TypeName byte[] -ArgumentList 65537
        $length = 0
        while ($length -lt $bytes.Length -and ($read = $stream.Read($bytes, $length, $bytes.Length - $length)) -gt 0) { $length += $read }
    }
    finally { $stream.Dispose() }
    if ($length -eq $bytes.Length) { throw (New-Failure -What "$Path is too long" -Help (Get-InstallHelp)) }
    return [Text.Encoding]::ASCII.GetString($bytes, 0, $length)
}

function Assert-Plain {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (([int] [IO.File]::GetAttributes($Path) -band [int] [IO.FileAttributes]::ReparsePoint) -ne 0) { throw (New-Failure -What "$Path leads to another file" -Help (Get-InstallHelp)) }
}

function Invoke-Checked {
    param([AllowNull()] $Action)
    $done = [ordered]@{ do = ''; lines = @(); error = $null; help = '' }
    try {
        $settings = Read-Settings
        # What is asked may be anything: its name is repeated where it looks like one.
        $name = Get-Field -Object $Action -Name 'do'
        if ($name -is [string] -and $name -cmatch '\A[a-z_]{1,40}\z') { $done.do = $name }
        Assert-Action -Action $Action -Settings $settings
        $done.lines = @(Invoke-Action -Action $Action -Settings $settings 6>&1 | ForEach-Object -Process { "$_" })
        if ($Action.do -ceq 'add_route') { Write-MadeRoute -Action $Action }
        foreach ($line in $done.lines) { Write-Log -Text $line.Trim() }
    }
    catch {
        $done.error = Format-Failure -Record $_
        $done.help = "$($_.Exception.Data['help'])"
        Write-Log -Text "error: $($done.error)"
    }
    return $done
}

try {
    Assert-Elevated
    if ($PSScriptRoot -ne (Get-ProgramFolder)) {
        throw (New-Failure -What "elevated.ps1 runs from $(Get-ProgramFolder) only, and this is $PSScriptRoot" -Help (Get-InstallHelp))
    }
    New-LogFolder
    Enter-Lock
    try { Invoke-Request } finally { Exit-Lock }
}
catch {
    $status = Show-Failure -Record $_
    if (Test-Elevated) {
        Write-Log -Text "error: $(Format-Failure -Record $_)"
        if ($script:id) { Write-Result -Result ([ordered]@{ version = 2; id = $script:id; done = @(); error = Format-Failure -Record $_; help = "$($_.Exception.Data['help'])" }) }
    }
    exit $status
}
exit 0
