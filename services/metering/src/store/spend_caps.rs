//! Spend caps, and what was noted when spending came near them.

use chrono::{DateTime, Utc};
use common::id::{SubscriptionId, TenantId};
use common::money::Money;
use common::{Error, Result};
use contracts::metering::{SpendAlert, SpendCap};
use database::{SystemTx, TenantTx};
use sea_orm::{QueryResult, Value};

use super::sql::{column, execute, for_share, for_update, list, parsed, query, signed, time, unsigned};
use crate::domain::budgets::Rule;

/// A subscription's cap as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredCap {
    /// Whose it is.
    pub tenant: TenantId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The cap.
    pub cap: SpendCap,
    /// Price of one billable unit in micro-units.
    pub unit_price_micros: u64,
    /// The billing date, microseconds since the epoch.
    pub anchored_at: i64,
    /// Start of the month in which `spent_before` was spent.
    pub counted_from: i64,
    /// Spent in that month before calls took leases.
    pub spent_before: u64,
}

impl StoredCap {
    /// The most that may be spent, in micro-units.
    pub(crate) fn limit(&self) -> u64 {
        u64::try_from(self.cap.limit.micros).unwrap_or_default()
    }

    /// Price of a unit for gateways; absent where calls take no leases.
    pub(crate) fn published_price(&self) -> Option<u64> {
        (self.cap.hard_stop && self.unit_price_micros > 0).then_some(self.unit_price_micros)
    }

    /// What calls take leases by; absent without hard stop.
    pub(crate) fn rule(&self) -> Option<Rule> {
        let Self { anchored_at: anchor, counted_from, spent_before, .. } = *self;
        self.cap.hard_stop.then(|| Rule::Spend { limit: self.limit(), anchor, counted_from, spent_before })
    }
}

const COLUMNS: &str = "subscription_id, tenant_id, limit_micros, currency, hard_stop, unit_price_micros, anchored_at, \
                       counted_from, spent_before";

/// Stores a subscription's cap in place of the one before.
pub(crate) async fn put(tx: &TenantTx, stored: &StoredCap) -> Result<()> {
    let insert = format!(
        "INSERT INTO spend_caps ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
    );
    let update = "UPDATE spend_caps SET limit_micros = $3, currency = $4, hard_stop = $5, unit_price_micros = $6, \
                  anchored_at = $7, counted_from = $8, spent_before = $9 WHERE subscription_id = $1 AND tenant_id = $2";
    let values: [Value; 9] = [
        stored.subscription.to_string().into(),
        tx.tenant().to_string().into(),
        stored.cap.limit.micros.into(),
        stored.cap.limit.currency.as_str().into(),
        stored.cap.hard_stop.into(),
        signed(stored.unit_price_micros)?.into(),
        stored.anchored_at.into(),
        stored.counted_from.into(),
        signed(stored.spent_before)?.into(),
    ];
    let is_new = execute(tx, &insert, values.clone()).await? > 0;
    if is_new || execute(tx, update, values).await? > 0 {
        return Ok(());
    }
    // The id is a stranger's.
    Err(Error::not_found("subscription"))
}

/// Removes a subscription's cap.
pub(crate) async fn remove(tx: &TenantTx, subscription: SubscriptionId) -> Result<()> {
    let delete = "DELETE FROM spend_caps WHERE subscription_id = $1 AND tenant_id = $2";
    execute(tx, delete, [subscription.to_string().into(), tx.tenant().to_string().into()]).await?;
    Ok(())
}

/// A subscription's cap.
pub(crate) async fn find(tx: &TenantTx, subscription: SubscriptionId) -> Result<Option<StoredCap>> {
    one(tx, subscription, "").await
}

/// A subscription's cap, locked until the transaction ends.
pub(crate) async fn lock(tx: &TenantTx, subscription: SubscriptionId) -> Result<Option<StoredCap>> {
    one(tx, subscription, for_update(tx)).await
}

async fn one(tx: &TenantTx, subscription: SubscriptionId, locked: &str) -> Result<Option<StoredCap>> {
    let select =
        format!("SELECT {COLUMNS} FROM spend_caps WHERE subscription_id = $1 AND tenant_id = $2{locked}");
    let values = [subscription.to_string().into(), tx.tenant().to_string().into()];
    query(tx, &select, values).await?.first().map(stored).transpose()
}

/// Caps that stay as they are until the transaction ends.
pub(super) async fn lock_shared(tx: &SystemTx, subscriptions: &[SubscriptionId]) -> Result<Vec<StoredCap>> {
    let select = format!(
        "SELECT {COLUMNS} FROM spend_caps WHERE subscription_id IN ({}) ORDER BY subscription_id{}",
        list(0, subscriptions.len()),
        for_share(tx)
    );
    let values: Vec<_> = subscriptions.iter().map(|id| id.to_string().into()).collect();
    query(tx, &select, values).await?.iter().map(stored).collect()
}

/// Caps of every tenant in the order of their subscriptions, at most `limit` after one of them.
pub(crate) async fn after(
    tx: &SystemTx,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<StoredCap>> {
    let select = format!(
        "SELECT {COLUMNS} FROM spend_caps WHERE subscription_id > $1 ORDER BY subscription_id LIMIT {limit}"
    );
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    query(tx, &select, [after.into()]).await?.iter().map(stored).collect()
}

/// Notes that spending reached a threshold. Answers whether it was not noted before.
pub(crate) async fn note_alert(tx: &TenantTx, alert: &SpendAlert) -> Result<bool> {
    let insert = "INSERT INTO spend_alerts (subscription_id, period_start, threshold, tenant_id, spent_micros, limit_micros, \
                  currency, noted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    let values = [
        alert.subscription.to_string().into(),
        alert.period_start.timestamp_micros().into(),
        i32::from(alert.threshold).into(),
        tx.tenant().to_string().into(),
        signed(alert.spent_micros)?.into(),
        alert.limit.micros.into(),
        alert.limit.currency.as_str().into(),
        alert.noted_at.timestamp_micros().into(),
    ];
    Ok(execute(tx, insert, values).await? > 0)
}

/// What was noted of a subscription in the month that begins at `period_start`, lowest threshold first.
pub(crate) async fn alerts(
    tx: &TenantTx,
    subscription: SubscriptionId,
    period_start: DateTime<Utc>,
) -> Result<Vec<SpendAlert>> {
    let select = "SELECT threshold, spent_micros, limit_micros, currency, noted_at FROM spend_alerts \
                  WHERE subscription_id = $1 AND tenant_id = $2 AND period_start = $3 ORDER BY threshold";
    let values = [
        subscription.to_string().into(),
        tx.tenant().to_string().into(),
        period_start.timestamp_micros().into(),
    ];
    let read = |row: &QueryResult| {
        Ok(SpendAlert {
            subscription,
            period_start,
            threshold: u8::try_from(column::<i32>(row, "threshold")?).map_err(Error::internal)?,
            spent_micros: unsigned(column(row, "spent_micros")?)?,
            limit: Money { micros: column(row, "limit_micros")?, currency: column(row, "currency")? },
            noted_at: time(column(row, "noted_at")?),
        })
    };
    query(tx, select, values).await?.iter().map(read).collect()
}

fn stored(row: &QueryResult) -> Result<StoredCap> {
    Ok(StoredCap {
        tenant: parsed(&column::<String>(row, "tenant_id")?)?,
        subscription: parsed(&column::<String>(row, "subscription_id")?)?,
        cap: SpendCap {
            limit: Money { micros: column(row, "limit_micros")?, currency: column(row, "currency")? },
            hard_stop: column(row, "hard_stop")?,
        },
        unit_price_micros: unsigned(column(row, "unit_price_micros")?)?,
        anchored_at: column(row, "anchored_at")?,
        counted_from: column(row, "counted_from")?,
        spent_before: unsigned(column(row, "spent_before")?)?,
    })
}
