//! One budget as far as this gateway knows it: its leases here, and what metering last said.
//!
//! Shared by all workers; every field is an atomic, so a call never waits for another. Only the desk puts leases in and out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use ahash::RandomState;
use arc_swap::ArcSwapOption;
use common::id::{KeyId, SubscriptionId, UsagePlanId};
use contracts::lease::Budget;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::lease::Lease;

/// A lease asks for its successor when less than this part of it is left.
const LOW_SHARE: u64 = 4;

/// What this gateway can give calls of one budget.
#[derive(Debug)]
pub struct Purse {
    /// The budget.
    pub budget: Budget,
    pub(super) current: ArcSwapOption<Lease>,
    pub(super) spare: ArcSwapOption<Lease>,
    /// The desk has been told and has not answered yet.
    pub(super) wanted: AtomicBool,
    /// Most units a call needs.
    pub(super) need: AtomicU64,
    /// Units a call needs, as far as those that asked tell: the most of late.
    pub(super) weight: AtomicU64,
    /// Calls to ask for next time.
    pub(super) hint: AtomicU64,
    verdict: Verdict,
    pub(super) changed: Notify,
}

/// What metering last said where it gave no lease.
#[derive(Debug, Default)]
struct Verdict {
    /// What is said of the end of a period says nothing of the time before it was asked: a clock that was ahead may be set right.
    exhausted_from: AtomicI64,
    exhausted_until: AtomicI64,
    exhausted_above: AtomicU64,
    /// Holds until the desk lifts it.
    scarce: AtomicBool,
    /// Holds until the desk lifts it.
    unlimited: AtomicBool,
}

/// What a purse can give a call.
#[derive(Debug)]
pub(super) enum Taken {
    /// Units of this lease.
    Units(Arc<Lease>),
    /// There is no such limit any more.
    Unlimited,
    /// The budget is used up until this time; or, without one, all of it is leased out and nothing came back in time.
    Exhausted(Option<i64>),
    /// Metering has to be asked.
    Unknown,
}

/// What metering published a change of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// A key.
    Key(KeyId),
    /// A usage plan.
    Plan(UsagePlanId),
    /// A subscription: its spend cap, or a key of it.
    Subscription(SubscriptionId),
}

impl Published {
    /// Whether what is known of a budget may not hold any more.
    fn concerns(self, budget: &Budget) -> bool {
        match (self, budget) {
            (Self::Key(changed), Budget::Quota { key, .. }) => changed == *key,
            (Self::Plan(changed), Budget::Quota { plan, .. }) => changed == *plan,
            (Self::Subscription(changed), Budget::Spend { subscription }) => changed == *subscription,
            _ => false,
        }
    }
}

impl Purse {
    fn new(budget: Budget) -> Self {
        Self {
            budget,
            current: ArcSwapOption::empty(),
            spare: ArcSwapOption::empty(),
            wanted: AtomicBool::new(false),
            need: AtomicU64::new(1),
            weight: AtomicU64::new(1),
            hint: AtomicU64::new(0),
            verdict: Verdict::default(),
            changed: Notify::new(),
        }
    }

    /// Takes units for a call at `now`, and has the desk told when more will be needed. Where metering has to be asked first,
    /// [`Purse::ask`] does that: not every call that could be let through by this budget is let through by the others.
    #[inline]
    pub(super) fn take(self: &Arc<Self>, units: u64, now: i64, desk: &UnboundedSender<Arc<Self>>) -> Taken {
        if let Some(lease) = &*self.current.load()
            && lease.covers(now)
            && let Some(left) = lease.take(units)
        {
            if left < lease.granted / LOW_SHARE
                && self.spare.load().is_none()
                && !self.is_exhausted(units, now)
            {
                self.ask(units, desk);
            }
            return Taken::Units(Arc::clone(lease));
        }
        self.take_elsewhere(units, now, desk)
    }

    #[cold]
    fn take_elsewhere(self: &Arc<Self>, units: u64, now: i64, desk: &UnboundedSender<Arc<Self>>) -> Taken {
        if let Some(lease) = &*self.spare.load()
            && lease.covers(now)
            && lease.take(units).is_some()
        {
            self.ask(units, desk);
            return Taken::Units(Arc::clone(lease));
        }
        let verdict = &self.verdict;
        if verdict.unlimited.load(Ordering::Acquire) {
            return Taken::Unlimited;
        }
        if self.is_exhausted(units, now) {
            return Taken::Exhausted(Some(verdict.exhausted_until.load(Ordering::Acquire)));
        }
        if verdict.scarce.load(Ordering::Acquire) {
            return Taken::Exhausted(None);
        }
        Taken::Unknown
    }

    /// Has the desk told that a call needs units.
    pub(super) fn ask(self: &Arc<Self>, units: u64, desk: &UnboundedSender<Arc<Self>>) {
        self.need.fetch_max(units, Ordering::Relaxed);
        if self.wanted.load(Ordering::Relaxed) || self.wanted.swap(true, Ordering::AcqRel) {
            return;
        }
        // Fails only when the desk has ended; then calls wait until their deadline.
        let _ = desk.send(Arc::clone(self));
    }

    #[inline]
    fn is_exhausted(&self, units: u64, now: i64) -> bool {
        now < self.verdict.exhausted_until.load(Ordering::Acquire)
            && now >= self.verdict.exhausted_from.load(Ordering::Acquire)
            && units > self.verdict.exhausted_above.load(Ordering::Acquire)
    }

    pub(super) fn set_exhausted(&self, from: i64, until: i64, left: u64) {
        self.verdict.exhausted_above.store(left, Ordering::Release);
        self.verdict.exhausted_from.store(from, Ordering::Release);
        self.verdict.exhausted_until.store(until, Ordering::Release);
    }

    pub(super) fn set_scarce(&self, holds: bool) {
        self.verdict.scarce.store(holds, Ordering::Release);
    }

    pub(super) fn set_unlimited(&self, holds: bool) {
        self.verdict.unlimited.store(holds, Ordering::Release);
    }

    /// Forgets what metering said: it has published a change.
    pub(super) fn clear_verdict(&self) {
        self.set_exhausted(0, 0, 0);
        self.set_scarce(false);
        self.set_unlimited(false);
    }

    /// Whether nothing would be lost by forgetting the purse.
    fn is_blank(&self, now: i64) -> bool {
        let verdict = &self.verdict;
        self.current.load().is_none()
            && self.spare.load().is_none()
            && !self.wanted.load(Ordering::Acquire)
            && verdict.exhausted_until.load(Ordering::Acquire) <= now
    }
}

/// All purses of the process.
#[derive(Debug, Default)]
pub(super) struct Purses(Mutex<HashMap<Budget, Arc<Purse>, RandomState>>);

impl Purses {
    /// The purse of a budget.
    pub(super) fn get(&self, budget: Budget) -> Arc<Purse> {
        let mut all = self.0.lock();
        Arc::clone(all.entry(budget).or_insert_with(|| Arc::new(Purse::new(budget))))
    }

    /// Purses that a change concerns.
    pub(super) fn concerned(&self, published: Published) -> Vec<Arc<Purse>> {
        let all = self.0.lock();
        let mut concerned: Vec<_> =
            all.values().filter(|purse| published.concerns(&purse.budget)).cloned().collect();
        concerned.sort_unstable_by_key(|purse| purse.budget);
        concerned
    }

    /// Forgets purses that nobody keeps and that say nothing.
    pub(super) fn sweep(&self, now: i64) {
        self.0.lock().retain(|_, purse| Arc::strong_count(purse) > 1 || !purse.is_blank(now));
    }
}
