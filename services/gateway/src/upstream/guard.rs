//! Which addresses the gateway may connect to, so that an API definition cannot reach into its network.
//!
//! Owns the refused ranges; knows no names: the address that is connected to is checked, after resolution, so a name
//! that changes its address between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer};

/// A range of addresses, `address/prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    mask: u128,
}

impl Cidr {
    fn contains(&self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.network
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || format!("{text:?} is not an address range such as 10.0.0.0/8");
        let (address, prefix) = text.split_once('/').ok_or_else(fault)?;
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let prefix: u32 = prefix.parse().map_err(|_| fault())?;
        let (width, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if prefix > width {
            return Err(fault());
        }
        let mask = u128::MAX.checked_shl(128 - offset - prefix).unwrap_or(0);
        Ok(Self { network: bits(address) & mask, mask })
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// IPv4 addresses as IPv4-mapped IPv6, so that both compare alike.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Decides whether an upstream's address may be connected to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    allowed: Vec<Cidr>,
}

impl Guard {
    /// Allows public addresses and those in `allowed`.
    pub(crate) fn new(allowed: Vec<Cidr>) -> Self {
        Self { allowed }
    }

    /// True when `address` may be connected to.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.allowed.iter().any(|range| range.contains(address)) {
            return true;
        }
        match address {
            IpAddr::V4(v4) => !is_internal_v4(v4),
            IpAddr::V6(v6) => !is_internal_v6(v6),
        }
    }
}

/// Not globally reachable by the IANA special-purpose registry, or multicast. The metadata services of clouds
/// (169.254.169.254, 100.100.100.200, 192.0.0.192) lie in these ranges.
fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || address == Ipv4Addr::new(168, 63, 129, 16)
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_internal_v4(Ipv4Addr::new(a, b, c, d))
    };
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || (segments[0] & 0xffc0) == 0xfec0
        || segments[..6] == [0; 6]
        || (segments[0] == 0x2001 && segments[1] == 0x0db8)
        || (segments[0] == 0x0064 && segments[1] == 0xff9b && embedded(segments[6], segments[7]))
        || (segments[0] == 0x0064 && segments[1] == 0xff9b && segments[2] == 1)
        || (segments[0] == 0x2002 && embedded(segments[1], segments[2]))
        || segments[0] == 0x0100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(guard: &Guard, address: &str) -> bool {
        guard.permits(address.parse().expect("an address"))
    }

    #[test]
    fn internal_addresses_are_refused_in_every_spelling() {
        let guard = Guard::default();
        for address in [
            "127.0.0.1",
            "127.255.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
        ] {
            assert!(!permits(&guard, address), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_permitted() {
        let guard = Guard::default();
        for address in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(permits(&guard, address), "{address}");
        }
    }

    #[test]
    fn an_allowed_range_opens_itself_and_nothing_else() {
        let allowed = ["127.0.0.0/8", "10.1.0.0/16", "fd00::/8"].map(|range| range.parse().expect("a range"));
        let guard = Guard::new(allowed.to_vec());
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.255", "fd12::1"] {
            assert!(permits(&guard, address), "{address}");
        }
        for address in ["10.2.0.0", "169.254.169.254", "::1", "fe80::1"] {
            assert!(!permits(&guard, address), "{address}");
        }
    }

    #[test]
    fn a_malformed_range_is_named() {
        for range in ["10.0.0.0", "10.0.0.0/33", "::/129", "host/8", "10.0.0.0/x"] {
            assert!(range.parse::<Cidr>().is_err_and(|fault| fault.contains(range)), "{range}");
        }
        assert!(
            "0.0.0.0/0".parse::<Cidr>().is_ok_and(|all| all.contains("8.8.8.8".parse().expect("an address")))
        );
        assert!("::/0".parse::<Cidr>().is_ok_and(|all| all.contains("::1".parse().expect("an address"))));
    }
}
