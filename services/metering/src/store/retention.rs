//! How long each tenant's single records are kept, and up to which day they may be gone.

use std::collections::BTreeMap;

use common::Result;
use database::{SystemTx, TenantTx, Tx};

use super::sql::{column, execute, for_update, parsed, query, unsigned};
use crate::domain::retention::{Removed, TenantRetention};

/// Keeps choices and removals apart until the transaction ends.
pub(crate) async fn lock(tx: &(impl Tx + Sync)) -> Result<()> {
    let select = format!("SELECT id FROM usage_retention WHERE id = 1{}", for_update(tx));
    query(tx, &select, []).await?;
    Ok(())
}

/// The tenants that ever chose for themselves.
pub(crate) async fn tenants(tx: &SystemTx) -> Result<Vec<TenantRetention>> {
    let select = "SELECT tenant_id, days, removed_before FROM tenant_retention ORDER BY tenant_id";
    let mut tenants = Vec::new();
    for row in query(tx, select, []).await? {
        tenants.push(TenantRetention {
            tenant: parsed(&column::<String>(&row, "tenant_id")?)?,
            days: days(column(&row, "days")?)?,
            removed_before: column(&row, "removed_before")?,
        });
    }
    Ok(tenants)
}

/// Records of days before this one may be gone, of tenants that never chose for themselves.
pub(crate) async fn others_removed_before(tx: &(impl Tx + Sync)) -> Result<i64> {
    let rows = query(tx, "SELECT removed_before FROM usage_retention WHERE id = 1", []).await?;
    rows.first().map_or(Ok(0), |row| column(row, "removed_before"))
}

/// Whose records may be gone.
pub(crate) async fn removed(tx: &SystemTx) -> Result<Removed> {
    let others = others_removed_before(tx).await?;
    let rows = tenants(tx).await?;
    let tenants: BTreeMap<_, _> = rows.iter().map(|row| (row.tenant, row.removed_before)).collect();
    Ok(Removed { tenants, others })
}

/// Notes what is about to be removed. Days never fall.
pub(crate) async fn note_removal(tx: &SystemTx, removed: &Removed) -> Result<()> {
    let update = "UPDATE usage_retention SET removed_before = $1 WHERE id = 1 AND removed_before < $1";
    execute(tx, update, [removed.others.into()]).await?;
    let update =
        "UPDATE tenant_retention SET removed_before = $2 WHERE tenant_id = $1 AND removed_before < $2";
    for (tenant, before) in &removed.tenants {
        execute(tx, update, [tenant.to_string().into(), (*before).into()]).await?;
    }
    Ok(())
}

/// The tenant's choice and the day before which its records may be gone.
pub(crate) async fn get(tx: &TenantTx) -> Result<TenantRetention> {
    let select = "SELECT days, removed_before FROM tenant_retention WHERE tenant_id = $1";
    let rows = query(tx, select, [tx.tenant().to_string().into()]).await?;
    let (chosen, removed_before) = match rows.first() {
        Some(row) => (days(column(row, "days")?)?, column(row, "removed_before")?),
        None => (None, others_removed_before(tx).await?),
    };
    Ok(TenantRetention { tenant: tx.tenant(), days: chosen, removed_before })
}

/// Stores the tenant's choice.
pub(crate) async fn put(tx: &TenantTx, days: Option<u32>) -> Result<()> {
    lock(tx).await?;
    let removed_before = get(tx).await?.removed_before;
    let upsert = "INSERT INTO tenant_retention (tenant_id, days, removed_before) VALUES ($1, $2, $3) \
                  ON CONFLICT (tenant_id) DO UPDATE SET days = excluded.days";
    let values = [tx.tenant().to_string().into(), days.map(i64::from).into(), removed_before.into()];
    execute(tx, upsert, values).await?;
    Ok(())
}

fn days(stored: Option<i64>) -> Result<Option<u32>> {
    let days = stored.map(unsigned).transpose()?;
    Ok(days.map(|days| u32::try_from(days).unwrap_or(u32::MAX)))
}
