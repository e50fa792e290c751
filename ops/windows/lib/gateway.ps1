# OpenResty on Windows: a process of the user, or a service, which the elevated script starts and stops.

# WinSW accepts only letters and digits.
$script:service = 'FlatnetGateway'

function Start-Gateway {
    param($Settings)
    $processes = @(Get-OwnNginx -Settings $Settings)
    if ($processes.Count -gt 0) {
        Write-Host "  the gateway is already running, process $($processes[0].pid)"
        return
    }
    Assert-PortsFree -Settings $Settings
    Test-Configuration -Settings $Settings
    if (Get-ServiceState) {
        Invoke-Elevated -Actions @(@{ do = 'start_service' })
    }
    else {
        Invoke-Cmdlet Start-Process ([ordered]@{
                FilePath = $Settings.OpenResty
                ArgumentList = Join-Argument -Words (Get-NginxArgument -Settings $Settings)
                WorkingDirectory = $Settings.GatewayDirectory
                WindowStyle = 'Hidden'
            })
    }
    Wait-Gateway -Settings $Settings
}

# On Windows, two nginx can listen on one port without an error. Listeners on IPv6 addresses, or on a single address, do not conflict
# with 0.0.0.0.
function Assert-PortsFree {
    param($Settings)
    $other = @(Get-Listener -Ports $Settings.Ports | Where-Object -FilterScript { $_.address -eq '0.0.0.0' })
    if ($other.Count -eq 0) { return }
    throw (New-Failure -Status 1 -What "port $($other[0].port) is in use by process $($other[0].pid)" -Help "& '$(Get-ScriptPath)' gateway status")
}

function Stop-Gateway {
    param($Settings)
    if (Get-ServiceState) {
        Invoke-Elevated -Actions @(@{ do = 'stop_service' })
    }
    if (@(Get-OwnNginx -Settings $Settings).Count -eq 0) { return }
    # nginx reads its configuration even to quit. If it is invalid, the process is terminated instead.
    $why = ''
    try { Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-s', 'quit')) }
    catch { $why = Format-Failure -Record $_ }
    if ($WhatIfPreference) { return }
    # nginx exits after it has answered its pending requests.
    if (-not $why -and (Wait-NginxEnd -Settings $Settings -Seconds 10)) { return }
    foreach ($process in @(Get-OwnNginx -Settings $Settings)) {
        Invoke-Cmdlet Stop-Process ([ordered]@{ Id = $process.pid; Force = $true; Confirm = $false })
    }
    if (-not (Wait-NginxEnd -Settings $Settings -Seconds 5)) {
        throw (New-Failure -Status 1 -What "the gateway's nginx does not exit. $why" -Help "list the processes with Get-Process nginx; see $($Settings.GatewayDirectory)\logs\error.log")
    }
}

function Wait-NginxEnd {
    param($Settings, [int] $Seconds)
    for ($try = 1; $try -le $Seconds * 5; $try++) {
        if (@(Get-OwnNginx -Settings $Settings).Count -eq 0) { return $true }
        Start-Sleep -Milliseconds 200
    }
    return $false
}

# `-s reload` reports success even if the new configuration is invalid, and cannot signal a service of another account. So this tests
# the configuration first, restarts a service, and checks that a new worker has started.
function Restart-Gateway {
    param($Settings)
    Test-Configuration -Settings $Settings
    $before = @(Get-OwnNginx -Settings $Settings | ForEach-Object -Process { $_.pid })
    if ($before.Count -eq 0) { throw (New-Failure -Status 1 -What 'the gateway is not running' -Help "& '$(Get-ScriptPath)' gateway start") }
    if (Get-ServiceState) {
        Invoke-Elevated -Actions @(@{ do = 'restart_service' })
    }
    else {
        Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-s', 'reload'))
    }
    if ($WhatIfPreference) { return }
    for ($try = 1; $try -le 50; $try++) {
        if (@(Get-OwnNginx -Settings $Settings | Where-Object -FilterScript { $_.pid -notin $before }).Count -gt 0) {
            Wait-Gateway -Settings $Settings
            return
        }
        Start-Sleep -Milliseconds 100
    }
    throw (New-Failure -Status 1 -What 'no new nginx worker started within 5 s: the old configuration is still in use' -Help "see $($Settings.GatewayDirectory)\logs\error.log")
}

function Test-Configuration {
    param($Settings)
    if (-not (Test-Path -LiteralPath $Settings.OpenResty -PathType Leaf)) {
        throw (New-Failure -Status 1 -What "$($Settings.OpenResty) does not exist" -Help "unpack OpenResty for Windows (https://openresty.org/en/download.html) to C:\Program Files\OpenResty, or set OpenResty in $(Get-SettingsPath)")
    }
    # nginx and its Lua run as this user.
    foreach ($folder in (Split-Path -Path $Settings.OpenResty -Parent), $Settings.GatewayDirectory) {
        $other = Get-OtherWriter -Path $folder
        if (-not $other) { continue }
        throw (New-Failure -Status 1 -What $other.what -Help $other.help)
    }
    Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-t'))
}

# Always the same prefix: `-s` finds the running nginx by it, and so does Test-OwnCommandLine.
function Get-NginxArgument {
    param($Settings)
    return '-p', ($Settings.GatewayDirectory -replace '\\', '/'), '-c', 'conf/nginx.conf'
}

function Get-OwnNginx {
    param($Settings)
    Get-GatewayProcess -Settings $Settings -Listeners @() | Where-Object -FilterScript { $_.ours }
}

function Wait-Gateway {
    param($Settings)
    if ($WhatIfPreference) { return }
    for ($try = 1; $try -le 20; $try++) {
        $answer = (Invoke-Probe -Wanted @(@{ host = '127.0.0.1'; port = @($Settings.Ports)[0]; http = $true }))[0]
        if ($answer.text -match '(?i)^HTTP/1\.[01] (200|503) [\s\S]*\r\nX-Flatnet:') { return }
        Start-Sleep -Milliseconds 200
    }
    throw (New-Failure -Status 1 -What 'the gateway does not answer on this PC' -Help "see $($Settings.GatewayDirectory)\logs\error.log; & '$(Get-ScriptPath)' doctor names the program that has its port")
}

# The service's account can read the gateway's directory, and write where nginx writes. Granted without elevation: others can write
# there, and could have replaced a folder with a link.
function Grant-Service {
    param($Settings)
    $icacls = Get-SystemProgram -Name 'icacls.exe'
    $account = "NT SERVICE\$script:service"
    Invoke-Program $icacls @($Settings.GatewayDirectory, '/grant', "$account`:(OI)(CI)RX", '/Q')
    foreach ($name in 'logs', 'state', 'temp') {
        Invoke-Program $icacls @("$($Settings.GatewayDirectory)\$name", '/grant', "$account`:(OI)(CI)M", '/Q')
    }
}

function Install-Gateway {
    param($Settings, [string] $Wrapper)
    if (-not (Test-Path -LiteralPath (Get-WrapperPath) -PathType Leaf)) {
        throw (New-Failure -What "$(Get-WrapperPath) does not exist" -Help "as administrator, copy $Wrapper's executable to $(Get-WrapperPath)")
    }
    Test-Configuration -Settings $Settings
    # An nginx that was started by hand occupies the port.
    if (-not (Get-ServiceState)) { Stop-Gateway -Settings $Settings }
    Invoke-Elevated -Actions @(@{ do = 'install_service'; wrapper = $Wrapper })
    Grant-Service -Settings $Settings
    if ((Get-ServiceState) -ne 'Running') { Invoke-Elevated -Actions @(@{ do = 'start_service' }) }
    Wait-Gateway -Settings $Settings
}

function Uninstall-Gateway {
    param($Settings)
    if (-not (Get-ServiceState)) { Write-Host '  the service does not exist'; return }
    Invoke-Elevated -Actions @(@{ do = 'remove_service' })
}
