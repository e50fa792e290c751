//! Checks of a configuration that parses.

use std::net::Ipv4Addr;

use super::problem::{Problem, problem};
use super::{Bridging, Config, IngressGateways, Ipv6, Mtu, ToolPaths, gateway, names, overlay, rootless};

/// The first invalid value, in the order of the fields.
pub(super) fn validate(config: &Config) -> Result<(), Problem> {
    networks(config)?;
    bridge_address(config)?;
    allocate(config)?;
    reserved(config)?;
    ipv6(config)?;
    mtu(config)?;
    ingress(config)?;
    masquerade_ports(config)?;
    host_ports(config)?;
    names::validate(config)?;
    dns(config)?;
    limits(config)?;
    gateway::validate(&config.gateway)?;
    overlay::validate(config)?;
    rootless::validate(config)?;
    absolute_paths(config)
}

fn networks(config: &Config) -> Result<(), Problem> {
    for (field, net) in [("range", config.range), ("subnet", config.subnet)] {
        if net.addr() != net.network() {
            return Err(problem(field, net, "has host bits set", format!("Write {}", net.trunc())));
        }
        let first = net.network();
        if first.is_loopback()
            || first.is_multicast()
            || first.is_unspecified()
            || first.is_link_local()
            || first.octets()[0] >= 240
        {
            return Err(problem(
                field,
                net,
                "is not a unicast range",
                "Use a private range such as 10.87.0.0/16",
            ));
        }
    }
    if !(8..=30).contains(&config.subnet.prefix_len()) {
        return Err(problem(
            "subnet",
            config.subnet,
            "must be between /8 and /30",
            "Use a /24 such as 10.87.1.0/24",
        ));
    }
    if !config.range.contains(&config.subnet) {
        let why = format!("is not inside range {}", config.range);
        return Err(problem(
            "subnet",
            config.subnet,
            why,
            "Make the range larger or choose a subnet inside it",
        ));
    }
    Ok(())
}

pub(super) fn usable(config: &Config, address: Ipv4Addr) -> Result<(), String> {
    if !config.subnet.contains(&address) {
        Err(format!("is not inside subnet {}", config.subnet))
    } else if address == config.subnet.network() || address == config.subnet.broadcast() {
        Err(format!("is the network or broadcast address of {}", config.subnet))
    } else {
        Ok(())
    }
}

fn bridge_address(config: &Config) -> Result<(), Problem> {
    usable(config, config.bridge_address()).map_err(|why| {
        problem(
            "bridge_address",
            config.bridge_address(),
            why,
            "Use the first address of the subnet, or remove the field",
        )
    })
}

fn allocate(config: &Config) -> Result<(), Problem> {
    let range = config.allocate();
    for (field, address) in [("allocate.from", range.from), ("allocate.to", range.to)] {
        usable(config, address)
            .map_err(|why| problem(field, address, why, "Use an address between network and broadcast"))?;
    }
    if range.from > range.to {
        return Err(problem(
            "allocate.to",
            range.to,
            format!("comes before allocate.from {}", range.from),
            "Swap the two",
        ));
    }
    if config.pool().next().is_none() {
        let value = format!("{} to {}", range.from, range.to);
        return Err(problem(
            "allocate",
            value,
            "leaves no address: bridge_address and reserved cover all of it",
            "Widen the range",
        ));
    }
    Ok(())
}

fn reserved(config: &Config) -> Result<(), Problem> {
    for (index, &address) in config.reserved.iter().enumerate() {
        if !config.subnet.contains(&address) {
            let why = format!("is not inside subnet {}", config.subnet);
            return Err(problem(
                format!("reserved[{index}]"),
                address,
                why,
                "Remove it: it is never assigned",
            ));
        }
    }
    Ok(())
}

/// What IPv6 needs: each address of the range has one of its own, and no bridge has to find neighbours.
fn ipv6(config: &Config) -> Result<(), Problem> {
    const SMALLEST_MTU: u32 = 1280;
    if config.ipv6 == Ipv6::Off {
        return Ok(());
    }
    let problem = |why: String, remedy: &str| Err(problem("ipv6", config.ipv6, why, remedy));
    if let Ipv6::Prefix(prefix) = config.ipv6 {
        let is_unicast = matches!(prefix.network().segments()[0], 0x2000..=0x3fff | 0xfc00..=0xfdff);
        if prefix.addr() != prefix.network() {
            return problem("has host bits set".to_owned(), &format!("Write {}", prefix.trunc()));
        }
        if !is_unicast {
            return problem(
                "is not a unicast prefix".to_owned(),
                "Write a prefix that is routed to this host, or `auto`",
            );
        }
        if ![48, 64].contains(&prefix.prefix_len()) {
            return problem(
                "is neither a /48 nor a /64".to_owned(),
                "Write a /48 for the range, or a /64 for this host's subnet",
            );
        }
        if prefix.prefix_len() == 64 && config.overlay.is_some() {
            return problem(
                "is of one host, and this one is connected with others".to_owned(),
                "Write a /48 for the range",
            );
        }
        if config.ipv6_mapping().is_none() {
            let why = format!("has no address for each of subnet {}: it is larger than a /24", config.subnet);
            return problem(why, "Write a /48 for the range");
        }
    }
    if config.range.prefix_len() < 8 {
        return problem(format!("needs a range of at most a /8, not {}", config.range), "Write `ipv6: off`");
    }
    if config.bridging == Bridging::Plain {
        return problem("needs `bridging: routed`".to_owned(), "Remove `bridging`, or write `ipv6: off`");
    }
    match config.mtu {
        Mtu::Bytes(bytes) if bytes < SMALLEST_MTU => problem(
            format!("needs an MTU of {SMALLEST_MTU} or more, not {bytes}"),
            "Raise `mtu`, or write `ipv6: off`",
        ),
        _ => Ok(()),
    }
}

fn mtu(config: &Config) -> Result<(), Problem> {
    match config.mtu {
        Mtu::Bytes(bytes) if !(576..=65535).contains(&bytes) => {
            Err(problem("mtu", bytes, "is not between 576 and 65535", "Write `auto`"))
        }
        _ => Ok(()),
    }
}

fn ingress(config: &Config) -> Result<(), Problem> {
    let IngressGateways::List(list) = &config.ingress_gateways else { return Ok(()) };
    for (index, address) in list.iter().enumerate() {
        let field = format!("ingress_gateways[{index}]");
        if address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_loopback()
        {
            return Err(problem(field, address, "is not a host address", "Write the address of one host"));
        }
        if config.range.contains(address) {
            let why = format!("is in Flatnet's own range {}, which is always allowed in", config.range);
            return Err(problem(field, address, why, "Remove it"));
        }
    }
    Ok(())
}

fn masquerade_ports(config: &Config) -> Result<(), Problem> {
    let range = config.masquerade_ports;
    if range.from < 1024 {
        let why = "is below 1024, in the range of system services";
        return Err(problem("masquerade_ports.from", range.from, why, "Write 61000"));
    }
    if range.to < range.from {
        let why = format!("comes before masquerade_ports.from {}", range.from);
        return Err(problem("masquerade_ports.to", range.to, why, "Swap the two"));
    }
    Ok(())
}

fn host_ports(config: &Config) -> Result<(), Problem> {
    for (index, open) in config.host_ports.iter().enumerate() {
        if open.port == 0 {
            return Err(problem(
                format!("host_ports[{index}].port"),
                0,
                "is not a valid port",
                "Use 1 to 65535",
            ));
        }
        if config.masquerade_ports.contains(open.port) {
            let why = format!("is inside masquerade_ports {}", config.masquerade_ports);
            let field = format!("host_ports[{index}].port");
            return Err(problem(
                field,
                open.port,
                why,
                "Give the service another port, or narrow masquerade_ports",
            ));
        }
    }
    Ok(())
}

fn dns(config: &Config) -> Result<(), Problem> {
    for (index, domain) in config.dns.search.iter().enumerate() {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if domain.len() > 253 || !domain.trim_end_matches('.').split('.').all(label) {
            return Err(problem(
                format!("dns.search[{index}]"),
                domain.escape_debug(),
                "is not a valid domain name",
                "Use a name such as corp.example",
            ));
        }
    }
    Ok(())
}

fn limits(config: &Config) -> Result<(), Problem> {
    let limits = config.limits;
    for (field, seconds) in
        [("limits.command_seconds", limits.command_seconds), ("limits.lock_seconds", limits.lock_seconds)]
    {
        if !(1..=600).contains(&seconds) {
            return Err(problem(field, seconds, "is not between 1 and 600", "Write 10"));
        }
    }
    Ok(())
}

fn absolute_paths(config: &Config) -> Result<(), Problem> {
    // All of them: a program that is added here is checked too.
    let ToolPaths { ip, bridge, conntrack, nft, sysctl, nsenter, unshare } = &config.tools;
    let peers = config.overlay.as_ref().and_then(|overlay| overlay.peers.as_ref());
    let paths = [
        ("tools.ip", ip.as_ref()),
        ("tools.bridge", bridge.as_ref()),
        ("tools.conntrack", conntrack.as_ref()),
        ("tools.nft", nft.as_ref()),
        ("tools.sysctl", sysctl.as_ref()),
        ("tools.nsenter", nsenter.as_ref()),
        ("tools.unshare", unshare.as_ref()),
        ("paths.state", Some(&config.paths.state)),
        ("paths.run", Some(&config.paths.run)),
        ("paths.log", Some(&config.paths.log)),
        ("gateway.directory", Some(&config.gateway.directory)),
        ("overlay.peers", peers),
    ];
    for (field, path) in paths.into_iter().filter_map(|(field, path)| path.map(|path| (field, path))) {
        let text = path.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_.-+".contains(c);
        if !path.is_absolute() || text.split('/').any(|part| part == "..") || !text.chars().all(plain) {
            let why = "is not an absolute path of letters, digits and /_.-+ without ..";
            return Err(problem(field, text.escape_debug(), why, "Write a full path"));
        }
    }
    Ok(())
}
