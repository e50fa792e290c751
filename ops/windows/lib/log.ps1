# What the elevated half did, for the user who installed to read and for administrators to write.

$script:logLimit = 262144

function Write-Log {
    param([Parameter(Mandatory = $true)] [string] $Text)
    $log = "$(Get-ProgramFolder)\log\flatnet.log"
    # `uninstall` takes it away before it has ended.
    if (-not (Test-Path -LiteralPath "$(Get-ProgramFolder)\log" -PathType Container)) { return }
    $now = [DateTime]::Now.ToString('yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
    # Whoever may read it can keep it from being written; what is to be done is done all the same.
    try {
        if ((Test-Path -LiteralPath $log -PathType Leaf) -and (Get-Item -LiteralPath $log -ErrorAction Stop).Length -gt $script:logLimit) {
            Move-Item -LiteralPath $log -Destination "$log.1" -Force -ErrorAction Stop
        }
        Add-Content -LiteralPath $log -Value "$now $Text" -Encoding UTF8 -ErrorAction Stop
    }
    catch { Write-Host "  not in the log: $(Format-Failure -Record $_)" }
}

function New-LogFolder {
    $null = New-Item -ItemType Directory -Path "$(Get-ProgramFolder)\log" -Force -ErrorAction Stop
}

# For the half that asked: to a new file, then by one rename, so that it is read whole.
function Write-Result {
    param([Parameter(Mandatory = $true)] $Result)
    $path = "$(Get-ProgramFolder)\log\result.json"
    for ($try = 1; ; $try++) {
        try {
            Set-Content -LiteralPath "$path.new" -Value (ConvertTo-Json -InputObject $Result -Depth 5) -Encoding UTF8 -ErrorAction Stop
            Move-Item -LiteralPath "$path.new" -Destination $path -Force -ErrorAction Stop
            return
        }
        catch { if ($try -ge 50) { throw } }    # Somebody reads it just now.
        Start-Sleep -Milliseconds 100
    }
}

# What `down` goes by, where the adapter has another name.
function Write-MadeRoute {
    param([Parameter(Mandatory = $true)] $Action)
    $made = ConvertTo-Json -InputObject ([ordered]@{ interface = $Action.interface; next_hop = $Action.next_hop })
    Set-Content -LiteralPath "$(Get-ProgramFolder)\log\route.json" -Value $made -Encoding ASCII -ErrorAction Stop
}
