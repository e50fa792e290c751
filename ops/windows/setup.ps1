# Puts these scripts into Program Files, or brings those there up to date. Runs elevated, from there alone: `flatnet.ps1 install`
# copies it first. Settings that are there stay.

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

# Copies; what is not among the new files, and was ours, goes.
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
                "  deleted: $($file.Name), which this version does not have"
            }
        }
    }
}

# Settings stay as they are; who upgrades is told of keys that are new.
function Get-NewKey {
    param([string] $From, [string] $To)
    $there = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape("$To\settings.psd1")) -ErrorAction Stop
    $new = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape("$From\settings.psd1")) -ErrorAction Stop
    foreach ($key in $new.Keys) {
        if (-not $there.ContainsKey($key)) { "  new in this version, and missing in $To\settings.psd1: $key = $($new[$key])" }
    }
}

# Where requests were before, and the user may write: its own file goes, and then the folder, or the link that it was made into. What
# else is in it stays, and is named.
function Remove-RequestFolder {
    param([string] $Path)
    if (-not [IO.Directory]::Exists($Path)) { return }
    try {
        if (([int] [IO.File]::GetAttributes($Path) -band [int] [IO.FileAttributes]::ReparsePoint) -eq 0) { [IO.File]::Delete([IO.Path]::Combine($Path, 'request.json')) }
        [IO.Directory]::Delete($Path, $false)
    }
    catch { "  warning: $Path is no longer used, and cannot be deleted ($($_.Exception.Message)): delete it as administrator" }
}

$result = [ordered]@{ version = 2; id = $Id; lines = @(); error = $null }
try {
    # First: what goes wrong is told there.
    $null = New-Item -ItemType Directory -Path "$PSScriptRoot\log" -Force -ErrorAction Stop
    $result.lines = @(Copy-Scripts -From $From -To $PSScriptRoot) + @(Get-NewKey -From $From -To $PSScriptRoot)
    # From here on what runs lies in Program Files.
    . "$PSScriptRoot\lib\fail.ps1"
    . "$PSScriptRoot\lib\windows.ps1"
    . "$PSScriptRoot\lib\run.ps1"
    . "$PSScriptRoot\lib\tasks.ps1"
    . "$PSScriptRoot\lib\folder.ps1"
    # No other user reads what is here: who has a file open can keep others from it, the scripts and settings as well as the log. The
    # service's account reads its wrapper; by its number, since it may not be there yet.
    $own = '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F'
    $icacls = Get-SystemProgram -Name 'icacls.exe'
    $result.lines += @(Invoke-Program $icacls (@($PSScriptRoot) + $own + @("*$User`:(OI)(CI)RX", "*$script:serviceId`:(OI)(CI)RX", '/Q')) 6>&1)
    $log = [IO.Path]::Combine($PSScriptRoot, 'log')
    $result.lines += @(Invoke-Program $icacls (@($log) + $own + @("*$User`:(OI)(CI)RX", '/Q')) 6>&1)
    $lock = [IO.Path]::Combine($PSScriptRoot, 'lock')
    $null = New-Item -ItemType Directory -Path $lock -Force -ErrorAction Stop
    $result.lines += @(Invoke-Program $icacls (@($lock) + $own + @('/Q')) 6>&1)
    # Who installs may write into this one file, and nothing else here. A new one each time: what is there might have another name, too.
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
