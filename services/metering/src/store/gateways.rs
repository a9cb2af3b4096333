//! Registered gateways, their runs and how far each one's records have come.

use common::Result;
use common::id::{GatewayId, IncarnationId};
use contracts::metering::RegisteredGateway;
use database::{SystemTx, Tx};

use super::sql::{column, execute, for_update, parsed, query, time, unsigned};
use crate::domain::gateways::state;

/// A run of a gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// The run.
    pub incarnation: IncarnationId,
    /// Whether it gets no more leases.
    pub ended: bool,
}

/// Makes the gateway known, or known again after it stopped or was forgotten. `first_watermark` holds for a gateway of which
/// nothing was waited for.
pub(crate) async fn register(
    tx: &SystemTx,
    gateway: GatewayId,
    incarnation: IncarnationId,
    first_watermark: i64,
    now: i64,
) -> Result<()> {
    let upsert = "INSERT INTO gateways (id, incarnation_id, watermark, registered_at, seen_at, forgotten) \
                  VALUES ($1, $2, $3, $4, $4, FALSE) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, \
                  watermark = CASE WHEN gateways.forgotten OR gateways.stopped_at IS NOT NULL THEN excluded.watermark \
                  ELSE gateways.watermark END, stopped_at = NULL, \
                  incarnation_id = CASE WHEN gateways.incarnation_id > excluded.incarnation_id THEN gateways.incarnation_id \
                  ELSE excluded.incarnation_id END, forgotten = FALSE";
    let values =
        [gateway.to_string().into(), incarnation.to_string().into(), first_watermark.into(), now.into()];
    execute(tx, upsert, values).await?;
    Ok(())
}

/// Notes the gateway's watermark, which never falls, and that it is alive.
pub(crate) async fn report(tx: &SystemTx, gateway: GatewayId, watermark: i64, now: i64) -> Result<()> {
    let update = "UPDATE gateways SET seen_at = $2, watermark = CASE WHEN watermark > $3 THEN watermark ELSE $3 END \
                  WHERE id = $1";
    execute(tx, update, [gateway.to_string().into(), now.into(), watermark.into()]).await?;
    Ok(())
}

/// Stops waiting for the gateway.
pub(crate) async fn forget(tx: &SystemTx, gateway: GatewayId) -> Result<bool> {
    let update = "UPDATE gateways SET forgotten = TRUE WHERE id = $1";
    Ok(execute(tx, update, [gateway.to_string().into()]).await? > 0)
}

/// Adds the run if it is new, and locks it until the transaction ends.
pub(crate) async fn lock_run(tx: &SystemTx, gateway: GatewayId, incarnation: IncarnationId) -> Result<Run> {
    let insert = "INSERT INTO gateway_runs (incarnation_id, gateway_id, ended) VALUES ($1, $2, FALSE) \
                  ON CONFLICT (incarnation_id) DO NOTHING";
    execute(tx, insert, [incarnation.to_string().into(), gateway.to_string().into()]).await?;
    let select = format!("SELECT ended FROM gateway_runs WHERE incarnation_id = $1{}", for_update(tx));
    let rows = query(tx, &select, [incarnation.to_string().into()]).await?;
    let ended = rows.first().map_or(Ok(false), |row| column(row, "ended"))?;
    Ok(Run { incarnation, ended })
}

/// The gateway's runs that have not ended, locked, in the order of their ids.
pub(crate) async fn lock_open_runs(tx: &SystemTx, gateway: GatewayId) -> Result<Vec<IncarnationId>> {
    let select = format!(
        "SELECT incarnation_id FROM gateway_runs WHERE gateway_id = $1 AND NOT ended ORDER BY incarnation_id{}",
        for_update(tx)
    );
    let rows = query(tx, &select, [gateway.to_string().into()]).await?;
    rows.iter().map(|row| parsed(&column::<String>(row, "incarnation_id")?)).collect()
}

/// Ends a run: it gets no more leases.
pub(crate) async fn end_run(tx: &SystemTx, incarnation: IncarnationId) -> Result<()> {
    let update = "UPDATE gateway_runs SET ended = TRUE WHERE incarnation_id = $1";
    execute(tx, update, [incarnation.to_string().into()]).await?;
    Ok(())
}

/// Notes that a gateway ended whose newest run is this one, and that nothing of it is left to wait for. Answers whether it was.
pub(crate) async fn stop(
    tx: &SystemTx,
    gateway: GatewayId,
    incarnation: IncarnationId,
    now: i64,
) -> Result<bool> {
    let update =
        "UPDATE gateways SET stopped_at = COALESCE(stopped_at, $3) WHERE id = $1 AND incarnation_id = $2";
    let values = [gateway.to_string().into(), incarnation.to_string().into(), now.into()];
    Ok(execute(tx, update, values).await? > 0)
}

/// The gateways that are not forgotten as they stand at `now`, the ones seen last first.
pub(crate) async fn list(tx: &SystemTx, now: i64) -> Result<Vec<RegisteredGateway>> {
    let select = "SELECT g.id AS id, g.incarnation_id AS incarnation_id, g.watermark AS watermark, g.seen_at AS seen_at, \
                  g.registered_at AS registered_at, g.stopped_at AS stopped_at, newest.ended AS ended, \
                  COALESCE(held.leases, 0) AS leases, COALESCE(held.leased, 0) AS leased \
                  FROM gateways g JOIN gateway_runs newest ON newest.incarnation_id = g.incarnation_id \
                  LEFT JOIN (SELECT r.gateway_id AS gateway_id, COUNT(*) AS leases, \
                  CAST(SUM(CASE WHEN l.kind = 'spend' THEN 0 ELSE l.ceiling END) AS BIGINT) AS leased \
                  FROM quota_leases l JOIN gateway_runs r ON r.incarnation_id = l.incarnation_id \
                  WHERE l.closed_at IS NULL GROUP BY r.gateway_id) held ON held.gateway_id = g.id \
                  WHERE NOT g.forgotten ORDER BY g.seen_at DESC, g.id";
    let rows = query(tx, select, []).await?;
    rows.iter()
        .map(|row| {
            let seen_at = column(row, "seen_at")?;
            let stopped_at: Option<i64> = column(row, "stopped_at")?;
            Ok(RegisteredGateway {
                id: parsed(&column::<String>(row, "id")?)?,
                incarnation: parsed(&column::<String>(row, "incarnation_id")?)?,
                state: state(stopped_at.is_some(), column(row, "ended")?, now.saturating_sub(seen_at)),
                watermark: time(column(row, "watermark")?),
                registered_at: time(column(row, "registered_at")?),
                seen_at: time(seen_at),
                leases: unsigned(column(row, "leases")?)?,
                leased: unsigned(column(row, "leased")?)?,
            })
        })
        .collect()
}

/// The oldest watermark of the gateways that are waited for; absent when there is none.
pub(crate) async fn oldest_watermark(tx: &(impl Tx + Sync)) -> Result<Option<i64>> {
    let select =
        "SELECT MIN(watermark) AS watermark FROM gateways WHERE NOT forgotten AND stopped_at IS NULL";
    let rows = query(tx, select, []).await?;
    rows.first().map_or(Ok(None), |row| column(row, "watermark"))
}
