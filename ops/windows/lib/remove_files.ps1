# Removes what `install` copied to Program Files. PowerShell has already read the running script, so its file can be deleted.

function Remove-Installed {
    if ((Get-ServiceState) -and -not $WhatIfPreference) { throw (New-Failure -What 'the service FlatnetGateway still exists' -Help 'as administrator, run: sc.exe delete FlatnetGateway; then run this again') }
    # An open file cannot be deleted.
    Exit-Lock
    Remove-Folder -Path (Get-ProgramFolder)
}

# Deletes links without following them, unlike Remove-Item -Recurse of Windows PowerShell.
function Remove-Folder {
    [CmdletBinding(SupportsShouldProcess = $true)]
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not $PSCmdlet.ShouldProcess($Path, 'Delete')) { return }
    Write-Host "  delete $Path"
    foreach ($file in [IO.Directory]::GetFiles($Path)) {
        [IO.File]::SetAttributes($file, [IO.FileAttributes]::Normal)
        [IO.File]::Delete($file)
    }
    foreach ($folder in [IO.Directory]::GetDirectories($Path)) {
        if (([int] [IO.File]::GetAttributes($folder) -band [int] [IO.FileAttributes]::ReparsePoint) -ne 0) { [IO.Directory]::Delete($folder, $false) }
        else { Remove-Folder -Path $folder }
    }
    [IO.Directory]::Delete($Path, $false)
}
