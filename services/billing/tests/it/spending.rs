//! The most that a subscription may spend.

use common::Code;
use common::money::Money;
use contracts::billing::{CancelSubscription, CreatePlan, SetSpendCap};
use contracts::metering::SpendCap;

use testkit::{Store, on_both_stores};

use crate::role::Role;
use crate::subscriptions::subscribe;

on_both_stores!(
    a_cap_goes_to_metering_with_the_plans_price_and_the_billing_date,
    a_cap_that_could_not_hold_is_refused,
);

fn cap(micros: i64, currency: &str) -> Option<SpendCap> {
    Some(SpendCap { limit: Money { micros, currency: currency.into() }, hard_stop: true })
}

async fn a_cap_goes_to_metering_with_the_plans_price_and_the_billing_date(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let plan = role.plan(&ctx).await;
    let app = role.peers.app(&ctx);
    let subscription = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription;
    for cap in [cap(5_000_000, "eur"), None] {
        role.call(&ctx, SetSpendCap { subscription: subscription.id, cap }).await.unwrap();
    }
    let put = role.peers.caps.lock().clone();
    assert_eq!(put[0].cap, cap(5_000_000, "EUR"));
    assert_eq!(put[1].cap, None);
    for put in put {
        assert_eq!((put.subscription, put.unit_price_micros), (subscription.id, plan.unit_price_micros));
        assert_eq!(put.anchored_at, subscription.created_at);
    }
}

async fn a_cap_that_could_not_hold_is_refused(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let plan = role.plan(&ctx).await;
    let app = role.peers.app(&ctx);
    let subscription = role.call(&ctx, subscribe(&plan, &app)).await.unwrap().subscription.id;
    let set = |cap| SetSpendCap { subscription, cap };
    let refused = role.call(&ctx, set(cap(1, "USD"))).await.unwrap_err();
    assert_eq!(refused.fields[0].field, "cap.limit.currency");
    let stranger = role.call(&role.tenant(), set(cap(1, "EUR"))).await.unwrap_err();
    assert_eq!(stranger.code, Code::NotFound);
    let included = CreatePlan {
        product: plan.product,
        name: "Included".into(),
        description: String::new(),
        price: plan.price.clone(),
        unit_price_micros: 0,
        usage_plan: plan.usage_plan,
    };
    let included = role.call(&ctx, included).await.unwrap();
    let free = role.call(&ctx, subscribe(&included, &role.peers.app(&ctx))).await.unwrap().subscription.id;
    let refused = role.call(&ctx, SetSpendCap { subscription: free, cap: cap(1, "EUR") }).await.unwrap_err();
    assert_eq!(refused.reason, "plan_without_unit_price");
    role.call(&ctx, CancelSubscription { id: subscription }).await.unwrap();
    let refused = role.call(&ctx, set(cap(1, "EUR"))).await.unwrap_err();
    assert_eq!(refused.reason, "subscription_cancelled");
    assert!(role.peers.caps.lock().is_empty());
}
