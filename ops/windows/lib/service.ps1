# The gateway as a Windows service, which requires a wrapper: WinSW or NSSM. It runs as NT SERVICE\FlatnetGateway, an account without
# privileges, because WSL2 can write the configuration and Lua that it runs. nginx on Windows stays in the foreground, whatever `daemon`
# is set to.

$script:account = 'NT SERVICE\FlatnetGateway'

# An administrator copies WinSW or NSSM there. Requests cannot name a program.
function Get-WrapperPath {
    return [IO.Path]::Combine((Get-ProgramFolder), 'flatnet-gateway.exe')
}

# The elevated part: creates the service without starting it. If a step fails, a new service is removed again.
function Install-Service {
    param($Settings, [string] $Wrapper)
    $isNew = -not (Get-ServiceState)
    try {
        if ($isNew) { if ($Wrapper -ceq 'WinSW') { Install-ByWinsw -Settings $Settings } else { Install-ByNssm -Settings $Settings } }
        # The wrappers create it with the account LocalSystem.
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

# Uses sc.exe, so it works without the wrapper.
function Uninstall-Service {
    if (-not (Get-ServiceState)) { return }
    if ((Get-ServiceState) -ne 'Stopped') { Invoke-Cmdlet Stop-Service ([ordered]@{ Name = $script:service }) }
    Invoke-Program (Get-SystemProgram -Name 'sc.exe') @('delete', $script:service)
}

function Install-ByWinsw {
    param($Settings)
    Invoke-Cmdlet Set-Content ([ordered]@{
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
  <description>Forwards HTTP from the LAN to Flatnet's containers in WSL2.</description>
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
