//! The configuration the workers serve by: stages, keys, usage plans.
//!
//! Readers take one immutable [`Live`] per request, so no request sees two versions. A single writer, off the hot path,
//! applies changes to its own copy-on-write state and swaps the result in. Knows no connection and no phase.

mod buckets;
mod costs;
mod file;
mod index;
mod keys;
mod plans;
mod stage;
mod store;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;

use common::id::{ApiId, TenantId, UsagePlanId};

pub(crate) use self::costs::{CostKeys, JsonPath, MethodCost, Source, units_in};
pub(crate) use self::keys::{KeyEntry, KeyHash, KeyTable};
pub(crate) use self::plans::{Grant, Plan};
pub(crate) use self::stage::{Backend, Method, Stage, Upstream};
pub(crate) use self::store::Store;
pub(crate) use self::writer::Writer;

/// How far the state has followed its owners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Revisions {
    pub(crate) apis: u64,
    pub(crate) metering: u64,
}

/// One version of the whole configuration. Cloning shares everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    pub(crate) revisions: Revisions,
    stages: Arc<HashMap<ApiId, Vec<Arc<Stage>>, ahash::RandomState>>,
    keys: KeyTable,
    /// What `KeyEntry::tenant` counts in.
    tenants: Arc<Vec<TenantId>>,
    /// What `KeyEntry::grant` counts in.
    grants: Arc<Vec<Grant>>,
    plans: Arc<HashMap<UsagePlanId, Arc<Plan>, ahash::RandomState>>,
}

impl Live {
    /// A stage by its address.
    pub(crate) fn stage(&self, api: &ApiId, name: &str) -> Option<&Arc<Stage>> {
        self.stages.get(api)?.iter().find(|stage| stage.name == name)
    }

    /// The key with this value, if it is one of `tenant`'s. A foreign key is no key.
    pub(crate) fn key(&self, hash: KeyHash, tenant: TenantId) -> Option<&KeyEntry> {
        let entry = self.keys.get(hash)?;
        (self.tenants.get(entry.tenant() as usize) == Some(&tenant)).then_some(entry)
    }

    /// The usage plans and the sold plan of a key.
    pub(crate) fn grant(&self, key: &KeyEntry) -> Option<&Grant> {
        self.grants.get(key.grant as usize)
    }

    /// The usage plan by which a grant opens a stage. A plan that is gone opens nothing.
    pub(crate) fn plan_for(&self, grant: &Grant, stage: &Stage) -> Option<&Arc<Plan>> {
        let plans = grant.usage_plans.iter().filter_map(|id| self.plans.get(id));
        plans.into_iter().find(|plan| plan.tenant == stage.tenant && plan.opens(stage).is_some())
    }

    /// Stages and key values held, for metrics.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.stages.values().map(Vec::len).sum(), self.keys.len())
    }
}
