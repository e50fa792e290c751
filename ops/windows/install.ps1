# Flatnet 0.1.0's name of 'flatnet.ps1 install'; the release after this one drops it.
& "$PSScriptRoot\flatnet.ps1" install @args; exit $LASTEXITCODE
