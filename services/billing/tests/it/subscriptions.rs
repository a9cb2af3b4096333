//! Subscriptions and the keys they carry.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use common::id::DeveloperId;
use common::{Code, PageArgs};
use contracts::Ctx;
use contracts::billing::{
    CancelSubscription, CreatePlan, CreateProduct, CreateSubscription, FindPlansOfUsagePlan, GetSubscription,
    ListSubscriptions, Plan, Subscription, SubscriptionStatus,
};
use contracts::portal::App;
use contracts::stream::Liveness;
use database::Tx;
use testkit::{Store, eventually, on_both_stores};
use tokio_util::sync::CancellationToken;

use crate::peers::value;
use crate::role::Role;

on_both_stores!(
    a_subscription_carries_a_working_key,
    a_pending_subscription_becomes_active_when_metering_is_back,
    a_subscription_whose_process_died_becomes_active,
    an_answer_that_was_lost_makes_no_second_key,
    cancelling_revokes_the_key,
    cancelling_while_metering_is_down_revokes_later,
    a_subscription_cancelled_while_its_key_is_made_ends_revoked,
    a_plan_without_limits_is_refused_instead_of_pending_for_ever,
    an_app_has_a_plan_once_at_a_time,
    an_organization_has_no_more_products_plans_and_subscriptions_than_its_limits,
    a_repeated_subscribe_answers_the_first_key,
    what_is_not_the_tenants_cannot_be_subscribed,
    subscriptions_are_listed_by_developer_and_plan,
);

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn subscribe(plan: &Plan, app: &App) -> CreateSubscription {
    CreateSubscription { plan: plan.id, app: app.id, developer: app.developer, key_name: None }
}

async fn find(role: &Role, ctx: &Ctx, subscription: &Subscription) -> Subscription {
    role.call(ctx, GetSubscription { id: subscription.id }).await.unwrap()
}

/// The outbox is empty: nothing is owed to metering.
async fn settled(role: &Role) -> bool {
    let tx = role.store.database.system_read("a test looks at what is stored").await.unwrap();
    let count = sea_orm::Statement::from_string(role.store.database.backend(), "SELECT id FROM outbox");
    sea_orm::ConnectionTrait::query_all_raw(tx.conn(), count).await.unwrap().is_empty()
}

/// The role's jobs, stopped with the test.
struct Jobs(CancellationToken);

impl Jobs {
    fn start(role: &Role) -> Self {
        let stop = CancellationToken::new();
        tokio::spawn(billing::run_jobs(role.state.clone(), stop.clone()));
        Self(stop)
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn a_subscription_carries_a_working_key(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap();
    let subscription = &made.subscription;
    assert_eq!((subscription.status, made.liveness), (SubscriptionStatus::Active, Liveness::Live));
    assert_eq!(made.key_value, Some(value(subscription.key)));
    assert_eq!((subscription.product_name.as_str(), subscription.plan_name.as_str()), ("Pets", "Plan 0"));
    let key = role.peers.key(subscription.key).unwrap();
    assert_eq!((key.usage_plans, key.subscription), (vec![plan.usage_plan], Some(subscription.id)));
    assert_eq!((key.plan, key.name.as_str()), (Some(plan.id), "Plan 0"));
    assert_eq!(find(&role, &ctx, subscription).await, *subscription);
    assert!(settled(&role).await);
}

async fn a_pending_subscription_becomes_active_when_metering_is_back(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    role.peers.down.store(true, Ordering::SeqCst);
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap();
    assert_eq!((made.subscription.status, made.liveness), (SubscriptionStatus::Pending, Liveness::Pending));
    assert!(made.key_value.is_none() && role.peers.keys.lock().is_empty());

    let _jobs = Jobs::start(&role);
    role.peers.down.store(false, Ordering::SeqCst);
    let active = eventually(PATIENCE, async || {
        role.advance(TimeDelta::seconds(1));
        find(&role, &ctx, &made.subscription).await.status == SubscriptionStatus::Active
    });
    assert!(active.await);
    assert!(role.peers.key(made.subscription.key).is_some() && settled(&role).await);
}

async fn a_subscription_whose_process_died_becomes_active(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    // The request dies after its transaction, before metering answers: its key is asked for and never made.
    role.peers.gate.forget_permits(1000);
    let endpoints = billing::endpoints(&role.state);
    let request = serde_json::to_vec(&subscribe(&plan, &app)).unwrap();
    tokio::select! {
        answered = endpoints.answer("CreateSubscription", None, ctx.clone(), request) => panic!("{answered:?}"),
        asked = role.peers.asked.acquire() => asked.unwrap().forget(),
    }
    let list = ListSubscriptions { page: PageArgs::default(), developer: None, plan: None };
    let pending = role.call(&ctx, list).await.unwrap().items.remove(0);
    assert_eq!(pending.status, SubscriptionStatus::Pending);

    role.peers.gate.add_permits(1000);
    // A start takes over at once what the dead process had taken, without the clock moving.
    let _jobs = Jobs::start(&role);
    let active = eventually(PATIENCE, async || {
        find(&role, &ctx, &pending).await.status == SubscriptionStatus::Active && settled(&role).await
    });
    assert!(active.await);
    assert_eq!(role.peers.keys.lock().len(), 1);
}

async fn an_answer_that_was_lost_makes_no_second_key(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    role.peers.answer_lost.store(true, Ordering::SeqCst);
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap();
    assert_eq!(made.subscription.status, SubscriptionStatus::Pending);
    role.peers.answer_lost.store(false, Ordering::SeqCst);
    let _jobs = Jobs::start(&role);
    let active = eventually(PATIENCE, async || {
        role.advance(TimeDelta::seconds(1));
        find(&role, &ctx, &made.subscription).await.status == SubscriptionStatus::Active
    });
    assert!(active.await);
    assert_eq!(role.peers.keys.lock().len(), 1);
}

async fn cancelling_revokes_the_key(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    let cancelled = role.call(&ctx, CancelSubscription { id: made.id }).await.unwrap();
    assert_eq!(cancelled.liveness, Liveness::Live);
    let cancelled = cancelled.subscription;
    assert_eq!((cancelled.status, cancelled.cancelled_at), (SubscriptionStatus::Cancelled, Some(ctx.now)));
    assert!(role.peers.key(made.key).unwrap().revoked_at.is_some());
    let again = role.call(&ctx, CancelSubscription { id: made.id }).await.unwrap();
    assert_eq!((again.subscription, again.liveness), (cancelled, Liveness::Live));
    let foreign = role.call(&role.tenant(), CancelSubscription { id: made.id }).await.unwrap_err();
    assert_eq!(foreign.code, Code::NotFound);
    assert!(settled(&role).await);
}

async fn cancelling_while_metering_is_down_revokes_later(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    role.peers.down.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let cancelled = role.call(&ctx, CancelSubscription { id: made.id }).await.unwrap();
        assert_eq!(cancelled.subscription.status, SubscriptionStatus::Cancelled);
        assert_eq!(cancelled.liveness, Liveness::Pending);
    }
    assert!(role.peers.key(made.key).unwrap().revoked_at.is_none());
    role.peers.down.store(false, Ordering::SeqCst);
    let _jobs = Jobs::start(&role);
    let revoked = eventually(PATIENCE, async || {
        role.advance(TimeDelta::seconds(1));
        role.peers.key(made.key).unwrap().revoked_at.is_some() && settled(&role).await
    });
    assert!(revoked.await);
}

async fn a_subscription_cancelled_while_its_key_is_made_ends_revoked(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    role.peers.gate.forget_permits(1000);
    let subscribing = {
        let (client, ctx, call) = (role.client.clone(), ctx.clone(), subscribe(&plan, &app));
        tokio::spawn(async move { client.call(&ctx, call).await.unwrap() })
    };
    role.peers.asked.acquire().await.unwrap().forget();
    let list = ListSubscriptions { page: PageArgs::default(), developer: None, plan: None };
    let pending = role.call(&ctx, list).await.unwrap().items.remove(0);
    // There is no key to revoke yet.
    role.call(&ctx, CancelSubscription { id: pending.id }).await.unwrap();
    role.peers.gate.add_permits(1000);
    let made = subscribing.await.unwrap();
    assert_eq!((made.subscription.status, made.key_value), (SubscriptionStatus::Cancelled, None));
    assert!(role.peers.key(pending.key).unwrap().revoked_at.is_some());
    assert!(settled(&role).await);
}

async fn a_plan_without_limits_is_refused_instead_of_pending_for_ever(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let sold = FindPlansOfUsagePlan { usage_plan: plan.usage_plan };
    let service = ctx.as_service(contracts::Role::Metering);
    assert_eq!(role.call(&service, sold).await.unwrap(), std::slice::from_ref(&plan));
    role.peers.usage_plans.lock().clear();
    let refused = role.call(&ctx, subscribe(&plan, &app)).await.unwrap_err();
    assert_eq!(refused.reason, "plan_without_limits");
}

async fn an_app_has_a_plan_once_at_a_time(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let first = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    let again = role.call(&ctx, subscribe(&plan, &app)).await.unwrap_err();
    assert_eq!((again.code, again.reason.as_ref()), (Code::AlreadyExists, "subscription_exists"));
    role.call(&ctx, CancelSubscription { id: first.id }).await.unwrap();
    let second = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    assert_ne!(first.key, second.key);
}

async fn a_repeated_subscribe_answers_the_first_key(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let ctx = Ctx { idempotency_key: Some("once".into()), ..ctx };
    let first = role.call(&ctx, subscribe(&plan, &app)).await.unwrap();
    let again = role.call(&ctx, subscribe(&plan, &app)).await.unwrap();
    assert_eq!((first.subscription, first.key_value), (again.subscription, again.key_value));
    assert_eq!(role.peers.keys.lock().len(), 1);
}

async fn what_is_not_the_tenants_cannot_be_subscribed(store: Store) {
    let role = Role::start(store).await;
    let (ctx, stranger) = (role.tenant(), role.tenant());
    let (plan, app) = (role.plan(&ctx).await, role.peers.app(&ctx));
    let foreign_plan = subscribe(&plan, &role.peers.app(&stranger));
    let refused = role.call(&stranger, foreign_plan).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_ref()), (Code::NotFound, "plan_not_found"));
    let foreign_app = subscribe(&plan, &role.peers.app(&stranger));
    let refused = role.call(&ctx, foreign_app).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_ref()), (Code::NotFound, "app_not_found"));
    let wrong_owner = CreateSubscription { developer: DeveloperId::new(ctx.now), ..subscribe(&plan, &app) };
    assert_eq!(role.call(&ctx, wrong_owner).await.unwrap_err().code, Code::Invalid);
    let made = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    let foreign = role.call(&stranger, GetSubscription { id: made.id }).await.unwrap_err();
    assert_eq!(foreign.code, Code::NotFound);
}

async fn subscriptions_are_listed_by_developer_and_plan(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let (first, second) = (role.plan(&ctx).await, role.plan(&ctx).await);
    let (ann, bob) = (role.peers.app(&ctx), role.peers.app(&ctx));
    for (plan, app) in [(&first, &ann), (&second, &ann), (&first, &bob)] {
        role.call(&ctx, subscribe(plan, app)).await.unwrap();
    }
    for (developer, plan, count) in [
        (None, None, 3),
        (Some(ann.developer), None, 2),
        (None, Some(first.id), 2),
        (Some(bob.developer), Some(second.id), 0),
    ] {
        let list = ListSubscriptions { page: PageArgs::default(), developer, plan };
        assert_eq!(role.call(&ctx, list).await.unwrap().items.len(), count);
    }
    let page = PageArgs { first: Some(2), after: None };
    let list = |page| ListSubscriptions { page, developer: None, plan: None };
    let newest = role.call(&ctx, list(page)).await.unwrap();
    let page = PageArgs { first: Some(2), after: newest.next };
    let oldest = role.call(&ctx, list(page)).await.unwrap();
    assert_eq!((newest.items.len(), oldest.items.len(), oldest.next), (2, 1, None));
}

async fn an_organization_has_no_more_products_plans_and_subscriptions_than_its_limits(store: Store) {
    let limits = billing::Limits { products: 1, plans_per_product: 1, subscriptions: 1 };
    let role = Role::limited(store, limits).await;
    let ctx = role.tenant();
    let plan = role.plan(&ctx).await;
    let product =
        CreateProduct { name: "P".into(), description: String::new(), apis: vec![], published: true };
    let second = CreatePlan {
        product: plan.product,
        name: "Second".into(),
        description: String::new(),
        price: plan.price.clone(),
        unit_price_micros: 0,
        usage_plan: plan.usage_plan,
    };
    let made = role.call(&ctx, subscribe(&plan, &role.peers.app(&ctx))).await.unwrap().subscription;
    let other = role.peers.app(&ctx);
    let refusals = [
        role.call(&ctx, product).await.map(drop).unwrap_err(),
        role.call(&ctx, second).await.map(drop).unwrap_err(),
        role.call(&ctx, subscribe(&plan, &other)).await.map(drop).unwrap_err(),
    ];
    for (refused, limit) in refusals.iter().zip(["products", "plans_per_product", "subscriptions"]) {
        assert_eq!((refused.code, refused.reason.as_ref()), (Code::LimitExceeded, "limit_exceeded"));
        assert_eq!(refused.message, format!("the limit {limit} is reached: at most 1"));
    }
    role.call(&ctx, CancelSubscription { id: made.id }).await.unwrap();
    role.call(&ctx, subscribe(&plan, &other)).await.unwrap();
}
