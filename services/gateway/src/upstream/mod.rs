//! The gateway's own HTTP/1.1 client.
//!
//! One per worker: pooled connections, buffers and header indexes belong to the worker's thread and no lock is taken on
//! the path of a request. Owns how requests reach an upstream and which responses count as HTTP; knows nothing of APIs,
//! keys or records. Why not a ready-made client: `docs/adr/0010-gateway-http.md`.

mod chunked;
mod connect;
mod error;
mod exchange;
mod head;
mod pool;
mod stream;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::net::Cidr;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

pub(crate) use self::error::{FramingFault, UpstreamError};
pub(crate) use self::exchange::{Exchange, Sink, Source, write_chunk};
pub(crate) use self::head::{Framing, Meta, list_contains};

use self::connect::Connector;
use self::pool::{Connection, Pool};
use self::stream::{Half, Stream};
use self::tls::TlsDialer;

/// Limits of the connections to upstreams.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// Ranges of addresses that may be connected to although they are private, loopback or otherwise internal.
    pub allow: Vec<Cidr>,
    /// Milliseconds until a connection must be made.
    pub connect_timeout_ms: u64,
    /// Idle connections kept per worker and origin.
    pub idle_per_origin: usize,
    /// Seconds after which an idle connection is closed.
    pub idle_seconds: u64,
    /// Seconds without a byte after which a response that has begun is given up.
    pub stall_seconds: u64,
    /// Bytes of a response's head.
    pub head_bytes: usize,
    /// A file of PEM certificates trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            connect_timeout_ms: 5_000,
            idle_per_origin: 64,
            idle_seconds: 55,
            stall_seconds: 60,
            head_bytes: 64 * 1024,
            ca_file: None,
        }
    }
}

/// Scheme, host and port of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

/// What all workers share: trust anchors and the addresses that may be connected to.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamShared {
    allowed: Arc<[Cidr]>,
    tls: TlsDialer,
}

impl UpstreamShared {
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, tls::TrustError> {
        Ok(Self { allowed: config.allow.clone().into(), tls: TlsDialer::new(config.ca_file.as_deref())? })
    }
}

/// The client of one worker.
#[derive(Debug)]
pub(crate) struct Client {
    connector: Connector,
    tls: TlsDialer,
    pool: Pool,
    head_limit: usize,
}

impl Client {
    pub(crate) fn new(config: &UpstreamConfig, shared: &UpstreamShared) -> Self {
        Self {
            connector: Connector::new(
                shared.allowed.clone(),
                Duration::from_millis(config.connect_timeout_ms),
            ),
            tls: shared.tls.clone(),
            pool: Pool::new(config.idle_per_origin, Duration::from_secs(config.idle_seconds)),
            head_limit: config.head_bytes,
        }
    }

    /// Bytes a response's head may have.
    pub(crate) fn head_limit(&self) -> usize {
        self.head_limit
    }

    /// Sends a request's head to `origin` on a pooled connection that takes it whole and at once; none when there is no such
    /// connection.
    pub(crate) fn open_pooled(&self, origin: &Origin, head: &[u8]) -> Option<Exchange> {
        if origin.tls {
            return None;
        }
        while let Some(connection) = self.pool.take(origin) {
            // One that takes only a part is closed: a head that is cut short is no request.
            let sent = connection.stream.borrow().try_write(head);
            if sent.is_ok_and(|sent| sent == head.len()) {
                return Some(Exchange::new(origin.clone(), connection, true));
            }
        }
        None
    }

    /// Sends a request's head to `origin`. `fresh` asks for a new connection, after a pooled one turned out to be dead.
    pub(crate) async fn open(
        &self,
        origin: &Origin,
        head: &[u8],
        fresh: bool,
    ) -> Result<Exchange, UpstreamError> {
        if !fresh {
            while let Some(connection) = self.pool.take(origin) {
                // A head that could not be written never reached the upstream: the next connection may carry it.
                if send_head(&connection, head).await.is_ok() {
                    return Ok(Exchange::new(origin.clone(), connection, true));
                }
            }
        }
        let connection = self.connect(origin).await?;
        send_head(&connection, head).await.map_err(|_| UpstreamError::ClosedEarly { reused: false })?;
        Ok(Exchange::new(origin.clone(), connection, false))
    }

    async fn connect(&self, origin: &Origin) -> Result<Connection, UpstreamError> {
        let tcp = self.connector.connect(&origin.host, origin.port).await?;
        if !origin.tls {
            return Ok(Connection::new(Stream::Tcp(tcp)));
        }
        let secure = self.connector.within_timeout(self.tls.handshake(&origin.host, tcp)).await?;
        Ok(Connection::new(Stream::Tls(Box::new(secure))))
    }

    /// Takes the connection back if it can carry another request, else closes it.
    pub(crate) fn close(&self, exchange: Exchange) {
        if exchange.is_reusable() {
            self.pool.put(&exchange.origin, exchange.connection, common::clock::monotonic());
        }
    }

    /// Closes idle connections whose time is over. To be called now and then.
    pub(crate) fn sweep(&self) {
        self.pool.sweep(common::clock::monotonic());
    }
}

async fn send_head(connection: &Connection, head: &[u8]) -> std::io::Result<()> {
    let mut half = Half(&connection.stream);
    half.write_all(head).await?;
    half.flush().await
}
