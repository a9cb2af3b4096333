//! What a client sends: heads, bodies, and its end.
//!
//! Owns reading and decoding of one connection; never writes, except for the probe of a half-closed client. Decoding is
//! `actix_http`'s codec, one message at a time: the next request is not decoded before the last one is answered, because
//! the codec's idea of the current request changes with every head it reads.

use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use actix_http::error::ParseError;
use actix_http::h1::{Codec, Message, MessageType};
use actix_http::{Request, ServiceConfig};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::codec::Decoder as _;

use super::Limits;
use super::pace::Pace;
use super::scan::{Malformed, head_length};
use crate::timer::Timer;
use crate::upstream::Framing;

const READ_SIZE: usize = 8 * 1024;
const LARGE_READ_SIZE: usize = 64 * 1024;
/// Bytes of later requests held while one is being answered.
const PIPELINE_BYTES: usize = 64 * 1024;
/// How often a half-closed client's socket is looked at once it has been probed.
const HALF_CLOSED_CHECK: Duration = Duration::from_millis(200);

/// Why a request's body cannot be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// The client is gone, or ended its sending side within the body.
    Gone,
    /// The body's framing is malformed.
    Malformed,
    /// No byte for longer than allowed, or too few for too long.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    /// None, or read to its end.
    Complete,
    /// Some of it is still to come.
    Open,
}

/// The reading side of a client's connection.
pub(crate) struct Inbound<'a> {
    read: ReadHalf<'a>,
    buffer: BytesMut,
    codec: Codec,
    limits: &'a Limits,
    /// Set by the writing side when the response begins: from then on a probe would corrupt it.
    response_begun: &'a Cell<bool>,
    body: BodyState,
    framing: Option<Framing>,
    pace: Pace,
    timer: Timer,
    expects_continue: bool,
    understands_interim: bool,
    first: bool,
    /// The client has ended its sending side.
    sending_ended: bool,
    /// No further request can be told apart on this connection.
    last: bool,
}

impl<'a> Inbound<'a> {
    pub(crate) fn new(
        read: ReadHalf<'a>,
        config: ServiceConfig,
        limits: &'a Limits,
        response_begun: &'a Cell<bool>,
    ) -> Self {
        Self {
            read,
            buffer: BytesMut::new(),
            codec: Codec::new(config),
            limits,
            response_begun,
            body: BodyState::Complete,
            framing: None,
            pace: Pace::default(),
            timer: Timer::default(),
            expects_continue: false,
            understands_interim: false,
            first: true,
            sending_ended: false,
            last: false,
        }
    }

    /// The next request's head; none when the client has ended, fallen silent, or the server drains.
    /// `drained` is not to be used again after that.
    pub(crate) async fn request(
        &mut self,
        mut drained: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<Request>, Malformed> {
        let mut deadline = None;
        loop {
            if !self.buffer.is_empty() && head_length(&self.buffer, self.limits)?.is_some() {
                return self.decode_head().map(Some);
            }
            if self.sending_ended || self.last {
                return Ok(None);
            }
            let idle = self.buffer.is_empty() && deadline.is_none();
            let read = read_some(&mut self.read, &mut self.buffer, READ_SIZE);
            let received = if idle {
                let wait = if self.first { self.limits.head() } else { self.limits.keep_alive() };
                tokio::select! {
                    biased;
                    received = self.timer.within(wait, read) => received,
                    () = drained.as_mut() => return Ok(None),
                }
            } else {
                let at = *deadline.get_or_insert_with(|| Instant::now() + self.limits.head());
                self.timer.until(at, read).await
            };
            match received {
                Some(Ok(0)) if self.buffer.is_empty() => return Ok(None),
                Some(Ok(0)) => return Err(Malformed::Bad),
                Some(Ok(_)) => {}
                Some(Err(_)) => return Ok(None),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Malformed::TimedOut),
            }
        }
    }

    fn decode_head(&mut self) -> Result<Request, Malformed> {
        let request = match self.codec.decode(&mut self.buffer) {
            Ok(Some(Message::Item(request))) => request,
            // More header lines than the codec counts.
            Err(ParseError::TooLarge) => return Err(Malformed::HeadersTooLarge),
            _ => return Err(Malformed::Bad),
        };
        let head = request.head();
        self.first = false;
        self.understands_interim = head.version >= actix_http::Version::HTTP_11;
        self.expects_continue = head.expect() && self.understands_interim;
        self.framing = match self.codec.message_type() {
            MessageType::None => None,
            MessageType::Payload if head.headers.contains_key(actix_http::header::TRANSFER_ENCODING) => {
                Some(Framing::Chunked)
            }
            MessageType::Payload => content_length(&request).map(Framing::Length),
            // An upgrade or a tunnel that the gateway does not serve: the codec takes what follows for raw bytes, so
            // the connection ends with this request. A body announced beside an upgrade has no certain end.
            MessageType::Stream => {
                if content_length(&request).is_some_and(|length| length > 0) {
                    return Err(Malformed::Bad);
                }
                self.last = true;
                None
            }
        };
        self.pace = Pace::default();
        self.body = if self.framing.is_some() { BodyState::Open } else { BodyState::Complete };
        Ok(request)
    }

    /// How the current request's body is framed; none without a body.
    pub(crate) fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// True when the client waits for `100 Continue` and has sent nothing of its body.
    pub(crate) fn awaits_continue(&self) -> bool {
        self.expects_continue && self.body == BodyState::Open && self.buffer.is_empty()
    }

    /// The client has been told to go on.
    pub(crate) fn continued(&mut self) {
        self.expects_continue = false;
    }

    /// True when the body has been read to its end.
    pub(crate) fn body_complete(&self) -> bool {
        self.body == BodyState::Complete
    }

    /// True when bytes of a further request have been read.
    pub(crate) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// True when the connection cannot carry another request.
    pub(crate) fn is_last(&self) -> bool {
        self.last || self.sending_ended
    }

    /// Whether the rest of the body is worth reading to keep the connection: it is on its way and short.
    pub(crate) fn rest_is_short(&self) -> bool {
        match (self.body, self.framing) {
            (BodyState::Complete, _) => true,
            (BodyState::Open, Some(Framing::Length(length))) => {
                !self.last && !self.expects_continue && length <= LARGE_READ_SIZE as u64
            }
            (BodyState::Open, _) => false,
        }
    }

    /// The next piece of the body, none at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyFault> {
        if self.body == BodyState::Complete {
            return Ok(None);
        }
        loop {
            let before = self.buffer.len();
            let decoded = self.codec.decode(&mut self.buffer);
            let payload = if let Ok(Some(Message::Chunk(Some(piece)))) = &decoded { piece.len() } else { 0 };
            if !self.pace.took(before - self.buffer.len(), payload) {
                self.last = true;
                return Err(BodyFault::Malformed);
            }
            match decoded {
                Ok(Some(Message::Chunk(Some(piece)))) => return Ok(Some(piece)),
                Ok(Some(Message::Chunk(None))) => {
                    self.body = BodyState::Complete;
                    return Ok(None);
                }
                Ok(Some(Message::Item(_))) | Err(_) => {
                    self.last = true;
                    return Err(BodyFault::Malformed);
                }
                Ok(None) => {}
            }
            let large = !matches!(self.framing, Some(Framing::Length(length)) if length <= READ_SIZE as u64);
            let size = if large { LARGE_READ_SIZE } else { READ_SIZE };
            let read = read_some(&mut self.read, &mut self.buffer, size);
            let began = Instant::now();
            let received = self.timer.within(self.pace.patience(self.limits), read).await;
            self.pace.waited(began.elapsed());
            match received {
                Some(Ok(0) | Err(_)) => {
                    self.sending_ended = true;
                    return Err(BodyFault::Gone);
                }
                Some(Ok(_)) => {}
                None => {
                    self.last = true;
                    return Err(BodyFault::Stalled);
                }
            }
        }
    }

    /// Reads and drops what is left of a short body. False when the connection is of no more use.
    pub(crate) async fn discard_rest(&mut self) -> bool {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Waits until the client is gone. Meanwhile bytes of its next requests are kept.
    ///
    /// A client that only ended its sending side still gets its answer. It looks like one that closed, so after a while
    /// it is sent another `100 Continue`, which every HTTP/1.1 client must accept (RFC 9110 section 15.2): one that has
    /// closed answers it with a reset.
    pub(crate) async fn gone(&mut self) {
        while !self.sending_ended {
            if self.buffer.len() >= PIPELINE_BYTES {
                return std::future::pending().await;
            }
            match read_some(&mut self.read, &mut self.buffer, READ_SIZE).await {
                Ok(0) => self.sending_ended = true,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        sleep(self.limits.half_close_probe()).await;
        if self.understands_interim && !self.response_begun.get() {
            let probe = b"HTTP/1.1 100 Continue\r\n\r\n";
            let written = self.read.as_ref().try_write(probe);
            if matches!(written, Ok(length) if length < probe.len()) {
                return;
            }
        }
        loop {
            sleep(HALF_CLOSED_CHECK).await;
            if !matches!(self.read.as_ref().take_error(), Ok(None)) {
                return;
            }
        }
    }

    /// Takes in and drops bytes until the client ends or `time` is over, so that closing the socket does not reset it
    /// before the client has read the answer.
    pub(crate) async fn linger(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            self.buffer.clear();
            let read = read_some(&mut self.read, &mut self.buffer, LARGE_READ_SIZE);
            match timeout_at(until, read).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return,
                Ok(Ok(_)) => {}
            }
        }
    }
}

/// Reads what has come, at most about `size`. Room that is left from the last read is used up first: the head before it still
/// holds on to the same memory, so more room would be new memory for each request.
async fn read_some(read: &mut ReadHalf<'_>, buffer: &mut BytesMut, size: usize) -> std::io::Result<usize> {
    if buffer.capacity() - buffer.len() < size / 4 {
        buffer.reserve(size);
    }
    read.read_buf(buffer).await
}

fn content_length(request: &Request) -> Option<u64> {
    let value = request.head().headers.get(actix_http::header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
}
