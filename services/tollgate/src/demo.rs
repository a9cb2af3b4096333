//! The demo organization of a new installation: a member, the sample API, a product with two plans, an app developer with
//! an app, a subscription and a key.
//!
//! Made through the same calls as everything else. Each step first looks for what is there, so that a start that was cut
//! off is finished by the next one.

use chrono::{DateTime, Utc};
use common::id::{ApiId, AppId, DeveloperId, ProductId, TenantId, UsagePlanId};
use common::money::Money;
use common::secret::random_text;
use common::{Clock, Code, Error, PageArgs, Result};
use contracts::apis::{DeployApi, EditApi, GetApi, ImportApi, ListApis, SecretHeader};
use contracts::billing::{
    CreatePlan, CreateProduct, CreateSubscription, ListProducts, ListSubscriptions, Product,
};
use contracts::metering::{
    CreateUsagePlan, ListUsagePlans, Period, PeriodBegin, PlanStage, PlanTerms, Quota, RevealApiKey, Throttle,
};
use contracts::portal::{CreateApp, CreateDeveloper, ListApps, ListDevelopers};
use contracts::tenants::{CreateAccessKey, CreateToken, Identity, SignIn, SignUp};
use contracts::{Client, Ctx};
use serde::{Deserialize, Serialize};

use crate::up::sample;

const STAGE: &str = "dev";
const API_NAME: &str = "Weather stations";
/// Attempts to follow the sample backend to another port.
const MOVES: u32 = 3;

/// An address and password to sign in with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Login {
    /// E-mail address.
    pub(crate) email: String,
    /// Password.
    pub(crate) password: String,
}

/// What the demo organization was given; kept beside the data, readable by its owner alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Demo {
    /// The provider's sign-in.
    pub(crate) user: Login,
    /// The app developer's sign-in.
    pub(crate) portal_user: Login,
    /// Secret that the sample backend asks for.
    pub(crate) backend_secret: String,
    /// Where the sample backend was last reached.
    pub(crate) backend_url: Option<String>,
    /// Region shown to AWS clients.
    pub(crate) region: String,
    /// What was made, once it was.
    pub(crate) made: Option<Made>,
}

/// The demo organization's objects and credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    /// The organization.
    pub(crate) tenant: TenantId,
    /// Its account number.
    pub(crate) account_id: String,
    /// Bearer token with every permission.
    pub(crate) token: String,
    /// Access key id for the AWS-compatible API.
    pub(crate) aws_access_key_id: String,
    /// Its secret.
    pub(crate) aws_secret_access_key: String,
    /// The sample API.
    pub(crate) api_id: ApiId,
    /// The stage it is deployed to.
    pub(crate) stage: String,
    /// The app developer's key.
    pub(crate) api_key: String,
}

impl Demo {
    /// New credentials; nothing is made yet. `region` is what AWS clients are told.
    pub(crate) fn new(region: &str) -> Self {
        let login = |email: &str| Login { email: email.to_owned(), password: random_text(16) };
        Self {
            user: login("owner@demo.example"),
            portal_user: login("developer@app.example"),
            backend_secret: random_text(32),
            backend_url: None,
            region: region.to_owned(),
            made: None,
        }
    }

    /// Makes what is missing and points the sample API at `backend_url`.
    pub(crate) async fn ensure(&mut self, client: &Client, clock: &Clock, backend_url: &str) -> Result<Made> {
        if self.made.is_none() {
            self.made = Some(self.make(client, clock, backend_url).await?);
            self.backend_url = Some(backend_url.to_owned());
        }
        let made = self.made.clone().ok_or_else(|| Error::internal("the demo was not made"))?;
        if let Some(before) = self.backend_url.clone().filter(|before| before != backend_url) {
            let ctx = self.sign_in(client, clock.now()).await?.0;
            move_backend(client, &ctx, made.api_id, &before, backend_url).await?;
            self.backend_url = Some(backend_url.to_owned());
        }
        Ok(made)
    }

    async fn make(&self, client: &Client, clock: &Clock, backend_url: &str) -> Result<Made> {
        let (ctx, identity) = self.sign_in(client, clock.now()).await?;
        let api_id = self.ensure_api(client, &ctx, backend_url).await?;
        let product = ensure_product(client, &ctx, api_id).await?;
        let api_key = self.ensure_subscription(client, &ctx, &product).await?;
        let token =
            CreateToken { name: "Local automation".into(), permissions: Vec::new(), expires_at: None };
        let token = client.call(&ctx, token).await?.secret;
        let access_key = client.call(&ctx, CreateAccessKey {}).await?;
        Ok(Made {
            tenant: identity.tenant.id,
            account_id: identity.tenant.account_id,
            token,
            aws_access_key_id: access_key.access_key_id,
            aws_secret_access_key: access_key.secret_access_key,
            api_id,
            stage: STAGE.to_owned(),
            api_key,
        })
    }

    async fn sign_in(&self, client: &Client, now: DateTime<Utc>) -> Result<(Ctx, Identity)> {
        let Login { email, password } = self.user.clone();
        let anonymous = Ctx::anonymous(now);
        let sign_up =
            SignUp { organization: "Demo".into(), email: email.clone(), password: password.clone() };
        let signed_in = match client.call(&anonymous, sign_up).await {
            Err(error) if error.code == Code::AlreadyExists => {
                client.call(&anonymous, SignIn { email, password }).await?
            }
            outcome => outcome?,
        };
        let identity = signed_in.identity;
        let principal = identity.principal.clone();
        Ok((Ctx { tenant: Some(identity.tenant.id), principal, ..anonymous }, identity))
    }

    async fn ensure_api(&self, client: &Client, ctx: &Ctx, backend_url: &str) -> Result<ApiId> {
        let list = ListApis { page: PageArgs::default(), search: Some(API_NAME.into()) };
        if let Some(api) = client.call(ctx, list).await?.items.into_iter().find(|api| !api.stages.is_empty())
        {
            return Ok(api.id);
        }
        let secret =
            SecretHeader { name: sample::SECRET_HEADER.to_owned(), value: self.backend_secret.clone() };
        let import = ImportApi {
            api: None,
            name: Some(API_NAME.to_owned()),
            document: sample::DOCUMENT.to_owned(),
            upstream_url: Some(backend_url.to_owned()),
            secret_headers: vec![secret],
            require_api_key: Some(true),
            stage: Some(STAGE.to_owned()),
        };
        Ok(client.call(ctx, import).await?.api.id)
    }

    async fn ensure_subscription(&self, client: &Client, ctx: &Ctx, product: &Product) -> Result<String> {
        let developer = self.ensure_developer(client, ctx).await?;
        let app = ensure_app(client, ctx, developer).await?;
        let list = ListSubscriptions { page: PageArgs::default(), developer: Some(developer), plan: None };
        if let Some(subscription) = client.call(ctx, list).await?.items.into_iter().next() {
            return client.call(ctx, RevealApiKey { id: subscription.key }).await;
        }
        let free = product.plans.iter().find(|plan| plan.price.micros == 0);
        let plan = free.ok_or_else(|| Error::internal("the demo product has no free plan"))?.id;
        let create = CreateSubscription { plan, app, developer, key_name: None };
        let created = client.call(ctx, create).await?;
        created.key_value.ok_or_else(|| Error::unavailable("metering", "the demo subscription is pending"))
    }

    async fn ensure_developer(&self, client: &Client, ctx: &Ctx) -> Result<DeveloperId> {
        let Login { email, password } = self.portal_user.clone();
        let known = client.call(ctx, ListDevelopers { page: PageArgs::default() }).await?;
        if let Some(developer) = known.items.into_iter().find(|developer| developer.email == email) {
            return Ok(developer.id);
        }
        let create = CreateDeveloper { email, name: "App developer".into(), password: Some(password) };
        Ok(client.call(ctx, create).await?.id)
    }
}

async fn ensure_app(client: &Client, ctx: &Ctx, developer: DeveloperId) -> Result<AppId> {
    let known = client.call(ctx, ListApps { page: PageArgs::default(), developer: Some(developer) }).await?;
    if let Some(app) = known.items.into_iter().next() {
        return Ok(app.id);
    }
    Ok(client.call(ctx, CreateApp { developer, name: "Weather widget".into() }).await?.id)
}

async fn ensure_product(client: &Client, ctx: &Ctx, api: ApiId) -> Result<Product> {
    let known = client.call(ctx, ListProducts { page: PageArgs::default(), published_only: false }).await?;
    let id = match known.items.into_iter().find(|product| product.apis.contains(&api)) {
        Some(product) if product.plans.len() == 2 => return Ok(product),
        Some(product) => product.id,
        None => create_product(client, ctx, api).await?,
    };
    let plans = [
        ("Free", "To try it out, no card needed.", 0, Throttle { rate_limit: 10.0, burst_limit: 20 }, 10_000),
        ("Pro", "For production.", 49_000_000, Throttle { rate_limit: 100.0, burst_limit: 200 }, 1_000_000),
    ];
    for (name, description, micros, throttle, limit) in plans {
        let usage_plan = ensure_usage_plan(client, ctx, api, name, throttle, limit).await?;
        let product = client.call(ctx, contracts::billing::GetProduct { id }).await?;
        if product.plans.iter().any(|plan| plan.name == name) {
            continue;
        }
        let price = Money { micros, currency: "EUR".into() };
        let (name, description) = (name.to_owned(), description.to_owned());
        let plan = CreatePlan { product: id, name, description, price, unit_price_micros: 0, usage_plan };
        client.call(ctx, plan).await?;
    }
    client.call(ctx, contracts::billing::GetProduct { id }).await
}

async fn create_product(client: &Client, ctx: &Ctx, api: ApiId) -> Result<ProductId> {
    let create = CreateProduct {
        name: "Weather".into(),
        description: "Stations, forecasts and a stream of observations.".into(),
        apis: vec![api],
        published: true,
    };
    Ok(client.call(ctx, create).await?.id)
}

async fn ensure_usage_plan(
    client: &Client,
    ctx: &Ctx,
    api: ApiId,
    name: &str,
    throttle: Throttle,
    limit: u64,
) -> Result<UsagePlanId> {
    let name = format!("Weather {name}");
    let known = client.call(ctx, ListUsagePlans { page: PageArgs::default() }).await?;
    if let Some(plan) = known.items.into_iter().find(|plan| plan.name == name) {
        return Ok(plan.id);
    }
    let stage = PlanStage {
        api_id: api,
        stage: STAGE.into(),
        throttle: Default::default(),
        costs: Default::default(),
    };
    let create = CreateUsagePlan {
        name,
        description: None,
        terms: PlanTerms {
            throttle: Some(throttle),
            quotas: vec![Quota { limit, period: Period::Month, offset: 0, begins: PeriodBegin::default() }],
            stages: vec![stage],
            ..PlanTerms::default()
        },
    };
    Ok(client.call(ctx, create).await?.usage_plan.id)
}

/// Points the sample API at a backend that moved, and deploys that. What the user did to the API goes before: one that
/// was deleted, or was given another upstream, is left alone, and edits that were not deployed are not deployed here.
async fn move_backend(client: &Client, ctx: &Ctx, id: ApiId, before: &str, after: &str) -> Result<()> {
    for _ in 0..MOVES {
        match try_to_move(client, ctx, id, before, after).await {
            Err(error) if error.code == Code::NotFound => return Ok(()),
            // Somebody edited it in between.
            Err(error) if error.code == Code::Conflict => {}
            outcome => return outcome,
        }
    }
    Err(Error::new(Code::Conflict, "demo_api_busy", "the sample API is being edited; start again"))
}

async fn try_to_move(client: &Client, ctx: &Ctx, id: ApiId, before: &str, after: &str) -> Result<()> {
    let api = client.call(ctx, GetApi { id }).await?;
    let Some(upstream) = api.document.upstream.filter(|upstream| upstream.url == before) else {
        return Ok(());
    };
    let upstream = Some(apidef::model::Upstream { url: after.to_owned(), ..upstream });
    let edit = EditApi {
        id,
        expected_revision: Some(api.summary.revision),
        edits: vec![apidef::Edit::SetUpstream { upstream }],
        secret_headers: None,
    };
    client.call(ctx, edit).await?;
    let deployed = api.summary.stages.iter().find(|stage| stage.name == STAGE);
    if deployed.is_some_and(|stage| !stage.undeployed_changes) {
        let description = Some("The sample backend moved".to_owned());
        client.call(ctx, DeployApi { id, stage: STAGE.into(), description }).await?;
    }
    Ok(())
}
