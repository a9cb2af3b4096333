//! What one key may do in one usage plan, as far as this gateway knows: its bucket, and the purses of its quotas.
//!
//! Shared by all workers, which look here once per key and plan and then keep the account.

use std::sync::{Arc, OnceLock};

use ahash::RandomState;
use common::id::{KeyId, SubscriptionId, UsagePlanId};
use contracts::lease::Budget;
use contracts::metering::Period;
use hashbrown::HashMap;
use parking_lot::Mutex;

use super::purse::{Published, Purse, Purses};
use super::share::{BucketName, Sharing};
use super::throttle::Bucket;

/// A key in a usage plan.
#[derive(Debug)]
pub struct Account {
    /// The key.
    pub key: KeyId,
    /// The usage plan.
    pub plan: UsagePlanId,
    /// Its throttle.
    pub bucket: Bucket,
    /// By period, from the first call that charges it on.
    quotas: [OnceLock<Arc<Purse>>; 3],
}

impl Account {
    fn new(key: KeyId, plan: UsagePlanId, bucket: Bucket) -> Self {
        Self { key, plan, bucket, quotas: Default::default() }
    }

    /// The purse of the key's quota with this period.
    #[inline]
    pub(super) fn quota(&self, period: Period, accounts: &Accounts) -> &Arc<Purse> {
        let budget = || Budget::Quota { key: self.key, plan: self.plan, period };
        self.quotas[period as usize].get_or_init(|| accounts.purses.get(budget()))
    }
}

/// All accounts of the process.
#[derive(Debug, Default)]
pub struct Accounts {
    all: Mutex<HashMap<(KeyId, UsagePlanId), Arc<Account>, RandomState>>,
    purses: Purses,
    sharing: Sharing,
}

impl Accounts {
    /// None yet; their buckets are made by `sharing`.
    pub fn new(sharing: Sharing) -> Self {
        Self { sharing, ..Self::default() }
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

    /// The purse of a subscription's spend cap.
    pub(super) fn cap(&self, subscription: SubscriptionId) -> Arc<Purse> {
        self.purses.get(Budget::Spend { subscription })
    }

    /// Purses that a change concerns.
    pub(super) fn concerned(&self, published: Published) -> Vec<Arc<Purse>> {
        self.purses.concerned(published)
    }

    /// Forgets accounts and purses that no worker keeps and that say nothing.
    pub(super) fn sweep(&self, now: i64) {
        self.all.lock().retain(|_, account| Arc::strong_count(account) > 1 || !account.bucket.is_full(now));
        self.purses.sweep(now);
    }
}
