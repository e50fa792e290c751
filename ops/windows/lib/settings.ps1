# Reads settings.psd1, and rejects values that are unsafe or cannot work.

# Paths are used in command lines, nginx' configuration and XML, so only the usual characters of paths are allowed.
$script:folderCharacters = '^[A-Za-z]:(\\[A-Za-z0-9 ._()+,~@=&-]+)+$'

function Get-SettingsPath {
    return Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'settings.psd1'
}

function Read-Settings {
    $path = Get-SettingsPath
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) {
        throw (New-Failure -What "$path does not exist" -Help "run 'flatnet windows install' in WSL2, then the command that it prints on Windows")
    }
    try { $settings = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape($path)) -ErrorAction Stop }
    catch { throw (New-Failure -What "$path cannot be read: $(Format-Failure -Record $_)" -Help "write it as a PowerShell data file: @{ Distribution = 'Debian' .. }") }
    $rules = Get-SettingRule
    foreach ($key in $settings.Keys) {
        if (-not $rules.Contains($key)) { throw (New-SettingFailure -Path $path -Key $key -What 'is unknown' -Right "valid keys: $(@($rules.Keys) -join ', ')") }
    }
    foreach ($key in $rules.Keys) {
        if (-not $settings.ContainsKey($key)) { throw (New-SettingFailure -Path $path -Key $key -What 'is missing' -Right $rules[$key].right) }
        if (-not (& $rules[$key].test $settings[$key])) {
            throw (New-SettingFailure -Path $path -Key $key -What "is invalid: $(Format-Setting -Value $settings[$key])" -Right $rules[$key].right)
        }
    }
    $settings.Ports = @($settings.Ports)
    if (-not $settings.OpenResty) { $settings.OpenResty = Find-OpenResty }
    return $settings
}

# The first is the recommended one: only administrators can write there.
function Find-OpenResty {
    $usual = 'C:\Program Files\OpenResty\nginx.exe', 'C:\openresty\nginx.exe'
    foreach ($path in $usual) {
        if (Test-Path -LiteralPath $path -PathType Leaf) { return $path }
    }
    return $usual[0]
}

function New-SettingFailure {
    param([string] $Path, [string] $Key, [string] $What, [string] $Right)
    return New-Failure -What "$Path`: $Key $What" -Help $Right
}

function Format-Setting {
    param($Value)
    if ($null -eq $Value) { return 'empty' }
    if ($Value -is [string]) { return "'$Value'" }
    if ($Value -is [array]) { return '@(' + (@(foreach ($one in $Value) { Format-Setting -Value $one }) -join ', ') + ')' }
    return [string]::Format([Globalization.CultureInfo]::InvariantCulture, '{0}', $Value)
}

# Each key's test, and the help that describes a valid value.
function Get-SettingRule {
    return [ordered]@{
        Distribution = @{
            right = "write its name as 'wsl --list' shows it, such as 'Debian': letters, digits and . _ -"
            test = { param($value) ($value -is [string]) -and ($value -match '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$') }
        }
        Subnet = @{
            right = "write it as in /etc/flatnet/flatnet.yaml in WSL2, such as '10.87.1.0/24': the first address of the subnet, and a prefix from 16 to 30"
            test = { param($value) Test-Subnet -Value $value }
        }
        Ports = @{
            right = 'write one or more different numbers from 1 to 65535, HTTP first, such as @(80) or @(80, 443)'
            test = { param($value) Test-PortList -Value $value }
        }
        Name = @{
            right = "write the gateway's host name in the LAN, such as 'flatnet.internal': letters, digits, - and ."
            test = { param($value) ($value -is [string]) -and ($value -match '^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$') }
        }
        Zone = @{
            right = "write it as names.zone in /etc/flatnet/flatnet.yaml in WSL2, such as 'direct.flatnet.internal', or '' if Windows is not to resolve containers' names"
            test = { param($value) ($value -is [string]) -and (($value -eq '') -or ($value -match '^(?=.{1,245}\z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+\z')) }
        }
        GatewayDirectory = @{
            right = "write the Windows path of the directory given to 'flatnet gateway install', such as 'C:\flatnet\gateway': absolute, ASCII only"
            test = { param($value) ($value -is [string]) -and ($value -match $script:folderCharacters) }
        }
        OpenResty = @{
            right = "write the path of OpenResty's nginx.exe, such as 'C:\Program Files\OpenResty\nginx.exe' (absolute, ASCII only), or '' to search the usual folders"
            test = { param($value) ($value -is [string]) -and (($value -eq '') -or (($value -match $script:folderCharacters) -and ($value -match '\\nginx\.exe$'))) }
        }
    }
}

# Strict, because Remove-NetRoute without a prefix removes every route of Windows.
function Test-Subnet {
    param($Value)
    if (($Value -isnot [string]) -or ($Value -notmatch '^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})/(1[6-9]|2[0-9]|30)$')) { return $false }
    $bytes = @($Matches[1], $Matches[2], $Matches[3], $Matches[4] | ForEach-Object -Process { [int] $_ })
    if (@($bytes | Where-Object -FilterScript { $_ -gt 255 }).Count -gt 0) { return $false }
    $number = [uint32] 0
    foreach ($byte in $bytes) { $number = $number * 256 + $byte }
    return ($number % [Math]::Pow(2, 32 - [int] $Matches[5])) -eq 0
}

function Test-PortList {
    param($Value)
    $ports = @($Value)
    foreach ($port in $ports) {
        if (($port -isnot [int]) -or ($port -lt 1) -or ($port -gt 65535)) { return $false }
    }
    return ($ports.Count -gt 0) -and (@($ports | Select-Object -Unique).Count -eq $ports.Count)
}
