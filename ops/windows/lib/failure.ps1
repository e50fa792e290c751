# Errors of the scripts: a line with the cause, a line with the remedy, and an exit status.
#
#   1  the path stops at a layer     2  it cannot be inspected, or an action failed

function New-Failure {
    param([Parameter(Mandatory = $true)] [string] $What, [string] $Help = '', [int] $Status = 2)
    $failure = New-Object -TypeName InvalidOperationException -ArgumentList $What
    $failure.Data['help'] = $Help
    $failure.Data['status'] = $Status
    return $failure
}

# Text from WSL2 and other programs on one line, without control characters.
function Format-Line {
    param([string] $Text)
    return (($Text -replace '\s+', ' ') -replace '[\p{Cc}\p{Cf}]', '?').Trim()
}

# The message of an error record, on one line.
function Format-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    return Format-Line -Text "$($Record.Exception.Message)"
}

# Prints the error, and returns the exit status.
function Show-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    $Host.UI.WriteErrorLine("error: $(Format-Failure -Record $Record)")
    $help = Format-Line -Text "$($Record.Exception.Data['help'])"
    if ($help) { $Host.UI.WriteErrorLine("help: $help") }
    if ($Record.Exception.Data.Contains('status')) { return [int] $Record.Exception.Data['status'] }
    return 2
}
