# Runs `flatnet.ps1 up` when it is needed: at logon, and when Windows makes a virtual switch anew, as WSL2's may have other
# addresses then.
#
#   task.ps1 register | unregister | status      register and unregister elevated; -WhatIf shows the commands
#
# As the user, with highest privileges: the system's accounts see no distribution, since those belong to one user.

[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('register', 'unregister', 'status')]
    [string] $Verb = 'status'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\look.ps1"

function Get-TaskText {
    $user = [Security.SecurityElement]::Escape([Security.Principal.WindowsIdentity]::GetCurrent().Name)
    $script = [Security.SecurityElement]::Escape("$PSScriptRoot\flatnet.ps1")
    $text = [IO.File]::ReadAllText("$PSScriptRoot\task.xml")
    return $text.Replace('{{user}}', $user).Replace('{{script}}', $script)
}

switch ($Verb) {
    'register' {
        Assert-Elevated
        Invoke-Shown Register-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; Xml = Get-TaskText; Force = $true })
    }
    'unregister' {
        Assert-Elevated
        Invoke-Shown Unregister-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; Confirm = $false })
    }
    'status' {
        $state = Get-TaskState
        if ($state) { Write-Host "The task Flatnet is $state." } else { Write-Host 'There is no task Flatnet: task.ps1 register' }
    }
}
