# Whose a folder is: what runs from it is whoever's may write there.

# Administrators, Windows itself, and the account of the gateway's service.
$script:trusted = 'S-1-5-18', 'S-1-5-32-544', 'S-1-3-0', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464',
    'S-1-5-80-3934990286-408122525-426942533-3047471882-2994523024'

# Who but these and this user may change what is in a folder, or put another in its place: nothing, or in which folder and how that is said.
function Get-OtherWriter {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not (Test-Command -Name 'Get-Acl')) { return }
    $rights = 'WriteData, AppendData, Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership'
    for ($at = $Path; $at; $at = Split-Path -Path $at -Parent) {
        # A drive is not renamed.
        if ($at -ne $Path) { $rights = if (Split-Path -Path $at -Parent) { 'Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } else { 'DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } }
        $wanted = [int] [Security.AccessControl.FileSystemRights] $rights
        foreach ($rule in (Get-Acl -LiteralPath $at -ErrorAction Stop).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
            $who = "$($rule.IdentityReference)"
            if ("$($rule.AccessControlType)" -ne 'Allow' -or $who -in $script:trusted -or $who -eq (Get-UserId)) { continue }
            # For what is in it alone, not for itself.
            if ($at -ne $Path -and "$(Get-Field -Object $rule -Name 'PropagationFlags')" -match 'InheritOnly') { continue }
            if (([int] $rule.FileSystemRights -band $wanted) -ne 0) { return @{ path = $at; what = "$at can be written to by others ($who)" } }
        }
    }
}
