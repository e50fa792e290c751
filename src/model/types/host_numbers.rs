//! The numbers of hosts: each has its part of one range, and everything else follows from the number.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A range and how it is divided among hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostNumbers {
    range: Ipv4Net,
    prefix_len: u8,
}

impl HostNumbers {
    /// `range` in parts of the size of `subnet`.
    #[must_use]
    pub fn new(range: Ipv4Net, subnet: Ipv4Net) -> Self {
        Self { range, prefix_len: subnet.prefix_len() }
    }

    /// How many hosts there is room for: the numbers from 1 to this one. The first and the last part of the range are no host's, so that
    /// no container's address looks like that of a network or a broadcast.
    #[must_use]
    pub fn count(self) -> u16 {
        let bits = self.prefix_len.saturating_sub(self.range.prefix_len()).min(16);
        u16::try_from((1_u32 << bits).saturating_sub(2)).unwrap_or(u16::MAX - 1)
    }

    /// The subnet of the host with this number.
    #[must_use]
    pub fn subnet_of(self, number: u16) -> Ipv4Net {
        let network = self.range.network().to_bits().saturating_add(u32::from(number) << self.size());
        Ipv4Net::new_assert(Ipv4Addr::from_bits(network), self.prefix_len)
    }

    /// The bridge's address on the host with this number: the first of its subnet. A host that has joined has no other.
    #[must_use]
    pub fn bridge_address_of(self, number: u16) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.subnet_of(number).network().to_bits().saturating_add(1))
    }

    /// The number of the host whose subnet contains `address`; `None` for an address that is no host's.
    #[must_use]
    pub fn number_of(self, address: Ipv4Addr) -> Option<u16> {
        let part = address.to_bits().checked_sub(self.range.network().to_bits())? >> self.size();
        u16::try_from(part).ok().filter(|number| self.contains(*number))
    }

    /// The number of the host whose own address, that of its bridge, this is.
    #[must_use]
    pub fn host_at(self, address: Ipv4Addr) -> Option<u16> {
        self.number_of(address).filter(|number| self.bridge_address_of(*number) == address)
    }

    /// Whether a host may have this number.
    #[must_use]
    pub fn contains(self, number: u16) -> bool {
        (1..=self.count()).contains(&number)
    }

    /// How many bits of an address are within a subnet.
    fn size(self) -> u32 {
        // A prefix of no bits would be the whole of IPv4.
        32 - u32::from(self.prefix_len.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(range: &str, subnet: &str) -> HostNumbers {
        HostNumbers::new(range.parse().unwrap(), subnet.parse().unwrap())
    }

    #[test]
    fn addresses_follow_from_numbers_and_back() {
        let usual = numbers("10.87.0.0/16", "10.87.1.0/24");
        assert_eq!(usual.count(), 254);
        assert_eq!(usual.subnet_of(254).to_string(), "10.87.254.0/24");
        assert_eq!(usual.bridge_address_of(2).to_string(), "10.87.2.1");
        for (address, number) in [
            ("10.87.2.1", Some(2)),
            ("10.87.254.255", Some(254)),
            ("10.87.255.1", None),
            ("10.87.0.1", None),
            ("10.86.0.2", None),
            ("11.0.0.1", None),
        ] {
            assert_eq!(usual.number_of(address.parse().unwrap()), number, "{address}");
        }
        let large = numbers("10.0.0.0/8", "10.18.52.0/24");
        assert_eq!(
            (large.count(), large.subnet_of(0x1234).to_string()),
            (65_534, "10.18.52.0/24".to_owned())
        );
        let wide = numbers("10.0.0.0/8", "10.18.48.0/20");
        assert_eq!(
            (wide.count(), wide.bridge_address_of(0x123).to_string()),
            (4094, "10.18.48.1".to_owned())
        );
        assert_eq!(numbers("10.87.1.0/24", "10.87.1.0/24").count(), 0, "a range for one host");
    }
}
