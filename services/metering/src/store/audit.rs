//! The audit log of this role: written in the transaction of the change.

use common::id::AuditEntryId;
use common::{Error, Result};
use contracts::Ctx;
use database::TenantTx;
use serde::Serialize;

use super::sql::execute;

/// Notes that the caller did `action` to `object`. `patch` says what changed and holds no secret.
pub(crate) async fn record(
    tx: &TenantTx,
    ctx: &Ctx,
    action: &str,
    object: &str,
    patch: &impl Serialize,
) -> Result<()> {
    let insert = "INSERT INTO audit_entries (id, tenant_id, at, actor, action, object, patch, request_id) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let json = |value: serde_json::Result<String>| value.map_err(Error::internal);
    let values = [
        AuditEntryId::new(ctx.now).to_string().into(),
        tx.tenant().to_string().into(),
        ctx.now.timestamp_micros().into(),
        json(serde_json::to_string(&ctx.principal))?.into(),
        action.into(),
        object.into(),
        json(serde_json::to_string(patch))?.into(),
        ctx.request_id.to_string().into(),
    ];
    execute(tx, insert, values).await?;
    Ok(())
}
