//! Spend caps: leases in money, what the ledger says, and alerts.

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{GatewayId, IncarnationId, KeyId, LeaseId, SubscriptionId};
use common::money::Money;
use contracts::lease::{Budget, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseStatement, LeaseWant};
use contracts::metering::{AccessEntry, FollowAccess, GetSpendStatus, PutSpendCap, SpendCap, SpendStatus};
use contracts::stream::Follow;

use crate::on_both_stores;
use crate::quotas::units;
use crate::records::{Seen, Stream};
use crate::world::{World, key_content, micros, reason};

on_both_stores![
    a_cap_that_stops_calls_is_leased_in_money_and_begins_anew_each_month,
    a_raised_cap_is_in_force_at_once_and_gateways_hear_of_it,
    what_was_spent_before_a_cap_stopped_calls_counts,
    a_key_made_later_has_the_price_too,
    each_threshold_is_told_once_a_month,
    a_cap_out_of_bounds_is_refused_and_a_foreign_one_is_not_found,
];

const PRICE: u64 = 1_000;

struct Scene {
    world: World,
    subscription: SubscriptionId,
    key: KeyId,
    anchor: DateTime<Utc>,
    gateway: GatewayId,
    run: IncarnationId,
    stream: Stream,
}

impl Scene {
    async fn new(world: World) -> Self {
        let now = world.clock.now();
        let subscription = SubscriptionId::new(now);
        let anchor = now - TimeDelta::days(3);
        let plan = world.owner().plan(None, &[(world.api, "prod")]).await.id;
        let mut content = key_content(&[plan]);
        (content.subscription, content.anchored_at) = (Some(subscription), Some(anchor));
        let key = world.owner().call(content).await.unwrap().api_key.id;
        let (gateway, run) = (world.gateway(), IncarnationId::new(now));
        let stream = Stream::new(gateway, run, 0);
        Self { world, subscription, key, anchor, gateway, run, stream }
    }

    fn cap(&self, cap: Option<(i64, bool)>) -> PutSpendCap {
        let cap = cap.map(|(micros, hard_stop)| SpendCap {
            limit: Money { micros, currency: "EUR".into() },
            hard_stop,
        });
        let (subscription, anchored_at) = (self.subscription, self.anchor);
        PutSpendCap { subscription, cap, unit_price_micros: PRICE, anchored_at }
    }

    async fn put(&self, cap: Option<(i64, bool)>) {
        self.world.owner().by_billing().call(self.cap(cap)).await.unwrap();
    }

    async fn status(&self) -> Option<SpendStatus> {
        let request = GetSpendStatus { subscription: self.subscription };
        self.world.owner().call(request).await.unwrap()
    }

    async fn ask(&self, need: u64) -> (LeaseId, LeaseOutcome) {
        let now = self.world.clock.now();
        let lease = LeaseId::new(now);
        let budget = Budget::Spend { subscription: self.subscription };
        let want = LeaseWant { lease, budget, at: micros(now), need, hint: need, holds: vec![] };
        let (gateway, incarnation) = (self.gateway, self.run);
        let answers = self.world.call(LeaseGrant { gateway, incarnation, wants: vec![want] }).await.unwrap();
        (lease, answers.answers[0].outcome)
    }

    async fn close(&self, lease: LeaseId, spent: u64) {
        let statements = vec![LeaseStatement { lease, spent, ceiling: spent, closed: true }];
        let (gateway, incarnation) = (self.gateway, self.run);
        self.world.call(LeaseSettle { gateway, incarnation, statements, last: false }).await.unwrap();
    }

    /// Calls that arrive at the ledger: two billable units each.
    async fn calls(&mut self, count: usize) {
        let (tenant, at) = (self.world.owner().tenant(), micros(self.world.clock.now()));
        let calls: Vec<_> = (0..count)
            .map(|_| {
                let mut seen = Seen::new(tenant, self.world.api, self.key, at);
                seen.subject.subscription = Some(self.subscription);
                seen
            })
            .collect();
        self.world.call(self.stream.next(&calls)).await.unwrap();
    }

    /// The price that gateways know, by key, and the revision they have it from.
    async fn published(&self, applied: u64) -> (Vec<(KeyId, Option<u64>)>, u64) {
        let gateway = GatewayId::new(self.world.clock.now());
        let follow = Follow { gateway, applied, after: None, wait_ms: 0 };
        let changes = self.world.call(FollowAccess { follow }).await.unwrap();
        let prices = changes.changes.into_iter().filter_map(|change| match change.state {
            Some(AccessEntry::Key(key)) => Some((key.id, key.spend_price_micros)),
            _ => None,
        });
        (prices.collect(), changes.revision)
    }
}

async fn a_cap_that_stops_calls_is_leased_in_money_and_begins_anew_each_month(world: World) {
    let scene = Scene::new(world).await;
    assert_eq!(scene.status().await, None);
    assert_eq!(scene.ask(1).await.1, LeaseOutcome::Unlimited);
    scene.put(Some((10_500, true))).await;
    let (lease, outcome) = scene.ask(10_000).await;
    assert_eq!(units(outcome), 10_000);
    assert_eq!(scene.status().await.unwrap().leased_micros, 10_000);
    scene.close(lease, 10_000).await;
    // Half a unit is left, which buys no call.
    let exhausted = scene.ask(PRICE).await.1;
    assert!(matches!(exhausted, LeaseOutcome::Exhausted { limit: 10_500, left: 500, .. }), "{exhausted:?}");
    let end = scene.status().await.unwrap().period_end;
    assert_eq!(end.to_rfc3339(), "2026-12-17T10:00:00+00:00");
    scene.world.clock.set(end);
    assert_eq!(units(scene.ask(10_000).await.1), 10_000);
    scene.put(Some((10_500, false))).await;
    assert_eq!(scene.ask(1).await.1, LeaseOutcome::Unlimited);
}

async fn a_raised_cap_is_in_force_at_once_and_gateways_hear_of_it(world: World) {
    let scene = Scene::new(world).await;
    scene.put(Some((5_000, true))).await;
    let (prices, revision) = scene.published(0).await;
    assert_eq!(prices, [(scene.key, Some(PRICE))]);
    let (lease, _) = scene.ask(5_000).await;
    scene.close(lease, 5_000).await;
    assert!(matches!(scene.ask(PRICE).await.1, LeaseOutcome::Exhausted { .. }));
    scene.put(Some((7_000, true))).await;
    let (prices, revision) = scene.published(revision).await;
    assert_eq!(prices, [(scene.key, Some(PRICE))]);
    assert_eq!(units(scene.ask(2_000).await.1), 2_000);
    scene.put(None).await;
    assert_eq!(scene.published(revision).await.0, [(scene.key, None)]);
    assert_eq!(scene.status().await, None);
}

async fn what_was_spent_before_a_cap_stopped_calls_counts(world: World) {
    let mut scene = Scene::new(world).await;
    scene.calls(2).await;
    scene.put(Some((10_000, false))).await;
    assert_eq!(scene.status().await.unwrap().spent_micros, 4_000);
    scene.put(Some((10_000, true))).await;
    assert!(matches!(scene.ask(6_001).await.1, LeaseOutcome::Exhausted { left: 6_000, .. }));
    let (lease, outcome) = scene.ask(6_000).await;
    assert_eq!(units(outcome), 6_000);
    scene.close(lease, 6_000).await;
    scene.calls(3).await;
    // Off and on again: what leases have counted is not counted twice.
    scene.put(Some((10_000, false))).await;
    scene.put(Some((11_000, true))).await;
    assert_eq!(units(scene.ask(1_000).await.1), 1_000);
    assert!(matches!(scene.ask(1).await.1, LeaseOutcome::Scarce { .. }));
}

async fn a_key_made_later_has_the_price_too(world: World) {
    let scene = Scene::new(world).await;
    scene.put(Some((5_000, true))).await;
    let (_, revision) = scene.published(0).await;
    let mut content = key_content(&[]);
    content.subscription = Some(scene.subscription);
    let second = scene.world.owner().call(content).await.unwrap().api_key.id;
    assert_eq!(scene.published(revision).await.0, [(second, Some(PRICE))]);
}

async fn each_threshold_is_told_once_a_month(world: World) {
    let mut scene = Scene::new(world).await;
    scene.put(Some((10_000, false))).await;
    let told = async |scene: &Scene| {
        metering::run_once(&scene.world.service).await.unwrap();
        let alerts = scene.status().await.unwrap().alerts;
        alerts.iter().map(|alert| (alert.threshold, alert.spent_micros)).collect::<Vec<_>>()
    };
    scene.calls(2).await;
    assert_eq!(told(&scene).await, []);
    scene.calls(2).await;
    assert_eq!(told(&scene).await, [(50, 8_000), (80, 8_000)]);
    scene.calls(1).await;
    assert_eq!(told(&scene).await, [(50, 8_000), (80, 8_000), (100, 10_000)]);
    assert_eq!(told(&scene).await.len(), 3);
    scene.world.clock.set(scene.status().await.unwrap().period_end);
    assert_eq!(told(&scene).await, []);
    scene.calls(3).await;
    assert_eq!(told(&scene).await, [(50, 6_000)]);
}

async fn a_cap_out_of_bounds_is_refused_and_a_foreign_one_is_not_found(world: World) {
    let scene = Scene::new(world).await;
    let billing = scene.world.owner().by_billing();
    for micros in [0, -1, 1_000_000_000_001] {
        let refused = billing.call(scene.cap(Some((micros, true)))).await.unwrap_err();
        assert_eq!(refused.fields[0].field, "cap.limit");
    }
    scene.put(Some((5_000, true))).await;
    let foreign = scene.world.stranger().by_billing();
    assert_eq!(reason(foreign.call(scene.cap(Some((1, true)))).await), "subscription_not_found");
    let request = GetSpendStatus { subscription: scene.subscription };
    assert_eq!(scene.world.stranger().call(request).await.unwrap(), None);
    assert_eq!(scene.status().await.unwrap().cap.limit.micros, 5_000);
}
