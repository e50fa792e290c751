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

# A text in one line, without what a terminal takes for orders: WSL2 and other programs say it.
function Format-Line {
    param([string] $Text)
    return (($Text -replace '\s+', ' ') -replace '[\p{Cc}\p{Cf}]', '?').Trim()
}

# What went wrong: programs and commands write several lines.
function Format-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    return Format-Line -Text "$($Record.Exception.Message)"
}

# Shows it, and says with which status to end.
function Show-Failure {
    param([Parameter(Mandatory = $true)] $Record)
    $Host.UI.WriteErrorLine("error: $(Format-Failure -Record $Record)")
    $help = Format-Line -Text "$($Record.Exception.Data['help'])"
    if ($help) { $Host.UI.WriteErrorLine("help: $help") }
    if ($Record.Exception.Data.Contains('status')) { return [int] $Record.Exception.Data['status'] }
    return 2
}
