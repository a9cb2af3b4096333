//! The audit log: who changed what, written in the transaction of the change.

use common::id::AuditEntryId;
use common::{Error, Result};
use contracts::{Ctx, Principal};
use sea_orm::{ConnectionTrait, Statement, Value};
use serde::Serialize;

use crate::error::store;
use crate::transaction::Tx;

/// Notes a change made under `ctx` in its tenant. `action` is `noun.verb` (`api_token.create`), `object` the changed
/// object's id, `patch` what changed. Secrets do not belong into a patch.
pub async fn record(
    tx: &impl Tx,
    ctx: &Ctx,
    action: &str,
    object: impl ToString,
    patch: &impl Serialize,
) -> Result<()> {
    let insert = "INSERT INTO audit_entries (id, tenant_id, at, actor, action, object, patch, request_id) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = [
        Value::from(AuditEntryId::new(ctx.now).to_string()),
        ctx.tenant()?.to_string().into(),
        ctx.now.timestamp_micros().into(),
        actor(&ctx.principal).into(),
        action.into(),
        object.to_string().into(),
        serde_json::to_string(patch).map_err(Error::internal)?.into(),
        ctx.request_id.to_string().into(),
    ];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), insert, values);
    tx.conn().execute_raw(statement).await.map_err(store)?;
    Ok(())
}

/// Whoever acted: an id, or the name of a role.
fn actor(principal: &Principal) -> String {
    match principal {
        Principal::Anonymous => "anonymous".to_owned(),
        Principal::Member { user, .. } => user.to_string(),
        Principal::Token { token, .. } => token.to_string(),
        Principal::Developer { developer } => developer.to_string(),
        Principal::Service { role } => format!("role:{role}"),
    }
}
