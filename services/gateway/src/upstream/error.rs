//! What can go wrong between the gateway and an upstream.

use std::io;

/// Why bytes from an upstream are not an acceptable HTTP/1.1 response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingFault {
    /// The head is not well-formed.
    #[error("malformed response head")]
    Head,
    /// The head is larger than the configured limit.
    #[error("response head too large")]
    HeadTooLarge,
    /// The body is larger than may be mapped.
    #[error("response body too large to map")]
    BodyTooLarge,
    /// Lengths or codings contradict each other.
    #[error("conflicting or unknown response framing")]
    Conflict,
    /// A chunk's size, end or trailer is malformed.
    #[error("malformed chunk")]
    Chunk,
    /// The upstream switched protocols without having been asked.
    #[error("unexpected 101 response")]
    Switched,
    /// More interim responses than any upstream has reason to send.
    #[error("too many interim responses")]
    Interim,
}

/// Why an exchange with an upstream failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// Every address of the name is one the gateway must not connect to.
    #[error("upstream address not permitted")]
    Blocked,
    /// The name did not resolve.
    #[error("upstream name did not resolve")]
    Resolve(#[source] io::Error),
    /// No connection could be made.
    #[error("upstream refused the connection")]
    Connect(#[source] io::Error),
    /// No connection within the connect timeout.
    #[error("connecting to the upstream timed out")]
    ConnectTimeout,
    /// The connection failed before any byte of the response arrived.
    #[error("upstream closed the connection before answering")]
    ClosedEarly {
        /// The connection came from the pool, so the upstream may have closed it before the request arrived.
        reused: bool,
    },
    /// The connection failed within the response.
    #[error("upstream cut the response short")]
    Truncated,
    /// The response is not acceptable HTTP.
    #[error("invalid upstream response")]
    Invalid(#[from] FramingFault),
    /// No byte arrived for longer than the idle timeout.
    #[error("upstream stalled")]
    Stalled,
    /// TLS or the library that speaks it failed.
    #[error("upstream TLS exchange failed")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}
