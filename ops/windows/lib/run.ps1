# The only two places where a command is run that changes anything: what is printed is what runs, and with -WhatIf it is
# printed only. Some cmdlets (Register-ScheduledTask) have no -WhatIf of their own.

function Invoke-Shown {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, Position = 0)] [string] $Command,
        [Parameter(Mandatory = $true, Position = 1)] [System.Collections.IDictionary] $Parameters
    )
    $line = $Command
    foreach ($name in $Parameters.Keys) { $line += Format-Parameter -Name $name -Value $Parameters[$name] }
    if ($PSCmdlet.ShouldProcess($line, 'Run')) {
        Write-Host "  $line"
        & $Command @Parameters | Out-Null
    }
}

# A program that is no cmdlet; it must end with 0.
function Invoke-Program {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, Position = 0)] [string] $Path,
        [Parameter(Mandatory = $true, Position = 1)] [string[]] $Arguments
    )
    $line = "$Path $Arguments"
    if ($PSCmdlet.ShouldProcess($line, 'Run')) {
        Write-Host "  $line"
        & $Path $Arguments
        if ($LASTEXITCODE -ne 0) { throw "$line ended with $LASTEXITCODE" }
    }
}

function Format-Parameter {
    param([string] $Name, $Value)
    if ($Value -is [bool]) { return " -$Name`:`$$Value" }
    $words = foreach ($word in @($Value)) {
        if ("$word" -match '^[A-Za-z0-9./:_-]+$') { "$word" } else { "'" + ("$word" -replace "'", "''") + "'" }
    }
    return " -$Name " + ($words -join ', ')
}

function Assert-Elevated {
    if ($WhatIfPreference) { return }
    $me = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList ([Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'This changes Windows: start PowerShell by "Run as administrator", as the user whose distribution it is, and run it again. -WhatIf shows what it would do.'
    }
}
