# The caller's global preferences, which Windows' modules use instead of the script's: replaced while the script runs, and restored after.

function Set-CallerPreference {
    $before = @{ modules = $env:PSModulePath }
    $env:PSModulePath = Get-ModulePath
    foreach ($name in 'PSNativeCommandUseErrorActionPreference', 'PSDefaultParameterValues') {
        $found = Get-Variable -Name $name -Scope Global -ErrorAction SilentlyContinue
        if ($found) { $before[$name] = $found.Value }
    }
    if ($before.Contains('PSNativeCommandUseErrorActionPreference')) { $global:PSNativeCommandUseErrorActionPreference = $false }
    $global:PSDefaultParameterValues = @{}
    return $before
}

function Restore-CallerPreference {
    param([Parameter(Mandatory = $true)] $Before)
    $env:PSModulePath = $Before.modules
    if ($Before.Contains('PSNativeCommandUseErrorActionPreference')) { $global:PSNativeCommandUseErrorActionPreference = $Before.PSNativeCommandUseErrorActionPreference }
    if ($Before.Contains('PSDefaultParameterValues')) { $global:PSDefaultParameterValues = $Before.PSDefaultParameterValues }
}
