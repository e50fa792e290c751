# The two scheduled tasks, always in the root folder \: in other folders any user could create a task of the same name. Flatnet runs
# `flatnet.ps1 up` as the user, not elevated, at logon, after sleep and when networks change. FlatnetElevated has no trigger: the user
# can start it, and it runs elevated.ps1 as SYSTEM, whose environment users cannot set.

# The user who ran `install`. Requests cannot name another.
function Read-InstalledUser {
    $path = [IO.Path]::Combine((Get-ProgramFolder), 'user.txt')
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { throw (New-Failure -What "$path does not exist" -Help (Get-InstallHelp)) }
    return "$(Get-Content -LiteralPath $path -TotalCount 1 -ErrorAction Stop)"
}

function Register-Task {
    param([Parameter(Mandatory = $true)] [string] $User)
    Invoke-Cmdlet Register-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\'; Xml = Get-TaskText -File 'task.xml' -User $User; Force = $true })
    Invoke-Cmdlet Register-ScheduledTask ([ordered]@{ TaskName = 'FlatnetElevated'; TaskPath = '\'; Xml = Get-TaskText -File 'task-elevated.xml' -User $User; Force = $true })
}

function Unregister-Task {
    foreach ($name in 'Flatnet', 'FlatnetElevated') {
        if (Get-ScheduledTask -TaskName $name -TaskPath '\' -ErrorAction SilentlyContinue) {
            Invoke-Cmdlet Unregister-ScheduledTask ([ordered]@{ TaskName = $name; TaskPath = '\'; Confirm = $false })
        }
    }
}

function Get-TaskText {
    param([Parameter(Mandatory = $true)] [string] $File, [Parameter(Mandatory = $true)] [string] $User)
    $powershell = Get-PowerShellProgram
    # conhost.exe --headless shows no window, even if Windows Terminal is the default terminal.
    $console = Get-SystemProgram -Name 'conhost.exe'
    $hidden = Test-Path -LiteralPath $console -PathType Leaf
    $values = @{
        user = $User
        folder = Get-ProgramFolder
        powershell = $powershell
        command = if ($hidden) { $console } else { $powershell }
        before = if ($hidden) { "--headless ""$powershell"" " } else { '' }
    }
    $text = Get-Content -LiteralPath (Join-Path -Path (Get-ProgramFolder) -ChildPath $File) -Raw -ErrorAction Stop
    foreach ($name in $values.Keys) { $text = $text.Replace("{{$name}}", [Security.SecurityElement]::Escape($values[$name])) }
    return $text
}
