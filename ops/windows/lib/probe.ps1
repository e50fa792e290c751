# What Windows reaches. A probe changes nothing.

function Test-Ping {
    param([string] $Address)
    if (-not $Address) { return $null }
    return [bool] (Test-Connection -ComputerName $Address -Count 1 -Quiet)
}

# curl.exe is part of Windows since 10 1803, and needs no proxy here, whatever is set. `curl` without .exe is something
# else in Windows PowerShell.
function Test-Http {
    param([Parameter(Mandatory = $true)] [string] $Url)
    $wrote = curl.exe --silent --output NUL --max-time 3 --noproxy '*' --write-out '%{http_code} %{remote_ip}' $Url
    return [ordered]@{ exit = $LASTEXITCODE; wrote = "$wrote" }
}

function Get-HealthUrl {
    param($Settings, [string] $Address)
    return "http://${Address}:$(@($Settings.Ports)[0])/_flatnet/healthz"
}
