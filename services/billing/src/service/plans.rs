//! Plans.

use std::sync::Arc;

use common::id::PlanId;
use common::{Code, Error, Result, text};
use contracts::Ctx;
use contracts::billing::{CreatePlan, FindPlansOfUsagePlan, GetPlan, Plan};
use contracts::metering::GetUsagePlan;
use database::{audit, idempotency};

use crate::domain::prices;
use crate::{State, store};

/// Most characters of a description.
const MAX_DESCRIPTION: usize = 1_000;

/// Adds a plan to a product. `metering` is asked for the usage plan with the caller's permissions.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreatePlan) -> Result<Plan> {
    let name = text::name("name", &input.name)?;
    text::at_most("description", &input.description, MAX_DESCRIPTION)?;
    let price = prices::check(&input.price)?;
    prices::check_unit(input.unit_price_micros)?;
    match state.client.call(&ctx, GetUsagePlan { id: input.usage_plan }).await {
        Ok(_) => {}
        Err(error) if error.code == Code::NotFound => {
            return Err(Error::invalid("usagePlan", "there is no such usage plan"));
        }
        Err(error) => return Err(error),
    }
    let tx = state.database.tenant(&ctx).await?;
    if let Some(first) = idempotency::begin(&tx, &ctx, &input).await? {
        return serde_json::from_str(&first).map_err(Error::internal);
    }
    store::products::lock(&tx, input.product).await?.ok_or_else(|| Error::not_found("product"))?;
    let most = state.config.limits.plans_per_product;
    if store::plans::count(&tx, input.product).await? >= most {
        return Err(Error::limit_exceeded("plans_per_product", most));
    }
    let plan = Plan {
        id: PlanId::new(ctx.now),
        product: input.product,
        name,
        description: input.description,
        price,
        unit_price_micros: input.unit_price_micros,
        usage_plan: input.usage_plan,
        created_at: ctx.now,
    };
    store::plans::insert(&tx, &plan).await?;
    audit::record(&tx, &ctx, "plan.create", plan.id, &plan).await?;
    let outcome = serde_json::to_string(&plan).map_err(Error::internal)?;
    idempotency::finish::<CreatePlan>(&tx, &ctx, &outcome).await?;
    tx.commit().await?;
    Ok(plan)
}

/// One plan.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, input: GetPlan) -> Result<Plan> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::plans::get(&tx, input.id).await?.ok_or_else(|| Error::not_found("plan"))
}

/// The plans that sell a usage plan.
pub(crate) async fn of_usage_plan(
    state: Arc<State>,
    ctx: Ctx,
    input: FindPlansOfUsagePlan,
) -> Result<Vec<Plan>> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::plans::of_usage_plan(&tx, input.usage_plan).await
}
