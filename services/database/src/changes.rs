//! The change stream of a role: what gateways follow.
//!
//! A revision comes from a counter row that the publishing transaction locks until it ends, so revisions become visible
//! in their order and a follower that reads "after revision n" skips nothing (a sequence would commit out of order). The
//! log is compacted: it holds the newest state per key, so a new follower starts from revision 0.

use std::sync::Arc;
use std::time::Duration;

use common::clock::monotonic;
use common::{Clock, Error, Result};
use contracts::stream::{Change, Changes, Follow, Liveness};
use sea_orm::{ConnectionTrait, Statement, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::connection::Database;
use crate::error::store;
use crate::transaction::Tx;

/// Changes answered at once.
const PAGE: u64 = 500;
/// Longest wait of a follower for a change.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How often a waiting follower looks by itself: another process may have published.
const POLL: Duration = Duration::from_millis(200);
/// How long a change waits to be in force.
const LIVE_WITHIN: Duration = Duration::from_secs(2);
/// A follower that was not seen for this long is not waited for.
const LIVE_FOLLOWER: Duration = Duration::from_secs(10);

/// Stores the new state under `key` (absent = the object is gone) and answers its revision. It is visible to followers
/// once the transaction commits; call [`Feed::announce`] then.
pub async fn publish<T: Serialize>(tx: &impl Tx, key: &str, state: Option<&T>) -> Result<u64> {
    let backend = tx.conn().get_database_backend();
    let next = "UPDATE change_counter SET revision = revision + 1 WHERE id = 1 RETURNING revision";
    let row = tx.conn().query_one_raw(Statement::from_string(backend, next)).await.map_err(store)?;
    let row = row.ok_or_else(|| Error::internal("change_counter has no row"))?;
    let revision: i64 = row.try_get("", "revision").map_err(store)?;
    let state = state.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let upsert = "INSERT INTO changes (change_key, revision, state) VALUES ($1, $2, $3) \
                  ON CONFLICT (change_key) DO UPDATE SET revision = excluded.revision, state = excluded.state";
    let values = [Value::from(key), revision.into(), state.into()];
    tx.conn().execute_raw(Statement::from_sql_and_values(backend, upsert, values)).await.map_err(store)?;
    u64::try_from(revision).map_err(Error::internal)
}

/// Holds every other change back until the transaction ends: what is read from here on is what the change after it follows.
pub async fn lock(tx: &impl Tx) -> Result<()> {
    let hold = "UPDATE change_counter SET revision = revision WHERE id = 1";
    let hold = Statement::from_string(tx.conn().get_database_backend(), hold);
    tx.conn().execute_raw(hold).await.map_err(store)?;
    Ok(())
}

/// A role's stream: wakes followers in this process at once and finds out whether a change is in force.
///
/// Whether a follower lives is a matter of real time: a clock that an operator moves says nothing about it.
#[derive(Debug, Clone)]
pub struct Feed {
    database: Database,
    published: Arc<Notify>,
    reported: Arc<Notify>,
}

impl Feed {
    /// The stream of the role that owns `database`.
    pub fn new(database: Database) -> Self {
        Self { database, published: Arc::default(), reported: Arc::default() }
    }

    /// Wakes followers after a commit that published.
    pub fn announce(&self) {
        self.published.notify_waiters();
    }

    /// Changes after the revision that is asked for, waiting for one when there is none. Notes how far the follower has come.
    ///
    /// A follower ahead of this state follows one that is no more: the database was restored from a backup. It is told the
    /// revision there is, and counts as having applied nothing.
    ///
    /// A stored state that cannot be read is the fault of its change alone.
    pub async fn follow<T: DeserializeOwned>(&self, follow: &Follow) -> Result<Changes<T>> {
        let newest = self.newest().await?;
        self.report(follow, newest).await?;
        if newest < follow.after() {
            return Ok(Changes { changes: Vec::new(), revision: newest, more: false });
        }
        let wait = Duration::from_millis(follow.wait_ms.into()).min(MAX_WAIT);
        let deadline = monotonic() + wait;
        loop {
            // Registered before reading, so that a change in between is not slept through.
            let published = self.published.notified();
            let changes = self.after(follow.after()).await?;
            let now = monotonic();
            if !changes.changes.is_empty() || now >= deadline {
                return Ok(changes);
            }
            let _ = tokio::time::timeout(POLL.min(deadline - now), published).await;
        }
    }

    /// Announces `revision` and waits, at most two seconds, until every live follower has applied it.
    pub async fn wait_live(&self, revision: u64) -> Result<Liveness> {
        self.announce();
        let deadline = monotonic() + LIVE_WITHIN;
        loop {
            let reported = self.reported.notified();
            if self.slowest_follower().await?.is_none_or(|applied| applied >= revision) {
                return Ok(Liveness::Live);
            }
            let now = monotonic();
            if now >= deadline {
                return Ok(Liveness::Pending);
            }
            let _ = tokio::time::timeout(POLL.min(deadline - now), reported).await;
        }
    }

    async fn newest(&self) -> Result<u64> {
        let select = Statement::from_string(
            self.database.backend(),
            "SELECT revision FROM change_counter WHERE id = 1",
        );
        let row = self.database.connection().query_one_raw(select).await.map_err(store)?;
        let row = row.ok_or_else(|| Error::internal("change_counter has no row"))?;
        u64::try_from(row.try_get::<i64>("", "revision").map_err(store)?).map_err(Error::internal)
    }

    async fn report(&self, follow: &Follow, newest: u64) -> Result<()> {
        let applied = if follow.applied > newest { 0 } else { follow.applied };
        let applied = i64::try_from(applied).map_err(Error::internal)?;
        let upsert = "INSERT INTO followers (gateway_id, applied, seen_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (gateway_id) DO UPDATE SET applied = excluded.applied, seen_at = excluded.seen_at";
        let values = [follow.gateway.to_string().into(), applied.into(), Clock::System.micros().into()];
        self.database.connection().execute_raw(self.statement(upsert, values)).await.map_err(store)?;
        self.reported.notify_waiters();
        Ok(())
    }

    async fn slowest_follower(&self) -> Result<Option<u64>> {
        let window = i64::try_from(LIVE_FOLLOWER.as_micros()).map_err(Error::internal)?;
        let slowest = "SELECT MIN(applied) AS applied FROM followers WHERE seen_at > $1";
        let values = [Value::from(Clock::System.micros() - window)];
        let row =
            self.database.connection().query_one_raw(self.statement(slowest, values)).await.map_err(store)?;
        let Some(row) = row else { return Ok(None) };
        let applied: Option<i64> = row.try_get("", "applied").map_err(store)?;
        applied.map(u64::try_from).transpose().map_err(Error::internal)
    }

    async fn after<T: DeserializeOwned>(&self, revision: u64) -> Result<Changes<T>> {
        let after = i64::try_from(revision).map_err(Error::internal)?;
        let page = i64::try_from(PAGE).map_err(Error::internal)?;
        let select =
            "SELECT change_key, revision, state FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2";
        let statement = self.statement(select, [after.into(), page.into()]);
        let rows = self.database.connection().query_all_raw(statement).await.map_err(store)?;
        let more = rows.len() as u64 == PAGE;
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let key: String = row.try_get("", "change_key").map_err(store)?;
            let revision: i64 = row.try_get("", "revision").map_err(store)?;
            let state: Option<String> = row.try_get("", "state").map_err(store)?;
            let revision = u64::try_from(revision).map_err(Error::internal)?;
            changes.push(Change::read(revision, key, state.as_deref()));
        }
        let revision = changes.last().map_or(revision, |change| change.revision);
        Ok(Changes { changes, revision, more })
    }

    fn statement<const N: usize>(&self, sql: &str, values: [Value; N]) -> Statement {
        Statement::from_sql_and_values(self.database.backend(), sql, values)
    }
}
