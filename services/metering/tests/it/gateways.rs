//! How far the records of the registered gateways have come.

use chrono::TimeDelta;
use common::id::IncarnationId;
use contracts::lease::{GatewayForget, GatewayRegister, ReportWatermark};
use contracts::metering::{ListGateways, QueryUsage, Usage, UsageStep};

use crate::on_both_stores;
use crate::world::{World, micros};

on_both_stores![usage_is_complete_once_every_registered_gateway_is_past_its_end, a_watermark_never_falls];

async fn usage(world: &World) -> Usage {
    let to = "2026-11-20T10:05:00Z".parse().unwrap();
    let query = QueryUsage {
        from: to - TimeDelta::hours(1),
        to,
        step: UsageStep::Total,
        group_by: vec![],
        filter: [].into(),
    };
    world.owner().call(query).await.unwrap()
}

async fn usage_is_complete_once_every_registered_gateway_is_past_its_end(world: World) {
    let start = world.clock.now();
    let incarnation = IncarnationId::new(start);
    let gateways = [world.gateway(), world.gateway()];
    for gateway in gateways {
        world.call(GatewayRegister { gateway, incarnation, previous: vec![] }).await.unwrap();
    }
    world.advance(TimeDelta::minutes(10));
    let report = |gateway, minutes| ReportWatermark {
        gateway,
        incarnation,
        watermark: micros(start + TimeDelta::minutes(minutes)),
    };
    world.call(report(gateways[0], 9)).await.unwrap();
    let seen = usage(&world).await;
    assert_eq!((seen.complete, seen.as_of), (false, start));
    world.call(report(gateways[1], 5)).await.unwrap();
    let seen = usage(&world).await;
    assert_eq!((seen.complete, seen.as_of), (true, start + TimeDelta::minutes(5)));
    world.call(GatewayForget { gateway: gateways[1] }).await.unwrap();
    assert_eq!(usage(&world).await.as_of, start + TimeDelta::minutes(9));
    assert_eq!(world.call(ListGateways {}).await.unwrap().len(), 1);
}

async fn a_watermark_never_falls(world: World) {
    let (gateway, incarnation) = (world.gateway(), IncarnationId::new(world.clock.now()));
    world.call(GatewayRegister { gateway, incarnation, previous: vec![] }).await.unwrap();
    let now = micros(world.clock.now());
    for watermark in [now + 5, now + 3] {
        world.call(ReportWatermark { gateway, incarnation, watermark }).await.unwrap();
    }
    let listed = world.call(ListGateways {}).await.unwrap();
    assert_eq!(micros(listed[0].watermark), now + 5);
}
