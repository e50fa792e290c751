//! Parses `ip -j route show`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::model::types::RouteTable;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The destination; `0.0.0.0/0` is the default route.
    pub to: IpNet,
    /// The next hop; `None` for an on-link destination.
    pub via: Option<IpAddr>,
    /// The outgoing link.
    pub dev: String,
    /// The number of its table; `None` for main and other named tables.
    pub table: Option<RouteTable>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    dst: String,
    gateway: String,
    dev: String,
    table: String,
}

/// Parses the output of `ip -j route show`; of `table all` without the kernel's table `local`.
pub fn parse(json: &str) -> Result<Vec<Route>, serde_json::Error> {
    parse_with(json, Ipv4Net::default().into())
}

/// The same for `ip -j -6 route show`.
pub fn parse6(json: &str) -> Result<Vec<Route>, serde_json::Error> {
    parse_with(json, Ipv6Net::default().into())
}

fn parse_with(json: &str, everywhere: IpNet) -> Result<Vec<Route>, serde_json::Error> {
    let raw: Vec<Raw> = serde_json::from_str(json)?;
    let of_the_kernel = |raw: &Raw| raw.table == "local";
    Ok(raw.into_iter().filter(|raw| !of_the_kernel(raw)).filter_map(|raw| route(raw, everywhere)).collect())
}

fn route(raw: Raw, everywhere: IpNet) -> Option<Route> {
    let to = match raw.dst.as_str() {
        "default" => everywhere,
        text if text.contains('/') => text.parse().ok()?,
        text => text.parse::<IpAddr>().ok()?.into(),
    };
    Some(Route { to, via: raw.gateway.parse().ok(), dev: raw.dev, table: RouteTable::parse(&raw.table) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_default_network_and_host_routes() {
        let json = r#"[{"dst":"default","gateway":"10.87.1.1","dev":"eth0","protocol":"87","flags":[]},
            {"dst":"10.87.1.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"10.87.1.2","flags":[]},
            {"dst":"10.9.9.9","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0"}]"#;
        let routes = parse(json).unwrap();
        let via = "10.87.1.1".parse().ok();
        assert_eq!(routes[0], Route { to: Ipv4Net::default().into(), via, dev: "eth0".into(), table: None });
        assert_eq!(routes[1].via, None);
        assert_eq!(routes[2].to.to_string(), "10.9.9.9/32");
    }

    /// Output of iproute2 6.1.
    #[test]
    fn parses_default_route_of_ipv6() {
        let json = r#"[{"dst":"fd0a:57f1:a7e0:1::1","dev":"eth0","protocol":"87","metric":1024,"flags":[],"pref":"medium"},
            {"dst":"default","gateway":"fd0a:57f1:a7e0:1::1","dev":"eth0","protocol":"87","metric":4096,"flags":[],"pref":"medium"}]"#;
        let routes = parse6(json).unwrap();
        assert_eq!(routes[0].to.to_string(), "fd0a:57f1:a7e0:1::1/128");
        assert_eq!(
            (routes[1].to, routes[1].via),
            (Ipv6Net::default().into(), "fd0a:57f1:a7e0:1::1".parse().ok())
        );
    }

    /// Output of iproute2 6.1 for `route show table all`.
    #[test]
    fn parses_route_tables_without_local_table() {
        let json = r#"[{"dst":"default","gateway":"10.87.1.1","dev":"eth0","table":"173474050","protocol":"87"},
            {"dst":"default","gateway":"10.87.1.1","dev":"eth0","protocol":"87","metric":4096},
            {"type":"local","dst":"10.87.1.2","dev":"eth0","table":"local","protocol":"kernel","scope":"host"}]"#;
        let tables: Vec<_> = parse(json).unwrap().into_iter().map(|route| route.table).collect();
        assert_eq!(tables, [Some(RouteTable::of_address("10.87.1.2".parse().unwrap())), None]);
    }

    /// Output of iproute2 6.1 on the host.
    #[test]
    fn parses_host_route_and_unreachable_route() {
        let json = r#"[{"dst":"10.87.1.2","protocol":"87","scope":"link","prefsrc":"10.87.1.1","flags":[]}]"#;
        let port = Route { to: "10.87.1.2/32".parse().unwrap(), via: None, dev: String::new(), table: None };
        assert_eq!(parse(json).unwrap(), [port], "`ip route show dev` leaves the link out");
        let json = r#"[{"type":"unreachable","dst":"10.87.1.0/24","metric":4278198272,"flags":[]}]"#;
        assert_eq!(parse(json).unwrap()[0].to.to_string(), "10.87.1.0/24");
    }
}
