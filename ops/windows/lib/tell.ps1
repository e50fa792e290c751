# Showing a decision: a line to each stretch of the way, which scripts can ask for its Layer, Level, What, Commands and Help.

$script:marks = @{ good = 'ok'; not_applicable = '-'; not_looked = 'unseen'; warning = 'warning'; failure = 'FAILURE' }
$script:colours = @{ good = 32; not_looked = 1; warning = 1; failure = 31 }

function Show-Decision {
    param($Decision, [string[]] $Layers = @(), [switch] $Full)
    foreach ($layer in @($Decision.layers)) {
        if ($Layers.Count -gt 0 -and $layer.layer -notin $Layers) { continue }
        $level = "$($layer.level)"
        $commands = @(Get-Field -Object $layer -Name 'commands' | Where-Object -FilterScript { $_ })
        $help = "$(Get-Field -Object $layer -Name 'help')"
        $lines = @('  {0} {1,-10} {2}' -f (Format-Mark -Level $level), $layer.layer, $layer.what)
        if ($Full) {
            $lines += @(foreach ($command in $commands) { "                      run   $command" })
            if ($help) { $lines += "                      help  $help" }
        }
        $parts = [ordered]@{ Layer = $layer.layer; Level = $script:marks[$level]; What = $layer.what; Commands = $commands; Help = $help }
        Add-Member -InputObject ($lines -join "`n") -NotePropertyMembers $parts -PassThru
    }
}

# Colour where a person looks. PowerShell 7 takes it out of what goes into a file; Windows PowerShell does not, and only a console of
# its own is known to be one.
function Format-Mark {
    param([string] $Level)
    $mark = '{0,-8}' -f $script:marks[$Level]
    $isSeen = $Host.UI.SupportsVirtualTerminal -and -not [Console]::IsOutputRedirected -and -not $env:NO_COLOR
    $isConsole = $PSVersionTable.PSVersion.Major -ge 7 -or [Environment]::CommandLine -match ' -File '
    if (-not ($isSeen -and $isConsole -and $script:colours[$Level])) { return $mark }
    return "$([char] 27)[$($script:colours[$Level])m$mark$([char] 27)[0m"
}

function Show-End {
    param($Decision)
    if ($Decision.stops_at) {
        Write-Host "The way stops at: $($Decision.stops_at). What comes after it may fail for that reason alone. 'flatnet.ps1 doctor' says what to do."
    }
    elseif ($Decision.offline) { Write-Host 'The way is open on this PC, which is in no LAN now.' }
    else { Write-Host 'The way is open from the LAN to the containers, as far as this PC can see.' }
}

function Show-Route {
    param($Settings, [string] $When)
    $routes = @(Get-NetRoute -DestinationPrefix $Settings.Subnet -ErrorAction SilentlyContinue)
    Write-Host "Routes to $($Settings.Subnet) ${When}: $($routes.Count)"
    foreach ($route in $routes) { Write-Host "  via $($route.NextHop), interface $($route.InterfaceIndex), $($route.Store)" }
}
