# Whose a folder is: what runs from it is whoever's may write there.

# NT SERVICE\FlatnetGateway: Windows makes the number of the name.
$script:serviceId = 'S-1-5-80-3934990286-408122525-426942533-3047471882-2994523024'

# Windows itself (SYSTEM, TrustedInstaller), administrators, whoever makes or owns a file (the owner is looked at), the gateway's service.
$script:trusted = 'S-1-5-18', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464', 'S-1-5-32-544', 'S-1-3-0', 'S-1-3-4', $script:serviceId

# As one number each, which stand for all that is in them: GENERIC_ALL and GENERIC_WRITE.
$script:generic = 0x50000000

# Who but these and this user may change what is in a folder, or put another in its place: nothing, or in which folder, how that is
# said, and what takes it from them.
function Get-OtherWriter {
    param([Parameter(Mandatory = $true)] [string] $Path)
    if (-not (Test-Command -Name 'Get-Acl')) { return }
    $rights = 'WriteData, AppendData, Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership'
    for ($at = $Path; $at; $at = Split-Path -Path $at -Parent) {
        # A drive is not renamed.
        if ($at -ne $Path) { $rights = if (Split-Path -Path $at -Parent) { 'Delete, DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } else { 'DeleteSubdirectoriesAndFiles, ChangePermissions, TakeOwnership' } }
        $wanted = [int] [Security.AccessControl.FileSystemRights] $rights -bor $script:generic
        $list = Get-Acl -LiteralPath $at -ErrorAction Stop
        # Who owns it can give rights to anybody, at any time.
        $owner = "$($list.GetOwner([Security.Principal.SecurityIdentifier]))"
        if ($owner -notin $script:trusted -and $owner -ne (Get-UserId)) {
            return @{ path = $at; what = "$at belongs to somebody else ($owner)"; help = "as administrator: icacls ""$at"" /setowner ""*$(Get-UserId)"" /T; then: $(Get-OwnGrant -Path $at)" }
        }
        foreach ($rule in $list.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])) {
            $who = "$($rule.IdentityReference)"
            if ("$($rule.AccessControlType)" -ne 'Allow' -or $who -in $script:trusted -or $who -eq (Get-UserId)) { continue }
            # For what is in it alone, not for itself.
            if ($at -ne $Path -and "$(Get-Field -Object $rule -Name 'PropagationFlags')" -match 'InheritOnly') { continue }
            if (([int] $rule.FileSystemRights -band $wanted) -ne 0) { return @{ path = $at; what = "$at can be written to by others ($who)"; help = Get-OwnGrant -Path $at } }
        }
    }
}

# The command that leaves a folder to Windows, administrators and this user.
function Get-OwnGrant {
    param([Parameter(Mandatory = $true)] [string] $Path)
    $grants = @('*S-1-5-18', '*S-1-5-32-544', "*$(Get-UserId)" | ForEach-Object -Process { """$_`:(OI)(CI)F""" }) -join ' '
    return "icacls ""$Path"" /inheritance:r /grant:r $grants"
}
