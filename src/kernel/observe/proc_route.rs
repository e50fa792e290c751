//! `/proc/net/route`: the default route, without running a program.

use std::io::Read as _;
use std::net::Ipv4Addr;

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The outgoing link.
    pub dev: String,
    /// The next hop, if any.
    pub via: Option<Ipv4Addr>,
}

/// `RTF_UP` of linux/route.h.
const UP: u32 = 1;
/// `RTF_REJECT`: an `unreachable` route.
const REJECT: u32 = 0x200;

/// The size limit of what is read of `/proc/net/route`. A container's owner can add any number of routes, and reading them takes long.
const MOST_BYTES: u64 = 256 << 10;

/// The beginning of this thread's `/proc/net/route`, with its default routes: these come first.
pub fn read() -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open("/proc/thread-self/net/route")?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The default route with the lowest metric in the text of `/proc/net/route` (whose addresses are hexadecimal in
/// the byte order of the machine).
#[must_use]
pub fn default_route(text: &str) -> Option<DefaultRoute> {
    text.lines().skip(1).filter_map(parse).min_by_key(|(metric, _)| *metric).map(|(_, route)| route)
}

/// Whether any route uses the link `dev`; there is none while it is down.
#[must_use]
pub fn leads_out_of(text: &str, dev: &str) -> bool {
    text.lines().skip(1).any(|line| line.split_whitespace().next() == Some(dev))
}

fn parse(line: &str) -> Option<(u32, DefaultRoute)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [dev, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    if destination != "00000000" || mask != "00000000" || flags & UP == 0 || flags & REJECT != 0 {
        return None;
    }
    let via = Ipv4Addr::from(u32::from_str_radix(gateway, 16).ok()?.to_ne_bytes());
    let route = DefaultRoute { dev: dev.to_owned(), via: (!via.is_unspecified()).then_some(via) };
    Some((metric.parse().ok()?, route))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn default_route_has_lowest_metric() {
        let text = format!(
            "{HEAD}eth1\t00000000\t0200000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t00000000\t01640A0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t00640A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        );
        let route = default_route(&text).unwrap();
        assert!(leads_out_of(&text, "eth1") && !leads_out_of(&text, "eth") && !leads_out_of(HEAD, "Iface"));
        assert_eq!((route.dev.as_str(), route.via), ("eth0", Some(Ipv4Addr::new(10, 10, 100, 1))));
    }

    #[test]
    fn unusable_default_routes_are_ignored() {
        for line in [
            "*\t00000000\t00000000\t0201\t0\t0\t9999\t00000000\t0\t0\t0\n",
            "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n",
            "x\t\u{1F600}\n",
            "",
        ] {
            assert_eq!(default_route(&format!("{HEAD}{line}")), None, "{line}");
        }
    }
}
