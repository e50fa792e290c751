# Showing a decision to a person.

function Show-Decision {
    param($Decision, [bool] $Full)
    foreach ($layer in @($Decision.layers)) {
        Write-Host ('  {0,-14} {1,-10} {2}' -f $layer.level, $layer.layer, $layer.what)
        if (-not $Full) { continue }
        foreach ($command in @(Get-Field -Object $layer -Name 'commands')) { Write-Host "                 run   $command" }
        foreach ($help in @(Get-Field -Object $layer -Name 'help')) { Write-Host "                 help  $help" }
    }
    if ($Decision.stops_at) {
        Write-Host "The way stops at: $($Decision.stops_at). What comes after it may fail for that reason alone."
    }
    else {
        Write-Host 'The way is open from the LAN to the containers, as far as this PC can see.'
    }
}

# Nothing, where there is none.
function Get-Field {
    param($Object, [string] $Name)
    $field = $Object.PSObject.Properties[$Name]
    if ($field) { $field.Value }
}

function Show-Route {
    param($Settings, [string] $When)
    $routes = @(Get-NetRoute -DestinationPrefix $Settings.Subnet -ErrorAction SilentlyContinue)
    Write-Host "Routes to $($Settings.Subnet) ${When}: $($routes.Count)"
    foreach ($route in $routes) { Write-Host "  via $($route.NextHop), interface $($route.InterfaceIndex), $($route.Store)" }
}
