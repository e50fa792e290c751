# What `flatnet windows decide` can have Windows do: src/windows/action.rs has the same list. The subnet and the ports are
# the settings', never the answer's: see there.

function Invoke-Action {
    param([Parameter(Mandatory = $true)] $Action, [Parameter(Mandatory = $true)] $Settings)
    switch ($Action.do) {
        'add_route' { Add-Route -Subnet $Settings.Subnet -Interface $Action.interface -NextHop $Action.next_hop }
        'remove_route' { Remove-Route -Subnet $Settings.Subnet -Interface $Action.interface -NextHop $Action.next_hop -Store $Action.store }
        'add_lan_rule' { Add-LanRule -Name $Action.name -Ports $Settings.Ports }
        'remove_lan_rule' { Remove-LanRule -Name $Action.name }
        'add_subnet_rule' { Add-SubnetRule -Name $Action.name -Subnet $Settings.Subnet }
        'add_ports_rule' { Add-PortsRule -Name $Action.name -Ports $Settings.Ports }
        'remove_hyperv_rule' { Remove-HypervRule -Name $Action.name }
        'start_gateway' { Start-Gateway -Settings $Settings }
        'stop_gateway' { Stop-Gateway -Settings $Settings }
        default { throw "These scripts know no action $($Action.do): copy ops/windows of Flatnet's version again, by its install.ps1." }
    }
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

function Add-LanRule {
    param(
        [Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet gateway [0-9 ]+$')] [string] $Name,
        [Parameter(Mandatory = $true)] [int[]] $Ports
    )
    Invoke-Shown New-NetFirewallRule ([ordered]@{
            DisplayName = $Name
            Direction = 'Inbound'
            Action = 'Allow'
            Protocol = 'TCP'
            LocalPort = $Ports
            Profile = 'Private', 'Domain'
        })
}

# A name with a wildcard would remove others, so none is taken.
function Remove-LanRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet [A-Za-z0-9 ./-]+$')] [string] $Name)
    Invoke-Shown Remove-NetFirewallRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}

function Add-SubnetRule {
    param(
        [Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet subnet [0-9./]+$')] [string] $Name,
        [Parameter(Mandatory = $true)] [string] $Subnet
    )
    Invoke-Shown New-NetFirewallHyperVRule ([ordered]@{
            DisplayName = $Name
            Direction = 'Inbound'
            Action = 'Allow'
            VMCreatorId = $script:wslCreator
            LocalAddresses = $Subnet
        })
}

function Add-PortsRule {
    param(
        [Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet gateway [0-9 ]+$')] [string] $Name,
        [Parameter(Mandatory = $true)] [int[]] $Ports
    )
    # Two of one name: that one rule may have two profiles is not documented.
    foreach ($kind in 'Private', 'Domain') {
        Invoke-Shown New-NetFirewallHyperVRule ([ordered]@{
                DisplayName = $Name
                Direction = 'Inbound'
                Action = 'Allow'
                VMCreatorId = $script:wslCreator
                Protocol = 'TCP'
                LocalPorts = $Ports
                Profiles = $kind
            })
    }
}

function Remove-HypervRule {
    param([Parameter(Mandatory = $true)] [ValidatePattern('^Flatnet [A-Za-z0-9 ./-]+$')] [string] $Name)
    Invoke-Shown Remove-NetFirewallHyperVRule ([ordered]@{ DisplayName = $Name; Confirm = $false })
}
