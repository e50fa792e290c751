# Copies these scripts to %ProgramFiles%\Flatnet, where only administrators may write: what the scheduled task runs with
# highest privileges must not lie where a user, or WSL2, can change it. Settings that are there stay.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 [-WhatIf]      elevated

[CmdletBinding(SupportsShouldProcess = $true)]
param()

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\lib\run.ps1"

$target = Join-Path -Path $env:ProgramFiles -ChildPath 'Flatnet'
Assert-Elevated
Invoke-Shown New-Item ([ordered]@{ ItemType = 'Directory'; Path = "$target\lib"; Force = $true })
foreach ($file in 'flatnet.ps1', 'openresty.ps1', 'task.ps1', 'task.xml', 'install.ps1', 'settings.psd1') {
    if ($file -eq 'settings.psd1' -and (Test-Path -LiteralPath "$target\$file")) { continue }
    Invoke-Shown Copy-Item ([ordered]@{ LiteralPath = "$PSScriptRoot\$file"; Destination = "$target\$file"; Force = $true })
}
Invoke-Shown Copy-Item ([ordered]@{ Path = "$PSScriptRoot\lib\*.ps1"; Destination = "$target\lib"; Force = $true })
Write-Host "Next: notepad '$target\settings.psd1', then & '$target\flatnet.ps1' up -WhatIf"
