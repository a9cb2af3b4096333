//! One request and its response on one connection.
//!
//! Owns the bytes between the two heads' ends and the rules for when the connection may carry another request; knows no
//! pool and no meaning of headers. The sink and the source of one exchange run side by side, so an upstream may answer
//! before it has read the request's body.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::chunked::{Chunked, Step};
use super::head::{self, Framing, HeaderSpan, Meta};
use super::pool::Connection;
use super::stream::Half;
use super::{FramingFault, Origin, UpstreamError};

const READ_SIZE: usize = 8 * 1024;
/// Reads of large bodies; with the client's write buffer this bounds the memory of a streaming call.
const LARGE_READ_SIZE: usize = 64 * 1024;
/// 1xx responses before the final one.
const MAX_INTERIM: usize = 16;

/// A connection on which one request is in flight.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(super) origin: Origin,
    pub(super) connection: Connection,
    pub(super) reused: bool,
    progress: Progress,
}

#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    request_complete: bool,
    response_clean: bool,
}

impl Exchange {
    pub(super) fn new(origin: Origin, connection: Connection, reused: bool) -> Self {
        Self { origin, connection, reused, progress: Progress::default() }
    }

    /// True when request and response ended cleanly and the upstream keeps the connection.
    pub(super) fn is_reusable(&self) -> bool {
        self.progress.request_complete && self.progress.response_clean && self.connection.buffer.is_empty()
    }

    /// The two directions. `framing` is the request body's, none for a request without a body.
    pub(crate) fn split(
        &mut self,
        framing: Option<Framing>,
        request_is_head: bool,
        head_limit: usize,
    ) -> (Sink<'_>, Source<'_>) {
        self.progress.request_complete = framing.is_none();
        let Connection { stream, buffer, spans } = &mut self.connection;
        let half = Half(stream);
        let sink = Sink {
            half,
            framing: framing.unwrap_or(Framing::Length(0)),
            scratch: BytesMut::new(),
            complete: &mut self.progress.request_complete,
        };
        let source = Source {
            half,
            buffer,
            spans,
            clean: &mut self.progress.response_clean,
            reused: self.reused,
            request_is_head,
            head_limit,
            meta: None,
            body: Body::Length(0),
            handed_out: 0,
            ended: false,
        };
        (sink, source)
    }
}

/// Writes the request's body.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    half: Half<'a>,
    framing: Framing,
    scratch: BytesMut,
    complete: &'a mut bool,
}

impl Sink<'_> {
    /// Sends one piece of the body. The caller keeps to the announced length.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        if payload.is_empty() {
            return Ok(());
        }
        if self.framing != Framing::Chunked {
            return self.half.write_all(payload).await;
        }
        self.scratch.clear();
        write_chunk(&mut self.scratch, payload);
        self.half.write_all(&self.scratch).await
    }

    /// Ends the body and flushes it.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            self.half.write_all(b"0\r\n\r\n").await?;
        }
        self.half.flush().await?;
        *self.complete = true;
        Ok(())
    }
}

/// Appends `payload`, which is not empty, as one chunk.
pub(crate) fn write_chunk(out: &mut BytesMut, payload: &[u8]) {
    let mut digits = [0_u8; 16];
    let mut left = payload.len();
    let mut start = digits.len();
    while left > 0 {
        start -= 1;
        digits[start] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.reserve(payload.len() + 20);
    out.extend_from_slice(&digits[start..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

#[derive(Debug)]
enum Body {
    Length(u64),
    Chunked(Chunked),
    Close { ended: bool },
}

/// Reads the response.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    half: Half<'a>,
    buffer: &'a mut BytesMut,
    spans: &'a mut Vec<HeaderSpan>,
    clean: &'a mut bool,
    reused: bool,
    request_is_head: bool,
    head_limit: usize,
    meta: Option<Meta>,
    body: Body,
    /// Payload at the buffer's front that the caller has seen.
    handed_out: usize,
    ended: bool,
}

impl Source<'_> {
    /// Waits for the final response's head; interim responses are dropped. Its header lines stay readable through
    /// [`Source::each_header`] until the body is asked for.
    pub(crate) async fn head(&mut self) -> Result<Meta, UpstreamError> {
        let mut interim = 0;
        loop {
            let meta = self.any_head().await?;
            match meta.status {
                101 => return Err(FramingFault::Switched.into()),
                100..=199 => {
                    self.buffer.advance(meta.length);
                    interim += 1;
                    if interim > MAX_INTERIM {
                        return Err(FramingFault::Interim.into());
                    }
                }
                _ => {
                    self.body = match meta.framing {
                        Framing::Length(length) => Body::Length(length),
                        Framing::Chunked => Body::Chunked(Chunked::default()),
                        Framing::Close => Body::Close { ended: false },
                    };
                    self.handed_out = meta.length;
                    self.meta = Some(meta);
                    return Ok(meta);
                }
            }
        }
    }

    async fn any_head(&mut self) -> Result<Meta, UpstreamError> {
        loop {
            if !self.buffer.is_empty() {
                if let Some(meta) = head::parse(self.buffer, self.request_is_head, self.spans)? {
                    if meta.length > self.head_limit {
                        return Err(FramingFault::HeadTooLarge.into());
                    }
                    return Ok(meta);
                }
                if self.buffer.len() > self.head_limit {
                    return Err(FramingFault::HeadTooLarge.into());
                }
            }
            self.buffer.reserve(READ_SIZE);
            match self.half.read_buf(self.buffer).await {
                Ok(0) | Err(_) if self.buffer.is_empty() => {
                    return Err(UpstreamError::ClosedEarly { reused: self.reused });
                }
                Ok(0) | Err(_) => return Err(UpstreamError::Truncated),
                Ok(_) => {}
            }
        }
    }

    /// Calls `visit` with each header line's name and value, in order. Only between head and body.
    pub(crate) fn each_header(&self, mut visit: impl FnMut(&[u8], &[u8])) {
        for span in self.spans.iter() {
            visit(span.name(self.buffer), span.value(self.buffer));
        }
    }

    /// The next piece of the body, none at its end. Waits only when nothing has arrived.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece<'_>>, UpstreamError> {
        loop {
            match self.ready()? {
                Ready::Payload(length) => return Ok(Some(self.piece(length))),
                Ready::End => return Ok(None),
                Ready::Missing => self.fill().await?,
            }
        }
    }

    /// Like [`Source::next`] with what has already arrived.
    pub(crate) fn buffered(&mut self) -> Result<Option<Piece<'_>>, UpstreamError> {
        match self.ready()? {
            Ready::Payload(length) => Ok(Some(self.piece(length))),
            Ready::End | Ready::Missing => Ok(None),
        }
    }

    /// The piece last handed out, until the next is asked for.
    pub(crate) fn current(&self) -> Option<Piece<'_>> {
        (self.handed_out > 0).then(|| self.piece(self.handed_out))
    }

    /// True when the body's end has been seen.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    fn piece(&self, length: usize) -> Piece<'_> {
        Piece { bytes: &self.buffer[..length], is_last: matches!(self.body, Body::Length(0)) }
    }

    fn ready(&mut self) -> Result<Ready, UpstreamError> {
        self.buffer.advance(std::mem::take(&mut self.handed_out));
        let ready = match &mut self.body {
            Body::Length(0) | Body::Close { ended: true } => Ready::End,
            Body::Length(left) if !self.buffer.is_empty() => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= length as u64;
                Ready::Payload(length)
            }
            Body::Close { .. } if !self.buffer.is_empty() => Ready::Payload(self.buffer.len()),
            Body::Length(_) | Body::Close { .. } => Ready::Missing,
            Body::Chunked(decoder) => match decoder.step(self.buffer)? {
                Step::Payload(length) => Ready::Payload(length),
                Step::Incomplete => Ready::Missing,
                Step::End => Ready::End,
            },
        };
        match ready {
            Ready::Payload(length) => self.handed_out = length,
            Ready::End => {
                self.ended = true;
                *self.clean = self.meta.is_some_and(|meta| meta.keep_alive);
            }
            Ready::Missing => {}
        }
        Ok(ready)
    }

    async fn fill(&mut self) -> Result<(), UpstreamError> {
        let large = match self.body {
            Body::Length(left) => left > READ_SIZE as u64,
            Body::Chunked(_) | Body::Close { .. } => true,
        };
        self.buffer.reserve(if large { LARGE_READ_SIZE } else { READ_SIZE });
        match (self.half.read_buf(self.buffer).await, &mut self.body) {
            (Ok(0), Body::Close { ended }) => *ended = true,
            (Ok(0) | Err(_), _) => return Err(UpstreamError::Truncated),
            (Ok(_), _) => {}
        }
        Ok(())
    }
}

/// Payload of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    /// Nothing follows. Known before the end only where the length was announced.
    pub(crate) is_last: bool,
}

#[derive(Debug, Clone, Copy)]
enum Ready {
    Payload(usize),
    Missing,
    End,
}
