# Running commands and programs. What is printed is what runs, and with -WhatIf it is printed only.

# A cmdlet that changes something. A script's preferences do not reach into Windows' modules, so each is told to stop.
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
        $Parameters['ErrorAction'] = 'Stop'
        & $Command @Parameters | Out-Null
    }
}

# A program that changes something; it must end with 0.
function Invoke-Program {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, Position = 0)] [string] $Path,
        [Parameter(Mandatory = $true, Position = 1)] [string[]] $Arguments
    )
    $line = "$(Format-Argument -Word $Path) $(Join-Argument -Words $Arguments)"
    if ($PSCmdlet.ShouldProcess($line, 'Run')) {
        Write-Host "  $line"
        $ended = Invoke-Limited -Path $Path -Arguments $Arguments -Seconds 60
        if ($null -eq $ended.exit) { throw (New-Failure -What "$line did not end within 60 s" -Help 'try it by hand') }
        if ($ended.exit -ne 0) { throw (New-Failure -What "$line ended with $($ended.exit): $($ended.text)" -Help 'what it says is to be mended first') }
    }
}

# Runs a program within a limit. Not by PowerShell's own call: what becomes of output, errors and exit statuses there is up to
# the caller's preferences, redirections and console. `exit` is nothing where it had to be ended.
function Invoke-Limited {
    param(
        [Parameter(Mandatory = $true)] [string] $Path,
        [string[]] $Arguments = @(),
        [Parameter(Mandatory = $true)] [int] $Seconds,
        [string] $Text = '',
        [switch] $Utf8
    )
    $start = New-Object -TypeName Diagnostics.ProcessStartInfo
    $start.FileName = (Get-Item -LiteralPath $Path -ErrorAction Stop).FullName
    $start.Arguments = Join-Argument -Words $Arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    # Else wsl.exe's own words are UTF-16; other programs of Windows' write as its language has it.
    if ($Utf8) {
        $start.StandardOutputEncoding = New-Object -TypeName Text.UTF8Encoding -ArgumentList $false
        $start.StandardErrorEncoding = $start.StandardOutputEncoding
        $start.EnvironmentVariables['WSL_UTF8'] = '1'
    }
    $process = [Diagnostics.Process]::Start($start)
    try {
        $out = $process.StandardOutput.ReadToEndAsync()
        $err = $process.StandardError.ReadToEndAsync()
        $bytes = [Text.Encoding]::ASCII.GetBytes($Text)
        # Within the limit, too: who does not read would keep this waiting.
        $clock = [Diagnostics.Stopwatch]::StartNew()
        try { if ($process.StandardInput.BaseStream.WriteAsync($bytes, 0, $bytes.Length).Wait($Seconds * 1000)) { $process.StandardInput.Close() } }
        catch { $null = $_ }    # It ended without reading.
        if (-not $process.WaitForExit([int] [Math]::Max(1, $Seconds * 1000 - $clock.ElapsedMilliseconds))) {
            Stop-Tree -Process $process
            return @{ exit = $null; out = ''; text = '' }
        }
        # What it started may hold its streams open.
        $null = [Threading.Tasks.Task]::WaitAll([Threading.Tasks.Task[]] @($out, $err), 2000)
        $said = if ($out.IsCompleted) { $out.Result } else { '' }
        $complained = if ($err.IsCompleted) { $err.Result } else { '' }
        return @{ exit = $process.ExitCode; out = $said -replace "`r", ''; text = ("$complained $said" -replace '\s+', ' ').Trim() }
    }
    finally { $process.Dispose() }
}

# With what it started. Windows PowerShell ends a process alone.
function Stop-Tree {
    param([Parameter(Mandatory = $true)] $Process)
    $number = "$($Process.Id)"
    try { $Process.Kill($true) }
    catch [Management.Automation.MethodException] {
        $null = Invoke-Limited -Path (Get-SystemProgram -Name 'taskkill.exe') -Arguments '/F', '/T', '/PID', $number -Seconds 5
    }
    catch [InvalidOperationException] { $null = $_ }    # It has just ended by itself.
}

# As C programs of Windows take a command line apart.
function Join-Argument {
    param([string[]] $Words = @())
    return @(foreach ($word in $Words) { Format-Argument -Word $word }) -join ' '
}

function Format-Argument {
    param([string] $Word)
    if ($Word -match '^[^\s"]+$') { return $Word }
    return '"' + ($Word -replace '(\\*)"', '$1$1\"' -replace '(\\+)$', '$1$1') + '"'
}

# As it can be pasted; of a whole document its beginning.
function Format-Parameter {
    param([string] $Name, $Value)
    if ("$Value" -match "`n") { return " -$Name '$(("$Value" -split "`n")[0]) ..'" }
    if ($Value -is [bool]) { return " -$Name`:`$$("$Value".ToLowerInvariant())" }
    $words = foreach ($word in @($Value)) {
        if ("$word" -match '^[A-Za-z0-9./:_-]+$') { "$word" } else { "'" + ("$word" -replace "'", "''") + "'" }
    }
    return " -$Name " + ($words -join ', ')
}
