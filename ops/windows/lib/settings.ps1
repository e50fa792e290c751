# settings.psd1, refused where a value would be dangerous or cannot work.

# What goes into command lines, nginx' configuration and XML: what Windows' folders are usually called.
$script:folderCharacters = '^[A-Za-z]:(\\[A-Za-z0-9 ._()+,~@=&-]+)+$'

function Get-SettingsPath {
    return Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'settings.psd1'
}

function Read-Settings {
    $path = Get-SettingsPath
    if (-not (Test-Path -LiteralPath $path -PathType Leaf)) {
        throw (New-Failure -What "$path is not there" -Help "run 'flatnet windows install' in WSL2, and on Windows the line that it prints")
    }
    try { $settings = Import-PowerShellDataFile -Path ([Management.Automation.WildcardPattern]::Escape($path)) -ErrorAction Stop }
    catch { throw (New-Failure -What "$path cannot be read: $(Format-Failure -Record $_)" -Help "its form is that of a data file of PowerShell: @{ Distribution = 'Debian' .. }") }
    $rules = Get-SettingRule
    foreach ($key in $settings.Keys) {
        if (-not $rules.Contains($key)) { throw (New-WrongSetting -Path $path -Key $key -What 'is unknown' -Right "the keys are $(@($rules.Keys) -join ', ')") }
    }
    foreach ($key in $rules.Keys) {
        if (-not $settings.ContainsKey($key)) { throw (New-WrongSetting -Path $path -Key $key -What 'is missing' -Right $rules[$key].right) }
        if (-not (& $rules[$key].test $settings[$key])) {
            throw (New-WrongSetting -Path $path -Key $key -What "cannot be $(Format-Setting -Value $settings[$key])" -Right $rules[$key].right)
        }
    }
    $settings.Ports = @($settings.Ports)
    if (-not $settings.OpenResty) { $settings.OpenResty = Find-OpenResty }
    return $settings
}

# Only administrators may write to the first, which is where it is to be.
function Find-OpenResty {
    $usual = 'C:\Program Files\OpenResty\nginx.exe', 'C:\openresty\nginx.exe'
    foreach ($path in $usual) {
        if (Test-Path -LiteralPath $path -PathType Leaf) { return $path }
    }
    return $usual[0]
}

function New-WrongSetting {
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

# What each key may be, and how that is said.
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
            right = "write a name by which the LAN calls the gateway, such as 'flatnet.internal': letters, digits, - and ."
            test = { param($value) ($value -is [string]) -and ($value -match '^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$') }
        }
        GatewayDirectory = @{
            right = "write the folder that 'flatnet gateway install' was told, as Windows calls it, such as 'C:\flatnet\gateway': ASCII, from the drive on"
            test = { param($value) ($value -is [string]) -and ($value -match $script:folderCharacters) }
        }
        OpenResty = @{
            right = "write where nginx.exe of OpenResty for Windows is, such as 'C:\Program Files\OpenResty\nginx.exe' (ASCII, from the drive on), or '' to have it looked for there"
            test = { param($value) ($value -is [string]) -and (($value -eq '') -or (($value -match $script:folderCharacters) -and ($value -match '\\nginx\.exe$'))) }
        }
    }
}

# Remove-NetRoute without a prefix removes every route of this Windows, so this is as strict as can be.
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
