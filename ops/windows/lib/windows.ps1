# Windows' folders, programs and users. Paths come from Windows' API: users can set environment variables for processes that are
# elevated later. The variables are used only where the API returns nothing (PowerShell on another system).

function Get-SystemFolder {
    $folder = [Environment]::GetFolderPath('System')
    if (-not $folder) { $folder = "$env:SystemRoot\System32" }
    return $folder
}

# Flatnet's folder in Program Files, which only administrators can write to.
function Get-ProgramFolder {
    $folder = [Environment]::GetFolderPath('ProgramFiles')
    if (-not $folder) { $folder = (Resolve-Path -LiteralPath $env:ProgramFiles).ProviderPath }
    return [IO.Path]::Combine($folder, 'Flatnet')
}

# The full path of a program of Windows.
function Get-SystemProgram {
    param([Parameter(Mandatory = $true)] [string] $Name)
    return Join-Path -Path (Get-SystemFolder) -ChildPath $Name
}

# Windows PowerShell, which every Windows has, whichever PowerShell runs this script.
function Get-PowerShellProgram {
    return Get-SystemProgram -Name 'WindowsPowerShell\v1.0\powershell.exe'
}

# Only Windows' modules: by default the user's own folder is searched first, even in elevated processes.
function Get-ModulePath {
    $own = [IO.Path]::Combine($PSHOME, 'Modules')
    $windows = [IO.Path]::Combine((Get-SystemFolder), 'WindowsPowerShell\v1.0\Modules')
    return (@($own, $windows) | Select-Object -Unique) -join [IO.Path]::PathSeparator
}

function Test-Elevated {
    $me = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList ([Security.Principal.WindowsIdentity]::GetCurrent())
    return $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

function Assert-Elevated {
    if (-not (Test-Elevated)) {
        throw (New-Failure -What 'elevated.ps1 requires an administrator' -Help "run & '$(Get-ProgramFolder)\flatnet.ps1' up, which starts it elevated")
    }
}

# The current user's SID. Names may not resolve (other languages, Entra). Systems other than Windows have no SIDs; this one belongs to no user.
function Get-UserId {
    try { return [Security.Principal.WindowsIdentity]::GetCurrent().User.Value }
    catch [PlatformNotSupportedException] { return 'S-1-5-21-0-0-0-0' }
}

# The value of a property, or null if it does not exist, which strict mode would report as an error.
function Get-Field {
    param($Object, [Parameter(Mandatory = $true)] [string] $Name)
    if ($null -eq $Object) { return $null }
    $field = $Object.PSObject.Properties[$Name]
    if ($field) { return $field.Value }
    return $null
}

# Cached: PowerShell searches every module for a missing command.
$script:commands = @{}

function Test-Command {
    param([Parameter(Mandatory = $true)] [string] $Name)
    if (-not $script:commands.Contains($Name)) { $script:commands[$Name] = [bool] (Get-Command -Name $Name -ErrorAction SilentlyContinue) }
    return $script:commands[$Name]
}
