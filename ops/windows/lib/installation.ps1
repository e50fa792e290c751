# `install` and `uninstall`: copy these scripts to Program Files, where only administrators can write, and remove them.

# No file in this folder is run elevated: an elevated command line copies setup.ps1 to Program Files, and runs the copy.
function Invoke-Install {
    $from = Split-Path -Path $PSScriptRoot -Parent
    $to = Get-ProgramFolder
    if ($from -eq $to) { throw (New-Failure -What "these scripts are already installed: they run from $to" -Help (Get-InstallHelp)) }
    Assert-LocalDisk -Path $from
    # A user who can write there could change what is installed.
    $other = Get-OtherWriter -Path $from
    if ($other) { throw (New-Failure -What $other.what -Help (Get-CopyHelp)) }
    $id = [guid]::NewGuid().ToString()
    # .NET only: PowerShell would look for commands in the user's modules too. setup.ps1 sets the module path first.
    $command = "-Command `"try { [void] [IO.Directory]::CreateDirectory($(Format-Literal -Text $to)); " +
        "[IO.File]::Copy($(Format-Literal -Text ([IO.Path]::Combine($from, 'setup.ps1'))), $(Format-Literal -Text ([IO.Path]::Combine($to, 'setup.ps1'))), 1); " +
        "& $(Format-Literal -Text ([IO.Path]::Combine($to, 'setup.ps1'))) -From $(Format-Literal -Text $from) -User '$(Get-UserId)' -Id '$id' } catch { exit 1 }`""
    if ($WhatIfPreference) {
        Write-Host "What if: elevated: powershell.exe $command"
        return
    }
    Start-AsAdministrator -Arguments $command
    $result = Wait-Result -Folder $to -Id $id
    foreach ($line in @($result.lines)) { Write-Host "$line" }
    if ($result.error) { throw (New-Failure -What $result.error -Help 'fix this, then run it again') }
    Write-Host "Installed in $to. Next: & '$to\flatnet.cmd' up"
}

# Opening \\wsl.localhost from an elevated process starts the distribution elevated.
function Assert-LocalDisk {
    param([Parameter(Mandatory = $true)] [string] $Path)
    $isShare = $Path.StartsWith('\\') -or (New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($Path))).DriveType -eq 'Network'
    if ($isShare) { throw (New-Failure -What "$Path is not on a local disk" -Help (Get-CopyHelp)) }
}

function Get-CopyHelp {
    return "copy it to a folder of your own, such as $env:LOCALAPPDATA\flatnet-setup, and run flatnet.cmd install there"
}

# A single-quoted PowerShell string. PowerShell also accepts typographic quotation marks as delimiters, so those are escaped too.
function Format-Literal {
    param([string] $Text)
    return "'" + [Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($Text) + "'"
}

# If an action fails, the result file says why; otherwise it disappears with the folder.
function Invoke-FileRemoval {
    $folder = Get-ProgramFolder
    $actions = @(@{ do = 'unregister_tasks' }, @{ do = 'remove_files' })
    if (Get-ServiceState) { $actions = @(@{ do = 'remove_service' }) + $actions }
    if ($WhatIfPreference) {
        Invoke-Elevated -Actions $actions
        return
    }
    Set-Location -LiteralPath $env:USERPROFILE
    $id = [guid]::NewGuid().ToString()
    Write-Request -Folder $folder -Id $id -Actions $actions
    Start-Elevated -Script "$folder\elevated.ps1" -Actions $actions
    for ($try = 1; $try -le 100 -and (Test-Path -LiteralPath $folder); $try++) {
        $result = Read-Result -Folder $folder -Id $id
        if ($result) { Show-Result -Result $result -Actions $actions }
        Start-Sleep -Milliseconds 200
    }
    if (Test-Path -LiteralPath $folder) { throw (New-Failure -What "$folder still exists" -Help 'close programs that use it, and delete it as administrator') }
    Write-Host 'Flatnet is removed from Windows, except for what WSL2 wrote: the gateway''s directory, and the folder that these scripts were installed from.'
}
