# Runs commands from tests as if a person typed them on the PC: each in a new runspace, because a new PowerShell process would
# take a second. The environment is restored after each command.
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
