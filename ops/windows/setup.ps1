# Copies these scripts to Program Files, or updates the scripts there, and keeps existing settings. `flatnet.ps1 install` copies this
# file there first, and runs that copy elevated.

[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $From,
    [Parameter(Mandatory = $true)] [ValidatePattern('^S-1-5-[0-9-]{1,100}\z')] [string] $User,
    [Parameter(Mandatory = $true)] [ValidatePattern('^[0-9a-f-]{36}\z')] [string] $Id
)

$env:PSModulePath = [IO.Path]::Combine($PSHOME, 'Modules')
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$WhatIfPreference = $false

# Copies the scripts, and deletes those that this version does not contain.
function Copy-Scripts {
    param([string] $From, [string] $To)
    foreach ($folder in '', 'lib') {
        $source = Join-Path -Path $From -ChildPath $folder
        $target = Join-Path -Path $To -ChildPath $folder
        $null = New-Item -ItemType Directory -Path $target -Force -ErrorAction Stop
        $new = @(Get-ChildItem -LiteralPath $source -File -ErrorAction Stop | Where-Object -FilterScript { $_.Extension -in '.ps1', '.psd1', '.xml', '.cmd' })
        foreach ($file in $new) {
            if ($file.Name -eq 'settings.psd1' -and (Test-Path -LiteralPath "$target\settings.psd1")) { continue }
            Copy-Item -LiteralPath $file.FullName -Destination (Join-Path -Path $target -ChildPath $file.Name) -Force -ErrorAction Stop
        }
        foreach ($file in @(Get-ChildItem -LiteralPath $target -File -ErrorAction Stop)) {
            $isOurs = ($file.Extension -in '.ps1', '.cmd') -or ($file.Name -like 'task*.xml')
            if ($isOurs -and $file.Name -notin @($new | ForEach-Object -Process { $_.Name })) {
                Remove-Item -LiteralPath $file.FullName -Force -ErrorAction Stop
                "  deleted $($file.Name): not part of this version"
            }
        }
    }
}

# An upgrade keeps the settings and names new keys.
function Get-NewKey {
    param([string] $From, [string] $To)
    $there = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape("$To\settings.psd1")) -ErrorAction Stop
    $new = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape("$From\settings.psd1")) -ErrorAction Stop
    foreach ($key in $new.Keys) {
        if (-not $there.ContainsKey($key)) { "  new setting, missing in $To\settings.psd1: $key = $($new[$key])" }
    }
}

# Older versions kept requests in this folder, which the user can write to. Deletes the request and then the folder, or the link that
# replaced it. A folder with other files remains, with a warning.
function Remove-RequestFolder {
    param([string] $Path)
    if (-not [IO.Directory]::Exists($Path)) { return }
    try {
        if (([int] [IO.File]::GetAttributes($Path) -band [int] [IO.FileAttributes]::ReparsePoint) -eq 0) { [IO.File]::Delete([IO.Path]::Combine($Path, 'request.json')) }
        [IO.Directory]::Delete($Path, $false)
    }
    catch { "  warning: $Path is no longer used but cannot be deleted ($($_.Exception.Message)); delete it as administrator" }
}

$result = [ordered]@{ version = 2; id = $Id; lines = @(); error = $null }
try {
    # First, because errors are reported there.
    $null = New-Item -ItemType Directory -Path "$PSScriptRoot\log" -Force -ErrorAction Stop
    $result.lines = @(Copy-Scripts -From $From -To $PSScriptRoot) + @(Get-NewKey -From $From -To $PSScriptRoot)
    # From here on, only files in Program Files are run.
    . "$PSScriptRoot\lib\failure.ps1"
    . "$PSScriptRoot\lib\windows.ps1"
    . "$PSScriptRoot\lib\run.ps1"
    . "$PSScriptRoot\lib\tasks.ps1"
    . "$PSScriptRoot\lib\permissions.ps1"
    # Other users get no access, not even to read: an open file blocks others, whether script, settings or log. The service's account
    # reads its wrapper; it is given by SID, because the account may not exist yet.
    $own = '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F'
    $icacls = Get-SystemProgram -Name 'icacls.exe'
    $result.lines += @(Invoke-Program $icacls (@($PSScriptRoot) + $own + @("*$User`:(OI)(CI)RX", "*$script:serviceId`:(OI)(CI)RX", '/Q')) 6>&1)
    $log = [IO.Path]::Combine($PSScriptRoot, 'log')
    $result.lines += @(Invoke-Program $icacls (@($log) + $own + @("*$User`:(OI)(CI)RX", '/Q')) 6>&1)
    $lock = [IO.Path]::Combine($PSScriptRoot, 'lock')
    $null = New-Item -ItemType Directory -Path $lock -Force -ErrorAction Stop
    $result.lines += @(Invoke-Program $icacls (@($lock) + $own + @('/Q')) 6>&1)
    # The user who installs can write to this file only. It is always recreated, because an existing one may have a second hard link.
    $request = [IO.Path]::Combine($PSScriptRoot, 'request.json')
    [IO.File]::Delete($request)
    [IO.File]::WriteAllText($request, '')
    $result.lines += @(Invoke-Program $icacls @($request, '/inheritance:r', '/grant:r', '*S-1-5-18:F', '*S-1-5-32-544:F', "*$User`:(R,W)", '/Q') 6>&1)
    $result.lines += @(Remove-RequestFolder -Path ([IO.Path]::Combine($PSScriptRoot, 'request')))
    Set-Content -LiteralPath "$PSScriptRoot\user.txt" -Value $User -Encoding ASCII -ErrorAction Stop
    $result.lines += @(Register-Task -User $User 6>&1)
    $result.lines = @($result.lines | ForEach-Object -Process { "$_" })
}
catch { $result.error = "$($_.Exception.Message)" }
Set-Content -LiteralPath "$PSScriptRoot\log\result.json" -Value (ConvertTo-Json -InputObject $result -Depth 5) -Encoding UTF8 -ErrorAction Stop
