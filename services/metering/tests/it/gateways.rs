//! How far the records of the registered gateways have come.

use chrono::TimeDelta;
use common::id::{GatewayId, IncarnationId, LeaseId};
use contracts::lease::{
    Budget, GatewayForget, GatewayRegister, GatewayStop, LeaseGrant, LeaseSettle, LeaseWant, PreviousRun,
    ReportWatermark,
};
use contracts::metering::{
    GatewayState, ListGateways, Period, PeriodBegin, QueryUsage, Quota, RegisteredGateway, Usage, UsageStep,
};

use crate::batches::calls;
use crate::on_both_stores;
use crate::records::Stream;
use crate::world::{World, micros, reason};

on_both_stores![
    usage_is_complete_once_every_registered_gateway_is_past_its_end,
    usage_is_not_complete_while_records_are_on_a_killed_gateways_disk,
    a_watermark_never_falls,
    a_stopped_gateway_holds_nothing_back_until_it_runs_again,
    a_gateway_with_an_open_run_cannot_stop,
    a_late_repeat_of_a_run_that_is_over_changes_nothing,
    the_list_says_how_each_gateway_stands,
];

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

async fn usage_is_not_complete_while_records_are_on_a_killed_gateways_disk(world: World) {
    let start = world.clock.now();
    let killed = Run::of(&world, world.gateway());
    killed.register().await;
    let owner = world.owner();
    let mut stream = Stream::new(killed.gateway, killed.incarnation, 0);
    world.call(stream.next(&calls(&world, &owner, 2))).await.unwrap();
    let left = stream.next(&calls(&world, &owner, 3));
    // Killed: it says nothing any more, for however long.
    world.advance(TimeDelta::hours(3));
    let seen = usage(&world).await;
    assert_eq!((seen.complete, seen.rows[0].requests), (false, 2));
    // Its next run has the old one's records on its disk, and cannot say that nothing older comes.
    let next = Run::of(&world, killed.gateway);
    let previous = vec![PreviousRun { incarnation: killed.incarnation, power_lost: false }];
    world.call(GatewayRegister { previous, ..next.registration() }).await.unwrap();
    assert_eq!((usage(&world).await.complete, usage(&world).await.as_of), (false, start));
    let watermark = micros(start);
    let (gateway, incarnation) = (next.gateway, next.incarnation);
    world.call(ReportWatermark { gateway, incarnation, watermark }).await.unwrap();
    world.call(left).await.unwrap();
    assert!(!usage(&world).await.complete, "stored, but the gateway has not heard of it");
    next.report().await;
    let seen = usage(&world).await;
    assert_eq!((seen.complete, seen.rows[0].requests), (true, 5));
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

/// One run of one gateway.
struct Run<'a> {
    world: &'a World,
    gateway: GatewayId,
    incarnation: IncarnationId,
}

impl<'a> Run<'a> {
    fn of(world: &'a World, gateway: GatewayId) -> Self {
        Self { world, gateway, incarnation: IncarnationId::new(world.clock.now()) }
    }

    fn registration(&self) -> GatewayRegister {
        GatewayRegister { gateway: self.gateway, incarnation: self.incarnation, previous: vec![] }
    }

    async fn register(&self) {
        self.world.call(self.registration()).await.unwrap();
    }

    /// Says that it is past everything until now.
    async fn report(&self) {
        let watermark = micros(self.world.clock.now());
        let (gateway, incarnation) = (self.gateway, self.incarnation);
        self.world.call(ReportWatermark { gateway, incarnation, watermark }).await.unwrap();
    }

    /// States its last leases.
    async fn end(&self) {
        let (gateway, incarnation) = (self.gateway, self.incarnation);
        let settle = LeaseSettle { gateway, incarnation, statements: vec![], last: true };
        self.world.call(settle).await.unwrap();
    }

    const fn stop(&self) -> GatewayStop {
        GatewayStop { gateway: self.gateway, incarnation: self.incarnation }
    }

    async fn listed(&self) -> Option<RegisteredGateway> {
        let listed = self.world.call(ListGateways {}).await.unwrap();
        listed.into_iter().find(|listed| listed.id == self.gateway)
    }
}

async fn a_stopped_gateway_holds_nothing_back_until_it_runs_again(world: World) {
    let start = world.clock.now();
    let (stays, leaves) = (Run::of(&world, world.gateway()), Run::of(&world, world.gateway()));
    for run in [&stays, &leaves] {
        run.register().await;
    }
    world.advance(TimeDelta::minutes(1));
    stays.report().await;
    assert_eq!(usage(&world).await.as_of, start, "it is waited for");
    leaves.end().await;
    assert_eq!(usage(&world).await.as_of, start, "it has not said that its records have arrived");
    world.call(leaves.stop()).await.unwrap();
    world.call(leaves.stop()).await.unwrap();
    assert_eq!(usage(&world).await.as_of, start + TimeDelta::minutes(1));

    world.advance(TimeDelta::minutes(1));
    stays.report().await;
    let again = Run::of(&world, leaves.gateway);
    let restarted = world.clock.now();
    again.register().await;
    assert_eq!(usage(&world).await.as_of, restarted, "nothing older than its new run can come");
    world.advance(TimeDelta::minutes(1));
    stays.report().await;
    assert_eq!(usage(&world).await.as_of, restarted, "it is waited for again");
}

async fn a_gateway_with_an_open_run_cannot_stop(world: World) {
    let run = Run::of(&world, world.gateway());
    run.register().await;
    assert_eq!(reason(world.call(run.stop()).await), "gateway_not_over");
    run.end().await;
    world.advance(TimeDelta::seconds(1));
    let next = Run::of(&world, run.gateway);
    next.register().await;
    assert_eq!(reason(world.call(run.stop()).await), "gateway_not_over", "its next run has begun");
    let never_seen = Run::of(&world, world.gateway());
    assert_eq!(reason(world.call(never_seen.stop()).await), "gateway_not_over");
    assert_eq!(next.listed().await.unwrap().state, GatewayState::Running);
}

async fn a_late_repeat_of_a_run_that_is_over_changes_nothing(world: World) {
    let stopped = Run::of(&world, world.gateway());
    stopped.register().await;
    stopped.end().await;
    world.call(stopped.stop()).await.unwrap();
    let forgotten = Run::of(&world, world.gateway());
    forgotten.register().await;
    world.call(GatewayForget { gateway: forgotten.gateway }).await.unwrap();
    world.advance(TimeDelta::minutes(1));
    for run in [&stopped, &forgotten] {
        run.register().await;
        run.report().await;
    }
    assert_eq!(usage(&world).await.as_of, world.clock.now());
    assert_eq!(stopped.listed().await.unwrap().state, GatewayState::Stopped);
    assert_eq!(forgotten.listed().await, None);
}

async fn the_list_says_how_each_gateway_stands(world: World) {
    let start = world.clock.now();
    let run = Run::of(&world, world.gateway());
    run.register().await;
    let owner = world.owner();
    let quota = Quota { limit: 100, period: Period::Month, offset: 0, begins: PeriodBegin::default() };
    let plan = owner.plan(Some(quota), &[(world.api, "prod")]).await.id;
    let key = owner.key(&[plan]).await.api_key.id;
    let want = LeaseWant {
        lease: LeaseId::new(start),
        budget: Budget::Quota { key, plan, period: Period::Month },
        at: micros(start),
        need: 1,
        hint: 10,
        holds: vec![],
    };
    let (gateway, incarnation) = (run.gateway, run.incarnation);
    world.call(LeaseGrant { gateway, incarnation, wants: vec![want] }).await.unwrap();
    world.advance(TimeDelta::seconds(3));
    run.report().await;
    let seen = run.listed().await.unwrap();
    let expected = RegisteredGateway {
        id: gateway,
        incarnation,
        state: GatewayState::Running,
        watermark: start + TimeDelta::seconds(3),
        registered_at: start,
        seen_at: start + TimeDelta::seconds(3),
        leases: 1,
        leased: seen.leased,
    };
    assert_eq!(seen, expected);
    assert!(seen.leased >= 1, "{seen:?}");

    world.advance(TimeDelta::seconds(10));
    assert_eq!(run.listed().await.unwrap().state, GatewayState::Silent);
    run.end().await;
    let unfinished = run.listed().await.unwrap();
    assert_eq!((unfinished.state, unfinished.leases, unfinished.leased), (GatewayState::Unfinished, 0, 0));
    world.call(run.stop()).await.unwrap();
    assert_eq!(run.listed().await.unwrap().state, GatewayState::Stopped);
}
