//! What becomes of used units when one usage plan takes another's place.

use chrono::TimeDelta;
use common::id::{GatewayId, IncarnationId, LeaseId, UsagePlanId};
use contracts::lease::{LeaseGrant, LeaseOutcome, LeaseSettle, LeaseStatement};
use contracts::metering::{Period, PeriodBegin, Quota, UpdateApiKey, UsedUnits};

use crate::on_both_stores;
use crate::quotas::{Scene, units};
use crate::world::{World, plan_content};

on_both_stores![
    kept_units_stay_used_and_leases_that_are_out_count_exactly,
    a_blended_limit_is_in_proportion_to_the_time,
    reset_units_begin_anew_and_an_earlier_plan_goes_on,
    units_without_a_counterpart_are_not_kept,
    nothing_is_lost_or_doubled_while_plans_change_under_load,
];

fn quota(limit: u64, period: Period) -> Quota {
    Quota { limit, period, offset: 0, begins: PeriodBegin::default() }
}

async fn plan(scene: &Scene, quotas: &[Quota]) -> UsagePlanId {
    let mut content = plan_content(None, &[(scene.world.api, "prod")]);
    content.terms.quotas = quotas.to_vec();
    scene.world.owner().call(content).await.unwrap().usage_plan.id
}

async fn change(scene: &Scene, plan: UsagePlanId, used_units: UsedUnits) -> common::Result<()> {
    let change = UpdateApiKey {
        id: scene.key,
        name: None,
        enabled: None,
        usage_plans: Some(vec![plan]),
        used_units,
        plan: None,
    };
    scene.world.owner().call(change).await.map(drop)
}

async fn kept_units_stay_used_and_leases_that_are_out_count_exactly(world: World) {
    let mut scene = Scene::new(world, 100, 0).await;
    let (over, out) = (scene.want(30, 30), scene.want(20, 20));
    scene.ask(&over).await;
    scene.close(over.lease, 30).await;
    scene.ask(&out).await;
    let smaller = plan(&scene, &[quota(60, Period::Day)]).await;
    change(&scene, smaller, UsedUnits::Keep).await.unwrap();
    assert_eq!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Unknown);
    scene.plan = smaller;
    let status = scene.status().await;
    assert_eq!((status.limit, status.settled, status.leased), (60, 30, 20));
    assert_eq!(scene.ask_all(vec![]).await.recalls, [out.lease]);
    scene.close(out.lease, 5).await;
    assert_eq!(scene.used().await, (35, 0));
    let rest = scene.want(25, 25);
    assert_eq!(units(scene.ask(&rest).await), 25);
    scene.close(rest.lease, 25).await;
    assert!(matches!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Exhausted { limit: 60, left: 0, .. }));
    // Sent again, the change finds nothing to do.
    change(&scene, smaller, UsedUnits::Keep).await.unwrap();
    assert_eq!(scene.used().await, (60, 0));
}

async fn a_blended_limit_is_in_proportion_to_the_time(world: World) {
    // Ten hours of the day are over.
    let mut scene = Scene::new(world, 240, 0).await;
    let larger = plan(&scene, &[quota(480, Period::Day)]).await;
    change(&scene, larger, UsedUnits::Blend).await.unwrap();
    scene.plan = larger;
    assert_eq!(scene.status().await.limit, 380);
    assert_eq!(units(scene.ask(&scene.want(380, 380)).await), 380);
    scene.world.advance(TimeDelta::days(1));
    assert_eq!(scene.status().await.limit, 480);
    assert_eq!(units(scene.ask(&scene.want(480, 480)).await), 480);
}

async fn reset_units_begin_anew_and_an_earlier_plan_goes_on(world: World) {
    let mut scene = Scene::new(world, 100, 0).await;
    let first = scene.plan;
    let used = scene.want(30, 30);
    scene.ask(&used).await;
    scene.close(used.lease, 30).await;
    scene.plan = plan(&scene, &[quota(60, Period::Day)]).await;
    change(&scene, scene.plan, UsedUnits::Reset).await.unwrap();
    assert_eq!(scene.used().await, (0, 0));
    change(&scene, first, UsedUnits::Reset).await.unwrap();
    scene.plan = first;
    assert_eq!(scene.used().await, (30, 0));
}

async fn units_without_a_counterpart_are_not_kept(world: World) {
    let scene = Scene::new(world, 100, 0).await;
    let berlin = PeriodBegin::Calendar { time_zone: chrono_tz::Tz::Europe__Berlin };
    let elsewhere = Quota { begins: berlin, ..quota(10, Period::Day) };
    for quotas in [vec![], vec![quota(10, Period::Month)], vec![elsewhere]] {
        let other = plan(&scene, &quotas).await;
        let refused = change(&scene, other, UsedUnits::Keep).await.unwrap_err();
        assert_eq!(
            (refused.reason.as_ref(), &*refused.fields[0].field),
            ("used_units_cannot_go_on", "usedUnits")
        );
        assert_eq!(scene.used().await, (0, 0), "the key has its old plan");
    }
}

/// Gateways spend from whatever they are given while the key goes back and forth between two plans.
async fn nothing_is_lost_or_doubled_while_plans_change_under_load(world: World) {
    const LIMIT: u64 = 400;
    let mut scene = Scene::new(world, LIMIT, 0).await;
    let other = plan(&scene, &[quota(LIMIT, Period::Day)]).await;
    let plans = [scene.plan, other];
    let spend = |worker: u64| {
        let scene = &scene;
        async move {
            let (gateway, incarnation) =
                (GatewayId::new(scene.world.clock.now()), IncarnationId::new(scene.world.clock.now()));
            let mut spent_in_all = 0;
            let mut held: Vec<(LeaseId, u64)> = Vec::new();
            for round in 0..40_u64 {
                let mut want = scene.want(1, 3 + worker);
                if let contracts::lease::Budget::Quota { plan, .. } = &mut want.budget {
                    *plan = plans[(round % 2) as usize];
                }
                let request = LeaseGrant { gateway, incarnation, wants: vec![want.clone()] };
                let Ok(answers) = scene.world.call(request).await else { continue };
                if let LeaseOutcome::Granted { units, .. } = answers.answers[0].outcome {
                    held.push((want.lease, units));
                }
                if held.len() > 2 || round == 39 {
                    for (lease, units) in held.drain(..) {
                        let spent = units.min(2);
                        spent_in_all += spent;
                        let statement = LeaseStatement { lease, spent, ceiling: spent, closed: true };
                        let settle =
                            || LeaseSettle { gateway, incarnation, statements: vec![statement], last: false };
                        // Refused while the lease is being handed over; then it is said again.
                        while scene.world.call(settle()).await.is_err() {}
                    }
                }
            }
            spent_in_all
        }
    };
    let changes = async {
        for round in 0..12 {
            let used = if round % 3 == 2 { UsedUnits::Blend } else { UsedUnits::Keep };
            change(&scene, plans[(round + 1) % 2], used).await.unwrap();
        }
    };
    let (spent, ()) =
        futures_util::future::join(futures_util::future::join_all((0..4).map(spend)), changes).await;
    scene.plan = plans[0];
    let (settled, leased) = scene.used().await;
    assert_eq!((settled, leased), (spent.into_iter().sum(), 0));
    assert!(settled <= LIMIT);
}
