//! Organizations.

use common::Result;
use common::id::TenantId;
use contracts::tenants::Tenant;
use database::error::{store, unless_taken};
use database::{SystemTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter};

use super::entities::tenants::{ActiveModel, Column, Entity, Model};
use super::{Taken, id, time};

/// Stores a new tenant, unless its short name or account is taken.
pub(crate) async fn insert(tx: &SystemTx, tenant: &Tenant) -> Result<Result<(), Taken>> {
    let row = ActiveModel {
        tenant_id: Set(tenant.id.to_string()),
        name: Set(tenant.name.clone()),
        slug: Set(tenant.slug.clone()),
        account_id: Set(tenant.account_id.clone()),
        created_at: Set(tenant.created_at.timestamp_micros()),
    };
    Ok(unless_taken(row.insert(tx.conn()).await)?.map(drop).ok_or(Taken))
}

/// The tenant with this id.
pub(crate) async fn get(tx: &impl Tx, tenant: TenantId) -> Result<Option<Tenant>> {
    let row = Entity::find_by_id(tenant.to_string()).one(tx.conn()).await.map_err(store)?;
    row.map(read).transpose()
}

/// The tenant with this short name.
pub(crate) async fn find_by_slug(tx: &SystemTx, slug: &str) -> Result<Option<Tenant>> {
    let row = Entity::find().filter(Column::Slug.eq(slug)).one(tx.conn()).await.map_err(store)?;
    row.map(read).transpose()
}

pub(super) fn read(row: Model) -> Result<Tenant> {
    Ok(Tenant {
        id: id(&row.tenant_id)?,
        name: row.name,
        slug: row.slug,
        account_id: row.account_id,
        created_at: time(row.created_at)?,
    })
}
