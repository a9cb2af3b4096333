//! Usage and the request log.

use std::sync::Arc;

use chrono::DateTime;
use common::{Page, Result};
use contracts::Ctx;
use contracts::metering::{
    ExportRequestLog, LoggedRequest, QueryRequestLog, QueryUsage, RequestSums, SumRequestLog, Usage,
};

use super::Service;
use crate::domain::usage::{LogFilter, LogQuery, MAX_ROWS, Place, UsageQuery, row, too_many_rows};
use crate::store::gateways;

/// Single calls of one part of an export.
const EXPORTED_AT_ONCE: u64 = 5_000;

pub(crate) async fn query(service: Arc<Service>, ctx: Ctx, request: QueryUsage) -> Result<Usage> {
    let tenant = ctx.tenant()?;
    let query = UsageQuery::check(request)?;
    // Read first: what the watermarks promise is stored by the time the sums are read.
    let now = ctx.now.timestamp_micros();
    let tx = service.database.system_read("watermarks belong to no tenant").await?;
    let as_of = gateways::oldest_watermark(&tx).await?.unwrap_or(now).min(now);
    tx.commit().await?;
    let sums = service.usage.usage(tenant, &query).await?;
    if sums.len() > MAX_ROWS {
        return Err(too_many_rows());
    }
    Ok(Usage {
        rows: sums.into_iter().map(|sums| row(&query, sums)).collect(),
        as_of: DateTime::from_timestamp_micros(as_of).unwrap_or_default(),
        complete: as_of >= query.to,
    })
}

pub(crate) async fn request_log(
    service: Arc<Service>,
    ctx: Ctx,
    request: QueryRequestLog,
) -> Result<Page<LoggedRequest>> {
    let query = LogQuery::page(LogFilter::check(request.filter, ctx.now)?, &request.page)?;
    log(&service, &ctx, &query).await
}

pub(crate) async fn export(
    service: Arc<Service>,
    ctx: Ctx,
    request: ExportRequestLog,
) -> Result<Page<LoggedRequest>> {
    let filter = LogFilter::check(request.filter, ctx.now)?;
    let query = LogQuery::part(filter, request.after.as_deref(), EXPORTED_AT_ONCE)?;
    log(&service, &ctx, &query).await
}

async fn log(service: &Service, ctx: &Ctx, query: &LogQuery) -> Result<Page<LoggedRequest>> {
    let calls = service.usage.request_log(ctx.tenant()?, query).await?;
    Ok(Page::from_overfetch(calls, query.limit, |call| Place::cursor(call.time, call.request_id)))
}

pub(crate) async fn sum_log(service: Arc<Service>, ctx: Ctx, request: SumRequestLog) -> Result<RequestSums> {
    let filter = LogFilter::check(request.filter, ctx.now)?;
    service.usage.request_sums(ctx.tenant()?, &filter).await
}
