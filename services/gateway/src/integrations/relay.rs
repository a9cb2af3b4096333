//! The answer of an upstream on its way to the client.

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::Failure;
use super::forward::is_hop_by_hop;
use crate::phases::{CallRecord, Cx, Route};
use crate::server::Outbound;
use crate::timer::Timer;
use crate::upstream::{Framing, Meta, Source, UpstreamError, list_contains};
use crate::worker::request_id_text;
use contracts::record::Reason;

/// Pieces are gathered up to this before they are sent.
const GATHERED: usize = 16 * 1024;

/// Waits for the head of the response, at most the integration's time after the request was last seen moving.
pub(super) async fn head(
    source: &mut Source<'_>,
    limit: Duration,
    request_moved: &Cell<Instant>,
    timer: &mut Timer,
) -> Result<Meta, Failure> {
    let mut head = pin!(source.head());
    loop {
        let deadline = request_moved.get() + limit;
        if let Some(meta) = timer.until(deadline.into(), head.as_mut()).await {
            return Ok(meta?);
        }
        if request_moved.get() + limit <= deadline {
            return Err(Failure::TimedOut);
        }
    }
}

/// Writes the head of the client's response into its buffer.
pub(super) fn write_head(
    cx: &Cx<'_>,
    route: &Route<'_>,
    record: &CallRecord<'_>,
    meta: Meta,
    source: &Source<'_>,
    outbound: &mut Outbound<'_>,
) {
    let mut named: Vec<u8> = Vec::new();
    let mut has_cors = false;
    source.each_header(|name, value| {
        if name.eq_ignore_ascii_case(b"connection") && !is_plain_connection(value) {
            named.extend_from_slice(value);
            named.push(b',');
        }
        has_cors |= name.eq_ignore_ascii_case(b"access-control-allow-origin");
    });
    outbound.status(meta.status);
    outbound.header(b"x-amzn-RequestId", request_id_text(cx.id, &mut [0; 36]));
    source.each_header(|name, value| {
        let dropped =
            is_hop_by_hop(name) || is_own(name) || (!named.is_empty() && list_contains(&named, name));
        if !dropped {
            outbound.header(name, value);
        }
    });
    if let Some(policy) = &route.stage.cors
        && !has_cors
    {
        policy.each_header(cx.origin(), |name, value| outbound.header(name, value));
    }
    record.limits.get().each_header(|name, value| outbound.header(name, value));
    let length = match meta.framing {
        Framing::Length(_) => meta.announced_length,
        Framing::Chunked | Framing::Close => None,
    };
    outbound.end_head(meta.status, length);
}

/// Names no other header line.
fn is_plain_connection(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

/// Header lines that only the gateway writes: a backend's must not be taken for them.
fn is_own(name: &[u8]) -> bool {
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    match name.len() {
        14 => is("content-length"),
        16 => is("x-amzn-requestid"),
        17 => is("x-tollgate-reason"),
        19 => is("x-tollgate-degraded"),
        _ => false,
    }
}

/// Passes on a body that is all there, after closing the record.
pub(super) async fn whole(
    body: &[u8],
    outbound: &mut Outbound<'_>,
    record: &CallRecord<'_>,
    status: u16,
) -> Result<(), Failure> {
    record.close(status, Reason::Ok, body.len() as u64);
    outbound.push(body);
    outbound.push_end();
    outbound.flush().await.map_err(|_| Failure::ClientGone)
}

/// Passes the body on and closes the record before its last byte is sent. Holds what one read brought and what the client
/// has not taken yet, never more.
pub(super) async fn body(
    source: &mut Source<'_>,
    outbound: &mut Outbound<'_>,
    record: &CallRecord<'_>,
    status: u16,
    stall: Duration,
) -> Result<(), Failure> {
    let gone = |_| Failure::ClientGone;
    loop {
        let arrived = source.buffered()?.is_some();
        if !arrived && source.has_ended() {
            record.close(status, Reason::Ok, outbound.payload_bytes());
            outbound.push_end();
            return outbound.flush().await.map_err(gone);
        }
        if !arrived {
            outbound.flush().await.map_err(gone)?;
        }
        let next = if arrived {
            source.current()
        } else {
            match timeout(stall, source.next()).await {
                Ok(piece) => piece?,
                Err(_) => return Err(UpstreamError::Stalled.into()),
            }
        };
        let Some(piece) = next else { continue };
        if piece.is_last {
            record.close(status, Reason::Ok, outbound.payload_bytes() + piece.bytes.len() as u64);
            outbound.send(piece.bytes).await.map_err(gone)?;
            // Takes the last piece off the buffer, so that the connection can be used again.
            source.buffered()?;
            return Ok(());
        }
        if piece.bytes.len() + outbound.pending() < GATHERED {
            outbound.push(piece.bytes);
        } else {
            outbound.send(piece.bytes).await.map_err(gone)?;
        }
    }
}
