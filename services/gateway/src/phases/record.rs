//! Record: what a call leaves behind, collected while it runs.
//!
//! Closed exactly once, before the last byte of the answer is handed to the transport; dropped without having been closed,
//! the client left.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use common::id::TenantId;
use contracts::metering::Counting;
use contracts::record::{Reason, Subject};

use super::bill::Bill;
use super::{Cx, Step};
use crate::admission::{Call, Ended, Opening};
use crate::errors::Refusal;
use crate::ratelimit_headers::RateLimits;
use crate::seats::Seat;
use crate::snapshot::{MethodCost, Source, Stage};
use crate::worker::Worker;

/// A record in the making. Those who feed it and those who close it run side by side, hence the cells.
pub(crate) struct CallRecord<'a> {
    worker: &'a Worker,
    tenant: TenantId,
    seat: Seat,
    call: RefCell<Option<Call>>,
    started: Instant,
    /// What the call costs; none for calls without a usage plan.
    bill: Cell<Option<Bill<'a>>>,
    /// What the client is told about its limits.
    pub(crate) limits: Cell<RateLimits>,
    /// Payload bytes received from the client.
    pub(crate) bytes_in: Cell<u64>,
    /// Microseconds until the upstream had answered or failed; 0 when it was not called.
    pub(crate) upstream_us: Cell<u64>,
}

impl<'a> CallRecord<'a> {
    /// Opens the record of a call to a stage. `route` is the resource path, empty when none matched.
    pub(crate) fn open(cx: &Cx<'a>, stage: &Stage, route: &str) -> Step<Self> {
        let Some(seat) = cx.worker.seats.take(stage.tenant) else {
            cx.worker.metrics.call_refused(Reason::Overloaded);
            return Step::Break(Refusal::new(Reason::Overloaded).retry_after(1).into());
        };
        let opened = cx.worker.ledger.open(&Opening {
            request_id: cx.id,
            tenant: stage.tenant,
            api_id: stage.api,
            stage: &stage.name,
            deployment: Some(stage.deployment),
            method: cx.method(),
            route,
            path: cx.path(),
            client_ip: Some(cx.peer.address()),
            started_at: cx.started_at,
        });
        match opened {
            Ok(call) => {
                cx.worker.metrics.call_begun();
                Step::Continue(Self {
                    worker: cx.worker,
                    tenant: stage.tenant,
                    seat,
                    call: RefCell::new(Some(call)),
                    started: cx.started,
                    bill: Cell::default(),
                    limits: Cell::default(),
                    bytes_in: Cell::new(0),
                    upstream_us: Cell::new(0),
                })
            }
            Err(refused) => {
                cx.worker.metrics.call_refused(refused.reason);
                Step::Break(Refusal::new(refused.reason).retry_after_us(refused.retry_after_us).into())
            }
        }
    }

    /// Says on whose account the call runs.
    pub(crate) fn identify(&self, subject: &Subject) {
        if let Some(call) = self.call.borrow_mut().as_mut() {
            call.identify(subject);
        }
    }

    /// Says what the call costs and when it counts.
    pub(super) fn bill(&self, counting: &'a Counting, cost: &'a MethodCost) {
        self.bill.set(Some(Bill::new(counting, cost)));
    }

    /// Where the answer says what the call cost, if it is the answer that says it.
    pub(crate) fn cost_source(&self) -> Option<&'a Source> {
        self.bill.get()?.source()
    }

    /// The answer said what the call cost.
    pub(crate) fn cost_said(&self, units: Option<u64>) {
        self.bill.set(self.bill.get().map(|bill| bill.said(units)));
    }

    /// Its place among the calls of its tenant.
    pub(crate) const fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Takes the call out to admit it; [`CallRecord::put`] brings it back. Dropped in between, it is recorded as left.
    pub(super) fn take(&self) -> Option<Call> {
        self.call.borrow_mut().take()
    }

    pub(super) fn put(&self, call: Call) {
        *self.call.borrow_mut() = Some(call);
    }

    /// Writes the record. A call is closed once; what follows does not change what it counts for.
    pub(crate) fn close(&self, status: u16, reason: Reason, bytes_out: u64) {
        self.end(Ended::new(status, reason), reason == Reason::Ok, bytes_out);
    }

    /// Writes the record of a call whose client ended it while it was taking the answer. It counts by the status the client
    /// was sent, as if it had stayed: nobody gets an answer for nothing by leaving before its last byte.
    pub(crate) fn close_broken_off(&self, status: u16, bytes_out: u64) {
        self.end(Ended::new(status, Reason::ClientDisconnected), true, bytes_out);
    }

    fn end(&self, mut ended: Ended, was_answered: bool, bytes_out: u64) {
        let Some(call) = self.take() else { return };
        ended.latency_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        ended.upstream_us = self.upstream_us.get();
        ended.bytes_in = self.bytes_in.get();
        ended.bytes_out = bytes_out;
        if let Some(bill) = self.bill.get() {
            bill.settle(&mut ended, was_answered);
            if ended.cost_capped {
                self.worker.cost_capped(self.tenant);
            }
        }
        call.finish(ended);
        self.worker.metrics.call_ended(ended.status, ended.reason);
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        self.close(0, Reason::ClientDisconnected, 0);
        self.worker.metrics.call_left();
    }
}
