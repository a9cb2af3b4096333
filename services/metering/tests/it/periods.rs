//! Plans with several quotas, and where their periods begin.

use common::id::{GatewayId, IncarnationId, LeaseId};
use contracts::lease::{Budget, LeaseGrant, LeaseOutcome, LeaseWant};
use contracts::metering::{GetQuotaStatus, Period, PeriodBegin, Quota};

use crate::on_both_stores;
use crate::quotas::units;
use crate::world::{World, key_content, micros, plan_content};

on_both_stores![each_quota_of_a_plan_is_counted_by_itself, anchored_periods_begin_with_the_keys_billing_date,];

const BERLIN: PeriodBegin = PeriodBegin::Calendar { time_zone: chrono_tz::Tz::Europe__Berlin };

async fn each_quota_of_a_plan_is_counted_by_itself(world: World) {
    let owner = world.owner();
    let mut content = plan_content(None, &[(world.api, "prod")]);
    content.terms.quotas = vec![
        Quota { limit: 10, period: Period::Day, offset: 0, begins: BERLIN },
        Quota { limit: 15, period: Period::Month, offset: 0, begins: PeriodBegin::default() },
    ];
    let plan = owner.call(content).await.unwrap().usage_plan.id;
    let key = owner.key(&[plan]).await.api_key.id;
    let now = world.clock.now();
    let want = |period, need| LeaseWant {
        lease: LeaseId::new(now),
        budget: Budget::Quota { key, plan, period },
        at: micros(now),
        need,
        hint: need,
        holds: vec![],
    };
    let (gateway, incarnation) = (GatewayId::new(now), IncarnationId::new(now));
    let (day, month, week) = (want(Period::Day, 10), want(Period::Month, 12), want(Period::Week, 1));
    let wants = vec![month.clone(), week.clone(), day.clone()];
    let answers = world.call(LeaseGrant { gateway, incarnation, wants }).await.unwrap().answers;
    let outcome = |lease| answers.iter().find(|answer| answer.lease == lease).unwrap().outcome;
    assert_eq!((units(outcome(day.lease)), units(outcome(month.lease))), (10, 12));
    assert_eq!(outcome(week.lease), LeaseOutcome::Unlimited);
    let standings = owner.call(GetQuotaStatus { id: key }).await.unwrap();
    let seen: Vec<_> = standings.iter().map(|it| (it.period, it.limit, it.leased)).collect();
    assert_eq!(seen, [(Period::Day, 10, 10), (Period::Month, 15, 12)]);
    let starts: Vec<_> = standings.iter().map(|it| it.period_start.to_rfc3339()).collect();
    assert_eq!(starts, ["2026-11-19T23:00:00+00:00", "2026-11-01T00:00:00+00:00"]);
}

async fn anchored_periods_begin_with_the_keys_billing_date(world: World) {
    let owner = world.owner();
    let quota = Quota { limit: 10, period: Period::Month, offset: 0, begins: PeriodBegin::Anchor };
    let plan = owner.plan(Some(quota), &[(world.api, "prod")]).await.id;
    let mut content = key_content(&[plan]);
    content.anchored_at = Some("2026-08-31T12:34:56Z".parse().unwrap());
    let key = owner.call(content).await.unwrap().api_key.id;
    let standing = owner.call(GetQuotaStatus { id: key }).await.unwrap()[0].clone();
    let bounds = [standing.period_start, standing.period_end].map(|time| time.to_rfc3339());
    assert_eq!(bounds, ["2026-10-31T12:34:00+00:00", "2026-11-30T12:34:00+00:00"]);
}
