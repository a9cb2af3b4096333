//! The calls that the portal makes to other roles, answered from memory.

use std::sync::Arc;

use apidef::Api;
use apidef::model::{Integration, Method, Verb};
use chrono::TimeDelta;
use common::id::{ApiId, DeploymentId, KeyId, PlanId, ProductId, SubscriptionId, TenantId, UsagePlanId};
use common::money::Money;
use common::{Error, Page, Result};
use contracts::apis::{ApiDetail, ApiSummary, FindApis, GetApi, Stage, StageSettings};
use contracts::billing::{
    CancelSubscription, CancelledSubscription, CreateSubscription, CreatedSubscription, GetSubscription,
    ListProducts, ListSubscriptions, Plan, Product, SetSpendCap, Subscription, SubscriptionStatus,
};
use contracts::metering::{
    ApiKey, Cost, GetApiKey, GetQuotaStatus, GetSpendStatus, GetUsagePlan, Period, PeriodBegin, PlanStage,
    PlanTerms, QueryUsage, Quota, QuotaStatus, RevealApiKey, RotateApiKey, SavedApiKey, SpendCap,
    SpendStatus, Throttle, Usage, UsageDimension, UsagePlan, UsageRow,
};
use contracts::stream::Liveness;
use contracts::tenants::{FindTenant, GetTenant, Tenant};
use contracts::{Ctx, Endpoints, Role};
use parking_lot::Mutex;

/// What the other roles know.
#[derive(Default)]
pub(crate) struct Peers {
    pub(crate) tenants: Mutex<Vec<Tenant>>,
    pub(crate) products: Mutex<Vec<(TenantId, Product)>>,
    subscriptions: Mutex<Vec<(TenantId, Subscription)>>,
    rotations: Mutex<Vec<(KeyId, u32)>>,
    pub(crate) caps: Mutex<Vec<SetSpendCap>>,
    api: Mutex<Option<ApiId>>,
}

impl Peers {
    pub(crate) fn new() -> Arc<Self> {
        let peers = Self::default();
        *peers.api.lock() = Some(ApiId::random());
        Arc::new(peers)
    }

    /// A product of the provider with one plan; answers the plan.
    pub(crate) fn product(&self, provider: &Ctx, published: bool) -> PlanId {
        let id = ProductId::new(provider.now);
        let plan = Plan {
            id: PlanId::new(provider.now),
            product: id,
            name: "Free".into(),
            description: String::new(),
            price: Money { micros: 0, currency: "EUR".into() },
            unit_price_micros: 2_500,
            usage_plan: UsagePlanId::new(provider.now),
            created_at: provider.now,
        };
        let product = Product {
            id,
            name: "Pets".into(),
            description: "All pets".into(),
            apis: self.api.lock().iter().copied().collect(),
            published,
            plans: vec![plan.clone()],
            created_at: provider.now,
        };
        self.products.lock().push((provider.tenant().unwrap(), product));
        plan.id
    }

    pub(crate) fn endpoints(self: &Arc<Self>) -> [Endpoints; 4] {
        [
            Endpoints::new(Role::Tenants)
                .with::<FindTenant, _, _, _>(self, find_tenant)
                .with::<GetTenant, _, _, _>(self, get_tenant),
            Endpoints::new(Role::Billing)
                .with::<ListProducts, _, _, _>(self, list_products)
                .with::<CreateSubscription, _, _, _>(self, create_subscription)
                .with::<GetSubscription, _, _, _>(self, get_subscription)
                .with::<ListSubscriptions, _, _, _>(self, list_subscriptions)
                .with::<CancelSubscription, _, _, _>(self, cancel_subscription)
                .with::<SetSpendCap, _, _, _>(self, set_spend_cap),
            Endpoints::new(Role::Metering)
                .with::<GetUsagePlan, _, _, _>(self, get_usage_plan)
                .with::<GetApiKey, _, _, _>(self, get_key)
                .with::<RevealApiKey, _, _, _>(self, reveal_key)
                .with::<RotateApiKey, _, _, _>(self, rotate_key)
                .with::<QueryUsage, _, _, _>(self, query_usage)
                .with::<GetQuotaStatus, _, _, _>(self, quota_status)
                .with::<GetSpendStatus, _, _, _>(self, spend_status),
            Endpoints::new(Role::Apis)
                .with::<FindApis, _, _, _>(self, find_apis)
                .with::<GetApi, _, _, _>(self, get_api),
        ]
    }

    fn value(&self, key: KeyId) -> String {
        let rotations = self.rotations.lock().iter().filter(|(rotated, _)| *rotated == key).count();
        format!("value-{rotations}-of-{key}")
    }
}

async fn find_tenant(peers: Arc<Peers>, _: Ctx, call: FindTenant) -> Result<Tenant> {
    let tenants = peers.tenants.lock();
    tenants
        .iter()
        .find(|tenant| tenant.slug == call.slug)
        .cloned()
        .ok_or_else(|| Error::not_found("organization"))
}

async fn get_tenant(peers: Arc<Peers>, ctx: Ctx, _: GetTenant) -> Result<Tenant> {
    let (tenants, id) = (peers.tenants.lock(), ctx.tenant()?);
    tenants.iter().find(|tenant| tenant.id == id).cloned().ok_or_else(|| Error::not_found("organization"))
}

async fn list_products(peers: Arc<Peers>, ctx: Ctx, call: ListProducts) -> Result<Page<Product>> {
    let (products, tenant) = (peers.products.lock(), ctx.tenant()?);
    let own = products.iter().filter(|(owner, _)| *owner == tenant).map(|(_, product)| product);
    let items = own.filter(|product| product.published || !call.published_only).cloned().collect();
    Ok(Page { items, next: None })
}

async fn create_subscription(
    peers: Arc<Peers>,
    ctx: Ctx,
    call: CreateSubscription,
) -> Result<CreatedSubscription> {
    let products = peers.products.lock();
    let plans = products.iter().flat_map(|(_, product)| product.plans.iter());
    let plan = plans.into_iter().find(|plan| plan.id == call.plan).unwrap();
    let subscription = Subscription {
        id: SubscriptionId::new(ctx.now),
        plan: plan.id,
        product: plan.product,
        product_name: "Pets".into(),
        plan_name: plan.name.clone(),
        app: call.app,
        developer: call.developer,
        status: SubscriptionStatus::Active,
        key: KeyId::new(ctx.now),
        created_at: ctx.now,
        cancelled_at: None,
    };
    peers.subscriptions.lock().push((ctx.tenant()?, subscription.clone()));
    let key_value = Some(peers.value(subscription.key));
    Ok(CreatedSubscription { subscription, key_value, liveness: Liveness::Live })
}

async fn get_subscription(peers: Arc<Peers>, ctx: Ctx, call: GetSubscription) -> Result<Subscription> {
    let (subscriptions, tenant) = (peers.subscriptions.lock(), ctx.tenant()?);
    let found = subscriptions.iter().find(|(owner, found)| *owner == tenant && found.id == call.id);
    found.map(|(_, found)| found.clone()).ok_or_else(|| Error::not_found("subscription"))
}

async fn list_subscriptions(
    peers: Arc<Peers>,
    ctx: Ctx,
    call: ListSubscriptions,
) -> Result<Page<Subscription>> {
    let (subscriptions, tenant) = (peers.subscriptions.lock(), ctx.tenant()?);
    let own = subscriptions.iter().filter(|(owner, _)| *owner == tenant).map(|(_, found)| found);
    let own = own.filter(|found| call.developer.is_none_or(|developer| developer == found.developer));
    Ok(Page { items: own.cloned().collect(), next: None })
}

async fn cancel_subscription(
    peers: Arc<Peers>,
    ctx: Ctx,
    call: CancelSubscription,
) -> Result<CancelledSubscription> {
    let mut subscriptions = peers.subscriptions.lock();
    let (_, found) = subscriptions.iter_mut().find(|(_, found)| found.id == call.id).unwrap();
    found.status = SubscriptionStatus::Cancelled;
    found.cancelled_at = Some(ctx.now);
    Ok(CancelledSubscription { subscription: found.clone(), liveness: Liveness::Live })
}

async fn set_spend_cap(peers: Arc<Peers>, _: Ctx, call: SetSpendCap) -> Result<Liveness> {
    peers.caps.lock().push(call);
    Ok(Liveness::Live)
}

async fn get_usage_plan(peers: Arc<Peers>, ctx: Ctx, call: GetUsagePlan) -> Result<UsagePlan> {
    let api_id = peers.api.lock().unwrap();
    let costs = [("/pets/POST".into(), Cost::Fixed { units: 5 })].into();
    let stage = PlanStage { api_id, stage: "v1".into(), throttle: [].into(), costs };
    Ok(UsagePlan {
        id: call.id,
        name: "limits".into(),
        description: None,
        terms: PlanTerms {
            throttle: Some(Throttle { rate_limit: 5.0, burst_limit: 10 }),
            quotas: vec![Quota {
                limit: 1000,
                period: Period::Month,
                offset: 0,
                begins: PeriodBegin::default(),
            }],
            stages: vec![stage],
            ..PlanTerms::default()
        },
        created_at: ctx.now,
    })
}

fn api_key(ctx: &Ctx, id: KeyId) -> ApiKey {
    ApiKey {
        id,
        name: "key".into(),
        prefix: "value".into(),
        enabled: true,
        revoked_at: None,
        expires_at: None,
        usage_plans: vec![UsagePlanId::new(ctx.now)],
        subscription: None,
        plan: None,
        previous_until: None,
        anchored_at: ctx.now,
        created_at: ctx.now,
    }
}

async fn get_key(_: Arc<Peers>, ctx: Ctx, call: GetApiKey) -> Result<ApiKey> {
    Ok(api_key(&ctx, call.id))
}

async fn reveal_key(peers: Arc<Peers>, _: Ctx, call: RevealApiKey) -> Result<String> {
    Ok(peers.value(call.id))
}

async fn rotate_key(peers: Arc<Peers>, ctx: Ctx, call: RotateApiKey) -> Result<SavedApiKey> {
    peers.rotations.lock().push((call.id, call.grace_seconds));
    let until = ctx.now + TimeDelta::seconds(call.grace_seconds.into());
    let api_key = ApiKey { previous_until: Some(until), ..api_key(&ctx, call.id) };
    Ok(SavedApiKey { api_key, value: Some(peers.value(call.id)), liveness: Liveness::Live })
}

async fn query_usage(_: Arc<Peers>, ctx: Ctx, call: QueryUsage) -> Result<Usage> {
    assert_eq!(call.filter[&UsageDimension::Subscription].len(), 1);
    let row = UsageRow {
        time: call.from,
        group: [].into(),
        requests: 7,
        quota_units: 6,
        billable_units: 5,
        bytes_in: 0,
        bytes_out: 0,
        p50_ms: 1.0,
        p95_ms: 2.0,
        p99_ms: 3.0,
    };
    Ok(Usage { rows: vec![row], as_of: ctx.now, complete: true })
}

async fn quota_status(_: Arc<Peers>, ctx: Ctx, _: GetQuotaStatus) -> Result<Vec<QuotaStatus>> {
    Ok(vec![QuotaStatus {
        usage_plan: UsagePlanId::new(ctx.now),
        period: Period::Month,
        extension: 0,
        limit: 1000,
        settled: 6,
        leased: 0,
        period_start: ctx.now,
        period_end: ctx.now,
    }])
}

async fn spend_status(_: Arc<Peers>, ctx: Ctx, _: GetSpendStatus) -> Result<Option<SpendStatus>> {
    Ok(Some(SpendStatus {
        cap: SpendCap { limit: Money { micros: 1_000_000, currency: "EUR".into() }, hard_stop: true },
        unit_price_micros: 2_500,
        spent_micros: 15_000,
        leased_micros: 0,
        period_start: ctx.now,
        period_end: ctx.now,
        alerts: Vec::new(),
    }))
}

fn summary(ctx: &Ctx, id: ApiId) -> ApiSummary {
    let stage = Stage {
        name: "v1".into(),
        deployment: DeploymentId::new(ctx.now),
        invoke_url: format!("http://127.0.0.1:8080/_api/{id}/v1"),
        settings: StageSettings::default(),
        updated_at: ctx.now,
        undeployed_changes: false,
    };
    ApiSummary {
        id,
        name: "Pets API".into(),
        description: None,
        revision: 1,
        stages: vec![stage],
        created_at: ctx.now,
        updated_at: ctx.now,
    }
}

async fn find_apis(_: Arc<Peers>, ctx: Ctx, call: FindApis) -> Result<Vec<ApiSummary>> {
    Ok(call.ids.into_iter().map(|id| summary(&ctx, id)).collect())
}

async fn get_api(_: Arc<Peers>, ctx: Ctx, call: GetApi) -> Result<ApiDetail> {
    let mut document = Api::new("pets");
    document.put_resource("/pets").unwrap();
    let integration = Some(Integration::http_proxy("http://127.0.0.1:9"));
    document.put_method("/pets", Verb::Get, Method { integration, ..Method::default() }).unwrap();
    Ok(ApiDetail { summary: summary(&ctx, call.id), document })
}
