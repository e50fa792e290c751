# OpenResty on Windows: a process of whoever starts it, or a service.

# WinSW asks for letters and digits only.
$script:service = 'FlatnetGateway'

function Start-Gateway {
    param($Settings)
    # nginx on Windows would share the port with another one, unnoticed.
    if (@(Get-Listener -Ports $Settings.Ports).Count -gt 0) {
        throw "Somebody has the gateway's ports already: 'openresty.ps1 status' says who."
    }
    if (Get-ServiceState) {
        Invoke-Shown Start-Service ([ordered]@{ Name = $script:service })
    }
    else {
        Test-Configuration -Settings $Settings
        Invoke-Shown Start-Process ([ordered]@{
                FilePath = $Settings.OpenResty
                ArgumentList = Get-NginxArgument -Settings $Settings
                WorkingDirectory = $Settings.GatewayDirectory
                WindowStyle = 'Hidden'
            })
    }
    Wait-Answer -Settings $Settings
}

function Stop-Gateway {
    param($Settings)
    if (Get-ServiceState) {
        Invoke-Shown Stop-Service ([ordered]@{ Name = $script:service })
    }
    else {
        Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-s', 'quit'))
    }
    if ($WhatIfPreference) { return }
    # It ends when the requests that it has are answered.
    for ($try = 1; $try -le 20; $try++) {
        if (@(Get-Listener -Ports $Settings.Ports).Count -eq 0) { return }
        Start-Sleep -Milliseconds 500
    }
    throw "Somebody has the gateway's ports still: 'openresty.ps1 status' says who."
}

# `-s reload` says success though the new configuration is bad, and cannot reach a service of another account: so the
# configuration is tested first, a service is restarted, and in the end there must be a worker that was not there before.
function Restart-Gateway {
    param($Settings)
    Test-Configuration -Settings $Settings
    $before = @(Get-NginxNumber)
    if (Get-ServiceState) {
        Invoke-Shown Restart-Service ([ordered]@{ Name = $script:service })
    }
    else {
        Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-s', 'reload'))
    }
    if ($WhatIfPreference) { return }
    for ($try = 1; $try -le 50; $try++) {
        if (@(Get-NginxNumber | Where-Object -FilterScript { $_ -notin $before }).Count -gt 0) {
            Wait-Answer -Settings $Settings
            return
        }
        Start-Sleep -Milliseconds 100
    }
    throw "No new nginx worker came within 5 s: the old configuration is still in force. $($Settings.GatewayDirectory)\logs\error.log says why."
}

function Test-Configuration {
    param($Settings)
    Invoke-Program $Settings.OpenResty (@(Get-NginxArgument -Settings $Settings) + @('-t'))
}

# Always the same prefix: it is how `-s` finds the nginx that runs.
function Get-NginxArgument {
    param($Settings)
    return '-p', ($Settings.GatewayDirectory -replace '\\', '/'), '-c', 'conf/nginx.conf'
}

function Get-NginxNumber {
    Get-CimInstance -ClassName Win32_Process -Filter "Name = 'nginx.exe'" | ForEach-Object -Process { [int] $_.ProcessId }
}

function Wait-Answer {
    param($Settings)
    if ($WhatIfPreference) { return }
    for ($try = 1; $try -le 20; $try++) {
        $answer = Test-Http -Url (Get-HealthUrl -Settings $Settings -Address '127.0.0.1')
        if ($answer.wrote -match '^200 ') { return }
        Start-Sleep -Milliseconds 500
    }
    throw "The gateway does not answer on this PC (curl ended with $($answer.exit)). $($Settings.GatewayDirectory)\logs\error.log says why; 'flatnet.ps1 doctor' says who has its port."
}
