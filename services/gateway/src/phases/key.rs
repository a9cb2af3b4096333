//! Key: who calls, and by which usage plan.

use std::ops::ControlFlow;

use common::id::KeyId;
use contracts::record::{Reason, Subject};

use super::record::CallRecord;
use super::{Cx, Route, Step};
use crate::admission::Spend;
use crate::errors::Refusal;
use crate::snapshot::{KeyHash, Live, Plan};

/// Header that carries the key. It never reaches a backend.
pub(crate) const KEY_HEADER: &str = "x-api-key";
/// Longer values are no keys (128 in API Gateway); they are not worth hashing.
const LONGEST_KEY: usize = 512;

/// On whose account a call runs.
pub(crate) struct Caller<'a> {
    pub(crate) key: KeyId,
    pub(crate) plan: &'a Plan,
    /// What its calls cost the subscription, where a spend cap stops them.
    pub(crate) spend: Option<Spend>,
}

/// The usage plan by which the call's key opens the stage, and the key; none for methods that need no key. An unknown key and one of
/// another tenant look alike.
pub(crate) fn identify<'a>(
    cx: &Cx<'_>,
    live: &'a Live,
    route: &Route<'_>,
    record: &CallRecord<'_>,
) -> Step<Option<Caller<'a>>> {
    if !route.method.key_required {
        return ControlFlow::Continue(None);
    }
    let Some(value) = cx.header(KEY_HEADER).filter(|value| !value.is_empty()) else {
        return refuse(Reason::KeyMissing);
    };
    if value.len() > LONGEST_KEY {
        return refuse(Reason::KeyUnknown);
    }
    let Some(key) = live.key(KeyHash::of(value), route.stage.tenant) else {
        return refuse_unless_unheard(cx, Reason::KeyUnknown);
    };
    let mut subject = Subject { key: Some(key.key), subscription: key.subscription(), ..Subject::default() };
    let grant = live.grant(key);
    subject.plan = grant.and_then(|grant| grant.sold_plan);
    let plan = grant.and_then(|grant| live.plan_for(grant, route.stage));
    subject.usage_plan = plan.map(|plan| plan.id);
    record.identify(&subject);
    if !key.is_enabled() {
        return refuse(Reason::KeyDisabled);
    }
    if key.is_expired(cx.started_at) {
        return refuse(Reason::KeyExpired);
    }
    match plan {
        Some(plan) => {
            let price = grant.and_then(|grant| grant.spend_price_micros);
            let spend = price.zip(subject.subscription);
            let spend = spend.map(|(price_micros, subscription)| Spend { subscription, price_micros });
            ControlFlow::Continue(Some(Caller { key: key.key, plan, spend }))
        }
        None => refuse_unless_unheard(cx, Reason::PlanLacksRoute),
    }
}

/// Before `metering` was heard the gateway cannot say what there is not.
fn refuse_unless_unheard<T>(cx: &Cx<'_>, reason: Reason) -> Step<T> {
    if cx.worker.status.metering.is_known() {
        return refuse(reason);
    }
    ControlFlow::Break(Refusal::new(Reason::ConfigurationMissing).retry_after(1).into())
}

fn refuse<T>(reason: Reason) -> Step<T> {
    ControlFlow::Break(Refusal::new(reason).into())
}
