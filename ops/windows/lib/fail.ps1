# How scripts fail: one line that says what is wrong, one that says what to do, and an exit status.
#
#   1  the way is not open     2  it could not be looked at, or not be acted on

function New-Failure {
    param([Parameter(Mandatory = $true)] [string] $What, [string] $Help = '', [int] $Status = 2)
    $failure = New-Object -TypeName InvalidOperationException -ArgumentList $What
    $failure.Data['help'] = $Help
    $failure.Data['status'] = $Status
    return $failure
}

# What went wrong, in one line: programs and commands write several.
function Format-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    return ("$($Record.Exception.Message)" -replace '\s+', ' ').Trim()
}

# Shows it, and says with which status to end.
function Show-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    $Host.UI.WriteErrorLine("error: $(Format-Failure -Record $Record)")
    $help = "$($Record.Exception.Data['help'])"
    if ($help) { $Host.UI.WriteErrorLine("help: $help") }
    if ($Record.Exception.Data.Contains('status')) { return [int] $Record.Exception.Data['status'] }
    return 2
}
