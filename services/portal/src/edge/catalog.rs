//! What there is to subscribe to, for everybody.

use std::collections::HashMap;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use common::id::{ApiId, UsagePlanId};
use common::problem::Problem;
use common::{Code, PageArgs, Result};
use contracts::Ctx;
use contracts::apis::{ApiSummary, FindApis};
use contracts::billing::{ListProducts, Product};
use contracts::metering::{GetUsagePlan, UsagePlan};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::answer;
use super::views::{ApiView, CatalogView, LimitsView, PlanView, ProductView};
use crate::State;

/// Most products of a catalogue.
const MAX_PRODUCTS: usize = 500;
/// Calls in flight for one visitor.
pub(super) const CONCURRENT: usize = 8;
/// APIs asked for at once.
const APIS_AT_ONCE: usize = 100;

/// `GET /api/catalog`
pub(super) async fn show(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&state, &request, async |visit| {
        let products = published(&state, &visit.ctx).await?;
        let limits = limits(&state, &visit.ctx, &products).await?;
        let apis = apis(&state, &visit.ctx, &products).await?;
        let products = products.into_iter().map(|product| view(product, &limits, &apis)).collect();
        Ok(HttpResponse::Ok().json(CatalogView { tenant: visit.tenant.into(), products }))
    })
    .await
}

/// The products that the portal shows, newest first.
pub(super) async fn published(state: &State, ctx: &Ctx) -> Result<Vec<Product>> {
    let (mut products, mut after) = (Vec::new(), None);
    while products.len() < MAX_PRODUCTS {
        let page = PageArgs { first: Some(PageArgs::MAX), after };
        let page = state.client.call(ctx, ListProducts { page, published_only: true }).await?;
        products.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(products)
}

async fn limits(state: &State, ctx: &Ctx, products: &[Product]) -> Result<HashMap<UsagePlanId, UsagePlan>> {
    let mut wanted: Vec<_> =
        products.iter().flat_map(|product| product.plans.iter().map(|plan| plan.usage_plan)).collect();
    wanted.sort();
    wanted.dedup();
    let get = async |id| match state.client.call(ctx, GetUsagePlan { id }).await {
        Ok(usage_plan) => Ok(Some((id, usage_plan))),
        // It was removed: the plan is shown without limits and cannot work until it has others.
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let found: Vec<_> = stream::iter(wanted.into_iter().map(get)).buffered(CONCURRENT).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn apis(state: &State, ctx: &Ctx, products: &[Product]) -> Result<HashMap<ApiId, ApiSummary>> {
    let mut wanted: Vec<_> = products.iter().flat_map(|product| product.apis.iter().copied()).collect();
    wanted.sort();
    wanted.dedup();
    let mut found = HashMap::new();
    for ids in wanted.chunks(APIS_AT_ONCE) {
        let apis = state.client.call(ctx, FindApis { ids: ids.to_vec() }).await?;
        found.extend(apis.into_iter().map(|api| (api.id, api)));
    }
    Ok(found)
}

fn view(
    product: Product,
    limits: &HashMap<UsagePlanId, UsagePlan>,
    apis: &HashMap<ApiId, ApiSummary>,
) -> ProductView {
    let plans = product.plans.into_iter().map(|plan| {
        let limits = limits.get(&plan.usage_plan);
        PlanView {
            id: plan.id,
            name: plan.name,
            description: plan.description,
            price: plan.price,
            unit_price_micros: plan.unit_price_micros,
            limits: limits.map(|limits| LimitsView::from(&limits.terms)).unwrap_or_default(),
        }
    });
    let apis = product.apis.iter().filter_map(|id| apis.get(id)).map(|api| ApiView {
        id: api.id,
        name: api.name.clone(),
        description: api.description.clone(),
        invoke_urls: api.stages.iter().map(|stage| stage.invoke_url.clone()).collect(),
    });
    ProductView {
        apis: apis.collect(),
        plans: plans.collect(),
        id: product.id,
        name: product.name,
        description: product.description,
    }
}
