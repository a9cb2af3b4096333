//! API keys, their values' hashes and the usage plans they may use.

use std::collections::BTreeMap;

use common::id::{KeyId, SubscriptionId, TenantId, UsagePlanId};
use common::{Error, Page, PageArgs, Result};
use contracts::metering::{ApiKey, KeyEntry, ListApiKeys};
use database::error::{is_unique_violation, store};
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::entities::{api_key, api_key_usage_plan, api_key_value};
use super::sql::{execute, parsed, parsed_option, time};
use crate::domain::api_keys::value_taken;

/// A key as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    /// What its owner sees.
    pub key: ApiKey,
    /// SHA-256 of the value in hexadecimal.
    pub sha256: String,
    /// The same of the value before the last rotation; refused from `key.previous_until` on.
    pub previous_sha256: Option<String>,
    /// The value, sealed by the vault; absent when it is shown only once.
    pub sealed_value: Option<String>,
    /// Whether no copy of the value is kept.
    pub shown_once: bool,
}

impl StoredKey {
    /// The key as gateways need it. `spend_price_micros` is what its calls cost where a spend cap stops them.
    pub(crate) fn entry(&self, tenant: TenantId, spend_price_micros: Option<u64>) -> KeyEntry {
        let key = &self.key;
        KeyEntry {
            id: key.id,
            tenant,
            sha256: self.sha256.clone(),
            previous: self.previous_sha256.clone().zip(key.previous_until),
            enabled: key.enabled && key.revoked_at.is_none(),
            expires_at: key.expires_at,
            created_at: key.created_at,
            usage_plans: key.usage_plans.clone(),
            subscription: key.subscription,
            plan: key.plan,
            spend_price_micros,
        }
    }
}

/// Refuses one more key where the tenant has as many as it may have. A subscription's key is not counted: the subscription
/// was, and must get its key.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    Limit { name: "api_keys", most, table: "api_keys", only: "subscription_id IS NULL" }.check(tx).await
}

/// Stores a new key with its value. Fails when the value belongs to a key already, whoever owns it, or the id to another
/// tenant's.
pub(crate) async fn insert(tx: &TenantTx, stored: &StoredKey) -> Result<()> {
    row(tx, stored).into_active_model().insert(tx.conn()).await.map_err(|error| {
        // The caller has looked among its own keys: the id is a stranger's.
        if is_unique_violation(&error) { Error::not_found("api key") } else { store(error) }
    })?;
    claim_value(tx, stored.key.id, &stored.sha256).await?;
    insert_plans(tx, &stored.key).await
}

/// Stores the key's present state, without its value and plans.
pub(crate) async fn update(tx: &TenantTx, stored: &StoredKey) -> Result<()> {
    row(tx, stored).into_active_model().reset_all().update(tx.conn()).await.map_err(store)?;
    Ok(())
}

/// Makes a value the key's own in the whole installation.
pub(crate) async fn claim_value(tx: &TenantTx, id: KeyId, sha256: &str) -> Result<()> {
    let row = api_key_value::Model {
        sha256: sha256.to_owned(),
        tenant_id: tx.tenant().to_string(),
        api_key_id: id.to_string(),
    };
    let inserted =
        api_key_value::Entity::insert(row.into_active_model()).exec_without_returning(tx.conn()).await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(value_taken()),
        Err(error) => Err(store(error)),
    }
}

/// Replaces the plans a key may use.
pub(crate) async fn replace_plans(tx: &TenantTx, key: &ApiKey) -> Result<()> {
    let delete = "DELETE FROM api_key_usage_plans WHERE api_key_id = $1 AND tenant_id = $2";
    execute(tx, delete, [key.id.to_string().into(), tx.tenant().to_string().into()]).await?;
    insert_plans(tx, key).await
}

/// Removes a key with its values and plans.
pub(crate) async fn delete(tx: &TenantTx, id: KeyId) -> Result<()> {
    let tables = [
        "DELETE FROM api_key_usage_plans WHERE api_key_id = $1 AND tenant_id = $2",
        "DELETE FROM api_key_values WHERE api_key_id = $1 AND tenant_id = $2",
        "DELETE FROM api_keys WHERE id = $1 AND tenant_id = $2",
    ];
    for delete in tables {
        execute(tx, delete, [id.to_string().into(), tx.tenant().to_string().into()]).await?;
    }
    Ok(())
}

/// The key, if the tenant has it.
pub(crate) async fn find(tx: &TenantTx, id: KeyId) -> Result<Option<StoredKey>> {
    one(tx, id, false).await
}

/// The key.
pub(crate) async fn get(tx: &TenantTx, id: KeyId) -> Result<StoredKey> {
    one(tx, id, false).await?.ok_or_else(|| Error::not_found("api key"))
}

/// The key, locked until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, id: KeyId) -> Result<StoredKey> {
    one(tx, id, true).await?.ok_or_else(|| Error::not_found("api key"))
}

async fn one(tx: &TenantTx, id: KeyId, locked: bool) -> Result<Option<StoredKey>> {
    let mut select = api_key::Entity::find()
        .filter(api_key::Column::TenantId.eq(tx.tenant().to_string()))
        .filter(api_key::Column::Id.eq(id.to_string()));
    if locked {
        select = select.lock_exclusive();
    }
    let row = select.one(tx.conn()).await.map_err(store)?;
    Ok(with_plans(tx, row.into_iter().collect()).await?.into_iter().next())
}

/// Every key that a subscription carries, in the order of their ids.
pub(crate) async fn of_subscription(tx: &TenantTx, subscription: SubscriptionId) -> Result<Vec<StoredKey>> {
    let select = api_key::Entity::find()
        .filter(api_key::Column::TenantId.eq(tx.tenant().to_string()))
        .filter(api_key::Column::SubscriptionId.eq(subscription.to_string()))
        .order_by_asc(api_key::Column::Id);
    with_plans(tx, select.all(tx.conn()).await.map_err(store)?).await
}

/// One page, newest first.
pub(crate) async fn list(tx: &TenantTx, wanted: &ListApiKeys) -> Result<Page<ApiKey>> {
    let PageArgs { after, .. } = &wanted.page;
    let limit = wanted.page.limit()?;
    let mut select = api_key::Entity::find()
        .filter(api_key::Column::TenantId.eq(tx.tenant().to_string()))
        .order_by_desc(api_key::Column::Id)
        .limit(limit + 1);
    if let Some(after) = after {
        select = select.filter(api_key::Column::Id.lt(after));
    }
    if let Some(subscription) = wanted.subscription {
        select = select.filter(api_key::Column::SubscriptionId.eq(subscription.to_string()));
    }
    if let Some(plan) = wanted.usage_plan {
        let of_plan = api_key_usage_plan::Entity::find()
            .select_only()
            .column(api_key_usage_plan::Column::ApiKeyId)
            .filter(api_key_usage_plan::Column::UsagePlanId.eq(plan.to_string()))
            .into_query();
        select = select.filter(api_key::Column::Id.in_subquery(of_plan));
    }
    let rows = select.all(tx.conn()).await.map_err(store)?;
    let keys = with_plans(tx, rows).await?.into_iter().map(|stored| stored.key).collect();
    Ok(Page::from_overfetch(keys, limit, |key: &ApiKey| key.id.to_string()))
}

async fn insert_plans(tx: &TenantTx, key: &ApiKey) -> Result<()> {
    let links = (0..).zip(&key.usage_plans).map(|(place, plan)| {
        api_key_usage_plan::Model {
            api_key_id: key.id.to_string(),
            usage_plan_id: plan.to_string(),
            tenant_id: tx.tenant().to_string(),
            place,
        }
        .into_active_model()
    });
    let links: Vec<_> = links.collect();
    if links.is_empty() {
        return Ok(());
    }
    api_key_usage_plan::Entity::insert_many(links).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

async fn with_plans(tx: &TenantTx, rows: Vec<api_key::Model>) -> Result<Vec<StoredKey>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let links = api_key_usage_plan::Entity::find()
        .filter(api_key_usage_plan::Column::TenantId.eq(tx.tenant().to_string()))
        .filter(api_key_usage_plan::Column::ApiKeyId.is_in(ids))
        .order_by_asc(api_key_usage_plan::Column::Place)
        .all(tx.conn())
        .await
        .map_err(store)?;
    let mut by_key: BTreeMap<String, Vec<UsagePlanId>> = BTreeMap::new();
    for link in links {
        by_key.entry(link.api_key_id).or_default().push(parsed(&link.usage_plan_id)?);
    }
    rows.into_iter()
        .map(|row| {
            let plans = by_key.remove(&row.id).unwrap_or_default();
            stored(row, plans)
        })
        .collect()
}

fn row(tx: &TenantTx, stored: &StoredKey) -> api_key::Model {
    let key = &stored.key;
    api_key::Model {
        id: key.id.to_string(),
        tenant_id: tx.tenant().to_string(),
        name: key.name.clone(),
        prefix: key.prefix.clone(),
        sha256: stored.sha256.clone(),
        previous_sha256: stored.previous_sha256.clone(),
        previous_until: key.previous_until.map(|until| until.timestamp_micros()),
        sealed_value: stored.sealed_value.clone(),
        shown_once: stored.shown_once,
        enabled: key.enabled,
        revoked_at: key.revoked_at.map(|at| at.timestamp_micros()),
        expires_at: key.expires_at.map(|at| at.timestamp_micros()),
        subscription_id: key.subscription.map(|id: SubscriptionId| id.to_string()),
        plan_id: key.plan.map(|id| id.to_string()),
        anchored_at: key.anchored_at.timestamp_micros(),
        created_at: key.created_at.timestamp_micros(),
    }
}

fn stored(row: api_key::Model, usage_plans: Vec<UsagePlanId>) -> Result<StoredKey> {
    let key = ApiKey {
        id: parsed(&row.id)?,
        name: row.name,
        prefix: row.prefix,
        enabled: row.enabled,
        revoked_at: row.revoked_at.map(time),
        expires_at: row.expires_at.map(time),
        usage_plans,
        subscription: parsed_option(row.subscription_id.as_deref())?,
        plan: parsed_option(row.plan_id.as_deref())?,
        previous_until: row.previous_until.map(time),
        anchored_at: time(row.anchored_at),
        created_at: time(row.created_at),
    };
    let api_key::Model { sha256, previous_sha256, sealed_value, shown_once, .. } = row;
    Ok(StoredKey { key, sha256, previous_sha256, sealed_value, shown_once })
}
