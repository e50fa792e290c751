# settings.psd1, refused where a value would be dangerous or cannot work.

function Read-Settings {
    $path = Join-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -ChildPath 'settings.psd1'
    $settings = Import-PowerShellDataFile -Path $path
    # Remove-NetRoute without a prefix removes every route of this Windows.
    if ("$($settings['Subnet'])" -notmatch '^\d{1,3}(\.\d{1,3}){3}/(1[6-9]|2[0-9]|30)$') {
        throw "$path`: Subnet must look like 10.87.1.0/24, with a prefix from 16 to 30."
    }
    foreach ($port in @($settings['Ports'])) {
        if ($port -notin 1..65535) { throw "$path`: Ports holds $port, which is no port." }
    }
    foreach ($name in 'Distribution', 'Name', 'GatewayDirectory', 'OpenResty') {
        if ("$($settings[$name])" -notmatch '^[A-Za-z0-9._:\\-]+$') {
            throw "$path`: $name is missing, or has other characters than letters, digits and . _ : \ -"
        }
    }
    return $settings
}
