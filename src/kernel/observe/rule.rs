//! Parses `ip -j rule show`.

use std::net::IpAddr;

use serde::Deserialize;

use crate::model::types::RouteTable;

/// A rule that matches only the source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The source address.
    pub from: IpAddr,
    /// The routing table.
    pub table: RouteTable,
}

#[derive(Deserialize)]
struct Raw {
    src: String,
    /// Only present for a subnet.
    srclen: Option<u8>,
    #[serde(default)]
    table: String,
}

/// Parses the output of `ip -j rule show`; skips rules for subnets or named tables.
pub fn parse(json: &str) -> Result<Vec<Rule>, serde_json::Error> {
    let raw: Vec<Raw> = serde_json::from_str(json)?;
    let of_address = raw.into_iter().filter(|raw| raw.srclen.is_none());
    let rule = |raw: Raw| Some(Rule { from: raw.src.parse().ok()?, table: RouteTable::parse(&raw.table)? });
    Ok(of_address.filter_map(rule).collect())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Output of iproute2 6.1.
    #[test]
    fn parses_source_address_rule_among_others() {
        let json = r#"[{"priority":0,"src":"all","table":"local"},
            {"priority":32765,"src":"10.87.1.2","table":"173474050","protocol":"87"},
            {"priority":9000,"src":"10.1.0.0","srclen":16,"table":"7"},
            {"priority":32766,"src":"all","table":"main"}]"#;
        let address = Ipv4Addr::new(10, 87, 1, 2);
        let own = Rule { from: address.into(), table: RouteTable::of_address(address) };
        assert_eq!(parse(json).unwrap(), [own]);
    }
}
