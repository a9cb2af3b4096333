//! What the gateway sends to a client: interim responses, heads, bodies.
//!
//! Owns the framing towards the client and the write buffer of one connection; knows no reasons and no records. A whole
//! small answer leaves in one write.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use actix_http::ServiceConfig;
use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::WriteHalf;

use crate::timer::Timer;
use crate::upstream::write_chunk;

/// Pieces above this go to the socket from where they are instead of through the write buffer.
const COPY_LIMIT: usize = 8 * 1024;
/// Write buffers that grew beyond this are given back.
const KEPT_CAPACITY: usize = 32 * 1024;

/// How the body of the response in progress reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyFraming {
    /// None: HEAD, 204, 304.
    Nothing,
    /// As many bytes as announced.
    Length,
    Chunked,
    /// Until the connection ends (HTTP/1.0).
    Close,
}

/// The writing side of a client's connection.
pub(crate) struct Outbound<'a> {
    write: WriteHalf<'a>,
    buffer: BytesMut,
    config: ServiceConfig,
    begun: &'a Cell<bool>,
    stall: Duration,
    timer: Timer,
    http_11: bool,
    request_is_head: bool,
    keep_alive: bool,
    has_date: bool,
    framing: BodyFraming,
    status: u16,
    sent: u64,
    reached: bool,
}

impl<'a> Outbound<'a> {
    pub(crate) fn new(
        write: WriteHalf<'a>,
        config: ServiceConfig,
        begun: &'a Cell<bool>,
        stall: Duration,
    ) -> Self {
        Self {
            write,
            buffer: BytesMut::with_capacity(2 * 1024),
            config,
            begun,
            stall,
            timer: Timer::default(),
            http_11: true,
            request_is_head: false,
            keep_alive: false,
            has_date: false,
            framing: BodyFraming::Nothing,
            status: 0,
            sent: 0,
            reached: false,
        }
    }

    /// Prepares for the response to a new request.
    pub(crate) fn expect_response(&mut self, http_11: bool, request_is_head: bool, keep_alive: bool) {
        self.http_11 = http_11;
        self.request_is_head = request_is_head;
        self.keep_alive = keep_alive;
        self.framing = BodyFraming::Nothing;
        self.status = 0;
        self.sent = 0;
        self.reached = false;
        self.begun.set(false);
    }

    /// The connection ends with this response. Only before its head is ended.
    pub(crate) fn close_after(&mut self) {
        self.keep_alive = false;
    }

    /// True when the connection may carry another request.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// True once the response's head may have reached the client.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// True once the transport took the response's head.
    pub(crate) fn has_reached_client(&self) -> bool {
        self.reached
    }

    /// True when the client can tell a response that was cut short only by a reset.
    pub(crate) fn ends_by_closing(&self) -> bool {
        self.framing == BodyFraming::Close
    }

    /// The status that has begun to reach the client; 0 when none has.
    pub(crate) fn status_sent(&self) -> u16 {
        if self.has_begun() { self.status } else { 0 }
    }

    /// Payload bytes handed over for sending.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.sent
    }

    /// Asks a client that waits for it to send its body.
    pub(crate) async fn write_continue(&mut self) -> io::Result<()> {
        write_within(self.stall, &mut self.timer, &mut self.write, b"HTTP/1.1 100 Continue\r\n\r\n").await
    }

    /// Begins the head.
    pub(crate) fn status(&mut self, status: u16) {
        self.buffer.extend_from_slice(b"HTTP/1.1 ");
        self.buffer.extend_from_slice(itoa::Buffer::new().format(u64::from(status)).as_bytes());
        self.buffer.extend_from_slice(b" ");
        let reason =
            actix_http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        self.buffer.extend_from_slice(reason.unwrap_or("Unknown").as_bytes());
        self.buffer.extend_from_slice(b"\r\n");
        self.has_date = false;
        self.status = status;
    }

    /// Adds a header line. Framing and connection lines are this module's own.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8]) {
        self.has_date |= name.eq_ignore_ascii_case(b"date");
        self.buffer.extend_from_slice(name);
        self.buffer.extend_from_slice(b": ");
        self.buffer.extend_from_slice(value);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Ends the head. `length` is the body's, none when only its end will tell. For HEAD and 304 it is what the body
    /// would have.
    pub(crate) fn end_head(&mut self, status: u16, length: Option<u64>) {
        let no_content = status == 204;
        self.framing = match length {
            _ if no_content || status == 304 || self.request_is_head => BodyFraming::Nothing,
            Some(_) => BodyFraming::Length,
            None if self.http_11 => BodyFraming::Chunked,
            None => BodyFraming::Close,
        };
        if self.framing == BodyFraming::Close {
            self.keep_alive = false;
        }
        match (length, self.framing) {
            (Some(length), _) if !no_content => {
                self.buffer.extend_from_slice(b"content-length: ");
                self.buffer.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                self.buffer.extend_from_slice(b"\r\n");
            }
            (None, BodyFraming::Chunked) => {
                self.buffer.extend_from_slice(b"transfer-encoding: chunked\r\n");
            }
            _ => {}
        }
        if !self.keep_alive {
            self.buffer.extend_from_slice(b"connection: close\r\n");
        } else if !self.http_11 {
            self.buffer.extend_from_slice(b"connection: keep-alive\r\n");
        }
        if !self.has_date {
            self.config.write_date_header(&mut self.buffer, false);
        }
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Takes a piece of the body into the buffer, to leave with the next [`Outbound::flush`].
    pub(crate) fn push(&mut self, payload: &[u8]) {
        if payload.is_empty() || self.framing == BodyFraming::Nothing {
            return;
        }
        self.sent += payload.len() as u64;
        match self.framing {
            BodyFraming::Chunked => write_chunk(&mut self.buffer, payload),
            _ => self.buffer.extend_from_slice(payload),
        }
    }

    /// A timer for what the answer waits for, where it is not this connection.
    pub(crate) fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    /// Bytes that wait in the buffer.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the end of the body into the buffer.
    pub(crate) fn push_end(&mut self) {
        if self.framing == BodyFraming::Chunked {
            self.buffer.extend_from_slice(b"0\r\n\r\n");
        }
    }

    /// Sends a piece of the body; large ones without copying.
    pub(crate) async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let copied = payload.len() <= COPY_LIMIT || self.framing != BodyFraming::Length;
        if copied {
            self.push(payload);
            return self.flush().await;
        }
        self.flush().await?;
        self.sent += payload.len() as u64;
        write_within(self.stall, &mut self.timer, &mut self.write, payload).await
    }

    /// Sends what is in the buffer.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.begun.set(true);
        let result = write_within(self.stall, &mut self.timer, &mut self.write, &self.buffer).await;
        self.reached |= result.is_ok();
        if self.buffer.capacity() > KEPT_CAPACITY {
            self.buffer = BytesMut::with_capacity(2 * 1024);
        } else {
            self.buffer.clear();
        }
        result
    }

    /// Drops what has not been sent, so that another response can take its place.
    pub(crate) fn discard(&mut self) {
        self.buffer.clear();
        self.sent = 0;
    }

    /// Ends the sending side, so that the client reads to the end of the response.
    pub(crate) async fn shutdown(&mut self) {
        // A client that is gone needs no end.
        let _ = self.write.shutdown().await;
    }
}

/// A write that is not taken within `stall` is given up. Socket buffers take most writes at once, without a timer.
async fn write_within(
    stall: Duration,
    timer: &mut Timer,
    write: &mut WriteHalf<'_>,
    bytes: &[u8],
) -> io::Result<()> {
    let sent = match write.try_write(bytes) {
        Ok(sent) if sent == bytes.len() => return Ok(()),
        Ok(sent) => sent,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let rest = write.write_all(&bytes[sent..]);
    timer.within(stall, rest).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}
