//! What one key may do in one usage plan, as far as this gateway knows: its bucket, its leases, and what metering last said.
//!
//! Shared by all workers; every field is an atomic, so a call never waits for another. Only the desk puts leases in and out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use ahash::RandomState;
use arc_swap::ArcSwapOption;
use common::id::{KeyId, UsagePlanId};
use contracts::lease::Budget;
use contracts::metering::Period;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::lease::Lease;
use super::share::{BucketName, Sharing};
use super::throttle::Bucket;

/// A lease asks for its successor when less than this part of it is left.
const LOW_SHARE: u64 = 4;

/// A key in a usage plan.
#[derive(Debug)]
pub struct Account {
    /// The key.
    pub key: KeyId,
    /// The usage plan.
    pub plan: UsagePlanId,
    /// Its throttle.
    pub bucket: Bucket,
    pub(super) current: ArcSwapOption<Lease>,
    pub(super) spare: ArcSwapOption<Lease>,
    /// The desk has been told and has not answered yet.
    pub(super) wanted: AtomicBool,
    /// The quota's period, as its place among the periods.
    period: AtomicU8,
    /// Most units a call needs.
    pub(super) need: AtomicU64,
    /// Units to ask for next time.
    pub(super) hint: AtomicU64,
    verdict: Verdict,
    pub(super) changed: Notify,
}

/// What metering last said where it gave no lease.
#[derive(Debug, Default)]
struct Verdict {
    exhausted_until: AtomicI64,
    exhausted_above: AtomicU64,
    /// Holds until the desk lifts it.
    scarce: AtomicBool,
    /// Holds until the desk lifts it.
    unlimited: AtomicBool,
}

/// What an account can give a call.
#[derive(Debug)]
pub(super) enum Taken {
    /// Units of this lease.
    Units(Arc<Lease>),
    /// The plan has no quota any more.
    Unlimited,
    /// The quota is used up until this time; or, without one, all of it is leased out and nothing came back in time.
    Exhausted(Option<i64>),
    /// Metering has to be asked.
    Unknown,
}

impl Account {
    fn new(key: KeyId, plan: UsagePlanId, bucket: Bucket) -> Self {
        Self {
            key,
            plan,
            bucket,
            current: ArcSwapOption::empty(),
            spare: ArcSwapOption::empty(),
            wanted: AtomicBool::new(false),
            period: AtomicU8::new(0),
            need: AtomicU64::new(1),
            hint: AtomicU64::new(0),
            verdict: Verdict::default(),
            changed: Notify::new(),
        }
    }

    /// Says which of the key's quotas this is.
    #[inline]
    pub(super) fn set_period(&self, period: Period) {
        if self.period.load(Ordering::Relaxed) != period as u8 {
            self.period.store(period as u8, Ordering::Relaxed);
        }
    }

    /// What its leases are taken from.
    pub(super) fn budget(&self) -> Budget {
        let period = match self.period.load(Ordering::Relaxed) {
            0 => Period::Day,
            1 => Period::Week,
            _ => Period::Month,
        };
        Budget::Quota { key: self.key, plan: self.plan, period }
    }

    /// Takes units for a call at `now`, and has the desk told when more will be needed.
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
        self.ask(units, desk);
        Taken::Unknown
    }

    fn ask(self: &Arc<Self>, units: u64, desk: &UnboundedSender<Arc<Self>>) {
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
            && units > self.verdict.exhausted_above.load(Ordering::Acquire)
    }

    pub(super) fn set_exhausted(&self, until: i64, left: u64) {
        self.verdict.exhausted_above.store(left, Ordering::Release);
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
        self.set_exhausted(0, 0);
        self.set_scarce(false);
        self.set_unlimited(false);
    }

    /// Whether nothing would be lost by forgetting the account.
    fn is_blank(&self, now: i64) -> bool {
        let verdict = &self.verdict;
        self.bucket.is_full(now)
            && self.current.load().is_none()
            && self.spare.load().is_none()
            && !self.wanted.load(Ordering::Acquire)
            && verdict.exhausted_until.load(Ordering::Acquire) <= now
    }
}

/// All accounts of the process. A worker looks here once per key and plan and then keeps the account.
#[derive(Debug, Default)]
pub struct Accounts {
    all: Mutex<HashMap<(KeyId, UsagePlanId), Arc<Account>, RandomState>>,
    sharing: Sharing,
}

impl Accounts {
    /// None yet; their buckets are made by `sharing`.
    pub fn new(sharing: Sharing) -> Self {
        Self { all: Mutex::default(), sharing }
    }

    /// The account of a key in a plan.
    pub fn get(&self, key: KeyId, plan: UsagePlanId) -> Arc<Account> {
        let mut all = self.all.lock();
        let new = || {
            let bucket = self.sharing.bucket(|| BucketName::Key { key, plan });
            Arc::new(Account::new(key, plan, bucket))
        };
        Arc::clone(all.entry((key, plan)).or_insert_with(new))
    }

    /// Accounts of a plan, of a key, or all.
    pub(super) fn matching(&self, key: Option<KeyId>, plan: Option<UsagePlanId>) -> Vec<Arc<Account>> {
        let all = self.all.lock();
        let wanted = |account: &&Arc<Account>| {
            key.is_none_or(|key| key == account.key) && plan.is_none_or(|plan| plan == account.plan)
        };
        let mut matching: Vec<_> = all.values().filter(wanted).cloned().collect();
        matching.sort_unstable_by_key(|account| (account.key, account.plan));
        matching
    }

    /// Forgets accounts that no worker keeps and that say nothing.
    pub(super) fn sweep(&self, now: i64) {
        self.all.lock().retain(|_, account| Arc::strong_count(account) > 1 || !account.is_blank(now));
    }
}
