# Output of `status` and `doctor`: one line per layer, each an object with Layer, Level, What, Commands and Help for scripts.

$script:marks = @{ good = 'ok'; not_applicable = '-'; not_looked = 'unseen'; warning = 'warning'; failure = 'FAILURE' }
$script:colours = @{ good = 32; not_looked = 1; warning = 1; failure = 31 }

function Show-Decision {
    param($Decision, [string[]] $Layers = @(), [switch] $Full)
    foreach ($layer in @($Decision.layers)) {
        $name = Format-Line -Text "$(Get-Field -Object $layer -Name 'layer')"
        if ($Layers.Count -gt 0 -and $name -notin $Layers) { continue }
        $level = "$(Get-Field -Object $layer -Name 'level')"
        $what = Format-Line -Text "$(Get-Field -Object $layer -Name 'what')"
        $commands = @(foreach ($command in @(Get-Field -Object $layer -Name 'commands')) { if ($command) { Format-Line -Text $command } })
        $help = Format-Line -Text "$(Get-Field -Object $layer -Name 'help')"
        $lines = @('  {0} {1,-10} {2}' -f (Format-Mark -Level $level), $name, $what)
        if ($Full) {
            $lines += @(foreach ($command in $commands) { "                      run   $command" })
            if ($help) { $lines += "                      help  $help" }
        }
        $parts = [ordered]@{ Layer = $name; Level = $script:marks[$level]; What = $what; Commands = $commands; Help = $help }
        Add-Member -InputObject ($lines -join "`n") -NotePropertyMembers $parts -PassThru
    }
}

# Colour on a terminal only. PowerShell 7 strips it from redirected output; Windows PowerShell does not, so there it is used only with
# a console of its own.
function Format-Mark {
    param([string] $Level)
    $mark = '{0,-8}' -f $script:marks[$Level]
    $isSeen = $Host.UI.SupportsVirtualTerminal -and -not [Console]::IsOutputRedirected -and -not $env:NO_COLOR
    $isConsole = $PSVersionTable.PSVersion.Major -ge 7 -or [Environment]::CommandLine -match ' -File '
    if (-not ($isSeen -and $isConsole -and $script:colours[$Level])) { return $mark }
    return "$([char] 27)[$($script:colours[$Level])m$mark$([char] 27)[0m"
}

function Show-Summary {
    param($Decision)
    $stops = Format-Line -Text "$($Decision.stops_at)"
    if ($stops -and -not $Decision.set_up) { Write-Host "Flatnet is not set up on this Windows. The path stops at: $stops. Set it up: & '$(Get-ScriptPath)' up" }
    elseif ($stops) {
        Write-Host "The path stops at: $stops. Layers after it may fail for the same reason. For the fix, run: & '$(Get-ScriptPath)' doctor"
    }
    elseif ($Decision.offline) { Write-Host 'The path is open on this PC. The PC is not connected to a LAN.' }
    else { Write-Host 'The path from the LAN to the containers is open, as far as this PC can tell.' }
}

function Show-Route {
    param($Settings, [string] $When)
    $routes = @(Get-NetRoute -DestinationPrefix $Settings.Subnet -ErrorAction SilentlyContinue)
    Write-Host "Routes to $($Settings.Subnet) ${When}: $($routes.Count)"
    foreach ($route in $routes) { Write-Host "  via $($route.NextHop), interface $($route.InterfaceIndex), $($route.Store)" }
}
