//! Bearer tokens, by the hash of their secret.

use common::id::{TenantId, TokenId};
use common::{Error, Result};
use contracts::tenants::Token;
use database::error::store;
use database::{SystemTx, TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::entities::tokens::{ActiveModel, Column, Entity, Model};
use super::{id, permissions_text, time};

/// Stores a token.
pub(crate) async fn insert(tx: &TenantTx, token: &Token, secret_sha256: &str) -> Result<()> {
    let row = ActiveModel {
        id: Set(token.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        name: Set(token.name.clone()),
        prefix: Set(token.prefix.clone()),
        secret_sha256: Set(secret_sha256.to_owned()),
        permissions: Set(permissions_text(&token.permissions)?),
        created_at: Set(token.created_at.timestamp_micros()),
        expires_at: Set(token.expires_at.map(|end| end.timestamp_micros())),
    };
    row.insert(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// How many tokens the tenant has.
pub(crate) async fn count(tx: &TenantTx) -> Result<u64> {
    let query = Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()));
    query.count(tx.conn()).await.map_err(store)
}

/// The tenant's token with this id.
pub(crate) async fn get(tx: &TenantTx, token: TokenId) -> Result<Option<Token>> {
    let query = Entity::find()
        .filter(Column::Id.eq(token.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// The tenant's tokens, newest first.
pub(crate) async fn list(tx: &TenantTx) -> Result<Vec<Token>> {
    let query = Entity::find()
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id);
    query.all(tx.conn()).await.map_err(store)?.into_iter().map(read).collect()
}

/// The token with this secret, and whose it is.
pub(crate) async fn find_by_secret(tx: &SystemTx, secret_sha256: &str) -> Result<Option<(TenantId, Token)>> {
    let query = Entity::find().filter(Column::SecretSha256.eq(secret_sha256));
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    Ok(Some((id(&row.tenant_id)?, read(row)?)))
}

/// Removes a token; answers whether the tenant had it.
pub(crate) async fn delete(tx: &TenantTx, token: TokenId) -> Result<bool> {
    let delete = Entity::delete_many()
        .filter(Column::Id.eq(token.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    Ok(delete.exec(tx.conn()).await.map_err(store)?.rows_affected == 1)
}

fn read(row: Model) -> Result<Token> {
    Ok(Token {
        id: id(&row.id)?,
        name: row.name,
        prefix: row.prefix,
        permissions: serde_json::from_str(&row.permissions).map_err(Error::internal)?,
        created_at: time(row.created_at)?,
        expires_at: row.expires_at.map(time).transpose()?,
    })
}
