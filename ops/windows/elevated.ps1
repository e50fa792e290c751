# The elevated script: runs the actions in request.json, from a fixed list, after validating each (lib\check.ps1), and logs them.
# It starts no program from a folder that others can write to, and never starts WSL (docs/adr/0018).
#
# flatnet.ps1 starts it through the task FlatnetElevated or a UAC prompt. It takes no arguments.

[CmdletBinding()]
param()

# Before any command: modules in the user's own folder would take precedence.
$env:PSModulePath = [IO.Path]::Combine($PSHOME, 'Modules')
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$PSDefaultParameterValues = @{}
$ProgressPreference = 'SilentlyContinue'
$InformationPreference = 'Continue'
$WhatIfPreference = $false
$OFS = ' '
. "$PSScriptRoot\lib\failure.ps1"
. "$PSScriptRoot\lib\windows.ps1"
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\observe.ps1"
. "$PSScriptRoot\lib\gateway.ps1"
. "$PSScriptRoot\lib\service.ps1"
. "$PSScriptRoot\lib\tasks.ps1"
. "$PSScriptRoot\lib\log.ps1"
. "$PSScriptRoot\lib\lock.ps1"
. "$PSScriptRoot\lib\check.ps1"
. "$PSScriptRoot\lib\actions.ps1"
. "$PSScriptRoot\lib\remove_files.ps1"

# The ID of the current request.
$script:id = ''

function Invoke-Request {
    $request = Read-Request
    $result = [ordered]@{ version = 2; id = $request.id; done = @() }
    foreach ($action in @(Get-Field -Object $request -Name 'actions')) { $result.done += Invoke-ValidatedAction -Action $action }
    # `uninstall` deletes the folder.
    if (Test-Path -LiteralPath "$(Get-ProgramFolder)\log" -PathType Container) { Write-Result -Result $result }
}

# Messages do not quote the content: the path may lead to any file that SYSTEM can read.
function Read-Request {
    $path = [IO.Path]::Combine($PSScriptRoot, 'request.json')
    $text = Read-LimitedText -Path $path
    try { $request = ConvertFrom-Json -InputObject $text }
    catch { throw (New-Failure -What "$path is not JSON" -Help (Get-InstallHelp)) }
    if ("$(Get-Field -Object $request -Name 'id')" -notmatch '^[0-9a-f-]{36}\z') { throw (New-Failure -What "$path has no id" -Help (Get-InstallHelp)) }
    $script:id = "$($request.id)"
    if ((Get-Field -Object $request -Name 'version') -ne 2) { throw (New-Failure -What "$path is from another version of these scripts" -Help (Get-InstallHelp)) }
    return $request
}

# Reads through one handle, up to the size limit of a request. The user can change the file or replace it with a link at any time,
# including between the check and the open, so it is checked twice.
function Read-LimitedText {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not [IO.File]::Exists($Path)) { throw (New-Failure -What "$Path does not exist" -Help 'run flatnet.ps1, which writes it') }
    Assert-NoReparsePoint -Path $Path
    $stream = [IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite')
    try {
        Assert-NoReparsePoint -Path $Path
        $bytes = New-Object -TypeName byte[] -ArgumentList 65537
        $length = 0
        while ($length -lt $bytes.Length -and ($read = $stream.Read($bytes, $length, $bytes.Length - $length)) -gt 0) { $length += $read }
    }
    finally { $stream.Dispose() }
    if ($length -eq $bytes.Length) { throw (New-Failure -What "$Path exceeds 65536 bytes" -Help (Get-InstallHelp)) }
    return [Text.Encoding]::ASCII.GetString($bytes, 0, $length)
}

function Assert-NoReparsePoint {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (([int] [IO.File]::GetAttributes($Path) -band [int] [IO.FileAttributes]::ReparsePoint) -ne 0) { throw (New-Failure -What "$Path is a link or another reparse point" -Help (Get-InstallHelp)) }
}

function Invoke-ValidatedAction {
    param([AllowNull()] $Action)
    $done = [ordered]@{ do = ''; lines = @(); error = $null; help = '' }
    try {
        $settings = Read-Settings
        # A request can contain anything: the result repeats the name only if it has the form of one.
        $name = Get-Field -Object $Action -Name 'do'
        if ($name -is [string] -and $name -cmatch '\A[a-z_]{1,40}\z') { $done.do = $name }
        Assert-Action -Action $Action -Settings $settings
        $done.lines = @(Invoke-Action -Action $Action -Settings $settings 6>&1 | ForEach-Object -Process { "$_" })
        if ($Action.do -ceq 'add_route') { Write-AddedRoute -Action $Action }
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
        throw (New-Failure -What "elevated.ps1 runs only from $(Get-ProgramFolder), not from $PSScriptRoot" -Help (Get-InstallHelp))
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
