# `install` and `uninstall`: these scripts in Program Files, where only administrators may write.

# Nothing in this folder is run elevated: a line that Windows shows to nobody else copies setup.ps1 first, and runs the copy.
function Invoke-Install {
    $from = Split-Path -Path $PSScriptRoot -Parent
    $to = Get-ProgramFolder
    if ($from -eq $to) { throw (New-Failure -What "these are the scripts in $to" -Help (Get-InstallHelp)) }
    Assert-OwnDisk -Path $from
    # Whoever may write there decides what is installed.
    $other = Get-OtherWriter -Path $from
    if ($other) { throw (New-Failure -What $other.what -Help (Get-CopyHelp)) }
    $id = [guid]::NewGuid().ToString()
    # By .NET alone: a command would be looked for among the user's modules, and setup.ps1 sets first where modules come from.
    $command = "-Command `"try { [void] [IO.Directory]::CreateDirectory($(Format-Text -Text $to)); " +
        "[IO.File]::Copy($(Format-Text -Text ([IO.Path]::Combine($from, 'setup.ps1'))), $(Format-Text -Text ([IO.Path]::Combine($to, 'setup.ps1'))), 1); " +
        "& $(Format-Text -Text ([IO.Path]::Combine($to, 'setup.ps1'))) -From $(Format-Text -Text $from) -User '$(Get-UserId)' -Id '$id' } catch { exit 1 }`""
    if ($WhatIfPreference) {
        Write-Host "What if: elevated: powershell.exe $command"
        return
    }
    Start-AsAdministrator -Arguments $command
    $result = Wait-Result -Folder $to -Id $id
    foreach ($line in @($result.lines)) { Write-Host "$line" }
    if ($result.error) { throw (New-Failure -What $result.error -Help 'mend that, and run it again') }
    Write-Host "Installed in $to. Next: & '$to\flatnet.cmd' up"
}

# Who looks into \\wsl.localhost elevated starts that distribution elevated.
function Assert-OwnDisk {
    param([Parameter(Mandatory = $true)] [string] $Path)
    $isShare = $Path.StartsWith('\\') -or (New-Object -TypeName IO.DriveInfo -ArgumentList ([IO.Path]::GetPathRoot($Path))).DriveType -eq 'Network'
    if ($isShare) { throw (New-Failure -What "$Path is on no disk of this PC" -Help (Get-CopyHelp)) }
}

function Get-CopyHelp {
    return "copy it into a folder of your own, such as $env:LOCALAPPDATA\flatnet-setup, and run flatnet.cmd install there"
}

# A text of PowerShell's that is nothing but text: it takes quotation marks of other scripts for its own.
function Format-Text {
    param([string] $Text)
    return "'" + [Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($Text) + "'"
}

# There is a result to read where something failed; else the folder goes with it.
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
    if (Test-Path -LiteralPath $folder) { throw (New-Failure -What "$folder is still there" -Help 'close the windows that are in it, and delete it as administrator') }
    Write-Host 'Nothing of Flatnet is left on Windows but what WSL2 wrote: the gateway''s directory, and the folder that these scripts were installed from.'
}
