//! Invitations to set a password, by the hash of their token.

use chrono::{DateTime, Utc};
use common::Result;
use common::id::DeveloperId;
use database::error::store;
use database::{SystemTx, TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::entities::invitations::{ActiveModel, Column, Entity};
use super::id;

/// Stores an invitation in place of the developer's last one.
pub(crate) async fn replace(
    tx: &TenantTx,
    developer: DeveloperId,
    token_sha256: String,
    expires_at: DateTime<Utc>,
) -> Result<()> {
    delete(tx, developer).await?;
    let row = ActiveModel {
        developer_id: Set(developer.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        token_sha256: Set(token_sha256),
        expires_at: Set(expires_at.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Ends the developer's invitation, if there is one.
pub(crate) async fn delete(tx: &TenantTx, developer: DeveloperId) -> Result<()> {
    let delete = Entity::delete_many()
        .filter(Column::DeveloperId.eq(developer.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Whom the token invites, if it holds.
pub(crate) async fn find(
    tx: &TenantTx,
    token_sha256: &str,
    now: DateTime<Utc>,
) -> Result<Option<DeveloperId>> {
    let row = holding(tx, token_sha256, now).one(tx.conn()).await.map_err(store)?;
    row.map(|row| id(&row.developer_id)).transpose()
}

/// Whom the token invites, if it holds; it does no more. Of two at the same moment one gets it.
pub(crate) async fn take(
    tx: &TenantTx,
    token_sha256: &str,
    now: DateTime<Utc>,
) -> Result<Option<DeveloperId>> {
    let Some(developer) = find(tx, token_sha256, now).await? else { return Ok(None) };
    let delete = Entity::delete_many()
        .filter(Column::TokenSha256.eq(token_sha256))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    let taken = delete.exec(tx.conn()).await.map_err(store)?.rows_affected == 1;
    Ok(taken.then_some(developer))
}

/// Removes invitations that ended.
pub(crate) async fn delete_ended(tx: &SystemTx, now: DateTime<Utc>) -> Result<()> {
    let delete = Entity::delete_many().filter(Column::ExpiresAt.lte(now.timestamp_micros()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

fn holding(tx: &TenantTx, token_sha256: &str, now: DateTime<Utc>) -> Select<Entity> {
    Entity::find()
        .filter(Column::TokenSha256.eq(token_sha256))
        .filter(Column::ExpiresAt.gt(now.timestamp_micros()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
}
