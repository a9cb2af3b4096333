//! The buckets of throttles that hold for one method and key.
//!
//! One bucket for all workers of the process. A worker asks here once per key and method and then keeps the bucket, so the
//! lock is not on the way of most calls.

use std::cell::RefCell;
use std::sync::Arc;

use common::id::{ApiId, KeyId, UsagePlanId};
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::admission::{Bucket, BucketName, MethodName, Sharing};

type Id = (KeyId, UsagePlanId, ApiId, MethodName);
type Map = HashMap<Id, Arc<Bucket>, ahash::RandomState>;

/// The buckets of the process.
#[derive(Debug, Default)]
pub(crate) struct SharedBuckets {
    all: Mutex<Map>,
    sharing: Sharing,
}

impl SharedBuckets {
    /// None yet; they are made by `sharing`.
    pub(crate) fn new(sharing: Sharing) -> Self {
        Self { sharing, ..Self::default() }
    }

    /// Forgets buckets that no worker keeps and that are full: a new one would say the same.
    fn sweep(&self, now: i64) {
        self.all.lock().retain(|_, bucket| Arc::strong_count(bucket) > 1 || !bucket.is_full(now));
    }
}

/// A worker's way to the buckets.
#[derive(Debug)]
pub(crate) struct Buckets {
    shared: Arc<SharedBuckets>,
    known: RefCell<Map>,
}

impl Buckets {
    pub(crate) fn new(shared: Arc<SharedBuckets>) -> Self {
        Self { shared, known: RefCell::default() }
    }

    /// The bucket of a key for one method of a plan.
    pub(crate) fn of(&self, key: KeyId, plan: UsagePlanId, api: ApiId, method: MethodName) -> Arc<Bucket> {
        let id = (key, plan, api, method);
        let mut known = self.known.borrow_mut();
        let new =
            || Arc::new(self.shared.sharing.bucket(|| BucketName::KeyMethod { key, plan, api, method }));
        let from_shared = || Arc::clone(self.shared.all.lock().entry(id).or_insert_with(new));
        Arc::clone(known.entry(id).or_insert_with(from_shared))
    }

    /// Lets go of buckets, so that unused ones can be forgotten. To be called now and then.
    pub(crate) fn sweep(&self, now: i64) {
        self.known.borrow_mut().clear();
        self.shared.sweep(now);
    }
}
