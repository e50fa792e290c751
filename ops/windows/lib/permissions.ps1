# Checks who can write to a folder, and thereby controls the programs that are run from it.

# The SID of NT SERVICE\FlatnetGateway, which Windows derives from the name.
$script:serviceId = 'S-1-5-80-3934990286-408122525-426942533-3047471882-2994523024'

# SYSTEM, TrustedInstaller, Administrators, CREATOR OWNER, OWNER RIGHTS (the owner is checked separately), the gateway's service.
$script:trustedIds = 'S-1-5-18', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464', 'S-1-5-32-544', 'S-1-3-0', 'S-1-3-4', $script:serviceId

# GENERIC_ALL and GENERIC_WRITE, which an entry may have instead of single rights.
$script:genericRights = 0x50000000

# Finds a user other than these and the current one who can change files in a folder, or replace the folder. Returns nothing, or the
# folder, a message and the command that removes the permission.
function Get-OtherWriter {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not (Test-Command -Name 'Get-Acl')) { return }
    $rights = 'WriteData, AppendData, Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership'
    for ($at = $Path; $at; $at = Split-Path -Path $at -Parent) {
        # A drive's root cannot be deleted or renamed.
        if ($at -ne $Path) { $rights = if (Split-Path -Path $at -Parent) { 'Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } else { 'DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } }
        $wanted = [int] [Security.AccessControl.FileSystemRights] $rights -bor $script:genericRights
        $list = Get-Acl -LiteralPath $at -ErrorAction Stop
        # The owner can grant any permission at any time.
        $owner = "$($list.GetOwner([Security.Principal.SecurityIdentifier]))"
        if ($owner -notin $script:trustedIds -and $owner -ne (Get-UserId)) {
            return @{ path = $at; what = "$at belongs to another user ($owner)"; help = "as administrator: icacls ""$at"" /setowner ""*$(Get-UserId)"" /T; then: $(Get-RestrictCommand -Path $at)" }
        }
        foreach ($rule in $list.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
            $who = "$($rule.IdentityReference)"
            if ("$($rule.AccessControlType)" -ne 'Allow' -or $who -in $script:trustedIds -or $who -eq (Get-UserId)) { continue }
            # Applies only to the folder's contents.
            if ($at -ne $Path -and "$(Get-Field -Object $rule -Name 'PropagationFlags')" -match 'InheritOnly') { continue }
            if (([int] $rule.FileSystemRights -band $wanted) -ne 0) { return @{ path = $at; what = "$at is writable by others ($who)"; help = Get-RestrictCommand -Path $at } }
        }
    }
}

# The command that restricts a folder to SYSTEM, administrators and this user.
function Get-RestrictCommand {
    param([Parameter(Mandatory = $true)] [string] $Path)
    $grants = @('*S-1-5-18', '*S-1-5-32-544', "*$(Get-UserId)" | ForEach-Object -Process { """$_`:(OI)(CI)F""" }) -join ' '
    return "icacls ""$Path"" /inheritance:r /grant:r $grants"
}
