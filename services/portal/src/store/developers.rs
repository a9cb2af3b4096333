//! App developers.

use common::id::DeveloperId;
use common::{Page, PageArgs, Result};
use contracts::portal::Developer;
use database::error::{store, unless_taken};
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entities::developers::{ActiveModel, Column, Entity, Model};
use super::{cursor, id, time};

/// The tenant has a developer with this address. On PostgreSQL the transaction is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken;

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Refuses one more developer where the tenant has as many as it may have.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    Limit { name: "developers", most, table: "developers", only: "TRUE" }.check(tx).await
}

/// Stores a developer, unless the address is taken.
pub(crate) async fn insert(
    tx: &TenantTx,
    developer: &Developer,
    password_hash: Option<String>,
) -> Result<Result<(), Taken>> {
    let row = ActiveModel {
        id: Set(developer.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        email: Set(developer.email.clone()),
        name: Set(developer.name.clone()),
        password_hash: Set(password_hash),
        created_at: Set(developer.created_at.timestamp_micros()),
    };
    let inserted = Entity::insert(row).exec_without_returning(tx.conn()).await;
    Ok(unless_taken(inserted)?.map(drop).ok_or(Taken))
}

/// One developer.
pub(crate) async fn get(tx: &TenantTx, developer: DeveloperId) -> Result<Option<Developer>> {
    let query = own(tx).filter(Column::Id.eq(developer.to_string()));
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// One developer, and whether there is a password yet.
pub(crate) async fn get_with_password(
    tx: &TenantTx,
    developer: DeveloperId,
) -> Result<Option<(Developer, bool)>> {
    let query = own(tx).filter(Column::Id.eq(developer.to_string()));
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    let has_password = row.password_hash.is_some();
    Ok(Some((read(row)?, has_password)))
}

/// The developer with this normalized address, with the password's hash.
pub(crate) async fn find_by_email(tx: &TenantTx, email: &str) -> Result<Option<(Developer, Option<String>)>> {
    let row = own(tx).filter(Column::Email.eq(email)).one(tx.conn()).await.map_err(store)?;
    let Some(mut row) = row else { return Ok(None) };
    let hash = row.password_hash.take();
    Ok(Some((read(row)?, hash)))
}

/// A page of the tenant's developers, newest first.
pub(crate) async fn list(tx: &TenantTx, page: &PageArgs) -> Result<Page<Developer>> {
    let limit = page.limit()?;
    let mut query = own(tx);
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.lt(cursor::<DeveloperId>(after)?));
    }
    let query = query.order_by_desc(Column::Id).limit(limit + 1);
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let developers = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(developers, limit, |developer| developer.id.to_string()))
}

/// Replaces the password of a developer who is there.
pub(crate) async fn set_password(tx: &TenantTx, developer: DeveloperId, hash: String) -> Result<()> {
    let update = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(hash))
        .filter(Column::Id.eq(developer.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    update.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

fn read(row: Model) -> Result<Developer> {
    Ok(Developer { id: id(&row.id)?, email: row.email, name: row.name, created_at: time(row.created_at)? })
}
