//! Products and the plans sold with them.

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::{Code, Error};
use contracts::billing::{self, CreatePlan, CreateProduct, GetProduct, ListProducts, UpdateProduct};
use contracts::metering::{CreateUsagePlan, DeleteUsagePlan, PlanTerms, SavedUsagePlan};

use super::apis::Api;
use super::call::{call, call_step, id, ids, page, require};
use super::connection::Connection;
use super::cost;
use super::quotas::{QuotaInput, read_quotas};
use super::references::references;
use super::refusal::{Refusal, refusable, settle};
use super::scalar::{ChangeStatus, Long, ThrottleInput};
use super::terms::CountingInput;
use super::usage_plans::{UsagePlan, UsagePlanStageInput, read_stages};

/// What the catalogue shows.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Product {
    /// Its id.
    id: ID,
    /// Name on screen.
    name: String,
    /// What it offers, in Markdown.
    description: String,
    /// The APIs it contains.
    api_ids: Vec<ID>,
    /// Whether the portal shows it.
    published: bool,
    /// Its plans, cheapest first.
    #[graphql(complexity = "cost::list(50, child_complexity)")]
    plans: Vec<Plan>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

#[ComplexObject]
impl Product {
    /// The APIs it contains.
    #[graphql(complexity = "cost::list(100, child_complexity)")]
    async fn apis(&self, ctx: &Context<'_>) -> Result<Vec<Api>> {
        let references = references(ctx)?;
        let apis = self.api_ids.iter().map(|id| references.api(id));
        Ok(futures_util::future::try_join_all(apis).await?.into_iter().flatten().collect())
    }
}

impl From<billing::Product> for Product {
    fn from(product: billing::Product) -> Self {
        Self {
            id: product.id.into(),
            name: product.name,
            description: product.description,
            api_ids: product.apis.into_iter().map(ID::from).collect(),
            published: product.published,
            plans: product.plans.into_iter().map(Plan::from).collect(),
            created_at: product.created_at,
        }
    }
}

/// What is sold.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub(crate) struct Plan {
    /// Its id.
    id: ID,
    /// The product it belongs to.
    product_id: ID,
    /// Name on screen.
    name: String,
    /// What it offers.
    description: String,
    /// Recurring price per month; an amount of 0 is a free plan.
    price: Money,
    /// Price of a billable unit in millionths of the same currency; 0 = included.
    unit_price_micros: Long,
    /// The limits that come with it.
    usage_plan_id: ID,
    /// When it was made.
    created_at: DateTime<Utc>,
}

#[ComplexObject]
impl Plan {
    /// The product it belongs to.
    async fn product(&self, ctx: &Context<'_>) -> Result<Option<Product>> {
        references(ctx)?.product(&self.product_id).await
    }

    /// The limits that come with it.
    async fn usage_plan(&self, ctx: &Context<'_>) -> Result<Option<UsagePlan>> {
        references(ctx)?.usage_plan(&self.usage_plan_id).await
    }
}

impl From<billing::Plan> for Plan {
    fn from(plan: billing::Plan) -> Self {
        Self {
            id: plan.id.into(),
            product_id: plan.product.into(),
            name: plan.name,
            description: plan.description,
            price: plan.price.into(),
            unit_price_micros: plan.unit_price_micros.into(),
            usage_plan_id: plan.usage_plan.into(),
            created_at: plan.created_at,
        }
    }
}

/// An amount of money.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Money {
    /// Millionths of the currency's main unit: 1.50 EUR is 1,500,000.
    micros: Long,
    /// ISO 4217 code in upper case.
    currency: String,
}

impl From<common::money::Money> for Money {
    fn from(money: common::money::Money) -> Self {
        Self { micros: Long(money.micros), currency: money.currency }
    }
}

/// An amount of money.
#[derive(InputObject)]
pub(crate) struct MoneyInput {
    /// Millionths of the currency's main unit: 1.50 EUR is 1,500,000.
    micros: Long,
    /// ISO 4217 code in upper case.
    currency: String,
}

impl From<MoneyInput> for common::money::Money {
    fn from(input: MoneyInput) -> Self {
        Self { micros: input.micros.0, currency: input.currency }
    }
}

/// A new product.
#[derive(InputObject)]
pub(crate) struct ProductCreateInput {
    /// 1 to 100 characters.
    name: String,
    /// What it offers, in Markdown: at most 10,000 characters.
    description: Option<String>,
    /// The APIs it contains.
    api_ids: Option<Vec<ID>>,
    /// Whether the portal shows it; yes when absent.
    published: Option<bool>,
}

/// Changes of a product; absent fields stay as they are.
#[derive(InputObject)]
pub(crate) struct ProductUpdateInput {
    /// The product.
    id: ID,
    /// New name.
    name: Option<String>,
    /// New description.
    description: Option<String>,
    /// All APIs, replacing the old ones.
    api_ids: Option<Vec<ID>>,
    /// Whether the portal shows it.
    published: Option<bool>,
}

/// A product after a change.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct ProductPayload {
    /// The product; absent when nothing was changed.
    product: Option<Product>,
    #[graphql(flatten)]
    refusal: Refusal,
}

impl From<billing::Product> for ProductPayload {
    fn from(product: billing::Product) -> Self {
        Self { product: Some(product.into()), ..Self::default() }
    }
}

/// A new plan. Its limits are those of `usagePlanId`, or of a new usage plan made of `throttle`, `quotas`, `counting` and
/// `stages`.
#[derive(InputObject)]
pub(crate) struct PlanCreateInput {
    /// The product.
    product_id: ID,
    /// 1 to 100 characters.
    name: String,
    /// What it offers.
    description: Option<String>,
    /// Recurring price per month; free when absent.
    price: Option<MoneyInput>,
    /// Price of a billable unit in millionths of the same currency; included when absent.
    unit_price_micros: Option<Long>,
    /// A usage plan of this organization.
    usage_plan_id: Option<ID>,
    /// Throttle of each key.
    throttle: Option<ThrottleInput>,
    /// Quotas of each key, at most one for each length of period.
    quotas: Option<Vec<QuotaInput>>,
    /// Which answers count.
    counting: Option<CountingInput>,
    /// The stages it opens.
    stages: Option<Vec<UsagePlanStageInput>>,
}

/// Currency of a free plan, where it changes nothing.
const FREE_CURRENCY: &str = "EUR";

impl PlanCreateInput {
    fn price(&self) -> common::money::Money {
        let free = || common::money::Money { micros: 0, currency: FREE_CURRENCY.to_owned() };
        self.price.as_ref().map_or_else(free, |price| common::money::Money {
            micros: price.micros.0,
            currency: price.currency.clone(),
        })
    }

    async fn create(self, ctx: &Context<'_>) -> common::Result<PlanPayload> {
        let product = id("productId", &self.product_id)?;
        let price = self.price();
        let (name, description) = (self.name.clone(), self.description.clone().unwrap_or_default());
        let unit_price_micros = self.unit_price_micros.unwrap_or(Long(0)).count("unitPriceMicros")?;
        let plan =
            |usage_plan| CreatePlan { product, name, description, price, unit_price_micros, usage_plan };
        let inline = self.throttle.is_some()
            || self.quotas.is_some()
            || self.counting.is_some()
            || self.stages.is_some();
        match (&self.usage_plan_id, inline) {
            (Some(_), true) => {
                let message = "give either usagePlanId or throttle, quotas, counting and stages";
                Err(Error::invalid("usagePlanId", message))
            }
            (Some(usage_plan), false) => {
                let created = call_step(ctx, "plan", plan(id("usagePlanId", usage_plan)?)).await?;
                Ok(PlanPayload { plan: Some(created.into()), ..Default::default() })
            }
            (None, _) => {
                require::<CreatePlan>(ctx)?;
                let limits = call_step(ctx, "usagePlan", self.limits()?).await?;
                Self::with_new_limits(ctx, plan(limits.usage_plan.id), limits).await
            }
        }
    }

    fn limits(self) -> common::Result<CreateUsagePlan> {
        Ok(CreateUsagePlan {
            name: self.name,
            description: None,
            terms: PlanTerms {
                throttle: self.throttle.map(Into::into),
                quotas: read_quotas("quotas", self.quotas.unwrap_or_default())?,
                counting: self.counting.map(Into::into).unwrap_or_default(),
                stages: read_stages("stages", self.stages.unwrap_or_default())?,
                ..PlanTerms::default()
            },
        })
    }

    /// Makes the plan of limits that were just made for it; they go again when the plan is refused.
    async fn with_new_limits(
        ctx: &Context<'_>,
        plan: CreatePlan,
        limits: SavedUsagePlan,
    ) -> common::Result<PlanPayload> {
        let usage_plan = plan.usage_plan;
        match call_step(ctx, "plan", plan).await {
            Ok(created) => Ok(PlanPayload {
                plan: Some(created.into()),
                status: Some(limits.liveness.into()),
                ..Default::default()
            }),
            // The plan may exist after these: its limits stay.
            Err(error) if matches!(error.code, Code::Internal | Code::Unavailable | Code::Timeout) => {
                Err(error)
            }
            Err(error) => {
                if let Err(left) = call_step(ctx, "undo", DeleteUsagePlan { id: usage_plan }).await {
                    tracing::warn!(%usage_plan, reason = %left.reason, "usage plan of a refused plan was not removed");
                }
                Err(error)
            }
        }
    }
}

/// A new plan.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct PlanPayload {
    /// The plan; absent when nothing was made.
    plan: Option<Plan>,
    /// Whether every gateway knows its limits already; absent when they existed before.
    status: Option<ChangeStatus>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(ProductPayload, PlanPayload);

#[derive(Default)]
pub(crate) struct ProductQuery;

#[Object]
impl ProductQuery {
    /// The organization's products, newest first.
    #[graphql(complexity = "cost::page(first, child_complexity)")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        first: Option<u32>,
        after: Option<String>,
        #[graphql(desc = "Only those that the portal shows.")] published_only: Option<bool>,
    ) -> Result<Connection<Product>> {
        let request =
            ListProducts { page: page(first, after)?, published_only: published_only.unwrap_or(false) };
        Ok(call(ctx, request).await?.into())
    }

    /// One product.
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] product: ID,
    ) -> Result<Option<Product>> {
        Ok(Some(call(ctx, GetProduct { id: id("id", &product)? }).await?.into()))
    }
}

#[derive(Default)]
pub(crate) struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Makes a product.
    async fn product_create(&self, ctx: &Context<'_>, input: ProductCreateInput) -> Result<ProductPayload> {
        settle(async {
            let request = CreateProduct {
                name: input.name,
                description: input.description.unwrap_or_default(),
                apis: ids("apiIds", &input.api_ids.unwrap_or_default())?,
                published: input.published.unwrap_or(true),
            };
            Ok(call(ctx, request).await?.into())
        })
        .await
    }

    /// Changes a product.
    async fn product_update(&self, ctx: &Context<'_>, input: ProductUpdateInput) -> Result<ProductPayload> {
        settle(async {
            let request = UpdateProduct {
                id: id("id", &input.id)?,
                name: input.name,
                description: input.description,
                apis: input.api_ids.map(|apis| ids("apiIds", &apis)).transpose()?,
                published: input.published,
            };
            Ok(call(ctx, request).await?.into())
        })
        .await
    }

    /// Adds a plan to a product, with limits that exist already or new ones.
    async fn plan_create(&self, ctx: &Context<'_>, input: PlanCreateInput) -> Result<PlanPayload> {
        settle(input.create(ctx)).await
    }
}
