//! The one writer of the configuration: applies changes and publishes the outcome.
//!
//! Knows no network: followers hand it what they received. Every apply ends in one swap.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::id::{ApiId, KeyId, TenantId, UsagePlanId};
use contracts::apis::StageEntry;
use contracts::metering::{self, AccessEntry};
use contracts::stream::Change;

use super::index::KeyIndex;
use super::plans::{Grant, Plan};
use super::{KeyEntry, KeyHash, Live, Stage};
use crate::admission::{Bucket, BucketName, Sharing};

/// Holds the writer's own copy and the published one.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) draft: Live,
    pub(super) index: KeyIndex,
    pub(super) tenants: Interner<TenantId>,
    pub(super) grants: Interner<Grant>,
    published: Arc<ArcSwap<Live>>,
    sharing: Sharing,
}

/// Gives equal values one number.
#[derive(Debug)]
pub(super) struct Interner<T> {
    numbers: HashMap<T, u32, ahash::RandomState>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default() }
    }
}

impl<T: Hash + Eq + Clone> Interner<T> {
    /// The number of a value; a new one is appended to `values`.
    pub(super) fn number(&mut self, value: T, values: &mut Arc<Vec<T>>) -> u32 {
        match self.numbers.entry(value) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = u32::try_from(values.len()).unwrap_or(u32::MAX);
                Arc::make_mut(values).push(new.key().clone());
                *new.insert(number)
            }
        }
    }

    /// Takes over numbers given earlier.
    pub(super) fn restore(values: &[T]) -> Self {
        let numbered = values.iter().cloned().zip(0..);
        Self { numbers: numbered.collect() }
    }
}

impl Writer {
    /// An empty one; the buckets of stages are made by `sharing`.
    pub(crate) fn new(sharing: Sharing) -> Self {
        Self {
            draft: Live::default(),
            index: KeyIndex::default(),
            tenants: Interner::default(),
            grants: Interner::default(),
            published: Arc::new(ArcSwap::from_pointee(Live::default())),
            sharing,
        }
    }

    /// Where workers find the configuration.
    pub(crate) fn published(&self) -> Arc<ArcSwap<Live>> {
        Arc::clone(&self.published)
    }

    /// The configuration as the writer holds it.
    pub(crate) fn live(&self) -> &Live {
        &self.draft
    }

    /// Makes the draft the configuration in force.
    pub(super) fn publish(&self) {
        self.published.store(Arc::new(self.draft.clone()));
    }

    /// Forgets all stages, before the owner's whole state is read again.
    pub(crate) fn reset_stages(&mut self) {
        self.draft.stages = Arc::default();
        self.draft.revisions.apis = 0;
    }

    /// Forgets all keys and plans, before the owner's whole state is read again.
    pub(crate) fn reset_access(&mut self) {
        self.draft.keys = super::KeyTable::default();
        self.draft.plans = Arc::default();
        self.draft.revisions.metering = 0;
        self.index = KeyIndex::default();
    }

    /// Applies changes of stages and publishes them under `revision`.
    pub(crate) fn apply_stages(&mut self, changes: Vec<Change<StageEntry>>, revision: u64) {
        if !changes.is_empty() {
            let stages = Arc::make_mut(&mut self.draft.stages);
            for change in changes {
                let Some((api, name)) = parse_stage_key(&change.key) else {
                    tracing::warn!(key = change.key, "change of an unknown kind ignored");
                    continue;
                };
                let of_api = stages.entry(api).or_default();
                let served = of_api.iter().find(|stage| stage.name == name);
                let bucket = served.and_then(|stage| Some(Arc::clone(&stage.throttle.as_ref()?.bucket)));
                let new =
                    || Arc::new(self.sharing.bucket(|| BucketName::Stage { api, stage: name.to_owned() }));
                let compiled =
                    change.state.as_ref().and_then(|entry| compile(entry, bucket.unwrap_or_else(new)));
                of_api.retain(|stage| stage.name != name);
                of_api.extend(compiled);
                if of_api.is_empty() {
                    stages.remove(&api);
                }
            }
        }
        self.draft.revisions.apis = revision;
        self.publish();
    }

    /// Applies changes of keys and usage plans and publishes them under `revision`.
    pub(crate) fn apply_access(&mut self, changes: Vec<Change<AccessEntry>>, revision: u64) {
        for change in changes {
            match change.state {
                Some(AccessEntry::Key(key)) => self.put_key(&key),
                Some(AccessEntry::UsagePlan(plan)) => {
                    Arc::make_mut(&mut self.draft.plans).insert(plan.id, Arc::new(Plan::new(plan)));
                }
                None => self.remove(&change.key),
            }
        }
        self.draft.revisions.metering = revision;
        self.publish();
    }

    fn put_key(&mut self, key: &metering::KeyEntry) {
        let current = KeyHash::from_hex(&key.sha256);
        if current.is_none() {
            tracing::error!(key = %key.id, "hash of a key is malformed: its value is refused");
        }
        let own_end = key.expires_at.map(|end| end.timestamp_millis());
        let previous = key.previous.as_ref().and_then(|(digits, until)| {
            let until = until.timestamp_millis();
            Some((KeyHash::from_hex(digits)?, Some(own_end.map_or(until, |end| end.min(until)))))
        });
        let tenant = self.tenants.number(key.tenant, &mut self.draft.tenants);
        let grant = Grant { usage_plans: key.usage_plans.clone().into_boxed_slice(), sold_plan: key.plan };
        let grant = self.grants.number(grant, &mut self.draft.grants);
        // The value in force comes last: where both are the same, it decides.
        let values = previous.into_iter().chain(current.map(|current| (current, own_end)));
        let values: Vec<_> = values.collect();
        self.forget_values(key.id, values.iter().map(|(hash, _)| *hash));
        for (hash, end) in values {
            let entry = KeyEntry::new(key.id, key.subscription, end, tenant, grant, key.enabled);
            self.draft.keys.insert(hash, entry);
        }
    }

    fn remove(&mut self, change_key: &str) {
        if let Some(key) = change_key.strip_prefix("key/").and_then(|id| id.parse::<KeyId>().ok()) {
            self.forget_values(key, std::iter::empty());
        } else if let Some(plan) =
            change_key.strip_prefix("usage_plan/").and_then(|id| id.parse::<UsagePlanId>().ok())
        {
            Arc::make_mut(&mut self.draft.plans).remove(&plan);
        } else {
            tracing::warn!(key = change_key, "change of an unknown kind ignored");
        }
    }

    fn forget_values(&mut self, key: KeyId, now: impl Iterator<Item = KeyHash>) {
        for prefix in self.index.replace(key, now) {
            self.draft.keys.remove(prefix, key);
        }
    }
}

/// A stage that cannot be compiled is not served; the others are.
fn compile(entry: &StageEntry, bucket: Arc<Bucket>) -> Option<Arc<Stage>> {
    match Stage::compile(entry, bucket) {
        Ok(stage) => Some(Arc::new(stage)),
        Err(error) => {
            tracing::error!(api = %entry.api, stage = entry.stage, %error, "stage cannot be served");
            None
        }
    }
}

/// Splits `stage/{api}/{name}`.
pub(super) fn parse_stage_key(key: &str) -> Option<(ApiId, &str)> {
    let (api, name) = key.strip_prefix("stage/")?.split_once('/')?;
    Some((api.parse().ok()?, name))
}
