# Flatnet 0.1.0's name of 'flatnet.ps1 task'; the release after this one drops it.
& "$PSScriptRoot\flatnet.ps1" task @args; exit $LASTEXITCODE
