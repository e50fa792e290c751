//! Ethernet addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pattern::bad;
use crate::error::{Error, Result};

/// An Ethernet unicast address, printed in lower case as iproute2 does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The MAC of the container's end: `02:f1` and the four octets of its address, locally administered. A container
    /// that gets an address back also gets the MAC that its neighbours have cached.
    #[must_use]
    pub fn of_container(address: Ipv4Addr) -> Self {
        Self::derived([0x02, 0xf1], address)
    }

    /// The MAC of a host's interface in an overlay of kind `vxlan`: `02:f1` and its own address there.
    #[must_use]
    pub fn of_host(address: Ipv4Addr) -> Self {
        Self::of_container(address)
    }

    /// The MAC of the host's end of the veth pair: `06:f1` and the container's address.
    #[must_use]
    pub fn of_host_link(address: Ipv4Addr) -> Self {
        Self::derived([0x06, 0xf1], address)
    }

    /// The address as one number.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0.iter().fold(0, |bits, &octet| bits << 8 | u64::from(octet))
    }

    fn derived(prefix: [u8; 2], address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([prefix[0], prefix[1], a, b, c, d])
    }
}

impl FromStr for Mac {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split([':', '-']).collect();
        let octets: Option<Vec<u8>> = parts
            .iter()
            .map(|part| {
                let two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
                two_digits.then(|| u8::from_str_radix(part, 16).ok()).flatten()
            })
            .collect();
        let octets: [u8; 6] = octets
            .and_then(|octets| octets.try_into().ok())
            .ok_or_else(|| bad("MAC address", text, "expected the form 02:f1:0a:57:01:02"))?;
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err(bad("MAC address", text, "it must be a unicast address"));
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map(|octet| format!("{octet:02x}")).join(":"))
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_is_derived_from_address() {
        assert_eq!(Mac::of_container(Ipv4Addr::new(10, 87, 1, 2)).to_string(), "02:f1:0a:57:01:02");
        assert_eq!(Mac::of_host_link(Ipv4Addr::new(10, 87, 1, 2)).to_string(), "06:f1:0a:57:01:02");
        assert_eq!(Mac::of_host(Ipv4Addr::new(10, 86, 0, 2)).to_bits(), 0x02f1_0a56_0002);
    }

    #[test]
    fn only_unicast_macs_are_accepted() {
        assert_eq!("02-F1-0a-57-01-02".parse::<Mac>().unwrap().to_string(), "02:f1:0a:57:01:02");
        for text in
            ["", "02:f1", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "+2:f1:0a:57:01:02"]
        {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
