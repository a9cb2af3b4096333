//! Subscriptions.

use chrono::{DateTime, Utc};
use common::id::{AppId, DeveloperId, KeyId, PlanId, SubscriptionId};
use common::{Page, PageArgs, Result};
use contracts::billing::SubscriptionStatus;
use database::error::{store, unless_taken};
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany};

use super::entities::subscriptions::{ActiveModel, Column, Entity, Model};
use super::{cursor, id, time};
use crate::domain::subscriptions::{from_text, to_text};

/// The app has this plan already. On PostgreSQL the transaction is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken;

/// A subscription to store.
#[derive(Debug)]
pub(crate) struct NewSubscription {
    pub(crate) id: SubscriptionId,
    pub(crate) plan: PlanId,
    pub(crate) app: AppId,
    pub(crate) developer: DeveloperId,
    pub(crate) key: KeyId,
    pub(crate) key_name: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// A stored subscription.
#[derive(Debug)]
pub(crate) struct SubscriptionRow {
    pub(crate) id: SubscriptionId,
    pub(crate) plan: PlanId,
    pub(crate) app: AppId,
    pub(crate) developer: DeveloperId,
    pub(crate) status: SubscriptionStatus,
    pub(crate) key: KeyId,
    pub(crate) key_name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) cancelled_at: Option<DateTime<Utc>>,
}

fn own(tx: &TenantTx) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tx.tenant().to_string()))
}

/// Refuses one more subscription where the tenant has as many as it may have. Cancelled ones are history.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    let only = "status <> 'cancelled'";
    Limit { name: "subscriptions", most, table: "subscriptions", only }.check(tx).await
}

/// Stores a pending subscription, unless the app has this plan already.
pub(crate) async fn insert(tx: &TenantTx, new: &NewSubscription) -> Result<Result<(), Taken>> {
    let row = ActiveModel {
        id: Set(new.id.to_string()),
        tenant_id: Set(tx.tenant().to_string()),
        plan_id: Set(new.plan.to_string()),
        app_id: Set(new.app.to_string()),
        developer_id: Set(new.developer.to_string()),
        status: Set(to_text(SubscriptionStatus::Pending).to_owned()),
        key_id: Set(new.key.to_string()),
        key_name: Set(new.key_name.clone()),
        created_at: Set(new.created_at.timestamp_micros()),
        cancelled_at: Set(None),
    };
    let inserted = Entity::insert(row).exec_without_returning(tx.conn()).await;
    Ok(unless_taken(inserted)?.map(drop).ok_or(Taken))
}

/// One subscription.
pub(crate) async fn get(tx: &TenantTx, subscription: SubscriptionId) -> Result<Option<SubscriptionRow>> {
    let query = own(tx).filter(Column::Id.eq(subscription.to_string()));
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// One subscription, held against other changes until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, subscription: SubscriptionId) -> Result<Option<SubscriptionRow>> {
    let query = own(tx).filter(Column::Id.eq(subscription.to_string())).lock_exclusive();
    query.one(tx.conn()).await.map_err(store)?.map(read).transpose()
}

/// A page of the tenant's subscriptions, newest first.
pub(crate) async fn list(
    tx: &TenantTx,
    page: &PageArgs,
    developer: Option<DeveloperId>,
    plan: Option<PlanId>,
) -> Result<Page<SubscriptionRow>> {
    let limit = page.limit()?;
    let mut query = own(tx);
    if let Some(developer) = developer {
        query = query.filter(Column::DeveloperId.eq(developer.to_string()));
    }
    if let Some(plan) = plan {
        query = query.filter(Column::PlanId.eq(plan.to_string()));
    }
    if let Some(after) = &page.after {
        query = query.filter(Column::Id.lt(cursor::<SubscriptionId>(after)?));
    }
    let query = query.order_by_desc(Column::Id).limit(limit + 1);
    let rows = query.all(tx.conn()).await.map_err(store)?;
    let rows = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page::from_overfetch(rows, limit, |row| row.id.to_string()))
}

/// Its key works.
pub(crate) async fn activate(tx: &TenantTx, subscription: SubscriptionId) -> Result<()> {
    set_status(tx, subscription, SubscriptionStatus::Active).exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// It has ended.
pub(crate) async fn cancel(tx: &TenantTx, subscription: SubscriptionId, now: DateTime<Utc>) -> Result<()> {
    let update = set_status(tx, subscription, SubscriptionStatus::Cancelled)
        .col_expr(Column::CancelledAt, Expr::value(now.timestamp_micros()));
    update.exec(tx.conn()).await.map_err(store)?;
    Ok(())
}

fn set_status(tx: &TenantTx, subscription: SubscriptionId, status: SubscriptionStatus) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(to_text(status)))
        .filter(Column::Id.eq(subscription.to_string()))
        .filter(Column::TenantId.eq(tx.tenant().to_string()))
}

fn read(row: Model) -> Result<SubscriptionRow> {
    Ok(SubscriptionRow {
        id: id(&row.id)?,
        plan: id(&row.plan_id)?,
        app: id(&row.app_id)?,
        developer: id(&row.developer_id)?,
        status: from_text(&row.status)?,
        key: id(&row.key_id)?,
        key_name: row.key_name,
        created_at: time(row.created_at)?,
        cancelled_at: row.cancelled_at.map(time).transpose()?,
    })
}
