//! A call in flight: admitted once, ended once, recorded once.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::id::LeaseId;
use contracts::lease::MAX_LEASE;
use contracts::metering::DegradedMode;
use contracts::record::{
    FRAME_HEADER, Flags, Outcome, Reason, Subject, ThrottleScope, patch_outcome, patch_started,
    patch_subject, subject,
};

use super::account::Account;
use super::charges::{Charges, Taken};
use super::ledger::Inner;
use super::purse::{self, Purse};
use super::terms::{Admitted, Decision, Ended, Refusal, Terms};
use super::throttles::{Throttled, Throttles};
use crate::spool::slots::{Charge, Kind, MAX_CHARGES, Return};

pub(super) const OVERLOADED: Refusal = Refusal::new(Reason::Overloaded, 1_000_000);
const LEASE_UNAVAILABLE: Refusal = Refusal::new(Reason::LeaseUnavailable, 1_000_000);
const SPOOL_FULL: Refusal = Refusal::new(Reason::SpoolFull, 5_000_000);
/// When to try again while all units are leased out and some may come back.
const SCARCE_RETRY_US: i64 = 1_000_000;

/// A call in flight. Dropped without [`Call::finish`], it is recorded as left by its client.
#[derive(Debug)]
pub struct Call {
    ledger: Rc<Inner>,
    slot: u32,
    started_at: i64,
    charges: Charges,
    /// Micro-units of money for each unit.
    price_micros: u64,
    degraded: bool,
    unrecorded: bool,
    throttled: Option<ThrottleScope>,
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
            charges: Charges::new(),
            price_micros: 0,
            degraded: false,
            unrecorded: false,
            throttled: None,
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
        let mut purse = match self.try_admit(terms) {
            Decision::Pending(purse) => purse,
            decided => return decided,
        };
        let retry = async {
            loop {
                let waited = Arc::clone(&purse);
                let changed = waited.changed.notified();
                tokio::pin!(changed);
                // Enabled before the next try, so that an answer in between is not missed.
                changed.as_mut().enable();
                match self.try_admit(terms) {
                    // Another budget of the call is waited for now; it may have been answered already.
                    Decision::Pending(next) if !Arc::ptr_eq(&next, &waited) => purse = next,
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
        if let Err(throttled) = terms.throttles.take(Some(&account.bucket), now) {
            return self.throttled(throttled);
        }
        let mut admitted = Admitted {
            throttle: terms.throttles.headroom(Some(&account.bucket), now),
            ..Admitted::default()
        };
        match self.charge_all(terms, &account, now, &mut admitted) {
            None => Decision::Admitted(admitted),
            Some(decision) => {
                terms.throttles.give_back(Some(&account.bucket));
                decision
            }
        }
    }

    /// Takes the call's units from every budget, or decides otherwise and has taken none.
    #[inline]
    fn charge_all(
        &mut self,
        terms: &Terms<'_>,
        account: &Account,
        now: i64,
        admitted: &mut Admitted,
    ) -> Option<Decision> {
        if terms.units == 0 || (terms.quotas.is_empty() && terms.spend.is_none()) {
            return None;
        }
        let inner = Rc::clone(&self.ledger);
        let cap = terms.spend.map(|spend| inner.cap(spend.subscription));
        self.price_micros = terms.spend.map_or(0, |spend| spend.price_micros);
        let micros = terms.units.saturating_mul(self.price_micros);
        if micros > MAX_LEASE {
            return Some(Decision::Refused(Refusal::new(Reason::ConfigurationInvalid, 0)));
        }
        let quotas = terms
            .quotas
            .iter()
            .map(|period| (Kind::Quota(*period), account.quota(*period, &inner.accounts), terms.units));
        let spend = cap.iter().filter(|_| micros > 0).map(|cap| (Kind::Spend, cap, micros));
        let mut charges = Charges::new();
        let mut unknown: [Option<(&Arc<Purse>, u64)>; MAX_CHARGES] = [None; MAX_CHARGES];
        for ((kind, purse, units), unknown) in quotas.chain(spend).zip(&mut unknown) {
            match purse.take(units, now, &inner.desk) {
                purse::Taken::Units(lease) => charges.push(Taken { kind, lease, units }),
                purse::Taken::Unlimited => {}
                purse::Taken::Unknown => *unknown = Some((purse, units)),
                purse::Taken::Exhausted(until) => {
                    charges.release();
                    let retry_after_us = until.map_or(SCARCE_RETRY_US, |until| until - now);
                    return Some(Decision::Refused(Refusal::used_up(kind, retry_after_us)));
                }
            }
        }
        let mut first = None;
        for (purse, units) in unknown.into_iter().flatten() {
            purse.ask(units, &inner.desk);
            first = first.or(Some(purse));
        }
        if let Some(purse) = first {
            charges.release();
            return Some(Decision::Pending(Arc::clone(purse)));
        }
        if !charges.cover(self.started_at) && !self.restamp(now) {
            charges.release();
            return Some(Decision::Refused(OVERLOADED));
        }
        charges.tell(admitted);
        self.charge(charges);
        None
    }

    /// Decides a pending call without metering, by the plan's rule.
    pub fn admit_degraded(&mut self, terms: &Terms<'_>) -> Decision {
        match terms.degraded {
            DegradedMode::Refuse => Decision::Refused(LEASE_UNAVAILABLE),
            DegradedMode::ServeAndMark => {
                let account = self.ledger.account(terms.key, terms.plan);
                let now = self.ledger.clock.micros();
                if let Err(throttled) = terms.throttles.take(Some(&account.bucket), now) {
                    return self.throttled(throttled);
                }
                self.degraded = true;
                Decision::Admitted(Admitted {
                    degraded: Some(Reason::LeaseUnavailable),
                    ..Admitted::default()
                })
            }
        }
    }

    /// Decides on a call that no usage plan holds for: it may run unless a throttle has no token or the disk bound is reached.
    pub fn admit_without_plan(&mut self, throttles: &Throttles<'_>) -> Decision {
        if self.ledger.port.is_full() {
            return Decision::Refused(SPOOL_FULL);
        }
        let now = self.ledger.clock.micros();
        match throttles.take(None, now) {
            Ok(()) => Decision::Admitted(Admitted {
                throttle: throttles.headroom(None, now),
                ..Admitted::default()
            }),
            Err(throttled) => self.throttled(throttled),
        }
    }

    /// Refuses the call: its record names the throttle.
    pub fn throttled(&mut self, throttled: Throttled) -> Decision {
        self.throttled = Some(throttled.scope);
        Decision::Throttled(throttled)
    }

    /// Serves the call although a limit could not be checked: its record says so.
    pub const fn degrade(&mut self) {
        self.degraded = true;
    }

    fn admit_beyond_bound(&mut self, terms: &Terms<'_>) -> Decision {
        match terms.degraded {
            DegradedMode::Refuse => Decision::Refused(SPOOL_FULL),
            DegradedMode::ServeAndMark => {
                (self.degraded, self.unrecorded) = (true, true);
                Decision::Admitted(Admitted { degraded: Some(Reason::SpoolFull), ..Admitted::default() })
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

    /// The order of these stores is what makes budgets exact across a kill; see the module above.
    fn charge(&mut self, charges: Charges) {
        if charges.is_empty() {
            return;
        }
        let inner = &self.ledger;
        let charged = |Taken { kind, lease, units }: &Taken| Charge {
            kind: *kind,
            cell: lease.cell,
            lease: lease.id,
            units: *units,
            expected: inner.cells.charged(lease.cell, inner.worker) + units,
        };
        inner.slots.charge(self.slot, charges.iter().map(charged));
        for Charge { cell, expected, .. } in charges.iter().map(charged) {
            inner.cells.set_charged(cell, inner.worker, expected);
        }
        self.charges = charges;
    }

    /// Gives back what does not stay taken; answers what the call counts for.
    fn settle(&self, ended: &Ended) -> Settled {
        let inner = &self.ledger;
        let mut settled = Settled::default();
        let mut any = false;
        for Taken { kind, lease, units } in self.charges.iter() {
            let kept = self.kept(*kind, *units, ended);
            any |= kept < *units;
            match kind {
                Kind::Quota(period) => {
                    settled.flags = settled.flags.with(Flags::charged(*period));
                    settled.lease = settled.lease.or(Some(lease.id));
                    settled.quota_units = kept;
                }
                Kind::Spend => settled.spend_micros = kept,
            }
        }
        if any {
            let returned = |Taken { kind, lease, units }: &Taken| {
                let back = units - self.kept(*kind, *units, ended);
                (
                    lease.cell,
                    Return { units: back, expected: inner.cells.returned(lease.cell, inner.worker) + back },
                )
            };
            inner.slots.give_back(self.slot, self.charges.iter().map(|taken| returned(taken).1));
            for (cell, Return { expected, .. }) in self.charges.iter().map(returned) {
                inner.cells.set_returned(cell, inner.worker, expected);
            }
        }
        settled
    }

    /// Units of a charge that stay taken.
    fn kept(&self, kind: Kind, units: u64, ended: &Ended) -> u64 {
        match kind {
            Kind::Quota(_) => ended.quota_units.min(units),
            Kind::Spend => ended.billable_units.saturating_mul(self.price_micros).min(units),
        }
    }

    /// Ends the call and records it. Comes before the last byte is handed to the transport.
    pub fn finish(mut self, ended: Ended) {
        self.end(&ended);
    }

    fn end(&mut self, ended: &Ended) {
        self.finished = true;
        let inner = Rc::clone(&self.ledger);
        let table = &mut *inner.table.borrow_mut();
        let refused = self.charges.is_empty() && !ended.reason.counts();
        if self.unrecorded || refused && inner.port.is_full() {
            let unrecorded = &inner.unrecorded;
            let counter = if self.unrecorded { &unrecorded.served } else { &unrecorded.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            inner.free(table, self.slot);
            return;
        }
        let settled = self.settle(ended);
        let mut flags = settled.flags;
        if self.degraded {
            flags = flags.with(Flags::DEGRADED);
        }
        if ended.client_gone {
            flags = flags.with(Flags::CLIENT_GONE);
        }
        if ended.cost_capped {
            flags = flags.with(Flags::COST_CAPPED);
        }
        if let Some(scope) = self.throttled {
            flags = flags.throttled_by(scope);
        }
        let outcome = Outcome {
            status: ended.status,
            reason: ended.reason,
            flags,
            quota_units: settled.quota_units,
            billable_units: ended.billable_units,
            spend_micros: settled.spend_micros,
            lease: settled.lease,
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
        let charges = std::mem::take(&mut self.charges);
        for Taken { kind, lease, units } in charges.iter() {
            lease.release(units - self.kept(*kind, *units, ended));
        }
    }
}

/// What a call counts for in its budgets.
#[derive(Debug, Default)]
struct Settled {
    flags: Flags,
    quota_units: u64,
    spend_micros: u64,
    lease: Option<LeaseId>,
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
