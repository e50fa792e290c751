# The actions of the elevated script; WSL2 may request those in src/windows/action.rs. The subnet, the ports, the zone and the programs always
# come from the settings, never from the request.

# The VM creator ID of WSL, as documented by Microsoft.
$script:wslCreator = '{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}'

# The display name of Flatnet's rule of names.
$script:nameRule = 'Flatnet names'

function Invoke-Action {
    param([Parameter(Mandatory = $true)] $Action, [Parameter(Mandatory = $true)] $Settings)
    switch -CaseSensitive ($Action.do) {
        'add_route' { Add-Route -Subnet $Settings.Subnet -Interface $Action.interface -NextHop $Action.next_hop }
        'remove_route' { Remove-Route -Subnet $Settings.Subnet -Interface $Action.interface -NextHop $Action.next_hop -Store $Action.store }
        'add_lan_rule' { Add-LanRule -Settings $Settings -Program $Settings.OpenResty }
        'add_shared_rule' { Add-LanRule -Settings $Settings -Program 'Any' }
        'remove_lan_rule' { Remove-LanRule -Name $Action.name }
        'add_subnet_rule' { Add-SubnetRule -Subnet $Settings.Subnet }
        'add_ports_rule' { Add-PortsRule -Settings $Settings }
        'remove_hyperv_rule' { Remove-HypervRule -Name $Action.name }
        'add_name_rule' { Add-NameRule -Zone $Settings.Zone -Server $Action.server }
        'remove_name_rule' { Remove-NameRule -Name $Action.name }
        'start_service' { Invoke-Cmdlet Start-Service ([ordered]@{ Name = $script:service }) }
        'stop_service' { Invoke-Cmdlet Stop-Service ([ordered]@{ Name = $script:service }) }
        'restart_service' { Invoke-Cmdlet Restart-Service ([ordered]@{ Name = $script:service }) }
        'install_service' { Install-Service -Settings $Settings -Wrapper $Action.wrapper }
        'remove_service' { Uninstall-Service }
        'register_tasks' { Register-Task -User (Read-InstalledUser) }
        'unregister_tasks' { Unregister-Task }
        'enable_task' { Invoke-Cmdlet Enable-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\' }) }
        'disable_task' { Invoke-Cmdlet Disable-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\' }) }
        'note' { Write-Log -Text "the task: $($Action.text)" }
        'remove_files' { Remove-Installed }
        default { throw (New-Failure -What "unknown action '$($Action.do)'" -Help (Get-InstallHelp)) }
    }
}

function Get-InstallHelp {
    return "run 'flatnet windows install' in WSL2, then the command that it prints on Windows"
}

function Add-Route {
    param(
        [Parameter(Mandatory = $true)] [string] $Subnet,
        [Parameter(Mandatory = $true)] [uint32] $Interface,
        [Parameter(Mandatory = $true)] [ipaddress] $NextHop
    )
    # Not persistent: after a restart eth0 may have another address.
    Invoke-Cmdlet New-NetRoute ([ordered]@{
            DestinationPrefix = $Subnet
            InterfaceIndex = $Interface
            NextHop = "$NextHop"
            PolicyStore = 'ActiveStore'
        })
}

function Remove-Route {
    param(
        [Parameter(Mandatory = $true)] [string] $Subnet,
        [Parameter(Mandatory = $true)] [uint32] $Interface,
        [Parameter(Mandatory = $true)] [ipaddress] $NextHop,
        [Parameter(Mandatory = $true)] [ValidateSet('ActiveStore', 'PersistentStore')] [string] $Store
    )
    Invoke-Cmdlet Remove-NetRoute ([ordered]@{
            DestinationPrefix = $Subnet
            InterfaceIndex = $Interface
            NextHop = "$NextHop"
            PolicyStore = $Store
            Confirm = $false
        })
}

# For nginx only. Without a rule, Windows shows a prompt when nginx listens, and cancelling the prompt adds a rule that blocks nginx.
function Add-LanRule {
    param([Parameter(Mandatory = $true)] $Settings, [Parameter(Mandatory = $true)] [string] $Program)
    Invoke-Cmdlet New-NetFirewallRule ([ordered]@{
            DisplayName = Get-PortsRuleName -Settings $Settings
            Direction = 'Inbound'
            Action = 'Allow'
            Protocol = 'TCP'
            LocalPort = $Settings.Ports
            Profile = 'Private', 'Domain'
            Program = $Program
        })
}

function Get-PortsRuleName {
    param($Settings)
    return "Flatnet gateway $(@($Settings.Ports) -join ' ')"
}

# Removes all rules with that name. The pattern excludes wildcards, which would remove other rules.
function Remove-LanRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet (gateway|subnet) [0-9 ./]*\z')] [string] $Name)
    Invoke-Cmdlet Remove-NetFirewallRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}

function Add-SubnetRule {
    param([Parameter(Mandatory = $true)] [string] $Subnet)
    Invoke-Cmdlet New-NetFirewallHyperVRule ([ordered]@{
            DisplayName = "Flatnet subnet $Subnet"
            Direction = 'Inbound'
            Action = 'Allow'
            VMCreatorId = $script:wslCreator
            LocalAddresses = $Subnet
        })
}

function Add-PortsRule {
    param([Parameter(Mandatory = $true)] $Settings)
    Invoke-Cmdlet New-NetFirewallHyperVRule ([ordered]@{
            DisplayName = Get-PortsRuleName -Settings $Settings
            Direction = 'Inbound'
            Action = 'Allow'
            VMCreatorId = $script:wslCreator
            Protocol = 'TCP'
            LocalPorts = $Settings.Ports
            Profiles = 'Private', 'Domain'
        })
}

function Remove-HypervRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet (gateway|subnet) [0-9 ./]*\z')] [string] $Name)
    Invoke-Cmdlet Remove-NetFirewallHyperVRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}

# For all names below the zone. Other names are not affected.
function Add-NameRule {
    param([Parameter(Mandatory = $true)] [string] $Zone, [Parameter(Mandatory = $true)] [ipaddress] $Server)
    Invoke-Cmdlet Add-DnsClientNrptRule ([ordered]@{
            Namespace = ".$Zone"
            NameServers = "$Server"
            DisplayName = $script:nameRule
        })
}

# The cmdlet asks without -Force.
function Remove-NameRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^\{[0-9A-Fa-f-]{36}\}\z')] [string] $Name)
    Invoke-Cmdlet Remove-DnsClientNrptRule ([ordered]@{ Name = $Name; Force = $true })
}
