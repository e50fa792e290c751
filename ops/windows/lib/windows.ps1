# Where Windows is. Asked of Windows itself: anybody can set a variable of the environment for processes that are elevated
# later. Only where there is no answer (PowerShell on another system) the variables count.

function Get-SystemFolder {
    $folder = [Environment]::GetFolderPath('System')
    if (-not $folder) { $folder = "$env:SystemRoot\System32" }
    return $folder
}

# The folder that only administrators may write to, as the file system calls it.
function Get-ProgramFolder {
    $folder = [Environment]::GetFolderPath('ProgramFiles')
    if (-not $folder) { $folder = (Resolve-Path -LiteralPath $env:ProgramFiles).ProviderPath }
    return [IO.Path]::Combine($folder, 'Flatnet')
}

# A program of Windows' own, by its whole path.
function Get-SystemProgram {
    param([Parameter(Mandatory = $true)] [string] $Name)
    return Join-Path -Path (Get-SystemFolder) -ChildPath $Name
}

# Windows PowerShell: part of each Windows, whichever PowerShell this is.
function Get-PowerShellProgram {
    return Get-SystemProgram -Name 'WindowsPowerShell\v1.0\powershell.exe'
}

# Modules come from Windows alone: a user's own folder is searched before, in elevated processes, too.
function Get-ModulePath {
    $own = [IO.Path]::Combine($PSHOME, 'Modules')
    $windows = [IO.Path]::Combine((Get-SystemFolder), 'WindowsPowerShell\v1.0\Modules')
    return (@($own, $windows) | Select-Object -Unique) -join [IO.Path]::PathSeparator
}

# Elevated or not is asked by these two alone.
function Test-Elevated {
    $me = New-Object -TypeName Security.Principal.WindowsPrincipal -ArgumentList ([Security.Principal.WindowsIdentity]::GetCurrent())
    return $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

function Assert-Elevated {
    if (-not (Test-Elevated)) {
        throw (New-Failure -What 'this half of the scripts needs an administrator' -Help "run & '$(Get-ProgramFolder)\flatnet.ps1' up, which asks Windows for it")
    }
}

# Whom tasks are for, by number: names can fail (other languages, Entra). Another system has none, and this is nobody's.
function Get-UserId {
    try { return [Security.Principal.WindowsIdentity]::GetCurrent().User.Value }
    catch [PlatformNotSupportedException] { return 'S-1-5-21-0-0-0-0' }
}

# What is not there is nothing, whatever strict mode says.
function Get-Field {
    param($Object, [Parameter(Mandatory = $true)] [string] $Name)
    if ($null -eq $Object) { return $null }
    $field = $Object.PSObject.Properties[$Name]
    if ($field) { return $field.Value }
    return $null
}

# Asked once for each: what is not there is looked for in every module.
$script:commands = @{}

function Test-Command {
    param([Parameter(Mandatory = $true)] [string] $Name)
    if (-not $script:commands.Contains($Name)) { $script:commands[$Name] = [bool] (Get-Command -Name $Name -ErrorAction SilentlyContinue) }
    return $script:commands[$Name]
}
