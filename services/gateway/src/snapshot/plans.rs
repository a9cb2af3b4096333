//! Usage plans as the workers need them.

use common::id::{PlanId, TenantId, UsagePlanId};
use contracts::metering::{PlanStage, PlanTerms, Throttle, UsagePlanEntry};

use serde::{Deserialize, Serialize};

use super::{Method, Stage};
use crate::admission::Rate;

/// What a key may use. Keys of one subscription kind share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) usage_plans: Box<[UsagePlanId]>,
    pub(crate) sold_plan: Option<PlanId>,
}

/// A usage plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) id: UsagePlanId,
    pub(crate) tenant: TenantId,
    /// The throttle as the buckets take it.
    pub(crate) rate: Option<Rate>,
    pub(crate) terms: PlanTerms,
}

impl Plan {
    pub(super) fn new(entry: UsagePlanEntry) -> Self {
        let UsagePlanEntry { id, tenant, terms } = entry;
        let rate = terms.throttle.as_ref().map(Rate::new);
        Self { id, tenant, rate, terms }
    }

    /// The entry it was made of.
    pub(super) fn to_entry(&self) -> UsagePlanEntry {
        UsagePlanEntry { id: self.id, tenant: self.tenant, terms: self.terms.clone() }
    }

    /// The plan's word on a stage, if it opens it.
    pub(super) fn opens(&self, stage: &Stage) -> Option<&PlanStage> {
        self.terms.stages.iter().find(|opened| opened.api_id == stage.api && opened.stage == stage.name)
    }

    /// The tighter throttle of one method, where the plan has one.
    pub(crate) fn method_throttle(&self, stage: &Stage, method: &Method) -> Option<Throttle> {
        self.opens(stage)?.throttle.get(&method.throttle_key).copied()
    }
}
