//! Apps.

use common::id::{AppId, DeveloperId};
use common::{Page, PageArgs, Result};
use contracts::portal::App;
use database::error::{store, unless_taken};
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entities::apps::{ActiveModel, Column, Entity, Model};
use super::{cursor, id, time};

/// The developer has an app of this name. On PostgreSQL the transaction is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken;

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Stores an app, unless the developer has one of this name.
pub(crate) async fn insert(tx: &TenantTx, app: &App) -> Result<Result<(), Taken>> {
    let row = ActiveModel {
        id: Set(app.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        developer_id: Set(app.developer.to_string()),
        name: Set(app.name.clone()),
        created_at: Set(app.created_at.timestamp_micros()),
    };
    let inserted = Entity::insert(row).exec_without_returning(tx.conn()).await;
    Ok(unless_taken(inserted)?.map(drop).ok_or(Taken))
}

/// One app.
pub(crate) async fn get(tx: &TenantTx, app: AppId) -> Result<Option<App>> {
    let query = own(tx).filter(Column::Id.eq(app.to_string()));
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// The developer's app of this name.
pub(crate) async fn find_by_name(tx: &TenantTx, developer: DeveloperId, name: &str) -> Result<Option<App>> {
    let query = own(tx).filter(Column::DeveloperId.eq(developer.to_string())).filter(Column::Name.eq(name));
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// How many apps the developer has.
pub(crate) async fn count(tx: &TenantTx, developer: DeveloperId) -> Result<u64> {
    let query = own(tx).filter(Column::DeveloperId.eq(developer.to_string()));
    query.count(tx.conn()).await.map_err(store)
}

/// A page of the tenant's apps, newest first.
pub(crate) async fn list(
    tx: &TenantTx,
    page: &PageArgs,
    developer: Option<DeveloperId>,
) -> Result<Page<App>> {
    let limit = page.limit()?;
    let mut query = own(tx);
    if let Some(developer) = developer {
        query = query.filter(Column::DeveloperId.eq(developer.to_string()));
    }
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.lt(cursor::<AppId>(after)?));
    }
    let query = query.order_by_desc(Column::Id).limit(limit + 1);
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let apps = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(apps, limit, |app| app.id.to_string()))
}

fn read(row: Model) -> Result<App> {
    Ok(App {
        id: id(&row.id)?,
        developer: id(&row.developer_id)?,
        name: row.name,
        created_at: time(row.created_at)?,
    })
}
