//! Idle connections of one worker, by origin. Last in, first out, so that a burst's connections age out.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::Origin;
use super::head::HeaderSpan;
use super::stream::Stream;

/// One connection with its read buffer and header index, which live as long as it does.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: RefCell<Stream>,
    pub(crate) buffer: BytesMut,
    pub(crate) spans: Vec<HeaderSpan>,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: RefCell::new(stream), buffer: BytesMut::new(), spans: Vec::new() }
    }

    /// True when neither bytes nor an end have come since the last response. Where the reactor has seen nothing, this
    /// costs no system call.
    fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let mut nothing = Context::from_waker(Waker::noop());
        let mut stream = self.stream.borrow_mut();
        Pin::new(&mut *stream).poll_read(&mut nothing, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// The idle connections of a worker.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<Origin, VecDeque<Idle>, ahash::RandomState>>,
    per_origin: usize,
    idle_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(per_origin: usize, idle_timeout: Duration) -> Self {
        Self { idle: RefCell::default(), per_origin, idle_timeout }
    }

    /// The most recently used live connection to `origin`.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.get_mut(origin)?;
        while let Some(Idle { connection, .. }) = waiting.pop_back() {
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last exchange ended cleanly.
    pub(crate) fn put(&self, origin: &Origin, connection: Connection, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        if let Some(waiting) = idle.get_mut(origin) {
            if waiting.len() >= self.per_origin {
                waiting.pop_front();
            }
            waiting.push_back(Idle { connection, since: now });
            return;
        }
        idle.insert(origin.clone(), VecDeque::from([Idle { connection, since: now }]));
    }

    /// Closes connections that have been idle for longer than the timeout or were closed by the upstream.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, waiting| {
            waiting.retain(|idle| {
                now.duration_since(idle.since) < self.idle_timeout && idle.connection.is_quiet()
            });
            !waiting.is_empty()
        });
    }
}
