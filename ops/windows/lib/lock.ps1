# One elevated run at a time: two would each act on a state that the other is changing. The lock is a file that users cannot open. Any
# user could create a named mutex first, and keep it.

$script:lock = $null

function Enter-Lock {
    $folder = [IO.Path]::Combine((Get-ProgramFolder), 'lock')
    $null = New-Item -ItemType Directory -Path $folder -Force -ErrorAction Stop
    $until = [DateTime]::UtcNow.AddSeconds(60)
    while ($true) {
        try {
            $script:lock = [IO.File]::Open([IO.Path]::Combine($folder, 'lock'), 'OpenOrCreate', 'ReadWrite', 'None')
            return
        }
        catch [IO.IOException] {
            if ([DateTime]::UtcNow -ge $until) { throw (New-Failure -What 'another run of the elevated script has not finished' -Help 'find it with Get-Process powershell') }
        }
        Start-Sleep -Milliseconds 200
    }
}

function Exit-Lock {
    if ($script:lock) { $script:lock.Dispose() }
    $script:lock = $null
}
