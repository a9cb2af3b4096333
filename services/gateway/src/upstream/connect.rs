//! New TCP connections to upstreams: resolve, check the address, connect.
//!
//! Owns the cache of resolved names, one per worker; off the hot path, which takes pooled connections. The lock exists
//! because the TLS client wants a `Send` connector; no other worker shares it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::net::{Cidr, forbidden};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::UpstreamError;

const CACHED_NAMES: usize = 1024;
/// Operating systems do not tell a name's time to live; short enough to follow a moved upstream.
const NAME_TTL: Duration = Duration::from_secs(15);
const ADDRESSES_TRIED: usize = 4;

#[derive(Debug)]
struct Resolved {
    addresses: Arc<[IpAddr]>,
    at: Instant,
}

/// Opens connections to public addresses and to those in `allowed`.
///
/// The address that is connected to is checked, after resolution: a name that changes its address gains nothing.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    allowed: Arc<[Cidr]>,
    names: Arc<Mutex<HashMap<Box<str>, Resolved>>>,
    connect_timeout: Duration,
}

impl Connector {
    pub(crate) fn new(allowed: Arc<[Cidr]>, connect_timeout: Duration) -> Self {
        Self { allowed, names: Arc::default(), connect_timeout }
    }

    /// Connects to `host`, a name or an address (IPv6 with or without brackets), within the connect timeout.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, UpstreamError> {
        self.within_timeout(self.connect_any(host, port)).await
    }

    /// Bounds one step of making a connection by the connect timeout.
    pub(crate) async fn within_timeout<T>(
        &self,
        step: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        timeout(self.connect_timeout, step).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    async fn connect_any(&self, host: &str, port: u16) -> Result<TcpStream, UpstreamError> {
        let addresses = self.resolve(host).await?;
        let mut failure = UpstreamError::Blocked;
        for address in
            addresses.iter().filter(|address| !forbidden(**address, &self.allowed)).take(ADDRESSES_TRIED)
        {
            match TcpStream::connect(SocketAddr::new(*address, port)).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(UpstreamError::Connect)?;
                    return Ok(stream);
                }
                Err(error) => failure = UpstreamError::Connect(error),
            }
        }
        if matches!(failure, UpstreamError::Connect(_)) {
            self.names.lock().remove(host);
        }
        Err(failure)
    }

    async fn resolve(&self, host: &str) -> Result<Arc<[IpAddr]>, UpstreamError> {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        let now = common::clock::monotonic();
        if let Some(known) = self.names.lock().get(host)
            && now.duration_since(known.at) < NAME_TTL
        {
            return Ok(known.addresses.clone());
        }
        let found = tokio::net::lookup_host((host, 0)).await.map_err(UpstreamError::Resolve)?;
        let addresses: Arc<[IpAddr]> = found.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(UpstreamError::Resolve(io::ErrorKind::NotFound.into()));
        }
        let mut names = self.names.lock();
        if names.len() >= CACHED_NAMES {
            names.retain(|_, known| now.duration_since(known.at) < NAME_TTL);
        }
        if names.len() < CACHED_NAMES {
            names.insert(host.into(), Resolved { addresses: addresses.clone(), at: now });
        }
        Ok(addresses)
    }
}
