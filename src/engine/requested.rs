//! The address that a runtime asks for, as far as Flatnet assigns it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::error::{Error, Kind, Result};
use crate::model::config::Config;
use crate::model::request::not_ipv4;

/// The requested address, if any: by `--ip`, or by `--ip6` with the IPv6 address that belongs to it. Several addresses are
/// rejected. A runtime may repeat one, as Podman does in `network reload`.
pub(super) fn requested(ips: &[IpAddr], config: &Config) -> Result<Option<Ipv4Addr>> {
    let mut asked: BTreeSet<Ipv4Addr> = ips.iter().map(|ip| ipv4_of(*ip, config)).collect::<Result<_>>()?;
    if asked.len() <= 1 {
        return Ok(asked.pop_first());
    }
    let ipv4: BTreeSet<&IpAddr> = ips.iter().filter(|ip| ip.is_ipv4()).collect();
    let list: BTreeSet<String> = ips.iter().map(ToString::to_string).collect();
    let list = list.into_iter().collect::<Vec<_>>().join(", ");
    let Some((IpAddr::V4(one), mapping)) =
        ipv4.first().zip(config.ipv6_mapping()).filter(|_| ipv4.len() == 1)
    else {
        let what = format!("{} addresses requested ({list}), but Flatnet assigns one", asked.len());
        return Err(Error::new(Kind::Unsupported, what).remedy("Give --ip once"));
    };
    let what = format!("addresses requested that do not belong together ({list})");
    Err(Error::new(Kind::Unsupported, what)
        .remedy(format!("Give --ip alone: the IPv6 address of {one} is {}", mapping.address_of(*one))))
}

/// The IPv4 address that `ip` is, or to which it belongs.
fn ipv4_of(ip: IpAddr, config: &Config) -> Result<Ipv4Addr> {
    let ip = match ip {
        IpAddr::V4(ip) => return Ok(ip),
        IpAddr::V6(ip) => ip,
    };
    let Some(mapping) = config.ipv6_mapping() else { return Err(not_ipv4(&ip.to_string())) };
    mapping.ipv4_of(ip).ok_or_else(|| {
        let first = mapping.address_of(config.allocate().from);
        let what = format!("{ip} is not the IPv6 address of an address of {}", config.range);
        Error::new(Kind::AddressRefused, what).remedy(format!(
            "Request an address of {}, such as {first}, or none",
            mapping.net_of(config.subnet)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(ipv6: &str, ips: &[&str]) -> Result<Option<Ipv4Addr>> {
        let config = Config { ipv6: ipv6.parse().unwrap(), ..Config::default() };
        requested(&ips.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<_>>(), &config)
    }

    fn of(ips: &[&str]) -> Result<Option<Ipv4Addr>> {
        with("off", ips)
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

    #[test]
    fn ipv6_address_asks_for_the_ipv4_address_it_belongs_to() {
        let address = Some(Ipv4Addr::new(10, 87, 1, 9));
        for (ipv6, asked) in [("auto", "fd0a:57f1:a7e0:1::9"), ("2001:db8::/48", "2001:db8:0:1::9")] {
            assert_eq!(with(ipv6, &[asked]).unwrap(), address);
            assert_eq!(with(ipv6, &["10.87.1.9", asked, asked]).unwrap(), address);
        }
        let two = with("auto", &["10.87.1.9", "fd0a:57f1:a7e0:1::8"]).unwrap_err();
        assert_eq!(
            two.to_line(),
            "addresses requested that do not belong together (10.87.1.9, fd0a:57f1:a7e0:1::8). Give --ip alone: the IPv6 \
             address of 10.87.1.9 is fd0a:57f1:a7e0:1::9 (FLAT-E002)"
        );
        for foreign in ["2001:db8::1", "fd0a:57f1:a7e0:1::1:9", "::ffff:10.87.1.9"] {
            assert_eq!(with("auto", &[foreign]).unwrap_err().kind(), Kind::AddressRefused, "{foreign}");
        }
    }
}
