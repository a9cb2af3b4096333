//! The buckets that all callers of a method, a stage or a tenant have in common, so that a new version of a stage finds those of
//! the one before. Only the writer holds it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::admission::{Bucket, BucketName, Sharing};

/// Entries from which on those of buckets that are gone are looked for.
const SWEEP_FROM: usize = 256;

/// Buckets by name, as long as some version of a stage has them.
#[derive(Debug)]
pub(super) struct CommonBuckets {
    all: HashMap<BucketName, Weak<Bucket>, ahash::RandomState>,
    sweep_at: usize,
    sharing: Sharing,
}

impl CommonBuckets {
    /// None yet; they are made by `sharing`.
    pub(super) fn new(sharing: Sharing) -> Self {
        Self { all: HashMap::default(), sweep_at: SWEEP_FROM, sharing }
    }

    /// The bucket of this name.
    pub(super) fn get(&mut self, name: BucketName) -> Arc<Bucket> {
        if let Some(known) = self.all.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        let bucket = Arc::new(self.sharing.bucket(|| name.clone()));
        self.all.insert(name, Arc::downgrade(&bucket));
        if self.all.len() >= self.sweep_at {
            self.all.retain(|_, bucket| bucket.strong_count() > 0);
            self.sweep_at = SWEEP_FROM.max(2 * self.all.len());
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use common::id::{ApiId, TenantId};

    use super::*;

    #[test]
    fn a_bucket_is_found_by_its_name_while_somebody_has_it_and_forgotten_then() {
        let mut buckets = CommonBuckets::new(Sharing::default());
        let tenant = TenantId::new(chrono::DateTime::UNIX_EPOCH);
        let kept = buckets.get(BucketName::Tenant { tenant });
        for _ in 0..10 * SWEEP_FROM {
            buckets.get(BucketName::Stage { api: ApiId::random(), stage: "dev".to_owned() });
        }
        assert!(buckets.all.len() <= SWEEP_FROM, "{}", buckets.all.len());
        assert!(Arc::ptr_eq(&kept, &buckets.get(BucketName::Tenant { tenant })));
    }
}
