//! Usage plans as the workers need them.

use common::id::{PlanId, TenantId, UsagePlanId};
use contracts::metering::{Period, PlanStage, PlanTerms, ThrottleMode, UsagePlanEntry};

use serde::{Deserialize, Serialize};

use super::costs::{MethodCost, ONE_UNIT, StageCosts};
use super::{Method, Stage};
use crate::admission::{MethodName, Rate};

/// What a key may use. Keys of one subscription kind share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) usage_plans: Box<[UsagePlanId]>,
    pub(crate) sold_plan: Option<PlanId>,
    /// Price of a billable unit where the subscription's spend cap stops calls.
    pub(crate) spend_price_micros: Option<u64>,
}

/// A usage plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) id: UsagePlanId,
    pub(crate) tenant: TenantId,
    /// The throttle as the buckets take it.
    pub(crate) rate: Option<Rate>,
    /// Periods of the quotas, shortest first.
    pub(crate) quotas: Box<[Period]>,
    /// In the order of the stages it opens; none where every call costs one unit.
    costs: Box<[StageCosts]>,
    /// The throttles of single methods, sorted by name, in the order of the stages it opens; empty where no stage has any.
    method_rates: Box<[MethodRates]>,
    pub(crate) terms: PlanTerms,
}

/// Throttles of a stage's methods, sorted by name.
type MethodRates = Box<[(MethodName, Rate)]>;

impl Plan {
    pub(super) fn new(entry: UsagePlanEntry) -> Self {
        let UsagePlanEntry { id, tenant, terms } = entry;
        let rate = terms.throttle.as_ref().map(Rate::new);
        let mut quotas: Vec<_> = terms.quotas.iter().map(|quota| quota.period).collect();
        quotas.sort_unstable();
        quotas.dedup();
        let has_costs = terms.stages.iter().any(|stage| !stage.costs.is_empty());
        let costs = terms.stages.iter().filter(|_| has_costs).map(StageCosts::compile).collect();
        let has_method_rates = terms.stages.iter().any(|stage| !stage.throttle.is_empty());
        let method_rates = terms.stages.iter().filter(|_| has_method_rates).map(method_rates).collect();
        Self { id, tenant, rate, quotas: quotas.into_boxed_slice(), costs, method_rates, terms }
    }

    /// The entry it was made of.
    pub(super) fn to_entry(&self) -> UsagePlanEntry {
        UsagePlanEntry { id: self.id, tenant: self.tenant, terms: self.terms.clone() }
    }

    /// The plan's word on a stage, if it opens it.
    pub(super) fn opens(&self, stage: &Stage) -> Option<&PlanStage> {
        self.terms.stages.get(self.place_of(stage)?)
    }

    fn place_of(&self, stage: &Stage) -> Option<usize> {
        let is_it = |opened: &PlanStage| opened.api_id == stage.api && opened.stage == stage.name;
        self.terms.stages.iter().position(is_it)
    }

    /// What calls of a method cost.
    pub(crate) fn cost(&self, stage: &Stage, method: &Method) -> &MethodCost {
        if self.costs.is_empty() {
            return &ONE_UNIT;
        }
        let costs = self.place_of(stage).and_then(|place| self.costs.get(place));
        let named = costs.and_then(|costs| costs.of(method.cost_keys, &method.route, &method.throttle_key));
        named.unwrap_or(&ONE_UNIT)
    }

    /// The tighter throttle of one method, where the plan has one, and the name it is set under.
    pub(crate) fn method_throttle(&self, stage: &Stage, method: &Method) -> Option<(MethodName, Rate)> {
        if self.method_rates.is_empty() {
            return None;
        }
        let rates = self.method_rates.get(self.place_of(stage)?)?;
        method.names.iter().find_map(|wanted| {
            let at = rates.binary_search_by_key(wanted, |(name, _)| *name).ok()?;
            rates.get(at).copied()
        })
    }

    /// Whether every call asks the fleet's common buckets.
    pub(crate) fn is_exact(&self) -> bool {
        self.terms.throttle_mode == ThrottleMode::Exact
    }
}

fn method_rates(stage: &PlanStage) -> Box<[(MethodName, Rate)]> {
    let named = stage.throttle.iter().map(|(name, throttle)| (MethodName::of(name), Rate::new(throttle)));
    let mut rates: Vec<_> = named.collect();
    rates.sort_unstable_by_key(|(name, _)| *name);
    rates.into_boxed_slice()
}
