//! Access keys of the AWS-compatible management API.

use chrono::{DateTime, Utc};
use common::{Error, Result};
use contracts::Permission;
use contracts::tenants::AccessKeySummary;
use database::error::store;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::entities::access_keys::{ActiveModel, Column, Entity, Model};
use super::{permissions_text, time};

/// Stores an access key with its sealed secret.
pub(crate) async fn insert(
    tx: &TenantTx,
    access_key_id: &str,
    secret_sealed: String,
    permissions: &[Permission],
    now: DateTime<Utc>,
) -> Result<()> {
    let row = ActiveModel {
        id: Set(access_key_id.to_owned()),
        tenant_id: Set(tx.tenant().to_string()),
        secret_sealed: Set(secret_sealed),
        permissions: Set(permissions_text(permissions)?),
        created_at: Set(now.timestamp_micros()),
    };
    row.insert(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// The tenant's access keys, newest first.
pub(crate) async fn list(tx: &TenantTx) -> Result<Vec<AccessKeySummary>> {
    let query = Entity::find()
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id);
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let read = |row: Model| {
        Ok(AccessKeySummary {
            permissions: serde_json::from_str(&row.permissions).map_err(Error::internal)?,
            created_at: time(row.created_at)?,
            access_key_id: row.id,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Removes an access key; answers whether the tenant had it.
pub(crate) async fn delete(tx: &TenantTx, access_key_id: &str) -> Result<bool> {
    let delete = Entity::delete_many()
        .filter(Column::Id.eq(access_key_id))
        .filter(Column::TenantId.eq(tx.tenant().to_string()));
    Ok(delete.exec(tx.conn()).await.map_err(store)?.rows_affected == 1)
}

/// How many access keys the tenant has.
pub(crate) async fn count(tx: &TenantTx) -> Result<u64> {
    let query = Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()));
    query.count(tx.conn()).await.map_err(store)
}
