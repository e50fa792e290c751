# The way from the LAN to a container: how far it goes, and what mends it.
#
#   flatnet.ps1 status     each stretch of the way on a line, and where it ends
#   flatnet.ps1 doctor     the same, with what to do
#   flatnet.ps1 up         make Windows' part so; elevated
#   flatnet.ps1 down       take that back; elevated
#
# With -WhatIf, `up` and `down` show their commands and run none. The scripts only look and act: what is to be done is
# decided by `flatnet windows decide` in WSL2 (docs/adr/0018).

[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Position = 0)]
    [ValidateSet('status', 'doctor', 'up', 'down')]
    [string] $Verb = 'status'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
. "$PSScriptRoot\lib\settings.ps1"
. "$PSScriptRoot\lib\run.ps1"
. "$PSScriptRoot\lib\wsl.ps1"
. "$PSScriptRoot\lib\probe.ps1"
. "$PSScriptRoot\lib\look.ps1"
. "$PSScriptRoot\lib\openresty.ps1"
. "$PSScriptRoot\lib\act.ps1"
. "$PSScriptRoot\lib\tell.ps1"

$settings = Read-Settings
if ($Verb -eq 'up' -or $Verb -eq 'down') {
    # A second round, because some of what is in the way shows only when the route is right.
    for ($round = 1; $round -le 3; $round++) {
        $decision = Get-Decision -Settings $settings -Verb $Verb
        if (@($decision.actions).Count -eq 0) { break }
        Assert-Elevated
        Show-Route -Settings $settings -When 'before'
        foreach ($action in @($decision.actions)) {
            Write-Host "  # $($action.why)"
            Invoke-Action -Action $action -Settings $settings
        }
        Show-Route -Settings $settings -When 'after'
        if ($WhatIfPreference) { exit 0 }
    }
}
$decision = Get-Decision -Settings $settings -Verb 'look'
Show-Decision -Decision $decision -Full ($Verb -eq 'doctor')
if ($Verb -ne 'down' -and $decision.stops_at) { exit 1 }
exit 0
