//! Access keys of the AWS-compatible management API.

use chrono::{DateTime, Utc};
use common::Result;
use contracts::Permission;
use database::error::store;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::entities::access_keys::{ActiveModel, Column, Entity};
use super::permissions_text;

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

/// How many access keys the tenant has.
pub(crate) async fn count(tx: &TenantTx) -> Result<u64> {
    let query = Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()));
    query.count(tx.conn()).await.map_err(store)
}
