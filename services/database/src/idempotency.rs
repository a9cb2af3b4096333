//! Remembered outcomes: a repeated create with the same idempotency key answers what the first one answered.

use chrono::{DateTime, Utc};
use common::secret::sha256_hex;
use common::{Code, Error, Result};
use contracts::{Call, Ctx};
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::error::store;
use crate::transaction::{SystemTx, TenantTx, Tx};

/// Most characters of an idempotency key.
const MAX_KEY: usize = 255;
/// How long an outcome is remembered, in hours.
pub const REMEMBERED_HOURS: i64 = 24;

/// Claims the caller's idempotency key for this request.
///
/// Answers the first outcome when the request was answered before,
/// and `None` when it is new or carries no key: then do the work and call [`finish`] in the same transaction.
///
/// Fails with `conflict` when the key was used for another request, or by somebody else.
pub async fn begin<C: Call>(tx: &TenantTx, ctx: &Ctx, request: &C) -> Result<Option<String>> {
    let Some(key) = &ctx.idempotency_key else { return Ok(None) };
    if key.is_empty() || key.chars().count() > MAX_KEY {
        return Err(Error::invalid("idempotencyKey", format!("must have 1 to {MAX_KEY} characters")));
    }
    let fingerprint = fingerprint(ctx, request)?;
    // On PostgreSQL a second request waits here for the first one's transaction, so both never do the work.
    let claim = "INSERT INTO idempotency_keys \
                 (tenant_id, call_name, idempotency_key, request_sha256, outcome, created_at) \
                 VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT DO NOTHING";
    let values = [
        Value::from(tx.tenant().to_string()),
        C::NAME.into(),
        key.as_str().into(),
        fingerprint.as_str().into(),
        ctx.now.timestamp_micros().into(),
    ];
    let claimed = tx.conn().execute_raw(statement(tx, claim, values)).await.map_err(store)?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let find = "SELECT request_sha256, outcome FROM idempotency_keys \
                WHERE tenant_id = $1 AND call_name = $2 AND idempotency_key = $3";
    let values = [Value::from(tx.tenant().to_string()), C::NAME.into(), key.as_str().into()];
    let row = tx.conn().query_one_raw(statement(tx, find, values)).await.map_err(store)?;
    let row = row.ok_or_else(|| Error::internal("idempotency key neither claimed nor found"))?;
    let first: String = row.try_get("", "request_sha256").map_err(store)?;
    if first != fingerprint {
        let message = "this idempotency key was used for another request";
        return Err(Error::new(Code::Conflict, "idempotency_key_reused", message));
    }
    row.try_get("", "outcome").map(Some).map_err(store)
}

/// Remembers the outcome of the request claimed by [`begin`]. Does nothing without a key. An outcome with a secret in it
/// is sealed by the caller.
pub async fn finish<C: Call>(tx: &TenantTx, ctx: &Ctx, outcome: &str) -> Result<()> {
    let Some(key) = &ctx.idempotency_key else { return Ok(()) };
    let update = "UPDATE idempotency_keys SET outcome = $4 \
                  WHERE tenant_id = $1 AND call_name = $2 AND idempotency_key = $3";
    let values = [Value::from(tx.tenant().to_string()), C::NAME.into(), key.as_str().into(), outcome.into()];
    tx.conn().execute_raw(statement(tx, update, values)).await.map_err(store)?;
    Ok(())
}

/// Forgets outcomes older than a day.
pub async fn purge(tx: &SystemTx, now: DateTime<Utc>) -> Result<()> {
    let before = now - chrono::TimeDelta::hours(REMEMBERED_HOURS);
    let values = [Value::from(before.timestamp_micros())];
    let delete = "DELETE FROM idempotency_keys WHERE created_at < $1";
    tx.conn().execute_raw(statement(tx, delete, values)).await.map_err(store)?;
    Ok(())
}

/// Who asked for what. The caller is part of it: nobody gets another's outcome.
fn fingerprint<C: Call>(ctx: &Ctx, request: &C) -> Result<String> {
    let identity = serde_json::to_vec(&(&ctx.principal, request)).map_err(Error::internal)?;
    Ok(sha256_hex(&identity))
}

fn statement<const N: usize>(tx: &impl Tx, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values)
}
