<#
.SYNOPSIS
Windows' part of Flatnet: the way from the LAN to the containers in WSL2.

.DESCRIPTION
Run it as yourself, not elevated: what needs an administrator is done by another script, for which Windows asks once, or not at
all when the tasks are registered. With -WhatIf each verb shows its commands and runs none.

  status     each stretch of the way on a line, and where it ends
  doctor     the same, with what to do
  up         make Windows' part so
  down       take that back; needs no WSL2
  gateway    OpenResty: status, check, start, stop, reload, install-service, remove-service
  task       what runs `up` at logon, after sleep and when networks change: status, register, unregister
  install    copy these scripts into Program Files, or bring those there up to date
  uninstall  take everything back, these scripts too; needs no WSL2

The exit status is 0, 1 where the way is not open, and 2 where it could not be looked at or not be acted on.

.PARAMETER Verb
One of the above; status if none is given.

.PARAMETER Action
Of the verbs gateway and task.

.PARAMETER Wrapper
For install-service: which program C:\Program Files\Flatnet\flatnet-gateway.exe is, WinSW or NSSM. An administrator puts it there.

.PARAMETER AtLogon
How the task calls `up`: it waits for WSL2 to come up, and has its end written into the log.

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

# Whatever the caller prefers: this script depends on these.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$PSDefaultParameterValues = @{}
$ProgressPreference = 'SilentlyContinue'
$ConfirmPreference = 'High'
$InformationPreference = 'Continue'
$OFS = ' '
. "$PSScriptRoot\lib\fail.ps1"
. "$PSScriptRoot\lib\windows.ps1"
. "$PSScriptRoot\lib\surroundings.ps1"
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\wsl.ps1"
. "$PSScriptRoot\lib\probe.ps1"
. "$PSScriptRoot\lib\look.ps1"
. "$PSScriptRoot\lib\gateway.ps1"
. "$PSScriptRoot\lib\check.ps1"
. "$PSScriptRoot\lib\act.ps1"
. "$PSScriptRoot\lib\service.ps1"
. "$PSScriptRoot\lib\tasks.ps1"
. "$PSScriptRoot\lib\log.ps1"
. "$PSScriptRoot\lib\lock.ps1"
. "$PSScriptRoot\lib\installed.ps1"
. "$PSScriptRoot\lib\request.ps1"
. "$PSScriptRoot\lib\undo.ps1"
. "$PSScriptRoot\lib\folder.ps1"
. "$PSScriptRoot\lib\copy.ps1"
. "$PSScriptRoot\lib\tell.ps1"
. "$PSScriptRoot\lib\verbs.ps1"

$status = 2
$before = Set-Surroundings
try {
    try {
        if (Test-Elevated) {
            throw (New-Failure -What 'this runs as administrator, and would hand that on to WSL2 and to the gateway' -Help "open PowerShell as yourself, without 'Run as administrator': for what needs more, Windows asks")
        }
        switch ($Verb) {
            'status' { Invoke-Look }
            'doctor' { Invoke-Look -Full }
            'up' { Invoke-Alone -Work { Invoke-Up -WaitSeconds $(if ($AtLogon) { 90 } else { 0 }) } }
            'down' { Invoke-Alone -Work { Invoke-Down } }
            'gateway' { Invoke-Alone -Work { Invoke-GatewayVerb -Name $Action -Wrapper $Wrapper } }
            'task' { Invoke-Alone -Work { Invoke-TaskVerb -Name $Action } }
            'install' { Invoke-Alone -Work { Invoke-Install } }
            'uninstall' { Invoke-Alone -Work { Invoke-Uninstall } }
        }
        $status = $script:ended
    }
    catch { if ($_.Exception.Data.Contains('shown')) { $status = 2 } else { $status = Show-Failure -Record $_ } }
    if ($AtLogon) { $null = Invoke-Tried -Work { Invoke-Alone -Work { Write-TaskNote -Status $status } } }
}
finally { Restore-Surroundings -Before $before }
exit $status
