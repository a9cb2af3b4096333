//! The one writer of the configuration: applies changes and publishes the outcome.
//!
//! Knows no network: followers hand it what they received. Every apply ends in one swap.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use apidef::matcher::BuildError;
use arc_swap::ArcSwap;
use common::id::{ApiId, KeyId, TenantId, UsagePlanId};
use contracts::apis::StageEntry;
use contracts::metering::{self, AccessEntry};
use contracts::stream::Change;

use super::buckets::CommonBuckets;
use super::index::KeyIndex;
use super::plans::{Grant, Plan};
use super::{KeyEntry, KeyHash, Live, Stage};
use crate::admission::Sharing;
use crate::config::TenantThrottles;

/// Holds the writer's own copy and the published one.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) draft: Live,
    pub(super) index: KeyIndex,
    pub(super) tenants: Interner<TenantId>,
    pub(super) grants: Interner<Grant>,
    published: Arc<ArcSwap<Live>>,
    buckets: CommonBuckets,
    tenant_throttles: TenantThrottles,
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
    /// An empty one; the buckets that all keys have in common are made by `sharing`.
    pub(crate) fn new(sharing: Sharing, tenant_throttles: TenantThrottles) -> Self {
        Self {
            draft: Live::default(),
            index: KeyIndex::default(),
            tenants: Interner::default(),
            grants: Interner::default(),
            published: Arc::new(ArcSwap::from_pointee(Live::default())),
            buckets: CommonBuckets::new(sharing),
            tenant_throttles,
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

    /// Forgets all stages, to be published with what takes their place.
    pub(crate) fn reset_stages(&mut self) {
        self.draft.stages = Arc::default();
        self.draft.revisions.apis = 0;
    }

    /// Forgets all keys and plans, to be published with what takes their place.
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
                let compiled = change.state.as_ref().and_then(|entry| {
                    let tenant = self.tenant_throttles.of(entry.tenant);
                    let mut bucket = |name| self.buckets.get(name);
                    served(entry, || Stage::compile(entry, tenant, &mut bucket))
                });
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

    /// Puts the owner's whole state in place of the stages there are, in one swap: no stage vanishes in between, and one that
    /// stays keeps its bucket.
    pub(crate) fn replace_stages(&mut self, mut changes: Vec<Change<StageEntry>>, revision: u64) {
        let known: HashSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        let served =
            self.draft.stages.iter().flat_map(|(api, stages)| stages.iter().map(move |it| (api, it)));
        let keys = served.map(|(api, stage)| format!("stage/{api}/{}", stage.name));
        let gone: Vec<_> = keys.filter(|key| !known.contains(key.as_str())).collect();
        changes.extend(gone.into_iter().map(|key| Change::new(revision, key, None)));
        self.apply_stages(changes, revision);
    }

    /// Puts the owner's whole state in place of the keys and usage plans there are, in one swap.
    pub(crate) fn replace_access(&mut self, changes: Vec<Change<AccessEntry>>, revision: u64) {
        self.reset_access();
        self.apply_access(changes, revision);
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
        let grant = Grant {
            usage_plans: key.usage_plans.clone().into_boxed_slice(),
            sold_plan: key.plan,
            spend_price_micros: key.spend_price_micros,
        };
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

/// A stage that cannot be compiled is not served; the others are. Nothing outlives a panic but what the stage alone was
/// made of.
fn served(entry: &StageEntry, compile: impl FnOnce() -> Result<Stage, BuildError>) -> Option<Arc<Stage>> {
    let (api, stage) = (entry.api, &entry.stage);
    match catch_unwind(AssertUnwindSafe(compile)) {
        Ok(Ok(compiled)) => return Some(Arc::new(compiled)),
        Ok(Err(error)) => tracing::error!(%api, stage, %error, "stage cannot be served"),
        Err(_) => tracing::error!(%api, stage, "stage cannot be served: compiling it panicked"),
    }
    None
}

/// Splits `stage/{api}/{name}`.
pub(super) fn parse_stage_key(key: &str) -> Option<(ApiId, &str)> {
    let (api, name) = key.strip_prefix("stage/")?.split_once('/')?;
    Some((api.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use common::id::DeploymentId;
    use contracts::apis::StageSettings;
    use contracts::metering::Throttle;

    use super::*;
    use crate::admission::Bucket;

    fn stage(api: ApiId, name: &str) -> Change<StageEntry> {
        let now = chrono::DateTime::UNIX_EPOCH;
        let throttle = Some(Throttle { rate_limit: 1.0, burst_limit: 1 });
        let entry = StageEntry {
            tenant: TenantId::new(now),
            api,
            stage: name.to_owned(),
            deployment: DeploymentId::new(now),
            document: Arc::new(apidef::Api::new("a")),
            settings: StageSettings { throttle, ..StageSettings::default() },
            secret_headers: Vec::new(),
        };
        Change::new(1, format!("stage/{api}/{name}"), Some(entry))
    }

    #[test]
    fn a_stage_whose_compilation_panics_is_denied_and_nothing_else() {
        let entry = stage(ApiId::random(), "dev").state.expect("an entry");
        assert!(served(&entry, || std::panic::resume_unwind(Box::new("planted"))).is_none());
        let compile = || Stage::compile(&entry, None, &mut |_| Arc::<Bucket>::default());
        assert!(served(&entry, compile).is_some());
    }

    #[test]
    fn a_replaced_state_holds_what_its_owner_has_and_keeps_the_buckets_of_what_stays() {
        let mut writer = Writer::new(Sharing::default(), TenantThrottles::default());
        let (kept, lost) = (ApiId::random(), ApiId::random());
        writer.apply_stages(vec![stage(kept, "dev"), stage(kept, "old"), stage(lost, "dev")], 100);
        let bucket = |writer: &Writer| {
            let live = writer.published.load();
            Arc::clone(
                &live.stage(&kept, "dev").expect("served").throttle.as_ref().expect("a throttle").bucket,
            )
        };
        let before = bucket(&writer);
        writer.replace_stages(vec![stage(kept, "dev"), stage(kept, "new")], 90);
        let live = writer.published.load_full();
        assert!(live.stage(&kept, "new").is_some());
        assert!(live.stage(&kept, "old").is_none() && live.stage(&lost, "dev").is_none());
        assert_eq!(live.revisions.apis, 90);
        assert!(Arc::ptr_eq(&before, &bucket(&writer)));
    }
}
