//! Plans.

use common::id::{PlanId, ProductId, UsagePlanId};
use common::money::Money;
use common::{Error, Result};
use contracts::billing::Plan;
use database::error::store;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Select};

use super::entities::plans::{ActiveModel, Column, Entity, Model};
use super::{id, time};

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Stores a plan.
pub(crate) async fn insert(tx: &TenantTx, plan: &Plan) -> Result<()> {
    let row = ActiveModel {
        id: Set(plan.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        product_id: Set(plan.product.to_string()),
        name: Set(plan.name.clone()),
        description: Set(plan.description.clone()),
        price_micros: Set(plan.price.micros),
        currency: Set(plan.price.currency.clone()),
        unit_price_micros: Set(i64::try_from(plan.unit_price_micros).map_err(Error::internal)?),
        usage_plan_id: Set(plan.usage_plan.to_string()),
        created_at: Set(plan.created_at.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// One plan.
pub(crate) async fn get(tx: &TenantTx, plan: PlanId) -> Result<Option<Plan>> {
    Ok(find(tx, [plan]).await?.pop())
}

/// Those of the plans that the tenant has.
pub(crate) async fn find(tx: &TenantTx, plans: impl IntoIterator<Item = PlanId>) -> Result<Vec<Plan>> {
    let query = own(tx).filter(Column::Id.is_in(plans.into_iter().map(|plan| plan.to_string())));
    query.all(tx.conn()).await.map_err(store)?.into_iter().map(read).collect()
}

/// The plans of products.
pub(crate) async fn of_products(tx: &TenantTx, products: &[ProductId]) -> Result<Vec<Plan>> {
    let query = own(tx).filter(Column::ProductId.is_in(products.iter().map(ToString::to_string)));
    query.all(tx.conn()).await.map_err(store)?.into_iter().map(read).collect()
}

/// The plans that sell a usage plan.
pub(crate) async fn of_usage_plan(tx: &TenantTx, usage_plan: UsagePlanId) -> Result<Vec<Plan>> {
    let query = own(tx).filter(Column::UsagePlanId.eq(usage_plan.to_string()));
    query.all(tx.conn()).await.map_err(store)?.into_iter().map(read).collect()
}

/// How many plans a product has.
pub(crate) async fn count(tx: &TenantTx, product: ProductId) -> Result<u64> {
    own(tx).filter(Column::ProductId.eq(product.to_string())).count(tx.conn()).await.map_err(store)
}

fn read(row: Model) -> Result<Plan> {
    Ok(Plan {
        id: id(&row.id)?,
        product: id(&row.product_id)?,
        name: row.name,
        description: row.description,
        price: Money { micros: row.price_micros, currency: row.currency },
        unit_price_micros: u64::try_from(row.unit_price_micros).map_err(Error::internal)?,
        usage_plan: id(&row.usage_plan_id)?,
        created_at: time(row.created_at)?,
    })
}
