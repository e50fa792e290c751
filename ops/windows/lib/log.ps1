# The log of the elevated script. Administrators write it, and the user who installed can read it.

$script:logLimit = 262144

function Write-Log {
    param([Parameter(Mandatory = $true)] [string] $Text)
    $log = "$(Get-ProgramFolder)\log\flatnet.log"
    # `uninstall` deletes the folder before it ends.
    if (-not (Test-Path -LiteralPath "$(Get-ProgramFolder)\log" -PathType Container)) { return }
    $now = [DateTime]::Now.ToString('yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
    # A reader can block writes to the log. The actions run regardless.
    try {
        if ((Test-Path -LiteralPath $log -PathType Leaf) -and (Get-Item -LiteralPath $log -ErrorAction Stop).Length -gt $script:logLimit) {
            Move-Item -LiteralPath $log -Destination "$log.1" -Force -ErrorAction Stop
        }
        Add-Content -LiteralPath $log -Value "$now $Text" -Encoding UTF8 -ErrorAction Stop
    }
    catch { Write-Host "  cannot write the log: $(Format-Failure -Record $_)" }
}

function New-LogFolder {
    $null = New-Item -ItemType Directory -Path "$(Get-ProgramFolder)\log" -Force -ErrorAction Stop
}

# For flatnet.ps1. Written to a new file and renamed, so that a reader never gets a part.
function Write-Result {
    param([Parameter(Mandatory = $true)] $Result)
    $path = "$(Get-ProgramFolder)\log\result.json"
    for ($try = 1; ; $try++) {
        try {
            Set-Content -LiteralPath "$path.new" -Value (ConvertTo-Json -InputObject $Result -Depth 5) -Encoding UTF8 -ErrorAction Stop
            Move-Item -LiteralPath "$path.new" -Destination $path -Force -ErrorAction Stop
            return
        }
        catch { if ($try -ge 50) { throw } }    # A reader has it open.
        Start-Sleep -Milliseconds 100
    }
}

# `down` finds the route by this if the adapter has been renamed.
function Write-AddedRoute {
    param([Parameter(Mandatory = $true)] $Action)
    $made = ConvertTo-Json -InputObject ([ordered]@{ interface = $Action.interface; next_hop = $Action.next_hop })
    Set-Content -LiteralPath "$(Get-ProgramFolder)\log\route.json" -Value $made -Encoding ASCII -ErrorAction Stop
}
