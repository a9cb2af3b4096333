//! The role on real stores, and who calls it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{ApiId, DeploymentId, GatewayId, KeyId, PlanId, ProductId, TenantId, UsagePlanId};
use common::money::Money;
use common::vault::Vault;
use common::{Clock, Result};
use contracts::apis::{ApiSummary, FindApis, Stage, StageSettings};
use contracts::billing::{FindPlansOfUsagePlan, Plan};
use contracts::metering::{
    CreateApiKey, CreateUsagePlan, PlanStage, PlanTerms, Quota, SavedApiKey, UpdateUsagePlan, UsagePlan,
};
use contracts::{Call, Client, Ctx, Endpoints, Role};
use database::Database;
use metering::{ClickHouseConfig, Config, Dependencies, Limits, Service};
use migrations::Schema;
use parking_lot::Mutex;
use testkit::{DatabaseRole, TestClickHouse, TestPostgres};
use tokio::runtime::Handle;

/// The role with its stores, and the APIs that exist.
pub(crate) struct World {
    pub(crate) service: Arc<Service>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) api: ApiId,
    pub(crate) billing: Arc<Billing>,
    tenant: TenantId,
    pub(crate) clickhouse: Option<TestClickHouse>,
    config: Config,
    postgres: Option<TestPostgres>,
}

/// The role `apis` with one API of one tenant, in two stages.
struct Apis {
    tenant: TenantId,
    api: ApiId,
}

/// The role `billing` with the usage plans that are sold.
#[derive(Debug, Default)]
pub(crate) struct Billing {
    pub(crate) sold: Mutex<Vec<UsagePlanId>>,
}

impl Billing {
    async fn find(self: Arc<Self>, ctx: Ctx, request: FindPlansOfUsagePlan) -> Result<Vec<Plan>> {
        let sold = self.sold.lock().contains(&request.usage_plan);
        let plan = Plan {
            id: PlanId::new(ctx.now),
            product: ProductId::new(ctx.now),
            name: "Gold".into(),
            description: String::new(),
            price: Money { micros: 0, currency: "EUR".into() },
            unit_price_micros: 0,
            usage_plan: request.usage_plan,
            created_at: ctx.now,
        };
        Ok(sold.then_some(plan).into_iter().collect())
    }
}

/// A tenant's member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    ctx: Ctx,
    client: Client,
    clock: Clock,
}

pub(crate) const START: &str = "2026-11-20T10:00:00Z";

impl World {
    pub(crate) async fn embedded() -> Self {
        let file = testkit::scratch_dir("metering").unwrap().join("metering.db");
        let database = sqlite(&file).await;
        migrations::run(Schema::Metering, database.connection(), None).await.unwrap();
        Self::with(database, Config::default(), None, None).await
    }

    pub(crate) async fn production() -> Self {
        Self::on(TestPostgres::new().unwrap(), TestClickHouse::new().await.unwrap()).await
    }

    pub(crate) async fn on(postgres: TestPostgres, clickhouse: TestClickHouse) -> Self {
        let schema = Schema::Metering.as_str();
        let owner = Database::open(&postgres.url(DatabaseRole::Owner), schema, 2).await.unwrap();
        migrations::run(Schema::Metering, owner.connection(), Some("tollgate_app")).await.unwrap();
        owner.close().await.unwrap();
        let database = Database::open(&postgres.url(DatabaseRole::App), schema, 20).await.unwrap();
        let config = Config {
            clickhouse: Some(ClickHouseConfig {
                url: clickhouse.url(),
                database: clickhouse.database().to_owned(),
                user: None,
                password: None,
            }),
            ..Config::default()
        };
        metering::migrate_usage_store(&config).await.unwrap();
        Self::with(database, config, Some(postgres), Some(clickhouse)).await
    }

    async fn with(
        database: Database,
        config: Config,
        postgres: Option<TestPostgres>,
        clickhouse: Option<TestClickHouse>,
    ) -> Self {
        let clock = Clock::manual(START.parse().unwrap());
        let client = Client::unconnected();
        let vault = Vault::from_keys(&[Vault::generate_key("test").into()]).unwrap();
        let dependencies =
            Dependencies { database: database.clone(), vault, client: client.clone(), clock: clock.clone() };
        let service = metering::build(config.clone(), dependencies).unwrap();
        let (api, tenant) = (ApiId::random(), TenantId::new(clock.now()));
        let apis = Arc::new(Apis { tenant, api });
        let billing = Arc::new(Billing::default());
        let billing_endpoints =
            Endpoints::new(Role::Billing).with::<FindPlansOfUsagePlan, _, _, _>(&billing, Billing::find);
        let apis_endpoints = Endpoints::new(Role::Apis).with::<FindApis, _, _, _>(&apis, Apis::find);
        client.connect(
            Client::builder()
                .local(Arc::new(metering::endpoints(&service)), Handle::current())
                .local(Arc::new(apis_endpoints), Handle::current())
                .local(Arc::new(billing_endpoints), Handle::current()),
        );
        Self { service, config, client, clock, database, api, billing, tenant, clickhouse, postgres }
    }

    /// The same store with other limits.
    pub(crate) async fn limited(self, limits: Limits) -> Self {
        let config = Config { limits, ..self.config };
        Self::with(self.database, config, self.postgres, self.clickhouse).await
    }

    /// A member of the tenant that owns [`World::api`].
    pub(crate) fn owner(&self) -> Member {
        self.member_of(self.tenant)
    }

    /// A member of another tenant.
    pub(crate) fn stranger(&self) -> Member {
        self.member_of(TenantId::new(self.clock.now()))
    }

    fn member_of(&self, tenant: TenantId) -> Member {
        let ctx = Ctx::service(Role::Admin, self.clock.now()).in_tenant(tenant);
        Member { ctx, client: self.client.clone(), clock: self.clock.clone() }
    }

    /// A call by a role for no tenant.
    pub(crate) async fn call<C: Call>(&self, request: C) -> Result<C::Output> {
        self.client.call(&Ctx::service(Role::Gateway, self.clock.now()), request).await
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }

    pub(crate) fn gateway(&self) -> GatewayId {
        GatewayId::new(self.clock.now())
    }
}

/// Gives a plan a whole new content.
pub(crate) fn replace(id: UsagePlanId, content: CreateUsagePlan) -> UpdateUsagePlan {
    UpdateUsagePlan {
        id,
        name: Some(content.name),
        description: Some(content.description),
        throttle: Some(content.terms.throttle),
        throttle_mode: Some(content.terms.throttle_mode),
        quotas: Some(content.terms.quotas),
        counting: Some(content.terms.counting),
        stages: Some(content.terms.stages),
        degraded: Some(content.terms.degraded),
    }
}

pub(crate) async fn sqlite(file: &Path) -> Database {
    Database::open(&format!("sqlite://{}?mode=rwc", file.display()), "metering", 8).await.unwrap()
}

impl Apis {
    async fn find(self: Arc<Self>, ctx: Ctx, request: FindApis) -> Result<Vec<ApiSummary>> {
        if ctx.tenant != Some(self.tenant) || !request.ids.contains(&self.api) {
            return Ok(Vec::new());
        }
        let stage = |name: &str| Stage {
            name: name.to_owned(),
            deployment: DeploymentId::new(ctx.now),
            invoke_url: String::new(),
            settings: StageSettings::default(),
            updated_at: ctx.now,
            undeployed_changes: false,
        };
        Ok(vec![ApiSummary {
            id: self.api,
            name: "pets".to_owned(),
            description: None,
            revision: 1,
            stages: vec![stage("prod"), stage("dev")],
            created_at: ctx.now,
            updated_at: ctx.now,
        }])
    }
}

impl Member {
    pub(crate) async fn call<C: Call>(&self, request: C) -> Result<C::Output> {
        let ctx = Ctx { now: self.clock.now(), ..self.ctx.clone() };
        self.client.call(&ctx, request).await
    }

    /// The same member, whose calls carry this idempotency key.
    pub(crate) fn with_idempotency_key(mut self, key: &str) -> Self {
        self.ctx.idempotency_key = Some(key.to_owned());
        self
    }

    /// The same member as the role `billing`, on whose word alone spend caps are set.
    pub(crate) fn by_billing(mut self) -> Self {
        self.ctx = self.ctx.as_service(Role::Billing);
        self
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.ctx.tenant.unwrap()
    }

    pub(crate) async fn plan(&self, quota: Option<Quota>, stages: &[(ApiId, &str)]) -> UsagePlan {
        self.call(plan_content(quota, stages)).await.unwrap().usage_plan
    }

    pub(crate) async fn key(&self, plans: &[UsagePlanId]) -> SavedApiKey {
        self.call(key_content(plans)).await.unwrap()
    }
}

pub(crate) fn plan_content(quota: Option<Quota>, stages: &[(ApiId, &str)]) -> CreateUsagePlan {
    let stage = |(api_id, stage): &(ApiId, &str)| PlanStage {
        api_id: *api_id,
        stage: (*stage).to_owned(),
        throttle: BTreeMap::new(),
        costs: BTreeMap::new(),
    };
    CreateUsagePlan {
        name: "gold".to_owned(),
        description: Some("everything".to_owned()),
        terms: PlanTerms {
            quotas: quota.into_iter().collect(),
            stages: stages.iter().map(stage).collect(),
            ..PlanTerms::default()
        },
    }
}

pub(crate) fn key_content(plans: &[UsagePlanId]) -> CreateApiKey {
    CreateApiKey {
        id: None,
        name: "app".to_owned(),
        value: None,
        enabled: true,
        usage_plans: plans.to_vec(),
        subscription: None,
        plan: None,
        expires_at: None,
        anchored_at: None,
        shown_once: false,
    }
}

pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().reason.into_owned()
}

pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// An id of nobody's key.
pub(crate) fn unknown_key(world: &World) -> KeyId {
    KeyId::new(world.clock.now())
}
