//! From a worker's need to a lease in its purse: wishes, what metering answers to them, and how much to ask for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::id::LeaseId;
use contracts::lease::{Budget, LeaseOutcome, LeaseWant};

use super::{BATCH, Desk, Held, RESEND_US, Want};
use crate::admission::lease::Lease;
use crate::admission::purse::Purse;
use crate::spool::Moment;

/// Times metering may answer that nothing is free before calls are refused without waiting.
const SCARCE_ROUNDS: u32 = 3;
/// How long they are then refused.
const SCARCE_US: i64 = 2_000_000;
/// How long an answer holds that contradicts the plan this gateway knows.
const CONTRADICTION_US: i64 = 1_000_000;
/// Smallest and largest number of calls that units are asked for. A lease asks for its successor with a quarter of it left, so that
/// at the smallest one call in 192 causes a request.
const HINTS: (u64, u64) = (256, 1 << 20);
/// A lease used up faster than this asks for twice as much, one that lasts four times longer for half.
const HORIZON_US: i64 = 2_000_000;

impl Desk {
    pub(super) fn want(&mut self, purse: Arc<Purse>, now: Moment) {
        self.promote(&purse, now);
        let budget = purse.budget;
        if self.wants.contains_key(&budget) || purse.spare.load().is_some() {
            purse.wanted.store(self.wants.contains_key(&budget), Ordering::Release);
            purse.changed.notify_waiters();
            return;
        }
        let lease = self.next_id(now);
        self.wanted_ids.insert(lease, budget);
        self.wants.insert(budget, Want { lease, purse, send_at: now.timer, rounds: 0, asked_for: now.wall });
    }

    /// Puts the spare lease in the place of a current one that has nothing to give.
    pub(super) fn promote(&mut self, purse: &Arc<Purse>, now: Moment) {
        let Some(spare) = purse.spare.load_full() else { return };
        let current = purse.current.load_full();
        let need = purse.need.load(Ordering::Relaxed);
        let usable = current.as_ref().is_some_and(|lease| {
            let gate = lease.gate();
            !gate.barred && lease.covers(now.wall) && lease.granted - gate.taken.min(lease.granted) >= need
        });
        if usable {
            return;
        }
        purse.current.store(Some(spare));
        purse.spare.store(None);
        if let Some(current) = current {
            self.close(current.id, now);
        }
    }

    pub(super) fn due_wants(&mut self, now: Moment) -> Vec<LeaseWant> {
        if self.ended || self.shutting_down {
            return Vec::new();
        }
        let mut due = Vec::new();
        for want in self.wants.values_mut().filter(|want| want.send_at <= now.timer).take(BATCH) {
            want.send_at = now.timer + RESEND_US;
            want.asked_for = want.asked_for.max(now.wall);
            let purse = &want.purse;
            let need = purse.need.load(Ordering::Relaxed);
            let leases = [purse.current.load_full(), purse.spare.load_full()];
            due.push(LeaseWant {
                lease: want.lease,
                budget: purse.budget,
                at: now.wall,
                need,
                hint: need
                    .max(purse.weight.load(Ordering::Relaxed))
                    .saturating_mul(purse.hint.load(Ordering::Relaxed).clamp(HINTS.0, HINTS.1)),
                holds: leases.into_iter().flatten().map(|lease| lease.id).collect(),
            });
        }
        due
    }

    pub(super) fn answered(&mut self, budget: Budget, outcome: LeaseOutcome, now: Moment) {
        let Some(want) = self.wants.get_mut(&budget) else { return };
        let purse = Arc::clone(&want.purse);
        if let LeaseOutcome::Scarce { retry_after_us, .. } = outcome {
            want.rounds += 1;
            let wait = i64::try_from(retry_after_us).unwrap_or(RESEND_US).min(RESEND_US);
            want.send_at = now.timer + wait;
            if want.rounds < SCARCE_ROUNDS {
                self.close_fragments(&purse, now);
                return;
            }
        }
        let (id, asked_for) = (want.lease, want.asked_for);
        self.wants.remove(&budget);
        self.wanted_ids.remove(&id);
        // Whoever needs more than one unit says so again.
        let need = purse.need.swap(1, Ordering::Relaxed);
        let weight = purse.weight.load(Ordering::Relaxed);
        purse.weight.store(need.max(weight - weight / 8), Ordering::Relaxed);
        match outcome {
            LeaseOutcome::Granted { units, period_start, period_end, limit, left } => {
                self.install(id, &purse, units, (period_start, period_end), (limit, left), now);
            }
            LeaseOutcome::Scarce { .. } => self.set_scarce(&purse, now.timer + SCARCE_US),
            LeaseOutcome::Exhausted { until, left, .. } => purse.set_exhausted(asked_for, until, left),
            LeaseOutcome::Unlimited => {
                self.set_scarce(&purse, now.timer + CONTRADICTION_US);
                purse.set_unlimited(true);
            }
            LeaseOutcome::Unknown => self.set_scarce(&purse, now.timer + CONTRADICTION_US),
        }
        purse.wanted.store(false, Ordering::Release);
        purse.changed.notify_waiters();
    }

    fn install(
        &mut self,
        id: LeaseId,
        purse: &Arc<Purse>,
        units: u64,
        period: (i64, i64),
        (limit, left): (u64, u64),
        now: Moment,
    ) {
        let Some(cell) = self.free_cells.pop().filter(|_| !self.shutting_down) else {
            self.strays.insert(id, now.timer);
            self.set_scarce(purse, now.timer + CONTRADICTION_US);
            return;
        };
        // In the mapping before any call can use it.
        self.run.cells().occupy(cell, id, units);
        let lease = Arc::new(Lease::new(id, cell, units, period, limit, left));
        let (seen_taken, closing) = (0, None);
        let held = Held {
            lease: Arc::clone(&lease),
            purse: Arc::clone(purse),
            granted_at: now.timer,
            seen_taken,
            used_at: now.timer,
            closing,
        };
        self.held.insert(id, held);
        let replaced = purse.spare.swap(Some(lease));
        if let Some(replaced) = replaced {
            self.close(replaced.id, now);
        }
        self.promote(purse, now);
    }

    /// Gives back what is left in leases that is too little for the call that waits.
    fn close_fragments(&mut self, purse: &Purse, now: Moment) {
        let need = purse.need.load(Ordering::Relaxed);
        for slot in [&purse.current, &purse.spare] {
            if let Some(lease) = slot.load_full()
                && lease.granted - lease.gate().taken.min(lease.granted) < need
            {
                self.close(lease.id, now);
            }
        }
    }

    fn set_scarce(&mut self, purse: &Arc<Purse>, until: i64) {
        purse.set_scarce(true);
        self.ids += 1;
        self.verdicts.insert((until, self.ids), Arc::clone(purse));
    }

    /// Takes verdicts back whose time is over: the next call asks again.
    pub(super) fn lift(&mut self, now: Moment) {
        while let Some(entry) = self.verdicts.first_entry() {
            if entry.key().0 > now.timer {
                return;
            }
            let purse = entry.remove();
            purse.set_scarce(false);
            purse.set_unlimited(false);
        }
    }

    /// A wish whose lease was closed unseen goes on under another id.
    pub(super) fn renew_want(&mut self, id: LeaseId, now: Moment) {
        let Some(budget) = self.wanted_ids.remove(&id) else { return };
        let lease = self.next_id(now);
        self.wanted_ids.insert(lease, budget);
        if let Some(want) = self.wants.get_mut(&budget) {
            want.lease = lease;
            want.send_at = now.timer;
        }
    }

    /// A lease id that no other run makes: the time, this run's random bytes, and a counter.
    fn next_id(&mut self, now: Moment) -> LeaseId {
        self.ids += 1;
        // The builder overwrites bits of the first three bytes: the counter stands behind them.
        let mut tail = [0; 10];
        tail[..6].copy_from_slice(&self.run.incarnation().uuid().as_bytes()[10..]);
        tail[6..].copy_from_slice(&self.ids.to_be_bytes());
        let millis = u64::try_from(now.wall / 1000).unwrap_or(0);
        LeaseId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid())
    }
}

/// Learns from a lease that was used up how much to ask for next time.
pub(super) fn adapt(purse: &Purse, lasted_us: i64) {
    let hint = purse.hint.load(Ordering::Relaxed).clamp(HINTS.0, HINTS.1);
    let next = if lasted_us < HORIZON_US {
        hint * 2
    } else if lasted_us > 4 * HORIZON_US {
        hint / 2
    } else {
        hint
    };
    purse.hint.store(next.clamp(HINTS.0, HINTS.1), Ordering::Relaxed);
}
