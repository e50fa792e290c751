# Asking Flatnet in WSL2.

# Both questions and answers are JSON in ASCII: what Windows makes of other characters depends on its language.
function Invoke-Flatnet {
    param(
        [Parameter(Mandatory = $true)] $Settings,
        [Parameter(Mandatory = $true)] [string[]] $Arguments,
        [string] $Text = ''
    )
    # Else what wsl.exe says itself is UTF-16, and unreadable between what programs say.
    $env:WSL_UTF8 = '1'
    $encoding = [Console]::OutputEncoding
    [Console]::OutputEncoding = New-Object -TypeName Text.UTF8Encoding -ArgumentList $false
    try {
        $lines = $Text | wsl.exe -d $Settings.Distribution -u root --exec /usr/bin/env flatnet $Arguments
    }
    finally {
        [Console]::OutputEncoding = $encoding
    }
    $answer = (@($lines) -join "`n") -replace "`r", ''
    if ($LASTEXITCODE -ne 0) {
        throw "flatnet $Arguments in the distribution $($Settings.Distribution) ended with $LASTEXITCODE. $answer`nDistributions belong to one user: 'wsl --list --verbose' shows yours. 'wsl -d $($Settings.Distribution) -u root --exec /usr/bin/env flatnet --version' shows whether Flatnet is there."
    }
    return $answer
}

function Get-Decision {
    param(
        [Parameter(Mandatory = $true)] $Settings,
        [Parameter(Mandatory = $true)] [string] $Verb
    )
    $facts = Invoke-Flatnet -Settings $Settings -Arguments 'windows', 'facts'
    $seen = Get-Seen -Settings $Settings -Facts $facts
    $json = ConvertTo-Json -InputObject $seen -Depth 5 -Compress
    $ascii = [regex]::Replace($json, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char] $match.Value })
    $answer = Invoke-Flatnet -Settings $Settings -Arguments 'windows', 'decide', $Verb -Text $ascii
    return ConvertFrom-Json -InputObject $answer
}
