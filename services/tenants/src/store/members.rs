//! Who belongs to which tenant, with which role.

use chrono::{DateTime, Utc};
use common::Result;
use common::id::{MemberId, TenantId, UserId};
use contracts::tenants::Tenant;
use database::error::store;
use database::{SystemTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entities::members::{ActiveModel, Column, Entity};
use super::{id, tenants};
use crate::domain::roles::MemberRole;

/// A membership to store.
#[derive(Debug)]
pub(crate) struct NewMember {
    pub(crate) id: MemberId,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) role: MemberRole,
}

/// Stores a membership.
pub(crate) async fn insert(tx: &SystemTx, member: &NewMember, now: DateTime<Utc>) -> Result<()> {
    let row = ActiveModel {
        id: Set(member.id.to_string()),
        tenant_id: Set(member.tenant.to_string()),
        user_id: Set(member.user.to_string()),
        role: Set(member.role.as_str().to_owned()),
        created_at: Set(now.timestamp_micros()),
    };
    row.insert(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// The person's first membership.
pub(crate) async fn oldest_of(tx: &SystemTx, user: UserId) -> Result<Option<(MemberRole, Tenant)>> {
    let query = Entity::find().filter(Column::UserId.eq(user.to_string())).order_by_asc(Column::Id);
    let Some(row) = query.one(tx.conn()).await.map_err(store)? else { return Ok(None) };
    let tenant = tenants::get(tx, id(&row.tenant_id)?).await?;
    let role = row.role.parse()?;
    Ok(tenant.map(|tenant| (role, tenant)))
}

/// The person's role in a tenant.
pub(super) async fn role_in(tx: &SystemTx, user: &str, tenant: &str) -> Result<Option<MemberRole>> {
    let query = Entity::find().filter(Column::UserId.eq(user)).filter(Column::TenantId.eq(tenant));
    let row = query.one(tx.conn()).await.map_err(store)?;
    row.map(|row| row.role.parse()).transpose()
}
