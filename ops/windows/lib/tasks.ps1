# The two scheduled tasks, in the folder \ alone: in others any user may make one of these names. Flatnet runs `flatnet.ps1 up` as the user, with no more rights than the user has: at logon, after sleep,
# and when networks change. FlatnetElevated has no trigger: that user may start it, and it runs elevated.ps1 as SYSTEM, whose
# environment no user sets.

# Whom `install` was run for: no request says for whom tasks are.
function Read-InstalledUser {
    $path = [IO.Path]::Combine((Get-ProgramFolder), 'user.txt')
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) { throw (New-Failure -What "there is no $path" -Help (Get-InstallHelp)) }
    return "$(Get-Content -LiteralPath $path -TotalCount 1 -ErrorAction Stop)"
}

function Register-Task {
    param([Parameter(Mandatory = $true)] [string] $User)
    Invoke-Shown Register-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\'; Xml = Get-TaskText -File 'task.xml' -User $User; Force = $true })
    Invoke-Shown Register-ScheduledTask ([ordered]@{ TaskName = 'FlatnetElevated'; TaskPath = '\'; Xml = Get-TaskText -File 'task-elevated.xml' -User $User; Force = $true })
}

function Unregister-Task {
    foreach ($name in 'Flatnet', 'FlatnetElevated') {
        if (Get-ScheduledTask -TaskName $name -TaskPath '\' -ErrorAction SilentlyContinue) {
            Invoke-Shown Unregister-ScheduledTask ([ordered]@{ TaskName = $name; TaskPath = '\'; Confirm = $false })
        }
    }
}

function Get-TaskText {
    param([Parameter(Mandatory = $true)] [string] $File, [Parameter(Mandatory = $true)] [string] $User)
    $powershell = Get-PowerShellProgram
    # Without a window, also where Windows Terminal is what consoles are shown in.
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
