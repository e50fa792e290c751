# The closed list of what the elevated half does: src/windows/action.rs has those of them that WSL2 may ask for. The subnet, the
# ports and the programs are the settings', never the request's.

# Microsoft's number for virtual machines that WSL made.
$script:wslCreator = '{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}'

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
        'start_service' { Invoke-Shown Start-Service ([ordered]@{ Name = $script:service }) }
        'stop_service' { Invoke-Shown Stop-Service ([ordered]@{ Name = $script:service }) }
        'restart_service' { Invoke-Shown Restart-Service ([ordered]@{ Name = $script:service }) }
        'install_service' { Install-Service -Settings $Settings -Wrapper $Action.wrapper }
        'remove_service' { Uninstall-Service }
        'register_tasks' { Register-Task -User (Read-InstalledUser) }
        'unregister_tasks' { Unregister-Task }
        'enable_task' { Invoke-Shown Enable-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\' }) }
        'disable_task' { Invoke-Shown Disable-ScheduledTask ([ordered]@{ TaskName = 'Flatnet'; TaskPath = '\' }) }
        'note' { Write-Log -Text "the task: $($Action.text)" }
        'remove_files' { Remove-Installed }
        default { throw (New-Failure -What "these scripts know no action '$($Action.do)'" -Help (Get-InstallHelp)) }
    }
}

function Get-InstallHelp {
    return "run 'flatnet windows install' in WSL2, and on Windows the line that it prints"
}

function Add-Route {
    param(
        [Parameter(Mandatory = $true)] [string] $Subnet,
        [Parameter(Mandatory = $true)] [uint32] $Interface,
        [Parameter(Mandatory = $true)] [ipaddress] $NextHop
    )
    # Not over a restart: eth0 may have another address then.
    Invoke-Shown New-NetRoute ([ordered]@{
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
    Invoke-Shown Remove-NetRoute ([ordered]@{
            DestinationPrefix = $Subnet
            InterfaceIndex = $Interface
            NextHop = "$NextHop"
            PolicyStore = $Store
            Confirm = $false
        })
}

# For nginx alone, so that Windows does not ask whether it may listen: who cancels that question blocks it.
function Add-LanRule {
    param([Parameter(Mandatory = $true)] $Settings, [Parameter(Mandatory = $true)] [string] $Program)
    Invoke-Shown New-NetFirewallRule ([ordered]@{
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

# All of that name. One with a wildcard would remove others, so none is taken.
function Remove-LanRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet (gateway|subnet) [0-9 ./]*\z')] [string] $Name)
    Invoke-Shown Remove-NetFirewallRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}

function Add-SubnetRule {
    param([Parameter(Mandatory = $true)] [string] $Subnet)
    Invoke-Shown New-NetFirewallHyperVRule ([ordered]@{
            DisplayName = "Flatnet subnet $Subnet"
            Direction = 'Inbound'
            Action = 'Allow'
            VMCreatorId = $script:wslCreator
            LocalAddresses = $Subnet
        })
}

function Add-PortsRule {
    param([Parameter(Mandatory = $true)] $Settings)
    Invoke-Shown New-NetFirewallHyperVRule ([ordered]@{
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
    Invoke-Shown Remove-NetFirewallHyperVRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}
