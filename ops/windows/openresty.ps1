# As 'flatnet.ps1 gateway' was called in Flatnet 0.1.0; goes with the release after this one.
& "$PSScriptRoot\flatnet.ps1" gateway @args; exit $LASTEXITCODE
