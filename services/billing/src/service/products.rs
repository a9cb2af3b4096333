//! Products.

use std::sync::Arc;

use common::id::{ApiId, ProductId};
use common::{Error, Page, Result, text};
use contracts::Ctx;
use contracts::apis::FindApis;
use contracts::billing::{CreateProduct, GetProduct, ListProducts, Product, UpdateProduct};
use database::{TenantTx, audit, idempotency};

use crate::store::products::ProductRow;
use crate::{State, store};

/// Most characters of a description.
const MAX_DESCRIPTION: usize = 10_000;
/// Most APIs of a product.
const MAX_APIS: usize = 100;

/// Makes a product.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreateProduct) -> Result<Product> {
    let name = text::name("name", &input.name)?;
    text::at_most("description", &input.description, MAX_DESCRIPTION)?;
    let apis = check_apis(&state, &ctx, &input.apis).await?;
    let tx = state.database.tenant(&ctx).await?;
    if let Some(first) = idempotency::begin(&tx, &ctx, &input).await? {
        return serde_json::from_str(&first).map_err(Error::internal);
    }
    let product = Product {
        id: ProductId::new(ctx.now),
        name,
        description: input.description,
        apis,
        published: input.published,
        plans: Vec::new(),
        created_at: ctx.now,
    };
    store::products::check_room(&tx, state.config.limits.products).await?;
    store::products::insert(&tx, &product).await?;
    audit::record(&tx, &ctx, "product.create", product.id, &product).await?;
    let outcome = serde_json::to_string(&product).map_err(Error::internal)?;
    idempotency::finish::<CreateProduct>(&tx, &ctx, &outcome).await?;
    tx.commit().await?;
    Ok(product)
}

/// Changes a product.
pub(crate) async fn update(state: Arc<State>, ctx: Ctx, input: UpdateProduct) -> Result<Product> {
    let name = input.name.as_deref().map(|name| text::name("name", name)).transpose()?;
    if let Some(description) = &input.description {
        text::at_most("description", description, MAX_DESCRIPTION)?;
    }
    let apis = match &input.apis {
        Some(apis) => Some(check_apis(&state, &ctx, apis).await?),
        None => None,
    };
    let tx = state.database.tenant(&ctx).await?;
    let found = store::products::lock(&tx, input.id).await?;
    let mut row = found.ok_or_else(|| Error::not_found("product"))?;
    audit::record(&tx, &ctx, "product.update", input.id, &input).await?;
    row.name = name.unwrap_or(row.name);
    row.description = input.description.unwrap_or(row.description);
    row.apis = apis.unwrap_or(row.apis);
    row.published = input.published.unwrap_or(row.published);
    store::products::update(&tx, &row).await?;
    let product = with_plans(&tx, vec![row]).await?.pop();
    tx.commit().await?;
    product.ok_or_else(|| Error::not_found("product"))
}

/// One product with its plans.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, input: GetProduct) -> Result<Product> {
    let tx = state.database.tenant_read(&ctx).await?;
    let row = store::products::find(&tx, &[input.id]).await?;
    with_plans(&tx, row).await?.pop().ok_or_else(|| Error::not_found("product"))
}

/// The tenant's products.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, input: ListProducts) -> Result<Page<Product>> {
    let tx = state.database.tenant_read(&ctx).await?;
    let page = store::products::list(&tx, &input.page, input.published_only).await?;
    Ok(Page { items: with_plans(&tx, page.items).await?, next: page.next })
}

/// The APIs, each once, if all of them are the tenant's. `apis` is asked with the caller's permissions.
async fn check_apis(state: &State, ctx: &Ctx, apis: &[ApiId]) -> Result<Vec<ApiId>> {
    let mut wanted = Vec::with_capacity(apis.len());
    for api in apis {
        if !wanted.contains(api) {
            wanted.push(*api);
        }
    }
    if wanted.len() > MAX_APIS {
        return Err(Error::invalid("apis", format!("at most {MAX_APIS}")));
    }
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let found = state.client.call(ctx, FindApis { ids: wanted.clone() }).await?;
    match wanted.iter().find(|id| !found.iter().any(|api| api.id == **id)) {
        Some(missing) => Err(Error::invalid("apis", format!("there is no API {missing}"))),
        None => Ok(wanted),
    }
}

/// The products with their plans, cheapest first, in the same order.
async fn with_plans(tx: &TenantTx, rows: Vec<ProductRow>) -> Result<Vec<Product>> {
    let ids: Vec<ProductId> = rows.iter().map(|row| row.id).collect();
    let mut plans = store::plans::of_products(tx, &ids).await?;
    plans.sort_by_key(|plan| (plan.price.micros, plan.id));
    let with_plans = rows.into_iter().map(|row| Product {
        plans: plans.iter().filter(|plan| plan.product == row.id).cloned().collect(),
        id: row.id,
        name: row.name,
        description: row.description,
        apis: row.apis,
        published: row.published,
        created_at: row.created_at,
    });
    Ok(with_plans.collect())
}
