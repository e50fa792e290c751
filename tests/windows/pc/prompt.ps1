# What a person types on the PC, handed over by tests: each in a PowerShell of its own, as if one was started for it, which would take a
# second each time. Nothing of one is seen in the next: the environment is put back.
while ($true) {
    $who = [IO.File]::ReadAllText('/pc/prompt.in')
    $kept = [Environment]::GetEnvironmentVariables()
    if ($who -match 'elevated') { $env:FLATNET_ELEVATED = '1' }
    $runspace = [runspacefactory]::CreateRunspace($Host)
    $runspace.Open()
    $shell = [powershell]::Create()
    $shell.Runspace = $runspace
    $null = $shell.AddScript('Import-Module -DisableNameChecking /pc/Windows.psm1; . /pc/run.ps1').AddCommand('Out-Default')
    $shell.Commands.Commands[0].MergeMyResults('Error', 'Output')
    try { $null = $shell.Invoke() }
    catch { $Host.UI.WriteErrorLine("$_") }
    $runspace.Dispose()
    foreach ($name in @([Environment]::GetEnvironmentVariables().Keys)) { if (-not $kept.Contains($name)) { [Environment]::SetEnvironmentVariable($name, $null) } }
    foreach ($name in $kept.Keys) { [Environment]::SetEnvironmentVariable($name, $kept[$name]) }
    [IO.File]::WriteAllText('/pc/prompt.out', 'done')
}
