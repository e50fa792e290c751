# Taking back what `install` put into Program Files. A script that runs is read already, so it can be deleted.

function Remove-Installed {
    if ((Get-ServiceState) -and -not $WhatIfPreference) { throw (New-Failure -What 'the service FlatnetGateway is still there' -Help 'sc.exe delete FlatnetGateway, as administrator; then run it again') }
    # An open file cannot be deleted.
    Exit-Lock
    Remove-Folder -Path (Get-ProgramFolder)
}

# What leads elsewhere is taken away, and not followed: Windows PowerShell's Remove-Item -Recurse does follow.
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
