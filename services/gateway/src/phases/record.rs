//! Record: what a call leaves behind, collected while it runs.
//!
//! Closed exactly once, before the last byte of the answer is handed to the transport; dropped without having been closed,
//! the client left.

use std::cell::Cell;
use std::time::Instant;

use contracts::record::{Reason, Subject};

use super::Cx;
use crate::worker::Worker;

/// A record in the making. Those who feed it and those who close it run side by side, hence the cells.
pub(crate) struct CallRecord<'a> {
    worker: &'a Worker,
    started: Instant,
    pub(crate) subject: Cell<Subject>,
    /// Payload bytes received from the client.
    pub(crate) bytes_in: Cell<u64>,
    /// Microseconds until the upstream had answered or failed.
    pub(crate) upstream_us: Cell<u64>,
    closed: Cell<bool>,
}

impl<'a> CallRecord<'a> {
    pub(crate) fn open(cx: &Cx<'a>) -> Self {
        cx.worker.metrics.call_begun();
        Self {
            worker: cx.worker,
            started: cx.started,
            subject: Cell::default(),
            bytes_in: Cell::new(0),
            upstream_us: Cell::new(0),
            closed: Cell::new(false),
        }
    }

    /// Writes the record. A call is closed once; what follows does not change what it counts for.
    pub(crate) fn close(&self, status: u16, reason: Reason, bytes_out: u64) {
        if self.closed.replace(true) {
            return;
        }
        let _ = (self.started, bytes_out);
        self.worker.metrics.call_ended(status, reason);
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        self.close(0, Reason::ClientDisconnected, 0);
        self.worker.metrics.call_left();
    }
}
