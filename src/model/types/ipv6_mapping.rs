//! The IPv6 addresses that belong to the IPv4 addresses of Flatnet.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// How the last octet of an IPv4 address and the octets before it are told apart: the first is the last group of the IPv6
/// address, the others are its fourth group.
const LAST_OCTET: u32 = 8;

/// The IPv6 address of each IPv4 address. It follows from the IPv4 address alone, so that hosts agree without being told: the
/// prefix, a group for the octets before the last one as far as they differ within the range, and the last octet as the last
/// group. The groups are hexadecimal, as in the MAC: 10.87.1.26 is `fd0a:57f1:a7e0:1::1a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Mapping {
    prefix: Ipv6Net,
    base: Ipv4Net,
}

impl Ipv6Mapping {
    /// The unique local addresses (RFC 4193) of `range`. Their global ID is made of the range's first two octets, so that networks
    /// with different IPv4 addresses have different IPv6 addresses.
    #[must_use]
    pub fn of_range(range: Ipv4Net) -> Self {
        let base = base(range);
        let [first, second, ..] = base.network().octets();
        let groups = [0xfd00 | u16::from(first), u16::from(second) << 8 | 0xf1, 0xa7e0, 0, 0, 0, 0, 0];
        Self { prefix: Ipv6Net::new_assert(Ipv6Addr::from(groups), 48), base }
    }

    /// The addresses of `prefix`: a /48 for `range`, or a /64 for `subnet` alone. `None` for another length, or if the subnet has
    /// more addresses than a last octet.
    #[must_use]
    pub fn of_prefix(prefix: Ipv6Net, range: Ipv4Net, subnet: Ipv4Net) -> Option<Self> {
        let base = match prefix.prefix_len() {
            48 => base(range),
            64 if subnet.prefix_len() >= 24 => enclosing(subnet, 24),
            _ => return None,
        };
        Some(Self { prefix: prefix.trunc(), base })
    }

    /// All of its addresses.
    #[must_use]
    pub fn prefix(self) -> Ipv6Net {
        self.prefix
    }

    /// The IPv6 address of `address`.
    #[must_use]
    pub fn address_of(self, address: Ipv4Addr) -> Ipv6Addr {
        let offset =
            address.to_bits().wrapping_sub(self.base.network().to_bits()) & self.base.hostmask().to_bits();
        let (group, last) = (offset >> LAST_OCTET, offset & 0xff);
        Ipv6Addr::from_bits(self.prefix.network().to_bits() | u128::from(group) << 64 | u128::from(last))
    }

    /// The IPv4 address to which `address` belongs, if any.
    #[must_use]
    pub fn ipv4_of(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let bits = address.to_bits() & self.prefix.hostmask().to_bits();
        let (group, last) =
            (u32::try_from(bits >> 64).ok()?, u32::try_from(bits & u128::from(u64::MAX)).ok()?);
        let offset = group.checked_mul(1 << LAST_OCTET)?.checked_add(last)?;
        let found = Ipv4Addr::from_bits(self.base.network().to_bits().checked_add(offset)?);
        (self.address_of(found) == address).then_some(found)
    }

    /// The smallest prefix with the addresses of `net`: a /64 for a /24.
    #[must_use]
    pub fn net_of(self, net: Ipv4Net) -> Ipv6Net {
        let length = net.prefix_len();
        let within = match length {
            _ if length <= self.base.prefix_len() => return self.prefix,
            ..=24 => length + 40,
            _ => length + 96,
        };
        Ipv6Net::new_assert(self.address_of(net.network()), within).trunc()
    }
}

/// What the prefix stands for: the range or, if it is part of one, the /16 around it.
fn base(range: Ipv4Net) -> Ipv4Net {
    enclosing(range, range.prefix_len().min(16))
}

fn enclosing(net: Ipv4Net, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(net.network(), length).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn address_shows_octets_of_ipv4_address() {
        for (range, ipv4, ipv6) in [
            ("10.87.0.0/16", "10.87.1.2", "fd0a:57f1:a7e0:1::2"),
            ("10.87.0.0/16", "10.87.254.26", "fd0a:57f1:a7e0:fe::1a"),
            // A network of one host beside others in the same /16.
            ("10.87.3.0/24", "10.87.3.2", "fd0a:57f1:a7e0:3::2"),
            ("10.0.0.0/8", "10.18.52.7", "fd0a:f1:a7e0:1234::7"),
            ("192.168.0.0/16", "192.168.7.255", "fdc0:a8f1:a7e0:7::ff"),
        ] {
            let mapping = Ipv6Mapping::of_range(net(range));
            let (ipv4, ipv6) = (ipv4.parse().unwrap(), ipv6.parse().unwrap());
            assert_eq!(mapping.address_of(ipv4), ipv6, "{range}");
            assert_eq!(mapping.ipv4_of(ipv6), Some(ipv4), "{range}");
            assert!(mapping.prefix().contains(&ipv6));
        }
    }

    #[test]
    fn only_addresses_that_belong_to_an_ipv4_address_lead_back() {
        let mapping = Ipv6Mapping::of_range(net("10.87.0.0/16"));
        for text in [
            "fd0a:57f1:a7e0:1::102",
            "fd0a:57f1:a7e0:1:0:0:1:2",
            "fd0a:57f1:a7e0:101::2",
            "fd0a:57f1:a7e1:1::2",
            "2001:db8::2",
            "::ffff:10.87.1.2",
        ] {
            assert_eq!(mapping.ipv4_of(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn prefixes_follow_from_ipv4_prefixes() {
        let mapping = Ipv6Mapping::of_range(net("10.87.0.0/16"));
        for (ipv4, ipv6) in [
            ("10.87.0.0/16", "fd0a:57f1:a7e0::/48"),
            ("10.87.16.0/20", "fd0a:57f1:a7e0:10::/60"),
            ("10.87.1.0/24", "fd0a:57f1:a7e0:1::/64"),
            ("10.87.1.64/26", "fd0a:57f1:a7e0:1::40/122"),
        ] {
            assert_eq!(mapping.net_of(net(ipv4)).to_string(), ipv6);
        }
        assert_eq!(mapping.net_of(net("10.0.0.0/8")), mapping.prefix(), "not more than there is");
    }

    #[test]
    fn given_prefix_is_of_range_or_of_subnet() {
        let (range, subnet) = (net("10.87.0.0/16"), net("10.87.7.0/24"));
        let of = |prefix: &str, subnet| Ipv6Mapping::of_prefix(prefix.parse().unwrap(), range, subnet);
        let address = "10.87.7.9".parse().unwrap();
        let whole = of("2001:db8:1::/48", subnet).unwrap();
        assert_eq!(whole.address_of(address).to_string(), "2001:db8:1:7::9");
        let one = of("2001:db8:1:2::/64", subnet).unwrap();
        assert_eq!(one.address_of(address).to_string(), "2001:db8:1:2::9");
        assert_eq!(one.ipv4_of("2001:db8:1:2::9".parse().unwrap()), Some(address));
        assert_eq!((one.net_of(subnet), one.net_of(range)), (one.prefix(), one.prefix()));
        assert_eq!(of("2001:db8::/56", subnet), None);
        assert_eq!(of("2001:db8:1:2::/64", net("10.87.0.0/20")), None);
    }
}
