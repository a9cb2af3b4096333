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

/// Notes that single records of days before `day` may be gone. The day never falls.
pub(crate) async fn note_removal(tx: &SystemTx, day: i64) -> Result<()> {
    let update = "UPDATE usage_retention SET removed_before = $1 WHERE id = 1 AND removed_before < $1";
    execute(tx, update, [day.into()]).await?;
    Ok(())
}

/// Days before this one may lack single records.
pub(crate) async fn removed_before(tx: &SystemTx) -> Result<i64> {
    let rows = query(tx, "SELECT removed_before FROM usage_retention WHERE id = 1", []).await?;
    rows.first().map_or(Ok(0), |row| column(row, "removed_before"))
}
