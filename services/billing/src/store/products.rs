//! Products.

use chrono::{DateTime, Utc};
use common::id::{ApiId, ProductId};
use common::{Error, Page, PageArgs, Result};
use contracts::billing::Product;
use database::error::store;
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entities::products::{ActiveModel, Column, Entity, Model};
use super::{cursor, id, time};

/// A product without its plans.
#[derive(Debug)]
pub(crate) struct ProductRow {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) apis: Vec<ApiId>,
    pub(crate) published: bool,
    pub(crate) created_at: DateTime<Utc>,
}

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Refuses one more product where the tenant has as many as it may have.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    Limit { name: "products", most, table: "products", only: "TRUE" }.check(tx).await
}

/// Stores a product.
pub(crate) async fn insert(tx: &TenantTx, product: &Product) -> Result<()> {
    let row = ActiveModel {
        id: Set(product.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        name: Set(product.name.clone()),
        description: Set(product.description.clone()),
        apis: Set(serde_json::to_string(&product.apis).map_err(Error::internal)?),
        published: Set(product.published),
        created_at: Set(product.created_at.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// One product, held against other changes until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, product: ProductId) -> Result<Option<ProductRow>> {
    let query = own(tx).filter(Column::Id.eq(product.to_string())).lock_exclusive();
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// Those of the products that the tenant has.
pub(crate) async fn find(tx: &TenantTx, products: &[ProductId]) -> Result<Vec<ProductRow>> {
    let query = own(tx).filter(Column::Id.is_in(products.iter().map(ToString::to_string)));
    query.all(tx.conn()).await.map_err(store)?.into_iter().map(read).collect()
}

/// A page of the tenant's products, newest first.
pub(crate) async fn list(tx: &TenantTx, page: &PageArgs, published_only: bool) -> Result<Page<ProductRow>> {
    let limit = page.limit()?;
    let mut query = own(tx);
    if published_only {
        query = query.filter(Column::Published.eq(true));
    }
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.lt(cursor::<ProductId>(after)?));
    }
    let query = query.order_by_desc(Column::Id).limit(limit + 1);
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let rows = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(rows, limit, |row| row.id.to_string()))
}

/// Stores the content of a product that is there.
pub(crate) async fn update(tx: &TenantTx, row: &ProductRow) -> Result<()> {
    let apis = serde_json::to_string(&row.apis).map_err(Error::internal)?;
    let update = Entity::update_many()
        .col_expr(Column::Name, Expr::value(row.name.clone()))
        .col_expr(Column::Description, Expr::value(row.description.clone()))
        .col_expr(Column::Apis, Expr::value(apis))
        .col_expr(Column::Published, Expr::value(row.published))
        .filter(Column::Id.eq(row.id.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    update.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

fn read(row: Model) -> Result<ProductRow> {
    Ok(ProductRow {
        id: id(&row.id)?,
        name: row.name,
        description: row.description,
        apis: serde_json::from_str(&row.apis).map_err(Error::internal)?,
        published: row.published,
        created_at: time(row.created_at)?,
    })
}
