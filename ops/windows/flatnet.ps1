<#
.SYNOPSIS
Connects the LAN to Flatnet's containers in WSL2.

.DESCRIPTION
Run it as yourself, not elevated. A second script, elevated.ps1, does what requires an administrator. Windows asks for consent
once per run, or not at all if the scheduled tasks are registered. With -WhatIf, each verb prints its commands and runs none.

  status     print one line per layer of the path, and the layer where it stops
  doctor     the same, with the commands that fix each problem
  up         add the route and firewall rules, and start OpenResty
  down       remove them, and stop OpenResty; does not need WSL2
  gateway    control OpenResty: status, check, start, stop, reload, install-service, remove-service
  task       the task that runs `up` at logon, after sleep and when networks change: status, register, unregister
  install    copy these scripts to Program Files, or update the scripts there
  uninstall  remove everything, including these scripts; does not need WSL2

Exit status: 0 on success, 1 if the path stops at a layer, 2 if it cannot be inspected or an action failed.

.PARAMETER Verb
One of the verbs above. The default is status.

.PARAMETER Action
The action of the verbs gateway and task. The default is status.

.PARAMETER Wrapper
For install-service: the service wrapper, WinSW or NSSM, that an administrator copied to C:\Program Files\Flatnet\flatnet-gateway.exe.

.PARAMETER AtLogon
For the scheduled task: `up` waits for WSL2 to start, and logs a failure.

.EXAMPLE
.\flatnet.ps1 doctor

.EXAMPLE
.\flatnet.ps1 up -WhatIf

.EXAMPLE
.\flatnet.ps1 status | Where-Object Level -eq FAILURE
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('status', 'doctor', 'up', 'down', 'gateway', 'task', 'install', 'uninstall')]
    [string] $Verb = 'status',
    [Parameter(Position = 1)]
    [ValidateSet('status', 'check', 'start', 'stop', 'reload', 'install-service', 'remove-service', 'register', 'unregister')]
    [string] $Action = 'status',
    [ValidateSet('WinSW', 'NSSM')]
    [string] $Wrapper = 'WinSW',
    [switch] $AtLogon
)

# This script depends on these preferences, whatever the caller has set.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$PSDefaultParameterValues = @{}
$ProgressPreference = 'SilentlyContinue'
$ConfirmPreference = 'High'
$InformationPreference = 'Continue'
$OFS = ' '
. "$PSScriptRoot\lib\failure.ps1"
. "$PSScriptRoot\lib\windows.ps1"
. "$PSScriptRoot\lib\preferences.ps1"
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\wsl.ps1"
. "$PSScriptRoot\lib\probe.ps1"
. "$PSScriptRoot\lib\observe.ps1"
. "$PSScriptRoot\lib\gateway.ps1"
. "$PSScriptRoot\lib\check.ps1"
. "$PSScriptRoot\lib\actions.ps1"
. "$PSScriptRoot\lib\service.ps1"
. "$PSScriptRoot\lib\tasks.ps1"
. "$PSScriptRoot\lib\log.ps1"
. "$PSScriptRoot\lib\lock.ps1"
. "$PSScriptRoot\lib\remove_files.ps1"
. "$PSScriptRoot\lib\request.ps1"
. "$PSScriptRoot\lib\removal.ps1"
. "$PSScriptRoot\lib\permissions.ps1"
. "$PSScriptRoot\lib\installation.ps1"
. "$PSScriptRoot\lib\display.ps1"
. "$PSScriptRoot\lib\verbs.ps1"

$status = 2
$before = Set-CallerPreference
try {
    try {
        if (Test-Elevated) {
            throw (New-Failure -What 'flatnet.ps1 must not run as administrator: WSL2 and the gateway would inherit the rights' -Help "open PowerShell without 'Run as administrator' and run it again; Windows asks for consent where that is needed")
        }
        switch ($Verb) {
            'status' { Show-Status }
            'doctor' { Show-Status -Full }
            'up' { Invoke-Exclusive -Work { Invoke-Up -WaitSeconds $(if ($AtLogon) { 90 } else { 0 }) } }
            'down' { Invoke-Exclusive -Work { Invoke-Down } }
            'gateway' { Invoke-Exclusive -Work { Invoke-GatewayVerb -Name $Action -Wrapper $Wrapper } }
            'task' { Invoke-Exclusive -Work { Invoke-TaskVerb -Name $Action } }
            'install' { Invoke-Exclusive -Work { Invoke-Install } }
            'uninstall' { Invoke-Exclusive -Work { Invoke-Uninstall } }
        }
        $status = $script:exitStatus
    }
    catch { if ($_.Exception.Data.Contains('shown')) { $status = 2 } else { $status = Show-Failure -Record $_ } }
    if ($AtLogon) { $null = Invoke-Attempt -Work { Invoke-Exclusive -Work { Write-TaskNote -Status $status } } }
}
finally { Restore-CallerPreference -Before $before }
exit $status
