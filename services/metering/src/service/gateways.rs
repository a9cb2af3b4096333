//! The lives of gateways: registered, reporting, stopped, forgotten; and what they follow.

use std::sync::Arc;

use common::id::IncarnationId;
use common::{Code, Error, Result};
use contracts::Ctx;
use contracts::lease::{
    GatewayForget, GatewayForgotten, GatewayRegister, GatewayRegistered, GatewayStop, GatewayStopped,
    ReportWatermark, WatermarkReported,
};
use contracts::metering::{AccessEntry, FollowAccess, ListGateways, RegisteredGateway};
use contracts::stream::Changes;

use super::Service;
use super::leases::write_off;
use crate::domain::leases::runs_to_write_off;
use crate::store::{gateways, quotas};

pub(crate) async fn register(
    service: Arc<Service>,
    ctx: Ctx,
    request: GatewayRegister,
) -> Result<GatewayRegistered> {
    let now = ctx.now.timestamp_micros();
    let tx = service.database.system("a gateway serves every tenant").await?;
    let open = gateways::lock_open_runs(&tx, request.gateway).await?;
    if gateways::lock_run(&tx, request.gateway, request.incarnation).await?.ended {
        // A late repeat: the run was registered before and is over.
        tx.commit().await?;
        return Ok(GatewayRegistered {});
    }
    // What it may still have on its disk is not older than the oldest of its runs.
    let runs = request.previous.iter().map(|run| run.incarnation).chain([request.incarnation]);
    let first_watermark = runs.map(started_at).min().unwrap_or(now).min(now);
    gateways::register(&tx, request.gateway, request.incarnation, first_watermark, now).await?;
    let lost = runs_to_write_off(&request, &open);
    let units = write_off(&tx, &lost, now).await?;
    tx.commit().await?;
    if units > 0 {
        tracing::warn!(gateway.id = %request.gateway, units, "leases of lost runs count as spent");
    }
    Ok(GatewayRegistered {})
}

/// When a run began, microseconds since the epoch: its id says so.
fn started_at(run: IncarnationId) -> i64 {
    let Some(timestamp) = run.uuid().get_timestamp() else { return 0 };
    let (seconds, nanos) = timestamp.to_unix();
    i64::try_from(seconds).unwrap_or(i64::MAX / 2_000_000) * 1_000_000 + i64::from(nanos / 1_000)
}

pub(crate) async fn report(
    service: Arc<Service>,
    ctx: Ctx,
    request: ReportWatermark,
) -> Result<WatermarkReported> {
    let tx = service.database.system("a gateway serves every tenant").await?;
    let run = gateways::lock_run(&tx, request.gateway, request.incarnation).await?;
    gateways::report(&tx, request.gateway, request.watermark, ctx.now.timestamp_micros()).await?;
    let recalls = quotas::recalls(&tx, run.incarnation).await?;
    tx.commit().await?;
    Ok(WatermarkReported { recalls, ended: run.ended })
}

pub(crate) async fn stop(service: Arc<Service>, ctx: Ctx, request: GatewayStop) -> Result<GatewayStopped> {
    let GatewayStop { gateway, incarnation } = request;
    let tx = service.database.system("a gateway serves every tenant").await?;
    let over = gateways::lock_open_runs(&tx, gateway).await?.is_empty();
    if !over || !gateways::stop(&tx, gateway, incarnation, ctx.now.timestamp_micros()).await? {
        return Err(Error::new(Code::Conflict, "gateway_not_over", "a run of this gateway is not over"));
    }
    tx.commit().await?;
    Ok(GatewayStopped {})
}

pub(crate) async fn forget(
    service: Arc<Service>,
    ctx: Ctx,
    request: GatewayForget,
) -> Result<GatewayForgotten> {
    let tx = service.database.system("a gateway serves every tenant").await?;
    let open = gateways::lock_open_runs(&tx, request.gateway).await?;
    if !gateways::forget(&tx, request.gateway).await? {
        return Err(Error::not_found("gateway"));
    }
    let units_written_off = write_off(&tx, &open, ctx.now.timestamp_micros()).await?;
    tx.commit().await?;
    tracing::warn!(gateway.id = %request.gateway, units = units_written_off, "gateway forgotten");
    Ok(GatewayForgotten { units_written_off })
}

pub(crate) async fn list(
    service: Arc<Service>,
    ctx: Ctx,
    _request: ListGateways,
) -> Result<Vec<RegisteredGateway>> {
    let tx = service.database.system_read("gateways serve every tenant").await?;
    gateways::list(&tx, ctx.now.timestamp_micros()).await
}

pub(crate) async fn follow(
    service: Arc<Service>,
    _ctx: Ctx,
    request: FollowAccess,
) -> Result<Changes<AccessEntry>> {
    service.feed.follow(&request.follow).await
}
