//! Networks: which addresses a tenant may make us connect to.
//!
//! Pure: resolves nothing and connects to nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A network in CIDR notation, for example `10.0.0.0/8` or `::1/128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a network such as 10.0.0.0/8 or fd00::/8")]
pub struct InvalidCidr;

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Cidr {
    Cidr { address: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), prefix }
}

const fn v6(a: u16, b: u16, prefix: u8) -> Cidr {
    Cidr { address: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix }
}

/// Networks that are not public (IANA IPv4 special-purpose registry), multicast and reserved space included.
const NOT_PUBLIC_V4: [Cidr; 16] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    // Link-local, where clouds serve instance metadata.
    v4(169, 254, 0, 16),
    // Azure's channel to its agents, at a public address.
    Cidr { address: IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)), prefix: 32 },
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 4),
    v4(240, 0, 0, 4),
];

/// IPv4 addresses behind a translator (RFC 6052): each counts as the address it stands for.
const TRANSLATED: Cidr =
    Cidr { address: IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), prefix: 96 };

/// The public part of IPv6.
const PUBLIC_V6: Cidr = v6(0x2000, 0, 3);

/// Networks within it that are not public, or that carry an IPv4 address to somewhere else (6to4, Teredo).
const NOT_PUBLIC_V6: [Cidr; 4] =
    [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether we must not connect to `ip` on a tenant's behalf: everything that is not public, unless `allowed` holds it.
///
/// An IPv4 address written as IPv6 (`::ffff:127.0.0.1`) counts as what it is.
pub fn forbidden(ip: IpAddr, allowed: &[Cidr]) -> bool {
    let ip = ip.to_canonical();
    if allowed.iter().any(|network| network.contains(ip)) {
        return false;
    }
    match ip {
        IpAddr::V6(v6) if TRANSLATED.contains(ip) => {
            let [.., a, b, c, d] = v6.octets();
            forbidden(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), &[])
        }
        IpAddr::V4(_) => NOT_PUBLIC_V4.iter().any(|network| network.contains(ip)),
        IpAddr::V6(_) => !PUBLIC_V6.contains(ip) || NOT_PUBLIC_V6.iter().any(|network| network.contains(ip)),
    }
}

/// Who an address counts as where attempts are counted: itself, for IPv6 its /64, which is what one customer gets.
pub fn block(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

impl Cidr {
    /// Whether the network holds `ip`. Both must be of one family.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let host_bits = 32 - u32::from(self.prefix);
                let differing = network.to_bits() ^ ip.to_bits();
                differing.checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let host_bits = 128 - u32::from(self.prefix);
                let differing = network.to_bits() ^ ip.to_bits();
                differing.checked_shr(host_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (address, prefix) = text.split_once('/').ok_or(InvalidCidr)?;
        let address: IpAddr = address.parse().map_err(|_| InvalidCidr)?;
        let prefix: u8 = prefix.parse().map_err(|_| InvalidCidr)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix > longest {
            return Err(InvalidCidr);
        }
        Ok(Self { address, prefix })
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_are_forbidden_in_every_spelling() {
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
            assert!(forbidden(address.parse().unwrap(), &[]), "{address}");
        }
    }

    #[test]
    fn allowed_ranges_hold_in_both_spellings_and_nothing_beside_them() {
        let allowed = ["127.0.0.0/8", "10.1.0.0/16", "fd12::/16"].map(|range| range.parse().unwrap());
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.255", "fd12::1"] {
            assert!(!forbidden(address.parse().unwrap(), &allowed), "{address}");
        }
        for address in ["10.2.0.0", "169.254.169.254", "::1", "fe80::1"] {
            assert!(forbidden(address.parse().unwrap(), &allowed), "{address}");
        }
    }

    #[test]
    fn a_malformed_range_is_refused() {
        for range in ["10.0.0.0", "10.0.0.0/33", "::/129", "host/8", "10.0.0.0/x"] {
            assert!(range.parse::<Cidr>().is_err(), "{range}");
        }
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!("::/0".parse::<Cidr>().unwrap().contains("::1".parse().unwrap()));
    }

    #[test]
    fn public_addresses_are_not_forbidden() {
        for address in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "64:ff9b::101:101"]
        {
            assert!(!forbidden(address.parse().unwrap(), &[]), "{address}");
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_may_be_reached() {
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001:0:1::1",
        ];
        for text in private {
            assert!(forbidden(ip(text), &[]), "{text}");
        }
        for text in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
        {
            assert!(!forbidden(ip(text), &[]), "{text}");
        }
    }

    #[test]
    fn a_listed_network_is_reached_and_nothing_beside_it() {
        let allowed: Vec<Cidr> = ["10.0.0.0/8", "::1/128"].map(|text| text.parse().unwrap()).to_vec();
        assert!(!forbidden(ip("10.9.9.9"), &allowed));
        assert!(!forbidden(ip("::ffff:10.9.9.9"), &allowed));
        assert!(!forbidden(ip("::1"), &allowed));
        assert!(forbidden(ip("127.0.0.1"), &allowed));
        assert!(forbidden(ip("::2"), &allowed));
    }

    #[test]
    fn networks_are_read_back_as_written_and_nonsense_is_refused() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "::/0", "fd00::/8"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "localhost/8", "10.0.0.0/-1", ""] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        assert!(Cidr::from_str("0.0.0.0/0").unwrap().contains(ip("8.8.8.8")));
        assert!(!Cidr::from_str("0.0.0.0/0").unwrap().contains(ip("::1")));
    }
}
