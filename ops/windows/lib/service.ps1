# OpenResty is no Windows service by itself: WinSW or NSSM makes it one. It runs as LocalService, who may do little: what
# it runs lies where the user may write. nginx on Windows stays in the foreground, whatever `daemon` says.

function Install-Gateway {
    param($Settings, [string] $Wrapper, [string] $WrapperPath)
    if (-not (Test-Path -LiteralPath $WrapperPath -PathType Leaf)) {
        throw "-WrapperPath must be where $Wrapper lies; WinSW under the name flatnet-gateway.exe, in a directory that only administrators may write to."
    }
    Test-Configuration -Settings $Settings
    # By its number, since its name differs from language to language.
    Invoke-Program 'icacls.exe' @($Settings.GatewayDirectory, '/grant', '*S-1-5-19:(OI)(CI)M', '/T', '/Q')
    if ($Wrapper -eq 'WinSW') {
        Invoke-Shown Set-Content ([ordered]@{
                LiteralPath = [IO.Path]::ChangeExtension($WrapperPath, '.xml')
                Value = Get-WinswText -Settings $Settings
                Encoding = 'ASCII'
            })
        Invoke-Program $WrapperPath @('install')
    }
    else {
        Install-ByNssm -Settings $Settings -Nssm $WrapperPath
    }
    Invoke-Program 'sc.exe' @('config', $script:service, 'obj=', 'NT AUTHORITY\LocalService')
    Invoke-Shown Start-Service ([ordered]@{ Name = $script:service })
    Wait-Answer -Settings $Settings
}

function Uninstall-Gateway {
    param([string] $Wrapper, [string] $WrapperPath)
    Invoke-Shown Stop-Service ([ordered]@{ Name = $script:service })
    if ($Wrapper -eq 'WinSW') {
        Invoke-Program $WrapperPath @('uninstall')
    }
    else {
        Invoke-Program $WrapperPath @('remove', $script:service, 'confirm')
    }
}

function Install-ByNssm {
    param($Settings, [string] $Nssm)
    $arguments = @(Get-NginxArgument -Settings $Settings)
    Invoke-Program $Nssm (@('install', $script:service, $Settings.OpenResty) + $arguments)
    Invoke-Program $Nssm @('set', $script:service, 'AppDirectory', $Settings.GatewayDirectory)
    Invoke-Program $Nssm @('set', $script:service, 'AppEvents', 'Stop/Pre', "$($Settings.OpenResty) $arguments -s quit")
}

function Get-WinswText {
    param($Settings)
    $arguments = "$(Get-NginxArgument -Settings $Settings)"
    return @"
<service>
  <id>$script:service</id>
  <name>Flatnet gateway</name>
  <description>Takes HTTP from the LAN to the containers of Flatnet in WSL2.</description>
  <executable>$($Settings.OpenResty)</executable>
  <startarguments>$arguments</startarguments>
  <stopexecutable>$($Settings.OpenResty)</stopexecutable>
  <stoparguments>$arguments -s quit</stoparguments>
  <workingdirectory>$($Settings.GatewayDirectory)</workingdirectory>
  <logpath>$($Settings.GatewayDirectory)\logs</logpath>
  <onfailure action="restart" delay="5 sec"/>
</service>
"@
}
