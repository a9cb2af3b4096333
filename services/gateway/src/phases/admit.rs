//! Admit: throttles and the quota lease. Waits for metering only when the key has no lease here.

use std::ops::ControlFlow;
use std::sync::Arc;

use contracts::record::Reason;

use super::key::Caller;
use super::record::CallRecord;
use super::{Cx, Route, Step};
use crate::admission::{Bucket, Decision, Rate, Terms};
use crate::answer::Answer;
use crate::errors::Refusal;
use crate::ratelimit_headers::RateLimits;
use crate::server::Inbound;
use crate::snapshot::Plan;

/// Lets the call through, or answers why not.
pub(crate) async fn admit<'a>(
    cx: &Cx<'_>,
    route: &Route<'_>,
    caller: Option<Caller<'a>>,
    record: &CallRecord<'a>,
    inbound: &mut Inbound<'_>,
) -> Step<()> {
    if cx.worker.status.is_stale() {
        return ControlFlow::Break(Refusal::new(Reason::ConfigurationStale).into());
    }
    let Some(mut call) = record.take() else {
        return ControlFlow::Break(Refusal::new(Reason::Internal).into());
    };
    let stage_limit = route.stage.throttle.as_ref().map(|throttle| (&*throttle.bucket, throttle.rate));
    let Some(Caller { key, plan, spend }) = caller else {
        let throttled = stage_limit.and_then(|(bucket, rate)| bucket.take(rate, cx.started_at).err());
        let decision = match throttled {
            Some(retry_after_us) => {
                Decision::Refused(crate::admission::Refusal::new(Reason::Throttled, retry_after_us))
            }
            None => call.admit_without_plan(),
        };
        record.put(call);
        return decided(cx, &decision, None, record);
    };

    let method_limit = plan.method_throttle(route.stage, route.method).map(|throttle| {
        let bucket: Arc<Bucket> =
            cx.worker.buckets.of(key, plan.id, route.stage.api, &route.method.throttle_key);
        (bucket, Rate::new(&throttle))
    });
    let mut buckets: [Option<(&Bucket, Rate)>; 2] = [None, stage_limit];
    if let Some((bucket, rate)) = &method_limit {
        buckets[0] = Some((bucket, *rate));
    }
    let (one, two);
    let buckets: &[(&Bucket, Rate)] = match buckets {
        [Some(method), Some(stage)] => {
            two = [method, stage];
            &two
        }
        [Some(only), None] | [None, Some(only)] => {
            one = [only];
            &one
        }
        [None, None] => &[],
    };
    let cost = plan.cost(route.stage, route.method);
    record.bill(&plan.terms.counting, cost);
    let terms = Terms {
        key,
        plan: plan.id,
        rate: plan.rate,
        buckets,
        quotas: &plan.quotas,
        spend,
        units: cost.reserve,
        degraded: plan.terms.degraded,
    };
    let mut decision = call.try_admit(&terms);
    if matches!(decision, Decision::Pending(_)) {
        let may_watch = inbound.body_complete();
        decision = tokio::select! {
            biased;
            decision = call.admit(&terms, cx.worker.lease_wait) => decision,
            () = inbound.gone(), if may_watch => {
                record.put(call);
                return ControlFlow::Break(Refusal::new(Reason::ClientDisconnected).into());
            }
        };
    }
    record.put(call);
    decided(cx, &decision, Some(plan), record)
}

fn decided(cx: &Cx<'_>, decision: &Decision, plan: Option<&Plan>, record: &CallRecord<'_>) -> Step<()> {
    match decision {
        Decision::Admitted(admitted) => {
            if admitted.degraded.is_some() {
                cx.worker.metrics.call_degraded();
            }
            if let Some(plan) = plan {
                record.limits.set(RateLimits::admitted(plan, admitted, cx.started_at));
            }
            ControlFlow::Continue(())
        }
        Decision::Refused(refused) => {
            if let Some(plan) = plan {
                record.limits.set(RateLimits::refused(plan, refused));
            }
            let refusal = Refusal::new(refused.reason).retry_after_us(refused.retry_after_us);
            ControlFlow::Break(Answer::from(refusal))
        }
        // Not left over: `admit` waits until metering has answered or its time is over.
        Decision::Pending(_) => ControlFlow::Break(Refusal::new(Reason::LeaseUnavailable).into()),
    }
}
