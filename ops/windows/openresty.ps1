# OpenResty by hand. `flatnet.ps1 up` starts it, too.
#
#   openresty.ps1 check            is it there, and is its configuration good?
#   openresty.ps1 start | stop
#   openresty.ps1 reload           after a change of the configuration; routes need none
#   openresty.ps1 status           how many nginx run, and who has the ports
#   openresty.ps1 install-service  as the service FlatnetGateway: -Wrapper WinSW or NSSM, -WrapperPath where that lies
#   openresty.ps1 remove-service
#
# -WhatIf shows the commands and runs none.

[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('check', 'start', 'stop', 'reload', 'status', 'install-service', 'remove-service')]
    [string] $Verb = 'status',
    [ValidateSet('WinSW', 'NSSM')]
    [string] $Wrapper = 'WinSW',
    [string] $WrapperPath = ''
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\wsl.ps1"
. "$PSScriptRoot\lib\probe.ps1"
. "$PSScriptRoot\lib\look.ps1"
. "$PSScriptRoot\lib\openresty.ps1"
. "$PSScriptRoot\lib\service.ps1"
. "$PSScriptRoot\lib\tell.ps1"

$settings = Read-Settings
if (-not (Test-Path -LiteralPath $settings.OpenResty -PathType Leaf)) {
    throw "There is no $($settings.OpenResty). Unpack OpenResty for Windows (https://openresty.org/en/download.html), and write into settings.psd1 where."
}
switch ($Verb) {
    'check' {
        Invoke-Program $settings.OpenResty @('-v')
        Test-Configuration -Settings $settings
    }
    'start' { Start-Gateway -Settings $settings }
    'stop' { Stop-Gateway -Settings $settings }
    'reload' { Restart-Gateway -Settings $settings }
    'status' {
        $decision = Get-Decision -Settings $settings -Verb 'look'
        $decision.layers = @($decision.layers | Where-Object -FilterScript { $_.layer -in 'nginx', 'gateway', 'firewall' })
        Show-Decision -Decision $decision -Full $true
    }
    'install-service' {
        Assert-Elevated
        Install-Gateway -Settings $settings -Wrapper $Wrapper -WrapperPath $WrapperPath
    }
    'remove-service' {
        Assert-Elevated
        Uninstall-Gateway -Wrapper $Wrapper -WrapperPath $WrapperPath
    }
}
