//! The authority on quotas, over its persisted rows.

use std::time::Duration;

use chrono::TimeDelta;
use common::id::{GatewayId, IncarnationId, KeyId, LeaseId, UsagePlanId};
use contracts::lease::{
    Budget, GatewayForget, GatewayRegister, LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle,
    LeaseStatement, LeaseWant, PreviousRun,
};
use contracts::metering::{GetQuotaStatus, Period, PeriodBegin, Quota, QuotaStatus, RevokeApiKey};

use database::Tx;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::on_both_stores;
use crate::world::{World, micros, plan_content, reason, replace, unknown_key};

on_both_stores![
    a_wish_repeated_gets_the_same_lease,
    settled_and_leased_never_exceed_the_limit_with_many_gateways_at_once,
    a_closed_lease_gives_back_what_was_not_spent,
    the_offset_shortens_the_first_period_alone,
    a_lowered_limit_recalls_leases_and_a_raised_one_is_in_force_at_once,
    a_lost_run_counts_as_spent_and_a_surviving_one_does_not,
    a_forgotten_gateway_gets_no_more_leases_and_its_units_count_as_spent,
    a_run_that_said_its_last_word_gets_no_more_leases,
    revoked_and_unknown_keys_get_no_lease,
];

/// A key with a quota per day, and a gateway.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) key: KeyId,
    pub(crate) plan: UsagePlanId,
    pub(crate) gateway: GatewayId,
    pub(crate) run: IncarnationId,
}

impl Scene {
    pub(crate) async fn new(world: World, limit: u64, offset: u64) -> Self {
        let owner = world.owner();
        let quota = Quota { limit, period: Period::Day, offset, begins: PeriodBegin::default() };
        let plan = owner.plan(Some(quota), &[(world.api, "prod")]).await.id;
        let key = owner.key(&[plan]).await.api_key.id;
        let (gateway, run) = (world.gateway(), IncarnationId::new(world.clock.now()));
        Self { world, key, plan, gateway, run }
    }

    pub(crate) fn want(&self, need: u64, hint: u64) -> LeaseWant {
        let now = self.world.clock.now();
        let (lease, at) = (LeaseId::new(now), micros(now));
        LeaseWant { lease, budget: self.budget(), at, need, hint, holds: vec![] }
    }

    fn budget(&self) -> Budget {
        Budget::Quota { key: self.key, plan: self.plan, period: Period::Day }
    }

    pub(crate) async fn ask(&self, want: &LeaseWant) -> LeaseOutcome {
        self.ask_all(vec![want.clone()]).await.answers[0].outcome
    }

    pub(crate) async fn ask_all(&self, wants: Vec<LeaseWant>) -> LeaseAnswers {
        let request = LeaseGrant { gateway: self.gateway, incarnation: self.run, wants };
        self.world.call(request).await.unwrap()
    }

    pub(crate) async fn close(&self, lease: LeaseId, spent: u64) {
        self.settle(vec![LeaseStatement { lease, spent, ceiling: spent, closed: true }], false).await;
    }

    pub(crate) async fn settle(&self, statements: Vec<LeaseStatement>, last: bool) {
        let (gateway, incarnation) = (self.gateway, self.run);
        self.world.call(LeaseSettle { gateway, incarnation, statements, last }).await.unwrap();
    }

    pub(crate) async fn register(&self, incarnation: IncarnationId, previous: Vec<PreviousRun>) {
        self.world.call(GatewayRegister { gateway: self.gateway, incarnation, previous }).await.unwrap();
    }

    pub(crate) async fn status(&self) -> QuotaStatus {
        let status = self.world.owner().call(GetQuotaStatus { id: self.key }).await.unwrap();
        status.into_iter().next().unwrap()
    }

    pub(crate) async fn used(&self) -> (u64, u64) {
        let status = self.status().await;
        (status.settled, status.leased)
    }
}

pub(crate) fn units(outcome: LeaseOutcome) -> u64 {
    match outcome {
        LeaseOutcome::Granted { units, .. } => units,
        other => panic!("{other:?}"),
    }
}

async fn a_wish_repeated_gets_the_same_lease(world: World) {
    let scene = Scene::new(world, 1_000, 0).await;
    let want = scene.want(1, 100);
    let first = scene.ask(&want).await;
    assert_eq!(units(first), 100);
    assert_eq!(units(scene.ask(&want).await), 100);
    assert_eq!(scene.used().await, (0, 100));
    scene.close(want.lease, 40).await;
    scene.close(want.lease, 40).await;
    assert_eq!(scene.used().await, (40, 0));
    // A late repeat does not open the lease again.
    assert!(matches!(scene.ask(&want).await, LeaseOutcome::Scarce { .. }));
    assert_eq!(scene.used().await, (40, 0));
}

async fn settled_and_leased_never_exceed_the_limit_with_many_gateways_at_once(world: World) {
    const LIMIT: u64 = 200;
    let scene = Scene::new(world, LIMIT, 0).await;
    let gateways = (0..8_u64).map(async |worker| {
        let gateway = GatewayId::new(scene.world.clock.now());
        let incarnation = IncarnationId::new(scene.world.clock.now());
        let mut accepted = 0;
        loop {
            let want = scene.want(1, 5 + worker);
            let request = LeaseGrant { gateway, incarnation, wants: vec![want.clone()] };
            let answers = scene.world.call(request).await.unwrap();
            match answers.answers[0].outcome {
                LeaseOutcome::Granted { units, .. } => {
                    let spent = units.min(3);
                    accepted += spent;
                    let statement = LeaseStatement { lease: want.lease, spent, ceiling: spent, closed: true };
                    let statements = vec![statement];
                    let settle = LeaseSettle { gateway, incarnation, statements, last: false };
                    scene.world.call(settle).await.unwrap();
                }
                LeaseOutcome::Scarce { .. } => {}
                LeaseOutcome::Exhausted { .. } => return accepted,
                other => panic!("{other:?}"),
            }
            let (settled, leased) = scene.used().await;
            assert!(settled + leased <= LIMIT, "{settled} + {leased}");
        }
    });
    let accepted = futures_util::future::join_all(gateways).await.into_iter().sum::<u64>();
    assert_eq!(accepted, LIMIT);
    assert_eq!(scene.used().await, (LIMIT, 0));
}

async fn a_closed_lease_gives_back_what_was_not_spent(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let want = scene.want(10, 10);
    assert_eq!(units(scene.ask(&want).await), 10);
    assert!(matches!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Scarce { .. }));
    let statement = LeaseStatement { lease: want.lease, spent: 2, ceiling: 4, closed: false };
    scene.settle(vec![statement], false).await;
    assert_eq!(scene.used().await, (0, 4));
    scene.close(want.lease, 3).await;
    assert_eq!(units(scene.ask(&scene.want(7, 7)).await), 7);
}

async fn the_offset_shortens_the_first_period_alone(world: World) {
    let scene = Scene::new(world, 10, 4).await;
    assert_eq!(scene.status().await.limit, 6);
    assert!(matches!(scene.ask(&scene.want(7, 7)).await, LeaseOutcome::Exhausted { left: 6, .. }));
    scene.world.advance(TimeDelta::days(1));
    assert_eq!(scene.status().await.limit, 10);
    assert_eq!(units(scene.ask(&scene.want(10, 10)).await), 10);
}

async fn a_lowered_limit_recalls_leases_and_a_raised_one_is_in_force_at_once(world: World) {
    let scene = Scene::new(world, 100, 0).await;
    let want = scene.want(80, 80);
    scene.ask(&want).await;
    let with = |limit| {
        let quota = Quota { limit, period: Period::Day, offset: 0, begins: PeriodBegin::default() };
        let content = plan_content(Some(quota), &[(scene.world.api, "prod")]);
        replace(scene.plan, content)
    };
    let owner = scene.world.owner();
    owner.call(with(50)).await.unwrap();
    assert_eq!(scene.ask_all(vec![]).await.recalls, [want.lease]);
    scene.close(want.lease, 60).await;
    assert!(matches!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Exhausted { limit: 50, left: 0, .. }));
    owner.call(with(70)).await.unwrap();
    assert_eq!(units(scene.ask(&scene.want(10, 10)).await), 10);
}

async fn a_lost_run_counts_as_spent_and_a_surviving_one_does_not(world: World) {
    let mut scene = Scene::new(world, 1_000, 0).await;
    scene.register(scene.run, vec![]).await;
    let survived = scene.want(10, 10);
    scene.ask(&survived).await;
    scene.world.advance(TimeDelta::seconds(1));
    let second = IncarnationId::new(scene.world.clock.now());
    scene.register(second, vec![PreviousRun { incarnation: scene.run, power_lost: false }]).await;
    assert_eq!(scene.used().await, (0, 10));
    scene.close(survived.lease, 4).await;
    scene.run = second;
    scene.ask(&scene.want(20, 20)).await;
    scene.world.advance(TimeDelta::seconds(1));
    let third = IncarnationId::new(scene.world.clock.now());
    scene.register(third, vec![PreviousRun { incarnation: second, power_lost: true }]).await;
    assert_eq!(scene.used().await, (24, 0));
    assert!(scene.ask_all(vec![scene.want(1, 1)]).await.ended);
    scene.register(third, vec![PreviousRun { incarnation: second, power_lost: true }]).await;
    assert_eq!(scene.used().await, (24, 0));
}

async fn a_forgotten_gateway_gets_no_more_leases_and_its_units_count_as_spent(world: World) {
    let scene = Scene::new(world, 1_000, 0).await;
    scene.register(scene.run, vec![]).await;
    scene.ask(&scene.want(30, 30)).await;
    let forget = || GatewayForget { gateway: scene.gateway };
    assert_eq!(scene.world.call(forget()).await.unwrap().units_written_off, 30);
    assert_eq!(scene.world.call(forget()).await.unwrap().units_written_off, 0);
    assert_eq!(scene.used().await, (30, 0));
    assert!(scene.ask_all(vec![scene.want(1, 1)]).await.ended);
    let unknown = GatewayForget { gateway: scene.world.gateway() };
    assert_eq!(reason(scene.world.call(unknown).await), "gateway_not_found");
}

async fn a_run_that_said_its_last_word_gets_no_more_leases(world: World) {
    let scene = Scene::new(world, 1_000, 0).await;
    let (stated, unstated) = (scene.want(10, 10), scene.want(20, 20));
    scene.ask_all(vec![stated.clone(), unstated]).await;
    let statement = LeaseStatement { lease: stated.lease, spent: 7, ceiling: 7, closed: true };
    scene.settle(vec![statement], true).await;
    assert_eq!(scene.used().await, (7, 0));
    assert!(scene.ask_all(vec![scene.want(1, 1)]).await.ended);
}

async fn revoked_and_unknown_keys_get_no_lease(world: World) {
    let scene = Scene::new(world, 10, 0).await;
    let unknown = LeaseWant {
        budget: Budget::Quota { key: unknown_key(&scene.world), plan: scene.plan, period: Period::Day },
        ..scene.want(1, 1)
    };
    assert_eq!(scene.ask(&unknown).await, LeaseOutcome::Unknown);
    scene.world.owner().call(RevokeApiKey { id: scene.key }).await.unwrap();
    assert_eq!(scene.ask(&scene.want(1, 1)).await, LeaseOutcome::Unknown);
    let free = scene.world.owner().plan(None, &[]).await.id;
    let key = scene.world.owner().key(&[free]).await.api_key.id;
    let unlimited =
        LeaseWant { budget: Budget::Quota { key, plan: free, period: Period::Day }, ..scene.want(1, 1) };
    assert_eq!(scene.ask(&unlimited).await, LeaseOutcome::Unlimited);
}

/// A gateway asks while a lowered quota is stored and not yet committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_never_puts_a_quota_back_in_force_that_is_being_lowered() {
    let scene = Scene::new(World::production().await, 1_000, 0).await;
    let first = scene.want(1, 16);
    scene.ask(&first).await;
    scene.close(first.lease, 5).await;

    let lowering = scene.world.database.system("a test").await.unwrap();
    let plan = r#"UPDATE usage_plans SET terms = replace(terms, '"limit":1000', '"limit":5')"#;
    for lower in [plan, "UPDATE quota_periods SET quota_limit = 5"] {
        lowering.conn().execute_unprepared(lower).await.unwrap();
    }
    let watching = scene.world.database.system("a test").await.unwrap();
    let granted = async {
        let want = scene.want(1, 16);
        scene.ask(&want).await
    };
    let committed = async {
        let waiting = "SELECT 1 AS waits FROM pg_locks WHERE NOT granted";
        let waits = Statement::from_string(DbBackend::Postgres, waiting);
        let blocked = testkit::eventually(Duration::from_secs(10), async || {
            !watching.conn().query_all_raw(waits.clone()).await.unwrap().is_empty()
        });
        assert!(blocked.await, "the grant does not wait for the change");
        lowering.commit().await.unwrap();
    };
    let (outcome, ()) = futures_util::future::join(granted, committed).await;
    assert!(matches!(outcome, LeaseOutcome::Exhausted { limit: 5, left: 0, .. }), "{outcome:?}");
    assert_eq!(scene.used().await, (5, 0));
}
