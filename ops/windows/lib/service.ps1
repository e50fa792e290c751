# OpenResty is no Windows service by itself: WinSW or NSSM makes it one. It runs as NT SERVICE\FlatnetGateway, an account of its own
# that holds no privilege: what it runs, the gateway's configuration and Lua, lies where WSL2 writes. nginx on Windows stays in
# the foreground, whatever `daemon` says.

$script:account = 'NT SERVICE\FlatnetGateway'

# WinSW or NSSM: an administrator puts it there. No request names a program.
function Get-WrapperPath {
    return [IO.Path]::Combine((Get-ProgramFolder), 'flatnet-gateway.exe')
}

# The elevated part of it: the service is made, and not started. One that could not be made whole is taken away again.
function Install-Service {
    param($Settings, [string] $Wrapper)
    $isNew = -not (Get-ServiceState)
    try {
        if ($isNew) { if ($Wrapper -ceq 'WinSW') { Install-ByWinsw -Settings $Settings } else { Install-ByNssm -Settings $Settings } }
        # Wrappers make it LocalSystem's.
        $control = Get-SystemProgram -Name 'sc.exe'
        Invoke-Program $control @('config', $script:service, 'obj=', $script:account)
        Invoke-Program $control @('privs', $script:service, 'SeChangeNotifyPrivilege')
        if ($isNew -and $Wrapper -ceq 'NSSM') { Invoke-Program (Get-WrapperPath) @('set', $script:service, 'AppDirectory', $Settings.GatewayDirectory) }
    }
    catch {
        if ($isNew) { Uninstall-Service }
        throw
    }
}

# By Windows' own command: no wrapper is needed for it.
function Uninstall-Service {
    if (-not (Get-ServiceState)) { return }
    if ((Get-ServiceState) -ne 'Stopped') { Invoke-Shown Stop-Service ([ordered]@{ Name = $script:service }) }
    Invoke-Program (Get-SystemProgram -Name 'sc.exe') @('delete', $script:service)
}

function Install-ByWinsw {
    param($Settings)
    Invoke-Shown Set-Content ([ordered]@{
            LiteralPath = [IO.Path]::ChangeExtension((Get-WrapperPath), '.xml')
            Value = Get-WinswText -Settings $Settings
            Encoding = 'ASCII'
        })
    Invoke-Program (Get-WrapperPath) @('install')
}

function Install-ByNssm {
    param($Settings)
    Invoke-Program (Get-WrapperPath) (@('install', $script:service, $Settings.OpenResty) + @(Get-NginxArgument -Settings $Settings))
}

function Get-WinswText {
    param($Settings)
    $program = [Security.SecurityElement]::Escape($Settings.OpenResty)
    $directory = [Security.SecurityElement]::Escape($Settings.GatewayDirectory)
    $arguments = [Security.SecurityElement]::Escape((Join-Argument -Words (Get-NginxArgument -Settings $Settings)))
    return @"
<service>
  <id>$script:service</id>
  <name>Flatnet gateway</name>
  <description>Takes HTTP from the LAN to the containers of Flatnet in WSL2.</description>
  <executable>$program</executable>
  <startarguments>$arguments</startarguments>
  <stopexecutable>$program</stopexecutable>
  <stoparguments>$arguments -s quit</stoparguments>
  <workingdirectory>$directory</workingdirectory>
  <logpath>$directory\logs</logpath>
  <onfailure action="restart" delay="5 sec"/>
</service>
"@
}
