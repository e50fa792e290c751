# Calls Flatnet in WSL2. Never elevated: a distribution runs with the rights of the process that starts it (docs/adr/0018).

# Requests and answers are ASCII JSON: how Windows encodes other characters depends on its language.
function Invoke-Flatnet {
    param(
        [Parameter(Mandatory = $true)] $Settings,
        [Parameter(Mandatory = $true)] [string[]] $Arguments,
        [int] $Seconds = 30,
        [string] $Text = ''
    )
    $words = @('-d', $Settings.Distribution, '-u', 'root', '--exec', '/usr/bin/env', 'flatnet') + $Arguments
    $ended = Invoke-Wsl -Arguments $words -Seconds $Seconds -Text $Text
    if ($ended.exit -eq 0) { return $ended.out }
    # An error of Flatnet includes its remedy.
    if ($ended.text -match '(error\[FLAT-E\d+\]: .*?) help: (.*)$') {
        throw (New-Failure -Status 1 -What "in WSL2: $($Matches[1])" -Help "in WSL2: $($Matches[2])")
    }
    # env's exit status for a missing program.
    if ($ended.exit -eq 127) {
        throw (New-Failure -Status 1 -What "flatnet is not installed in the distribution $($Settings.Distribution)" -Help 'install its package there: docs/setup/phase-2-setup.md')
    }
    if ($ended.text -match 'DISTRO_NOT_FOUND') {
        throw (New-Failure -Status 1 -What "WSL has no distribution $($Settings.Distribution)" -Help "set Distribution in $(Get-SettingsPath) to a name that 'wsl --list' shows. Distributions belong to one user: run this as the user who installed it")
    }
    # WSL's own errors contain such a code, in any language.
    if ($ended.text -match 'Wsl/\w+') {
        throw (New-Failure -Status 1 -What "WSL did not start the distribution $($Settings.Distribution): $($ended.text)" -Help 'check wsl --status; run wsl --shutdown, which stops all distributions, then run this again')
    }
    throw (New-Failure -Status 1 -What "'flatnet $Arguments' in the distribution $($Settings.Distribution) exited with $($ended.exit): $($ended.text)" -Help "wsl -d $($Settings.Distribution) -u root --exec /usr/bin/env flatnet doctor")
}

function Invoke-Wsl {
    param([Parameter(Mandatory = $true)] [string[]] $Arguments, [Parameter(Mandatory = $true)] [int] $Seconds, [string] $Text = '')
    $program = Get-SystemProgram -Name 'wsl.exe'
    if (-not (Test-Path -LiteralPath $program -PathType Leaf)) {
        throw (New-Failure -Status 1 -What 'WSL is not installed' -Help 'run wsl --install')
    }
    $ended = Invoke-Limited -Path $program -Arguments $Arguments -Seconds $Seconds -Text $Text -Utf8
    if ($null -eq $ended.exit) {
        throw (New-Failure -Status 1 -What "WSL did not answer within $Seconds s" -Help 'run wsl --shutdown, which stops all distributions, then run this again')
    }
    return $ended
}

# `status` and `doctor` must not start a distribution.
function Assert-DistributionRunning {
    param([Parameter(Mandatory = $true)] $Settings)
    $running = Get-DistributionList -Running $true
    if ($null -eq $running) {
        # The command fails if no distribution runs, and also if WSL cannot list any; in the second case the state is unknown.
        if ($null -eq (Get-DistributionList -Running $false)) { return }
        $running = @()
    }
    if ($Settings.Distribution -in $running) { return }
    throw (New-Failure -Status 1 -What "the distribution $($Settings.Distribution) is stopped" -Help "start it: & '$(Get-ScriptPath)' up, or wsl -d $($Settings.Distribution) --exec true")
}

function Get-DistributionList {
    param([Parameter(Mandatory = $true)] [bool] $Running)
    $words = if ($Running) { '--list', '--running', '--quiet' } else { '--list', '--quiet' }
    $ended = Invoke-Wsl -Arguments $words -Seconds 30
    if ($ended.exit -ne 0) { return $null }
    return , @($ended.out -split "`n" | ForEach-Object -Process { $_.Trim() } | Where-Object -FilterScript { $_ })
}

function Get-Decision {
    param(
        [Parameter(Mandatory = $true)] $Settings,
        [Parameter(Mandatory = $true)] [string] $Verb,
        [int] $WaitSeconds = 0
    )
    Write-Host "Querying Flatnet in $($Settings.Distribution) .."
    if ($Verb -eq 'look') { Assert-DistributionRunning -Settings $Settings }
    $facts = Get-Fact -Settings $Settings -WaitSeconds $WaitSeconds
    Write-Host 'Probing connections, up to 3 s ..'
    $observation = Get-Observation -Settings $Settings -Facts $facts
    $json = ConvertTo-Json -InputObject $observation -Depth 5 -Compress
    $ascii = [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char] $match.Value })
    $answer = Invoke-Flatnet -Settings $Settings -Arguments 'windows', 'decide', $Verb -Text $ascii
    return ConvertFrom-Flatnet -Text $answer -Of "windows decide $Verb" -Fields 'layers', 'stops_at', 'set_up', 'offline', 'actions'
}

# Parses JSON and checks that the fields exist: any program in WSL2 may be named flatnet.
function ConvertFrom-Flatnet {
    param([string] $Text, [Parameter(Mandatory = $true)] [string] $Of, [Parameter(Mandatory = $true)] [string[]] $Fields)
    $read = $null
    try { $read = ConvertFrom-Json -InputObject $Text } catch { $null = $_ }
    $missing = @($Fields | Where-Object -FilterScript { $null -eq $read -or -not $read.PSObject.Properties[$_] })
    if ($missing.Count -eq 0) { return $read }
    throw (New-Failure -Status 1 -What "unexpected output of 'flatnet $Of' in WSL2: $($missing -join ', ') missing" -Help (Get-InstallHelp))
}

# At logon WSL2 may still be starting; eth0 and the bridge come up last.
function Get-Fact {
    param([Parameter(Mandatory = $true)] $Settings, [int] $WaitSeconds)
    $until = [DateTime]::UtcNow.AddSeconds($WaitSeconds)
    while ($true) {
        $isLast = [DateTime]::UtcNow -ge $until
        try {
            $facts = Invoke-Flatnet -Settings $Settings -Arguments 'windows', 'facts' -Seconds 60
            $read = ConvertFrom-Flatnet -Text $facts -Of 'windows facts' -Fields 'eth0', 'bridge', 'bridge_link', 'container'
            if ($isLast -or ((Get-Field -Object $read -Name 'eth0') -and (Get-Field -Object $read -Name 'bridge_link'))) { return $facts }
        }
        catch { if ($isLast) { throw } }
        Start-Sleep -Seconds 3
    }
}
