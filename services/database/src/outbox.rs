//! Events for other roles: stored in the transaction of the change, delivered afterwards at least once.
//!
//! Whoever pushed an event may deliver it at once; a job delivers what is left over. Receivers make repeats harmless.

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{EventId, TenantId};
use common::{Error, Result};
use contracts::Ctx;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::store;
use crate::transaction::{SystemTx, Tx};

/// How long an event belongs to whoever took it; then it is due again.
const LEASE: TimeDelta = TimeDelta::seconds(10);
/// Longest pause between two attempts.
const MAX_PAUSE_SECONDS: i64 = 300;

/// An event that was taken for delivery.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The tenant it happened in.
    pub tenant: TenantId,
    /// What happened.
    pub kind: String,
    /// Attempts before this one that failed or were never finished.
    pub attempts: u32,
    body: String,
}

impl Event {
    /// What was pushed.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.body).map_err(Error::internal)
    }
}

/// Stores an event of the caller's tenant. It is the caller's to deliver for ten seconds after the commit, then the
/// job's.
pub async fn push(tx: &impl Tx, ctx: &Ctx, kind: &str, body: &impl Serialize) -> Result<Event> {
    let event = Event {
        id: EventId::new(ctx.now),
        tenant: ctx.tenant()?,
        kind: kind.to_owned(),
        attempts: 0,
        body: serde_json::to_string(body).map_err(Error::internal)?,
    };
    let insert = "INSERT INTO outbox (id, tenant_id, kind, body, created_at, attempts, due_at) \
                  VALUES ($1, $2, $3, $4, $5, 0, $6)";
    let values = [
        Value::from(event.id.to_string()),
        event.tenant.to_string().into(),
        kind.into(),
        event.body.as_str().into(),
        ctx.now.timestamp_micros().into(),
        (ctx.now + LEASE).timestamp_micros().into(),
    ];
    execute(tx, insert, values).await?;
    Ok(event)
}

/// Takes at most `limit` due events, oldest first, for ten seconds.
pub async fn take(tx: &SystemTx, now: DateTime<Utc>, limit: u32) -> Result<Vec<Event>> {
    let locking = match tx.conn().get_database_backend() {
        DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
        _ => "",
    };
    let take = format!(
        "UPDATE outbox SET attempts = attempts + 1, due_at = $2 WHERE id IN \
         (SELECT id FROM outbox WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 {locking}) \
         RETURNING id, tenant_id, kind, body, attempts"
    );
    let values = [
        Value::from(now.timestamp_micros()),
        (now + LEASE).timestamp_micros().into(),
        i64::from(limit).into(),
    ];
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), take, values);
    let rows = tx.conn().query_all_raw(statement).await.map_err(store)?;
    let mut events = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    events.sort_by_key(|event| event.id);
    Ok(events)
}

/// The event reached its receiver: it is gone once the transaction commits.
pub async fn delivered(tx: &impl Tx, id: EventId) -> Result<()> {
    execute(tx, "DELETE FROM outbox WHERE id = $1", [Value::from(id.to_string())]).await
}

/// The attempt failed: it is due again after a pause that doubles with every attempt, up to five minutes.
pub async fn failed(tx: &impl Tx, event: &Event, now: DateTime<Utc>, cause: &str) -> Result<()> {
    let pause = 1_i64.checked_shl(event.attempts.min(16)).unwrap_or(MAX_PAUSE_SECONDS).min(MAX_PAUSE_SECONDS);
    let due = now + TimeDelta::seconds(pause);
    let update = "UPDATE outbox SET due_at = $2, last_error = $3 WHERE id = $1";
    execute(tx, update, [event.id.to_string().into(), due.timestamp_micros().into(), cause.into()]).await
}

/// Makes everything due at once: for the start of a role, when whoever took an event may be gone.
pub async fn release(tx: &SystemTx) -> Result<()> {
    execute(tx, "UPDATE outbox SET due_at = 0", []).await
}

fn read(row: &QueryResult) -> Result<Event> {
    let text = |column: &str| row.try_get::<String>("", column).map_err(store);
    let attempts: i32 = row.try_get("", "attempts").map_err(store)?;
    Ok(Event {
        id: text("id")?.parse().map_err(Error::internal)?,
        tenant: text("tenant_id")?.parse().map_err(Error::internal)?,
        kind: text("kind")?,
        attempts: u32::try_from(attempts).map_err(Error::internal)?.saturating_sub(1),
        body: text("body")?,
    })
}

async fn execute<const N: usize>(tx: &impl Tx, sql: &str, values: [Value; N]) -> Result<()> {
    let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
    tx.conn().execute_raw(statement).await.map_err(store)?;
    Ok(())
}
