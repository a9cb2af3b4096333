//! Products and plans.

use common::id::{ApiId, UsagePlanId};
use common::money::Money;
use common::{Code, PageArgs};
use contracts::billing::{CreatePlan, CreateProduct, GetProduct, ListProducts, UpdateProduct};
use contracts::{Ctx, Permission, Principal};
use testkit::{Store, on_both_stores};

use crate::role::{Role, plan, product};

on_both_stores!(
    a_product_has_its_plans_cheapest_first,
    a_product_contains_apis_of_its_own_tenant_alone,
    a_plan_needs_a_usage_plan_and_a_price_that_can_be_charged,
    updates_change_what_they_name_and_nothing_else,
    only_published_products_are_in_the_catalogue,
    another_tenants_product_does_not_exist,
    a_repeated_create_makes_one_product,
    asking_metering_needs_the_callers_own_permission,
);

fn list(published_only: bool) -> ListProducts {
    ListProducts { page: PageArgs::default(), published_only }
}

async fn a_product_has_its_plans_cheapest_first(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let made = role.product(&ctx).await;
    let usage_plan = role.peers.usage_plan(&ctx);
    for micros in [9_000_000, 0, 1_500_000] {
        role.call(&ctx, plan(&made, usage_plan, micros)).await.unwrap();
    }
    let found = role.call(&ctx, GetProduct { id: made.id }).await.unwrap();
    let prices: Vec<_> = found.plans.iter().map(|plan| plan.price.micros).collect();
    assert_eq!(prices, [0, 1_500_000, 9_000_000]);
    assert_eq!(found.plans[0].price.currency, "EUR");
    assert_eq!(role.call(&ctx, list(false)).await.unwrap().items, [found]);
}

async fn a_product_contains_apis_of_its_own_tenant_alone(store: Store) {
    let role = Role::start(store).await;
    let (ctx, stranger) = (role.tenant(), role.tenant());
    let (own, foreign) = (role.peers.api(&ctx), role.peers.api(&stranger));
    let with = |apis: &[ApiId]| CreateProduct { apis: apis.to_vec(), ..product("Pets") };
    let made = role.call(&ctx, with(&[own, own])).await.unwrap();
    assert_eq!(made.apis, [own]);
    for apis in [[own, foreign], [own, ApiId::random()]] {
        let refused = role.call(&ctx, with(&apis)).await.unwrap_err();
        assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::Invalid, "apis"));
    }
    assert_eq!(role.call(&ctx, list(false)).await.unwrap().items.len(), 1);
}

async fn a_plan_needs_a_usage_plan_and_a_price_that_can_be_charged(store: Store) {
    let role = Role::start(store).await;
    let (ctx, stranger) = (role.tenant(), role.tenant());
    let made = role.product(&ctx).await;
    let usage_plan = role.peers.usage_plan(&ctx);
    let good = plan(&made, usage_plan, 1);
    let money = |micros, currency: &str| Money { micros, currency: currency.into() };
    for (broken, field) in [
        (CreatePlan { usage_plan: UsagePlanId::new(ctx.now), ..good.clone() }, "usagePlan"),
        (CreatePlan { usage_plan: role.peers.usage_plan(&stranger), ..good.clone() }, "usagePlan"),
        (CreatePlan { price: money(-1, "EUR"), ..good.clone() }, "price.micros"),
        (CreatePlan { price: money(1, "XXQ"), ..good.clone() }, "price.currency"),
        (CreatePlan { name: " ".into(), ..good.clone() }, "name"),
    ] {
        let refused = role.call(&ctx, broken).await.unwrap_err();
        assert_eq!((refused.code, refused.fields[0].field.as_str()), (Code::Invalid, field));
    }
    let usage_plan = role.peers.usage_plan(&stranger);
    let foreign = role.call(&stranger, CreatePlan { usage_plan, ..good }).await.unwrap_err();
    assert_eq!((foreign.code, foreign.reason.as_ref()), (Code::NotFound, "product_not_found"));
    assert!(role.call(&ctx, GetProduct { id: made.id }).await.unwrap().plans.is_empty());
}

async fn updates_change_what_they_name_and_nothing_else(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let made = role.product(&ctx).await;
    let nothing = UpdateProduct { id: made.id, name: None, description: None, apis: None, published: None };
    let hidden = UpdateProduct { published: Some(false), ..nothing.clone() };
    let hidden = role.call(&ctx, hidden).await.unwrap();
    assert_eq!((hidden.published, &hidden.name, &hidden.description), (false, &made.name, &made.description));
    let renamed = UpdateProduct { name: Some("New".into()), ..nothing.clone() };
    let renamed = role.call(&ctx, renamed).await.unwrap();
    assert_eq!((renamed.published, renamed.name.as_str()), (false, "New"));
    let foreign = role.call(&role.tenant(), nothing).await.unwrap_err();
    assert_eq!(foreign.code, Code::NotFound);
}

async fn only_published_products_are_in_the_catalogue(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    role.product(&ctx).await;
    role.call(&ctx, CreateProduct { published: false, ..product("Draft") }).await.unwrap();
    assert_eq!(role.call(&ctx, list(true)).await.unwrap().items.len(), 1);
    assert_eq!(role.call(&ctx, list(false)).await.unwrap().items.len(), 2);
}

async fn another_tenants_product_does_not_exist(store: Store) {
    let role = Role::start(store).await;
    let (owner, stranger) = (role.tenant(), role.tenant());
    let made = role.product(&owner).await;
    assert_eq!(role.call(&stranger, GetProduct { id: made.id }).await.unwrap_err().code, Code::NotFound);
    assert!(role.call(&stranger, list(false)).await.unwrap().items.is_empty());
}

async fn a_repeated_create_makes_one_product(store: Store) {
    let role = Role::start(store).await;
    let ctx = Ctx { idempotency_key: Some("once".into()), ..role.tenant() };
    let first = role.call(&ctx, product("Pets")).await.unwrap();
    assert_eq!(role.call(&ctx, product("Pets")).await.unwrap(), first);
    assert_eq!(role.call(&ctx, product("Other")).await.unwrap_err().code, Code::Conflict);
    assert_eq!(role.call(&ctx, list(false)).await.unwrap().items.len(), 1);
}

async fn asking_metering_needs_the_callers_own_permission(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let made = role.product(&ctx).await;
    let usage_plan = role.peers.usage_plan(&ctx);
    let Principal::Token { token, .. } = ctx.principal else { panic!("not a token") };
    let principal = Principal::Token { token, permissions: vec![Permission::ProductsWrite] };
    let seller = Ctx { principal, ..ctx };
    let refused = role.call(&seller, plan(&made, usage_plan, 1)).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert!(refused.message.contains("usage_plans:read"), "{refused}");
}
