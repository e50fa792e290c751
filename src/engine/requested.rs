//! The address that a runtime asks for, as far as Flatnet assigns it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::error::{Error, Kind, Result};
use crate::model::request::not_ipv4;

/// The requested address, if any. IPv6 is rejected, and so are several addresses. A runtime may repeat one, as Podman
/// does in `network reload`.
pub(super) fn requested(ips: &[IpAddr]) -> Result<Option<Ipv4Addr>> {
    let ipv4 = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => Ok(*ip),
        IpAddr::V6(ip) => Err(not_ipv4(&ip.to_string())),
    };
    let mut asked: BTreeSet<Ipv4Addr> = ips.iter().map(ipv4).collect::<Result<_>>()?;
    if asked.len() > 1 {
        let list: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let what =
            format!("{} addresses requested ({}), but Flatnet assigns one", asked.len(), list.join(", "));
        return Err(Error::new(Kind::Unsupported, what).remedy("Give --ip once"));
    }
    Ok(asked.pop_first())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ips: &[&str]) -> Result<Option<Ipv4Addr>> {
        requested(&ips.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn one_ipv4_address_is_assigned() {
        let address = Ipv4Addr::new(10, 87, 1, 9);
        assert_eq!(of(&[]).unwrap(), None);
        assert_eq!(of(&["10.87.1.9", "10.87.1.9"]).unwrap(), Some(address));
        let several = of(&["10.87.1.9", "10.87.1.8"]).unwrap_err();
        assert_eq!(
            several.message(),
            "2 addresses requested (10.87.1.8, 10.87.1.9), but Flatnet assigns one"
        );
        for ipv6 in ["2001:db8::1", "::ffff:10.87.1.9"] {
            let error = of(&["10.87.1.9", ipv6]).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported);
            assert_eq!(error.message(), format!("\"{ipv6}\" is not an IPv4 address"));
        }
    }
}
