//! Usage and the request log.

use std::sync::Arc;

use chrono::DateTime;
use common::{Page, Result};
use contracts::Ctx;
use contracts::metering::{LoggedRequest, QueryRequestLog, QueryUsage, Usage};

use super::Service;
use crate::domain::usage::{LogQuery, MAX_ROWS, Place, UsageQuery, row, too_many_rows};
use crate::store::gateways;

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
    let tenant = ctx.tenant()?;
    let query = LogQuery::check(&request, ctx.now)?;
    let calls = service.usage.request_log(tenant, &query).await?;
    Ok(Page::from_overfetch(calls, query.limit, |call| Place::cursor(call.time, call.request_id)))
}
