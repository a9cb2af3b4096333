//! A call in flight: admitted once, ended once, recorded once.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contracts::metering::DegradedMode;
use contracts::record::{
    FRAME_HEADER, Flags, Outcome, Reason, Subject, patch_outcome, patch_started, patch_subject, subject,
};

use super::account::Taken;
use super::lease::Lease;
use super::ledger::Inner;
use super::terms::{Admitted, Decision, Ended, QuotaLeft, Refusal, Terms};
use super::throttle::Bucket;
use crate::spool::slots::Charge;

pub(super) const OVERLOADED: Refusal = Refusal { reason: Reason::Overloaded, retry_after_us: 1_000_000 };
const LEASE_UNAVAILABLE: Refusal = Refusal { reason: Reason::LeaseUnavailable, retry_after_us: 1_000_000 };
const SPOOL_FULL: Refusal = Refusal { reason: Reason::SpoolFull, retry_after_us: 5_000_000 };
/// When to try again while all units are leased out and some may come back.
const SCARCE_RETRY_US: i64 = 1_000_000;

/// A call in flight. Dropped without [`Call::finish`], it is recorded as left by its client.
#[derive(Debug)]
pub struct Call {
    ledger: Rc<Inner>,
    slot: u32,
    started_at: i64,
    charge: Option<(Arc<Lease>, u64)>,
    degraded: bool,
    unrecorded: bool,
    /// What is recorded if the call is dropped; keep bytes and status up to date while it streams.
    pub progress: Ended,
    finished: bool,
}

impl Call {
    /// The call in `slot`, opened but neither admitted nor refused.
    pub(super) const fn new(ledger: Rc<Inner>, slot: u32, started_at: i64) -> Self {
        Self {
            ledger,
            slot,
            started_at,
            charge: None,
            degraded: false,
            unrecorded: false,
            progress: Ended::new(0, Reason::ClientDisconnected),
            finished: false,
        }
    }

    /// When the call was admitted, as recorded.
    pub const fn started_at(&self) -> i64 {
        self.started_at
    }

    /// Says on whose account the call runs.
    pub fn identify(&mut self, subject: &Subject) {
        let inner = &self.ledger;
        let table = &mut *inner.table.borrow_mut();
        let len = inner.slots.record(self.slot, &mut table.buffer);
        patch_subject(&mut table.buffer[..len], subject);
        inner.slots.identify(self.slot, &table.buffer[..len]);
    }

    /// Decides whether the call may run, waiting for metering at most `wait` when it has to be asked.
    pub async fn admit(&mut self, terms: &Terms<'_>, wait: Duration) -> Decision {
        let account = match self.try_admit(terms) {
            Decision::Pending(account) => account,
            decided => return decided,
        };
        let retry = async {
            loop {
                let changed = account.changed.notified();
                tokio::pin!(changed);
                // Enabled before the next try, so that an answer in between is not missed.
                changed.as_mut().enable();
                match self.try_admit(terms) {
                    Decision::Pending(_) => changed.await,
                    decided => return decided,
                }
            }
        };
        match tokio::time::timeout(wait, retry).await {
            Ok(decided) => decided,
            Err(_) => self.admit_degraded(terms),
        }
    }

    /// Decides without waiting. A pending call has taken nothing.
    #[inline]
    pub fn try_admit(&mut self, terms: &Terms<'_>) -> Decision {
        let inner = Rc::clone(&self.ledger);
        let now = inner.clock.micros();
        if inner.port.is_full() {
            return self.admit_beyond_bound(terms);
        }
        let account = inner.account(terms.key, terms.plan);
        if let Some(wait) = take_tokens(terms, &account.bucket, now) {
            return Decision::Refused(Refusal { reason: Reason::Throttled, retry_after_us: wait });
        }
        let mut admitted = Admitted {
            throttle_left: terms.rate.map(|rate| account.bucket.tokens(rate, now)),
            quota: None,
            degraded: false,
        };
        let Some(period) = terms.quota else { return Decision::Admitted(admitted) };
        account.set_period(period);
        match account.take(terms.units, now, &inner.desk) {
            Taken::Units(lease) => {
                if !lease.covers(self.started_at) && !self.restamp(now) {
                    lease.release(terms.units);
                    give_tokens_back(terms, &account.bucket, usize::MAX);
                    return Decision::Refused(OVERLOADED);
                }
                let left = lease.granted.saturating_sub(lease.gate().taken).saturating_add(lease.left);
                admitted.quota = Some(QuotaLeft { limit: lease.limit, left, resets_at: lease.period_end });
                self.charge(lease, terms.units);
                Decision::Admitted(admitted)
            }
            Taken::Unlimited => Decision::Admitted(admitted),
            Taken::Exhausted(until) => {
                give_tokens_back(terms, &account.bucket, usize::MAX);
                let retry_after_us = until.map_or(SCARCE_RETRY_US, |until| until - now);
                Decision::Refused(Refusal { reason: Reason::QuotaExhausted, retry_after_us })
            }
            Taken::Unknown => {
                give_tokens_back(terms, &account.bucket, usize::MAX);
                Decision::Pending(account)
            }
        }
    }

    /// Decides a pending call without metering, by the plan's rule.
    pub fn admit_degraded(&mut self, terms: &Terms<'_>) -> Decision {
        match terms.degraded {
            DegradedMode::Refuse => Decision::Refused(LEASE_UNAVAILABLE),
            DegradedMode::ServeAndMark => {
                let account = self.ledger.account(terms.key, terms.plan);
                if let Some(wait) = take_tokens(terms, &account.bucket, self.ledger.clock.micros()) {
                    return Decision::Refused(Refusal { reason: Reason::Throttled, retry_after_us: wait });
                }
                self.degraded = true;
                Decision::Admitted(Admitted { degraded: true, ..Admitted::default() })
            }
        }
    }

    /// Decides on a call that no usage plan holds for: it may run unless the disk bound is reached.
    pub fn admit_without_plan(&mut self) -> Decision {
        if self.ledger.port.is_full() {
            return Decision::Refused(SPOOL_FULL);
        }
        Decision::Admitted(Admitted::default())
    }

    fn admit_beyond_bound(&mut self, terms: &Terms<'_>) -> Decision {
        match terms.degraded {
            DegradedMode::Refuse => Decision::Refused(SPOOL_FULL),
            DegradedMode::ServeAndMark => {
                (self.degraded, self.unrecorded) = (true, true);
                Decision::Admitted(Admitted { degraded: true, ..Admitted::default() })
            }
        }
    }

    /// Moves the call to the present, into another slot: it waited into a new period, and counts where its units come from.
    /// Killed in between, both slots hold the same request, and recovery takes one of them.
    fn restamp(&mut self, now: i64) -> bool {
        let inner = &self.ledger;
        let table = &mut *inner.table.borrow_mut();
        let Some(slot) = table.free.pop() else { return false };
        let len = inner.slots.record(self.slot, &mut table.buffer);
        let record = &mut table.buffer[..len];
        let account = subject(record);
        patch_started(record, now);
        patch_subject(record, &Subject::default());
        inner.slots.open(slot, record);
        patch_subject(record, &account);
        inner.slots.identify(slot, record);
        table.started[slot as usize] = now;
        inner.free(table, self.slot);
        (self.slot, self.started_at) = (slot, now);
        true
    }

    /// The order of these stores is what makes quotas exact across a kill; see the module above.
    fn charge(&mut self, lease: Arc<Lease>, units: u64) {
        let inner = &self.ledger;
        let expected = inner.cells.charged(lease.cell, inner.worker) + units;
        inner.slots.charge(self.slot, &Charge { cell: lease.cell, lease: lease.id, units, expected });
        inner.cells.set_charged(lease.cell, inner.worker, expected);
        self.charge = Some((lease, units));
    }

    /// Ends the call and records it. Comes before the last byte is handed to the transport.
    pub fn finish(mut self, ended: Ended) {
        self.end(&ended);
    }

    fn end(&mut self, ended: &Ended) {
        self.finished = true;
        let inner = Rc::clone(&self.ledger);
        let charge = self.charge.take();
        let table = &mut *inner.table.borrow_mut();
        let refused = charge.is_none() && !ended.reason.counts();
        if self.unrecorded || refused && inner.port.is_full() {
            let unrecorded = &inner.unrecorded;
            let counter = if self.unrecorded { &unrecorded.served } else { &unrecorded.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            inner.free(table, self.slot);
            return;
        }
        let given_back = match &charge {
            Some((lease, units)) if !ended.counts => {
                let expected = inner.cells.returned(lease.cell, inner.worker) + units;
                inner.slots.give_back(self.slot, expected);
                inner.cells.set_returned(lease.cell, inner.worker, expected);
                *units
            }
            _ => 0,
        };
        let mut flags = Flags::default();
        if self.degraded {
            flags = flags.with(Flags::DEGRADED);
        }
        if ended.client_gone {
            flags = flags.with(Flags::CLIENT_GONE);
        }
        let outcome = Outcome {
            status: ended.status,
            reason: ended.reason,
            flags,
            quota_units: charge.as_ref().map_or(0, |(_, units)| units - given_back),
            billable_units: ended.billable_units,
            spend_micros: 0,
            lease: charge.as_ref().map(|(lease, _)| lease.id),
            latency_us: ended.latency_us,
            upstream_us: ended.upstream_us,
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
        };
        let len = inner.slots.record(self.slot, &mut table.buffer[FRAME_HEADER..]);
        patch_outcome(&mut table.buffer[FRAME_HEADER..FRAME_HEADER + len], &outcome);
        if table.stranded.is_empty() && inner.append(table, len, self.started_at) {
            inner.free(table, self.slot);
        } else {
            inner.slots.end(self.slot, &table.buffer[FRAME_HEADER..FRAME_HEADER + len]);
            table.stranded.push(self.slot);
        }
        if let Some((lease, _)) = charge {
            lease.release(given_back);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut ended = self.progress;
        let lasted = self.ledger.clock.micros() - self.started_at;
        ended.latency_us = ended.latency_us.max(u64::try_from(lasted).unwrap_or(0));
        self.end(&ended);
    }
}

/// Takes a token from every bucket, or none and answers how long the wait is.
#[inline]
fn take_tokens(terms: &Terms<'_>, own: &Bucket, now: i64) -> Option<i64> {
    for (index, (bucket, rate)) in terms.buckets.iter().enumerate() {
        if let Err(wait) = bucket.take(*rate, now) {
            give_tokens_back(&Terms { rate: None, ..*terms }, own, index);
            return Some(wait);
        }
    }
    if let Some(rate) = terms.rate
        && let Err(wait) = own.take(rate, now)
    {
        give_tokens_back(&Terms { rate: None, ..*terms }, own, usize::MAX);
        return Some(wait);
    }
    None
}

/// Puts tokens back into the first `count` of the further buckets, and into the key's own if the terms have a rate.
fn give_tokens_back(terms: &Terms<'_>, own: &Bucket, count: usize) {
    for (bucket, rate) in terms.buckets.iter().take(count) {
        bucket.give_back(*rate);
    }
    if let Some(rate) = terms.rate {
        own.give_back(rate);
    }
}
