# What a caller has set and Windows' own modules go by, which a script's preferences do not reach: set aside while this runs.

function Set-Surroundings {
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

function Restore-Surroundings {
    param([Parameter(Mandatory = $true)] $Before)
    $env:PSModulePath = $Before.modules
    if ($Before.Contains('PSNativeCommandUseErrorActionPreference')) { $global:PSNativeCommandUseErrorActionPreference = $Before.PSNativeCommandUseErrorActionPreference }
    if ($Before.Contains('PSDefaultParameterValues')) { $global:PSDefaultParameterValues = $Before.PSDefaultParameterValues }
}
