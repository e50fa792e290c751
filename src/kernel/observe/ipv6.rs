//! IPv6 of this host, read from /proc.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use super::host::has_policy_routing;
use crate::error::Result;
use crate::kernel::execute::Executor as _;
use crate::kernel::host::Host;
use crate::model::command::Command;
use crate::model::desired::Ipv6Facts;
use crate::model::types::SysctlKey;

/// The settings of the links of the calling thread's namespace.
const LINKS: &str = "/proc/sys/net/ipv6/conf";

/// Whether the kernel supports IPv6, that is, links have IPv6 settings.
#[must_use]
pub fn is_supported() -> bool {
    std::path::Path::new(LINKS).exists()
}

/// Whether new links of the calling thread's namespace can have IPv6 addresses.
#[must_use]
pub fn is_enabled() -> bool {
    ["all", "default"].iter().all(|links| read(links, "disable_ipv6") == Some(0))
}

/// What containers' IPv6 depends on.
pub fn facts(bridge: Ipv6Addr, host: &mut Host) -> Result<Ipv6Facts> {
    Ok(Ipv6Facts {
        enabled: is_enabled(),
        advertised: advertised(),
        policy_routing: has_policy_routing(Some("-6"), host)?,
        reject: has_reject(host)?,
        host_addresses: host_addresses(bridge),
    })
}

/// This host's source address towards `address`, as the kernel would choose it; nothing is sent.
#[must_use]
pub fn address_towards(address: Ipv6Addr) -> Option<Ipv6Addr> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((address, 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V6(own) => Some(*own.ip()),
        SocketAddr::V4(_) => None,
    }
}

/// The settings by which links, and later ones (`default`), take addresses and routes from router advertisements, and would no
/// longer do so if this host forwarded IPv6.
fn advertised() -> Vec<SysctlKey> {
    let entries = std::fs::read_dir(LINKS).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_a_link = |name: &String| !["all", "lo"].contains(&name.as_str());
    let takes = |name: &String| read(name, "accept_ra") == Some(1) && read(name, "forwarding") == Some(0);
    let key = |name: String| format!("net/ipv6/conf/{name}/accept_ra").parse().ok();
    let mut found: Vec<SysctlKey> =
        names.filter(|name| is_a_link(name) && takes(name)).filter_map(key).collect();
    found.sort_unstable();
    found
}

fn read(link: &str, setting: &str) -> Option<u32> {
    std::fs::read_to_string(format!("{LINKS}/{link}/{setting}")).ok()?.trim().parse().ok()
}

/// Whether this kernel and nft support `reject`.
fn has_reject(host: &mut Host) -> Result<bool> {
    let command = Command::new([host.tools.nft.as_str(), "-c", "-f", "-"]).stdin(
        "table inet flatnet-probe { chain c { type filter hook output priority 0; meta l4proto tcp reject with tcp reset; reject; }; }\n",
    );
    Ok(host.run(&command, &[])?.success())
}

/// This host's own IPv6 addresses, except loopback, link-local ones and the bridge's.
#[must_use]
pub fn host_addresses(bridge: Ipv6Addr) -> Vec<Ipv6Addr> {
    let mut found =
        parse_if_inet6(&std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default());
    found.retain(|address| *address != bridge);
    found
}

/// The addresses of `/proc/net/if_inet6` with the scope `global`, sorted.
fn parse_if_inet6(text: &str) -> Vec<Ipv6Addr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let (address, scope) = (words.next()?, words.nth(2)?);
        let bits = u128::from_str_radix(address, 16).ok()?;
        (scope == "00").then(|| Ipv6Addr::from_bits(bits))
    };
    let mut found: Vec<Ipv6Addr> = text.lines().filter_map(address).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_addresses_are_parsed_from_if_inet6() {
        let text = "00000000000000000000000000000001 01 80 10 80       lo\n\
                    fe80000000000000d49f05fffe1b0a4d 02 40 20 80     eth0\n\
                    20010db8000000000000000000000007 02 40 00 80     eth0\n\
                    fd0a57f1a7e000010000000000000001 05 80 00 80 flatnet-br0\n\nx\n";
        let found: Vec<String> = parse_if_inet6(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2001:db8::7", "fd0a:57f1:a7e0:1::1"]);
    }
}
