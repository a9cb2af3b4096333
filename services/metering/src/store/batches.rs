//! How far each stream of batches is stored.

use common::Result;
use contracts::record::BatchName;
use database::{SystemTx, Tx};
use sea_orm::{ConnectionTrait, DbBackend};

use super::sql::{column, execute, query, signed, unsigned};

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Everything up to this sequence is stored for good.
    pub acknowledged: u64,
    /// The highest sequence that may have reached a usage store of its own.
    pub attempted: u64,
    /// Attempts to store that were begun, whatever became of them.
    pub attempts: i64,
}

/// The stream's position, locked until the transaction ends. Nothing while somebody else has it locked: waiting would hold a
/// connection, and the gateway sends again.
pub(crate) async fn lock(tx: &SystemTx, name: &BatchName) -> Result<Option<Position>> {
    let insert = "INSERT INTO batch_streams (incarnation_id, stream, acknowledged, attempted, attempted_day, attempts) \
                  VALUES ($1, $2, 0, 0, 0, 0) ON CONFLICT (incarnation_id, stream) DO NOTHING";
    let select = format!(
        "SELECT acknowledged, attempted, attempts FROM batch_streams WHERE incarnation_id = $1 AND stream = $2{}",
        match tx.conn().get_database_backend() {
            DbBackend::Postgres => " FOR UPDATE SKIP LOCKED",
            _ => "",
        }
    );
    let values = || [name.incarnation.to_string().into(), i64::from(name.stream).into()];
    let mut rows = query(tx, &select, values()).await?;
    if rows.is_empty() {
        execute(tx, insert, values()).await?;
        rows = query(tx, &select, values()).await?;
    }
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Position {
        acknowledged: unsigned(column(row, "acknowledged")?)?,
        attempted: unsigned(column(row, "attempted")?)?,
        attempts: column(row, "attempts")?,
    }))
}

/// Notes that the batch is about to be sent to a usage store of its own, in one more attempt.
pub(crate) async fn attempt(tx: &SystemTx, name: &BatchName, day: i32) -> Result<()> {
    let update = "UPDATE batch_streams SET attempted = $3, attempted_day = $4, attempts = attempts + 1 WHERE incarnation_id = $1 AND stream = $2";
    let values = [
        name.incarnation.to_string().into(),
        i64::from(name.stream).into(),
        signed(name.sequence)?.into(),
        i64::from(day).into(),
    ];
    execute(tx, update, values).await?;
    Ok(())
}

/// Notes that everything up to the batch is stored for good.
pub(crate) async fn acknowledge(tx: &SystemTx, name: &BatchName) -> Result<()> {
    let update = "UPDATE batch_streams SET acknowledged = $3 WHERE incarnation_id = $1 AND stream = $2";
    let values =
        [name.incarnation.to_string().into(), i64::from(name.stream).into(), signed(name.sequence)?.into()];
    execute(tx, update, values).await?;
    Ok(())
}

/// The oldest day, in days since 1970-01-01, of a batch that may be in the usage store and is not acknowledged.
pub(crate) async fn oldest_day_in_doubt(tx: &(impl Tx + Sync)) -> Result<Option<i64>> {
    let select = "SELECT MIN(attempted_day) AS day FROM batch_streams WHERE attempted > acknowledged";
    let rows = query(tx, select, []).await?;
    rows.first().map_or(Ok(None), |row| column(row, "day"))
}

/// A number that changes with every step of every batch on its way into a store of its own, and whether one is in doubt.
pub(crate) async fn movement(tx: &(impl Tx + Sync)) -> Result<(i64, bool)> {
    let select = "SELECT CAST(COALESCE(SUM(attempts + acknowledged), 0) AS BIGINT) AS steps, \
                  COUNT(CASE WHEN attempted > acknowledged THEN 1 END) AS doubts FROM batch_streams";
    let rows = query(tx, select, []).await?;
    let Some(row) = rows.first() else { return Ok((0, false)) };
    Ok((column(row, "steps")?, column::<i64>(row, "doubts")? > 0))
}
