# Runs cmdlets and programs, and prints each command. With -WhatIf it only prints them.

# Runs a cmdlet that changes something. Windows' modules ignore the script's preferences, so -ErrorAction Stop is passed.
function Invoke-Cmdlet {
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

# Runs a program that changes something; any exit status but 0 is an error.
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
        if ($null -eq $ended.exit) { throw (New-Failure -What "$line did not finish within 60 s" -Help 'run it by hand') }
        if ($ended.exit -ne 0) { throw (New-Failure -What "$line exited with $($ended.exit): $($ended.text)" -Help 'fix the reported problem, then run this again') }
    }
}

# Runs a program with a time limit. PowerShell's call operator is not used: its handling of output, errors and exit statuses depends
# on the caller's preferences, redirections and console. `exit` is null if the program was terminated.
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
    # Without WSL_UTF8, wsl.exe writes its own messages in UTF-16. Other programs use the system's code page.
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
        # The write counts towards the limit: it blocks if the program does not read.
        $clock = [Diagnostics.Stopwatch]::StartNew()
        try { if ($process.StandardInput.BaseStream.WriteAsync($bytes, 0, $bytes.Length).Wait($Seconds * 1000)) { $process.StandardInput.Close() } }
        catch { $null = $_ }    # It exited without reading.
        if (-not $process.WaitForExit([int] [Math]::Max(1, $Seconds * 1000 - $clock.ElapsedMilliseconds))) {
            Stop-ProcessTree -Process $process
            return @{ exit = $null; out = ''; text = '' }
        }
        # Its child processes may hold the streams open.
        $null = [Threading.Tasks.Task]::WaitAll([Threading.Tasks.Task[]] @($out, $err), 2000)
        $output = if ($out.IsCompleted) { $out.Result } else { '' }
        $errors = if ($err.IsCompleted) { $err.Result } else { '' }
        return @{ exit = $process.ExitCode; out = $output -replace "`r", ''; text = ("$errors $output" -replace '\s+', ' ').Trim() }
    }
    finally { $process.Dispose() }
}

# Terminates a process and its children. Process.Kill of Windows PowerShell terminates only the process.
function Stop-ProcessTree {
    param([Parameter(Mandatory = $true)] $Process)
    $number = "$($Process.Id)"
    try { $Process.Kill($true) }
    catch [Management.Automation.MethodException] {
        $null = Invoke-Limited -Path (Get-SystemProgram -Name 'taskkill.exe') -Arguments '/F', '/T', '/PID', $number -Seconds 5
    }
    catch [InvalidOperationException] { $null = $_ }    # It has already exited.
}

# Quotes arguments as Windows' C runtime parses them.
function Join-Argument {
    param([string[]] $Words = @())
    return @(foreach ($word in $Words) { Format-Argument -Word $word }) -join ' '
}

function Format-Argument {
    param([string] $Word)
    if ($Word -match '^[^\s"]+$') { return $Word }
    return '"' + ($Word -replace '(\\*)"', '$1$1\"' -replace '(\\+)$', '$1$1') + '"'
}

# Formats a parameter so that it can be pasted. Of a multi-line value, only the first line.
function Format-Parameter {
    param([string] $Name, $Value)
    if ("$Value" -match "`n") { return " -$Name '$(("$Value" -split "`n")[0]) ..'" }
    if ($Value -is [bool]) { return " -$Name`:`$$("$Value".ToLowerInvariant())" }
    $words = foreach ($word in @($Value)) {
        if ("$word" -match '^[A-Za-z0-9./:_-]+$') { "$word" } else { "'" + ("$word" -replace "'", "''") + "'" }
    }
    return " -$Name " + ($words -join ', ')
}
