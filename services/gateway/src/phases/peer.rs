//! The client's address: the same for every request of a connection, so its texts are made once.

use std::net::IpAddr;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    address: IpAddr,
    text: String,
    forwarded: String,
}

impl Peer {
    /// An IPv4-mapped IPv6 address is its IPv4 address.
    pub(crate) fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let forwarded = match address {
            IpAddr::V4(_) => format!("for={address}"),
            IpAddr::V6(_) => format!("for=\"[{address}]\""),
        };
        Self { address, text: address.to_string(), forwarded }
    }

    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    /// The address as `X-Forwarded-For` has it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The address as a parameter of `Forwarded` (RFC 7239 section 6).
    pub(crate) fn forwarded(&self) -> &str {
        &self.forwarded
    }
}
