# Taking back what `install` put into Program Files. A script that runs is read already, so it can be deleted.

function Remove-Installed {
    $folder = Get-ProgramFolder
    Invoke-Shown Remove-Item ([ordered]@{ LiteralPath = $folder; Recurse = $true; Force = $true; Confirm = $false })
}
