//! Sessions, by the hash of their secret.

use chrono::{DateTime, Utc};
use common::Result;
use common::id::{DeveloperId, SessionId};
use contracts::portal::Developer;
use database::error::store;
use database::{SystemTx, TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entities::sessions::{ActiveModel, Column, Entity};
use super::{developers, id};

/// A session to store.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) developer: DeveloperId,
    pub(crate) secret_sha256: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Stores a session.
pub(crate) async fn insert(tx: &TenantTx, session: NewSession) -> Result<()> {
    let row = ActiveModel {
        id: Set(session.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        developer_id: Set(session.developer.to_string()),
        secret_sha256: Set(session.secret_sha256),
        created_at: Set(session.created_at.timestamp_micros()),
        expires_at: Set(session.expires_at.timestamp_micros()),
    };
    Entity::insert(row).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// The developer whose session has this secret and has not ended.
pub(crate) async fn find(
    tx: &TenantTx,
    secret_sha256: &str,
    now: DateTime<Utc>,
) -> Result<Option<Developer>> {
    let query = Entity::find()
        .filter(Column::SecretSha256.eq(secret_sha256))
        .filter(Column::ExpiresAt.gt(now.timestamp_micros()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    developers::get(tx, id(&row.developer_id)?).await
}

/// Ends the session with this secret, if there is one.
pub(crate) async fn delete(tx: &TenantTx, secret_sha256: &str) -> Result<()> {
    let delete = Entity::delete_many()
        .filter(Column::SecretSha256.eq(secret_sha256))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Removes sessions that ended.
pub(crate) async fn delete_ended(tx: &SystemTx, now: DateTime<Utc>) -> Result<()> {
    let delete = Entity::delete_many().filter(Column::ExpiresAt.lte(now.timestamp_micros()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}
