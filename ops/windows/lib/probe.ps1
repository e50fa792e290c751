# Tests which addresses Windows reaches. Probes change nothing, run concurrently and finish within 3 s. They use .NET: Test-Connection
# has no time limit, and not every Windows has curl.exe.

# Runs the probes -Wanted, each @{ ping } or @{ host, port, http }, and returns a result for each.
function Invoke-Probe {
    param([object[]] $Wanted = @())
    # Windows retries a refused connection for up to 2 s.
    $until = [DateTime]::UtcNow.AddMilliseconds(2500)
    $probes = @(foreach ($one in $Wanted) { Start-Probe -Wanted $one })
    while (@($probes | Where-Object -FilterScript { $_.step -ne 'done' }).Count -gt 0 -and [DateTime]::UtcNow -lt $until) {
        foreach ($probe in $probes) { $null = Step-Probe -Probe $probe }
        Start-Sleep -Milliseconds 20
    }
    foreach ($probe in $probes) {
        if ($probe.client) { $probe.client.Close() }
        if ($probe.step -ne 'done') { $probe.error = 'silent' }
    }
    return , $probes
}

function Start-Probe {
    param([Parameter(Mandatory = $true)] $Wanted)
    $probe = @{ wanted = $Wanted; step = 'done'; task = $null; client = $null; address = $null; error = $null; text = ''; buffer = $null }
    try {
        if ($Wanted.Contains('ping')) {
            $ping = New-Object -TypeName Net.NetworkInformation.Ping
            $probe.task = $ping.SendPingAsync([string] $Wanted.ping, 2000)
            $probe.step = 'ping'
        }
        else {
            $probe.task = [Net.Dns]::GetHostAddressesAsync([string] $Wanted.host)
            $probe.step = 'name'
        }
    }
    catch { $probe.error = 'silent' }
    return $probe
}

function Step-Probe {
    param([Parameter(Mandatory = $true)] $Probe)
    if ($Probe.step -eq 'done' -or -not $Probe.task.IsCompleted) { return }
    $step = $Probe.step
    $Probe.step = 'done'
    try {
        switch ($step) {
            'ping' { if ("$($Probe.task.Result.Status)" -ne 'Success') { $Probe.error = 'silent' } }
            'name' { Start-Connection -Probe $Probe }
            'connect' { Start-Answer -Probe $Probe }
            'answer' { Read-Answer -Probe $Probe }
        }
    }
    catch {
        $Probe.step = 'done'
        $Probe.error = Get-ProbeError -Record $_ -Step $step
    }
}

function Start-Connection {
    param([Parameter(Mandatory = $true)] $Probe)
    $addresses = @($Probe.task.Result | Where-Object -FilterScript { $_.AddressFamily -eq 'InterNetwork' })
    if ($addresses.Count -eq 0) { $Probe.error = 'name'; return }
    $Probe.address = "$($addresses[0])"
    $Probe.client = New-Object -TypeName Net.Sockets.TcpClient -ArgumentList ([Net.Sockets.AddressFamily]::InterNetwork)
    $Probe.task = $Probe.client.ConnectAsync($Probe.address, [int] $Probe.wanted.port)
    $Probe.step = 'connect'
}

function Start-Answer {
    param([Parameter(Mandatory = $true)] $Probe)
    $null = $Probe.task.GetAwaiter().GetResult()
    if (-not $Probe.wanted.http) { return }
    $request = [Text.Encoding]::ASCII.GetBytes("GET /_flatnet/healthz HTTP/1.1`r`nHost: $($Probe.wanted.host)`r`nConnection: close`r`n`r`n")
    $Probe.client.GetStream().Write($request, 0, $request.Length)
    $Probe.buffer = New-Object -TypeName 'byte[]' -ArgumentList 2048
    $Probe.task = $Probe.client.GetStream().ReadAsync($Probe.buffer, 0, $Probe.buffer.Length)
    $Probe.step = 'answer'
}

# Reads up to the end of the response's headers.
function Read-Answer {
    param([Parameter(Mandatory = $true)] $Probe)
    $count = $Probe.task.Result
    $Probe.text += [Text.Encoding]::ASCII.GetString($Probe.buffer, 0, $count)
    $isWhole = $Probe.text.Contains("`r`n`r`n")
    if ($count -gt 0 -and -not $isWhole -and $Probe.text.Length -lt 4096) {
        $Probe.task = $Probe.client.GetStream().ReadAsync($Probe.buffer, 0, $Probe.buffer.Length)
        $Probe.step = 'answer'
    }
}

function Get-ProbeError {
    param([Parameter(Mandatory = $true)] $Record, [Parameter(Mandatory = $true)] [string] $Step)
    if ($Step -eq 'name') { return 'name' }
    for ($cause = $Record.Exception; $cause; $cause = $cause.InnerException) {
        if ($cause -is [Net.Sockets.SocketException]) {
            if ("$($cause.SocketErrorCode)" -in 'ConnectionRefused', 'ConnectionReset') { return 'refused' }
            return 'silent'
        }
    }
    return 'silent'
}

# The form that src/windows/observed.rs parses.
function ConvertTo-Answer {
    param($Probe)
    if ($null -eq $Probe) { return $null }
    return [ordered]@{ error = $Probe.error; address = $Probe.address; text = $Probe.text }
}

# Whether any probe reached the address; a refused connection counts.
function Test-Reachable {
    param([object[]] $Probes = @())
    if ($Probes.Count -eq 0) { return $null }
    return @($Probes | Where-Object -FilterScript { ($null -eq $_.error) -or ($_.error -eq 'refused') }).Count -gt 0
}
