//! Admit: throttles and the quota lease. Waits for metering only when the key has no lease here, and for Redis only where the
//! plan throttles exactly.

use std::ops::ControlFlow;

use contracts::metering::DegradedMode;
use contracts::record::Reason;

use super::key::Caller;
use super::record::CallRecord;
use super::{Cx, Route, Step};
use crate::admission::{Admitted, Call, Decision, Limit, Terms, Throttles};
use crate::answer::Answer;
use crate::errors::Refusal;
use crate::ratelimit_headers::RateLimits;
use crate::server::Inbound;
use crate::shares::{Question, Word};
use crate::snapshot::Plan;

/// When to try again while an exact throttle cannot be asked.
const UNAVAILABLE_RETRY_SECONDS: u64 = 1;

/// Lets the call through, or answers why not.
pub(crate) async fn admit<'a>(
    cx: &Cx<'_>,
    route: &Route<'_>,
    caller: Option<Caller<'a>>,
    record: &CallRecord<'a>,
    inbound: &mut Inbound<'_>,
) -> Step<()> {
    if cx.worker.status.is_stale() {
        return refuse(Refusal::new(Reason::ConfigurationStale));
    }
    let Some(mut call) = record.take() else {
        return refuse(Refusal::new(Reason::Internal));
    };
    let mut throttles = common_throttles(route);
    let Some(Caller { key, plan, spend }) = caller else {
        let decision = call.admit_without_plan(&throttles);
        record.put(call);
        return decided(cx, &decision, None, record);
    };

    let method_rate = plan.method_throttle(route.stage, route.method);
    let exact = cx.worker.exact.as_ref().filter(|_| plan.is_exact());
    let bucket;
    if exact.is_none() {
        throttles.key = plan.rate;
        if let Some((method, rate)) = method_rate {
            bucket = cx.worker.buckets.of(key, plan.id, route.stage.api, method);
            throttles.key_method = Some(Limit { bucket: &bucket, rate });
        }
    }
    let cost = plan.cost(route.stage, route.method);
    record.bill(&plan.terms.counting, cost);
    let terms = Terms {
        key,
        plan: plan.id,
        throttles,
        quotas: &plan.quotas,
        spend,
        units: cost.reserve,
        degraded: plan.terms.degraded,
    };
    let mut decision = call.try_admit(&terms);
    if matches!(decision, Decision::Pending(_)) {
        let Some(_waiting) = record.seat().wait() else {
            record.put(call);
            return refuse(crowded());
        };
        let may_watch = inbound.body_complete();
        decision = tokio::select! {
            biased;
            decision = call.admit(&terms, cx.worker.lease_wait) => decision,
            () = inbound.gone(), if may_watch => {
                record.put(call);
                return refuse(Refusal::new(Reason::ClientDisconnected));
            }
        };
    }
    if let (Decision::Admitted(admitted), Some(exact)) = (&mut decision, exact) {
        let question =
            Question { key, plan: plan.id, rate: plan.rate, api: route.stage.api, method: method_rate };
        if question.asks_anything() {
            let Some(_waiting) = record.seat().wait() else {
                throttles.give_back(None);
                record.put(call);
                return refuse(crowded());
            };
            let word = exact.ask(&question).await;
            match heard(word, &mut call, plan, admitted) {
                Ok(()) => {}
                Err(Unheard::Throttled(refused)) => {
                    throttles.give_back(None);
                    decision = refused;
                }
                Err(Unheard::Unavailable) => {
                    throttles.give_back(None);
                    record.put(call);
                    let refusal = Refusal::new(Reason::ThrottleUnavailable);
                    return refuse(refusal.retry_after(UNAVAILABLE_RETRY_SECONDS));
                }
            }
        }
    }
    record.put(call);
    decided(cx, &decision, Some(plan), record)
}

/// The throttles that all callers of the method have in common.
fn common_throttles<'a>(route: &Route<'a>) -> Throttles<'a> {
    let stage = route.stage;
    Throttles {
        method: route.method.throttle.as_ref().map(|throttle| throttle.limit()),
        stage: stage.throttle.as_ref().map(|throttle| throttle.limit()),
        tenant: stage.tenant_throttle.as_ref().map(|throttle| throttle.limit()),
        ..Throttles::default()
    }
}

/// Why a call of a plan that throttles exactly does not run.
enum Unheard {
    Throttled(Decision),
    Unavailable,
}

/// Takes up what the common buckets said; where nothing was heard, the plan's rule.
#[expect(clippy::result_large_err, reason = "a decision is a local value of one caller")]
fn heard(word: Option<Word>, call: &mut Call, plan: &Plan, admitted: &mut Admitted) -> Result<(), Unheard> {
    match word {
        Some(Word::Passed(headroom)) => {
            let both = [admitted.throttle, headroom].into_iter().flatten();
            admitted.throttle = both.min_by_key(|headroom| headroom.left);
            Ok(())
        }
        Some(Word::Throttled(throttled)) => Err(Unheard::Throttled(call.throttled(throttled))),
        None if plan.terms.degraded == DegradedMode::ServeAndMark => {
            call.degrade();
            admitted.degraded = Some(Reason::ThrottleUnavailable);
            Ok(())
        }
        None => Err(Unheard::Unavailable),
    }
}

/// As many calls of the tenant wait as may.
pub(crate) fn crowded() -> Refusal {
    Refusal::new(Reason::Overloaded).retry_after(1)
}

fn refuse<T>(refusal: Refusal) -> Step<T> {
    ControlFlow::Break(Answer::from(refusal))
}

fn decided(cx: &Cx<'_>, decision: &Decision, plan: Option<&Plan>, record: &CallRecord<'_>) -> Step<()> {
    match decision {
        Decision::Admitted(admitted) => {
            if admitted.degraded.is_some() {
                cx.worker.metrics.call_degraded();
            }
            record.limits.set(RateLimits::admitted(plan, admitted, cx.started_at));
            ControlFlow::Continue(())
        }
        Decision::Refused(refused) => {
            record.limits.set(RateLimits::refused(plan, refused));
            refuse(Refusal::new(refused.reason).retry_after_us(refused.retry_after_us))
        }
        Decision::Throttled(throttled) => {
            record.limits.set(RateLimits::throttled(plan, throttled));
            cx.worker.metrics.throttled(throttled.scope);
            let refusal = Refusal::new(Reason::Throttled).throttled_by(throttled.scope);
            refuse(refusal.retry_after_us(throttled.wait_us))
        }
        // Not left over: `admit` waits until metering has answered or its time is over.
        Decision::Pending(_) => refuse(Refusal::new(Reason::LeaseUnavailable)),
    }
}
