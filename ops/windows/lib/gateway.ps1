# OpenResty on Windows: a process of the user's, or a service, which the elevated half starts and stops.

# WinSW asks for letters and digits only.
$script:service = 'FlatnetGateway'

function Start-Gateway {
    param($Settings)
    $processes = @(Get-OwnNginx -Settings $Settings)
    if ($processes.Count -gt 0) {
        Write-Host "  the gateway runs already, process $($processes[0].pid)"
        return
    }
    Assert-PortsFree -Settings $Settings
    Test-Configuration -Settings $Settings
    if (Get-ServiceState) {
        Invoke-Elevated -Actions @(@{ do = 'start_service' })
    }
    else {
        Invoke-Shown Start-Process ([ordered]@{
                FilePath = $Settings.OpenResty
                ArgumentList = Join-Argument -Words (Get-NginxArgument -Settings $Settings)
                WorkingDirectory = $Settings.GatewayDirectory
                WindowStyle = 'Hidden'
            })
    }
    Wait-Gateway -Settings $Settings
}

# nginx on Windows would share the port with another one, unnoticed. Who listens at IPv6 addresses, or at a single one, is not
# in the way of 0.0.0.0.
function Assert-PortsFree {
    param($Settings)
    $other = @(Get-Listener -Ports $Settings.Ports | Where-Object -FilterScript { $_.address -eq '0.0.0.0' })
    if ($other.Count -eq 0) { return }
    throw (New-Failure -Status 1 -What "port $($other[0].port) is taken by process $($other[0].pid)" -Help "& '$(Get-ScriptPath)' gateway status")
}

function Stop-Gateway {
    param($Settings)
    if (Get-ServiceState) {
        Invoke-Elevated -Actions @(@{ do = 'stop_service' })
    }
    if (@(Get-OwnNginx -Settings $Settings).Count -eq 0) { return }
    # nginx reads its configuration even for this: where that is broken, the process is ended all the same.
    $why = ''
    try { Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-s', 'quit')) }
    catch { $why = Format-Failure -Record $_ }
    if ($WhatIfPreference) { return }
    # It ends when the requests that it has are answered.
    if (-not $why -and (Wait-NginxEnd -Settings $Settings -Seconds 10)) { return }
    foreach ($process in @(Get-OwnNginx -Settings $Settings)) {
        Invoke-Shown Stop-Process ([ordered]@{ Id = $process.pid; Force = $true; Confirm = $false })
    }
    if (-not (Wait-NginxEnd -Settings $Settings -Seconds 5)) {
        throw (New-Failure -Status 1 -What "the gateway's nginx does not end. $why" -Help "Get-Process nginx shows them; $($Settings.GatewayDirectory)\logs\error.log says why")
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

# `-s reload` says success though the new configuration is bad, and cannot reach a service of another account: so the
# configuration is tested first, a service is restarted, and in the end there must be a worker that was not there before.
function Restart-Gateway {
    param($Settings)
    Test-Configuration -Settings $Settings
    $before = @(Get-OwnNginx -Settings $Settings | ForEach-Object -Process { $_.pid })
    if ($before.Count -eq 0) { throw (New-Failure -Status 1 -What 'the gateway does not run' -Help "& '$(Get-ScriptPath)' gateway start") }
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
    throw (New-Failure -Status 1 -What 'no new nginx worker came within 5 s: the old configuration is still in force' -Help "$($Settings.GatewayDirectory)\logs\error.log says why")
}

function Test-Configuration {
    param($Settings)
    if (-not (Test-Path -LiteralPath $Settings.OpenResty -PathType Leaf)) {
        throw (New-Failure -Status 1 -What "there is no $($Settings.OpenResty)" -Help "unpack OpenResty for Windows (https://openresty.org/en/download.html) into C:\Program Files\OpenResty, or write where it is into $(Get-SettingsPath): OpenResty")
    }
    # nginx and its Lua run as this user.
    foreach ($folder in (Split-Path -Path $Settings.OpenResty -Parent), $Settings.GatewayDirectory) {
        $other = Get-OtherWriter -Path $folder
        if (-not $other) { continue }
        throw (New-Failure -Status 1 -What $other.what -Help $other.help)
    }
    Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-t'))
}

# Always the same prefix: it is how `-s` finds the nginx that runs, and how ours are known.
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
    throw (New-Failure -Status 1 -What 'the gateway does not answer on this PC' -Help "$($Settings.GatewayDirectory)\logs\error.log says why; & '$(Get-ScriptPath)' doctor says who has its port")
}

# The service's account may read all of the gateway's directory, and write where nginx writes. Granted with the user's own rights:
# what lies where others write may lead anywhere, and an administrator would follow.
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
        throw (New-Failure -What "there is no $(Get-WrapperPath)" -Help "as administrator, copy $Wrapper's program to $(Get-WrapperPath)")
    }
    Test-Configuration -Settings $Settings
    # One that was started by hand has the port.
    if (-not (Get-ServiceState)) { Stop-Gateway -Settings $Settings }
    Invoke-Elevated -Actions @(@{ do = 'install_service'; wrapper = $Wrapper })
    Grant-Service -Settings $Settings
    if ((Get-ServiceState) -ne 'Running') { Invoke-Elevated -Actions @(@{ do = 'start_service' }) }
    Wait-Gateway -Settings $Settings
}

function Uninstall-Gateway {
    param($Settings)
    if (-not (Get-ServiceState)) { Write-Host '  there is no service'; return }
    Invoke-Elevated -Actions @(@{ do = 'remove_service' })
}
