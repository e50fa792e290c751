# One run of the elevated half after the other: two would plan with what the other is about to change. A file where no user reads: the
# name of a mutex anybody may take first, and keep.

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
            if ([DateTime]::UtcNow -ge $until) { throw (New-Failure -What 'another run of the elevated half does not end' -Help 'Get-Process powershell shows it') }
        }
        Start-Sleep -Milliseconds 200
    }
}

function Exit-Lock {
    if ($script:lock) { $script:lock.Dispose() }
    $script:lock = $null
}
