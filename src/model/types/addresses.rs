//! The addresses of one attachment.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// The addresses of one attachment with their prefix lengths. One is always IPv4: MAC, routing table and ARP need it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<IpNet>", into = "Vec<IpNet>")]
pub struct Addresses {
    ipv4: Ipv4Net,
    others: Vec<IpNet>,
}

impl Addresses {
    /// The IPv4 address, the first one if there are several.
    #[must_use]
    pub fn ipv4(&self) -> Ipv4Addr {
        self.ipv4.addr()
    }

    /// All of them with their prefix lengths, beginning with [`Addresses::ipv4`].
    pub fn nets(&self) -> impl Iterator<Item = IpNet> + '_ {
        std::iter::once(self.ipv4.into()).chain(self.others.iter().copied())
    }

    /// All of them, beginning with [`Addresses::ipv4`].
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.nets().map(|net| net.addr())
    }

    /// The same addresses, with the IPv4 address as `ipv4` has it.
    #[must_use]
    pub fn with_ipv4(&self, ipv4: Ipv4Net) -> Self {
        Self { ipv4, others: self.others.clone() }
    }

    /// The same addresses and this IPv6 address.
    #[must_use]
    pub fn with_ipv6(mut self, ipv6: Ipv6Addr) -> Self {
        self.others.push(IpAddr::from(ipv6).into());
        self
    }

    /// The IPv6 address, the first one if there are several.
    #[must_use]
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.iter().find_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        })
    }

    /// The same addresses without the IPv6 addresses for which `is_kept` does not hold.
    #[must_use]
    pub fn with_ipv6_if(mut self, is_kept: impl Fn(Ipv6Addr) -> bool) -> Self {
        self.others.retain(|net| match net {
            IpNet::V4(_) => true,
            IpNet::V6(net) => is_kept(net.addr()),
        });
        self
    }
}

impl From<Ipv4Net> for Addresses {
    fn from(ipv4: Ipv4Net) -> Self {
        Self { ipv4, others: Vec::new() }
    }
}

impl TryFrom<Vec<IpNet>> for Addresses {
    type Error = Error;

    fn try_from(mut nets: Vec<IpNet>) -> Result<Self, Error> {
        let ipv4 = nets.iter().enumerate().find_map(|(index, net)| match net {
            IpNet::V4(net) => Some((index, *net)),
            IpNet::V6(_) => None,
        });
        let Some((index, ipv4)) = ipv4 else {
            let what = format!("no IPv4 address in the list of addresses [{}]", listed(&nets));
            return Err(Error::new(Kind::BadValue, what).remedy("Add the container's IPv4 address"));
        };
        nets.remove(index);
        Ok(Self { ipv4, others: nets })
    }
}

impl From<Addresses> for Vec<IpNet> {
    fn from(addresses: Addresses) -> Self {
        addresses.nets().collect()
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listed(&self.nets().collect::<Vec<_>>()))
    }
}

/// Whether both are IPv4, or both IPv6.
#[must_use]
pub fn are_of_one_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

fn listed(nets: &[IpNet]) -> String {
    nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_list_that_begins_with_ipv4() {
        let addresses: Addresses = serde_json::from_str(r#"["fd00::2/128","10.87.1.2/24"]"#).unwrap();
        assert_eq!(addresses.ipv4(), Ipv4Addr::new(10, 87, 1, 2));
        assert_eq!(addresses.to_string(), "10.87.1.2/24, fd00::2/128");
        assert_eq!(serde_json::to_string(&addresses).unwrap(), r#"["10.87.1.2/24","fd00::2/128"]"#);
    }

    #[test]
    fn addresses_without_ipv4_are_rejected() {
        for text in ["[]", r#"["fd00::2/128"]"#] {
            let error = serde_json::from_str::<Addresses>(text).unwrap_err().to_string();
            assert!(error.contains("no IPv4 address"), "{error}");
        }
    }
}
