//! Units given to a key on top of its quota, for the current period.

use chrono::TimeDelta;
use common::id::GatewayId;
use contracts::lease::LeaseOutcome;
use contracts::metering::{
    ExtendQuota, ExtendedQuota, FollowAccess, Period, PeriodBegin, Quota, UpdateUsagePlan,
};
use contracts::stream::Follow;

use crate::on_both_stores;
use crate::quotas::{Scene, units};
use crate::world::{World, reason};

on_both_stores![
    an_extension_ends_with_its_period,
    an_extension_sent_twice_is_given_once,
    an_extension_outlives_a_change_of_the_plans_limit,
    gateways_hear_of_an_extension,
    an_extension_names_a_quota_of_the_key,
];

fn extension(scene: &Scene, units: u64) -> ExtendQuota {
    ExtendQuota { key: scene.key, usage_plan: scene.plan, period: Period::Day, units }
}

async fn extend(scene: &Scene, units: u64) -> ExtendedQuota {
    scene.world.owner().call(extension(scene, units)).await.unwrap()
}

async fn an_extension_ends_with_its_period(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let want = scene.want(10, 10);
    scene.ask(&want).await;
    scene.close(want.lease, 10).await;
    assert!(matches!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Exhausted { limit: 10, .. }));
    let status = extend(&scene, 5).await.status;
    assert_eq!((status.limit, status.extension, status.settled), (15, 5, 10));
    assert_eq!(status, scene.status().await);
    assert_eq!(units(scene.ask(&scene.want(5, 5)).await), 5);
    scene.world.advance(TimeDelta::days(1));
    let status = scene.status().await;
    assert_eq!((status.limit, status.extension, status.settled), (10, 0, 0));
    // Before anything is used it counts, too.
    assert_eq!(extend(&scene, 2).await.status.limit, 12);
    assert_eq!(units(scene.ask(&scene.want(12, 12)).await), 12);
}

async fn an_extension_sent_twice_is_given_once(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let owner = scene.world.owner().with_idempotency_key("once");
    let first = owner.call(extension(&scene, 5)).await.unwrap();
    assert_eq!(owner.call(extension(&scene, 5)).await.unwrap(), first);
    assert_eq!(scene.status().await.extension, 5);
    assert_eq!(reason(owner.call(extension(&scene, 6)).await), "idempotency_key_reused");
}

async fn an_extension_outlives_a_change_of_the_plans_limit(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    extend(&scene, 5).await;
    let quota = Quota { limit: 20, period: Period::Day, offset: 0, begins: PeriodBegin::default() };
    let raised = UpdateUsagePlan { quotas: Some(vec![quota]), ..UpdateUsagePlan::nothing(scene.plan) };
    scene.world.owner().call(raised).await.unwrap();
    assert_eq!(scene.status().await.limit, 25);
    assert_eq!(units(scene.ask(&scene.want(25, 25)).await), 25);
}

async fn gateways_hear_of_an_extension(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let gateway = GatewayId::new(scene.world.clock.now());
    let after = |applied| FollowAccess { follow: Follow { gateway, applied, after: None, wait_ms: 0 } };
    let before = scene.world.call(after(0)).await.unwrap().revision;
    extend(&scene, 5).await;
    let changes = scene.world.call(after(before)).await.unwrap().changes;
    let keys: Vec<_> = changes.iter().map(|change| change.key.clone()).collect();
    assert_eq!(keys, [format!("key/{}", scene.key)]);
}

async fn an_extension_names_a_quota_of_the_key(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let owner = scene.world.owner();
    let elsewhere = owner.plan(None, &[]).await.id;
    for (request, field) in [
        (ExtendQuota { period: Period::Month, ..extension(&scene, 1) }, "period"),
        (ExtendQuota { usage_plan: elsewhere, ..extension(&scene, 1) }, "usagePlan"),
        (extension(&scene, 0), "units"),
        (extension(&scene, 1_000_000_000_001), "units"),
    ] {
        assert_eq!(owner.call(request).await.unwrap_err().fields[0].field, field);
    }
    assert_eq!(reason(scene.world.stranger().call(extension(&scene, 1)).await), "api_key_not_found");
}
