//! Sessions, by the hash of their secret.

use chrono::{DateTime, Utc};
use common::Result;
use common::id::{SessionId, TenantId, UserId};
use database::error::store;
use database::{SystemTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};

use super::entities::sessions::{ActiveModel, Column, Entity};
use super::users::User;
use super::{id, members, users};
use crate::domain::roles::MemberRole;

/// A session to store.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) secret_sha256: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// A session in force.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) tenant: TenantId,
}

/// Stores a session.
pub(crate) async fn insert(tx: &SystemTx, session: NewSession) -> Result<()> {
    let row = ActiveModel {
        id: Set(session.id.to_string()),
        tenant_id: Set(session.tenant.to_string()),
        user_id: Set(session.user.to_string()),
        secret_sha256: Set(session.secret_sha256),
        created_at: Set(session.created_at.timestamp_micros()),
        expires_at: Set(session.expires_at.timestamp_micros()),
    };
    row.insert(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// The session with this secret that has not ended, if its person is still a member.
pub(crate) async fn find(
    tx: &SystemTx,
    secret_sha256: &str,
    now: DateTime<Utc>,
) -> Result<Option<(Session, User, MemberRole)>> {
    let query = Entity::find()
        .filter(Column::SecretSha256.eq(secret_sha256))
        .filter(Column::ExpiresAt.gt(now.timestamp_micros()));
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    let Some(role) = members::role_in(tx, &row.user_id, &row.tenant_id).await? else { return Ok(None) };
    let Some(user) = users::get(tx, &row.user_id).await? else { return Ok(None) };
    Ok(Some((Session { tenant: id(&row.tenant_id)? }, user, role)))
}

/// Ends the session with this secret, if there is one.
pub(crate) async fn delete(tx: &SystemTx, secret_sha256: &str) -> Result<()> {
    let delete = Entity::delete_many().filter(Column::SecretSha256.eq(secret_sha256));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Removes sessions that ended.
pub(crate) async fn delete_ended(tx: &SystemTx, now: DateTime<Utc>) -> Result<()> {
    let delete = Entity::delete_many().filter(Column::ExpiresAt.lte(now.timestamp_micros()));
    delete.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}
