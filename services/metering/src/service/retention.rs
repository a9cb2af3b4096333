//! How long an organization's single records are kept.

use std::sync::Arc;

use chrono::DateTime;
use common::Result;
use contracts::Ctx;
use contracts::ledger::{GetRecordRetention, PutRecordRetention, RecordRetention};
use database::audit;

use super::Service;
use crate::domain::retention::{TenantRetention, check_days};
use crate::domain::rollup::DAY;
use crate::store::retention;

pub(crate) async fn get(
    service: Arc<Service>,
    ctx: Ctx,
    _request: GetRecordRetention,
) -> Result<RecordRetention> {
    let tx = service.database.tenant_read(&ctx).await?;
    Ok(answer(&service, &retention::get(&tx).await?))
}

pub(crate) async fn put(
    service: Arc<Service>,
    ctx: Ctx,
    request: PutRecordRetention,
) -> Result<RecordRetention> {
    request.days.map_or(Ok(()), check_days)?;
    let tx = service.database.tenant(&ctx).await?;
    retention::put(&tx, request.days).await?;
    audit::record(&tx, &ctx, "record_retention.update", tx.tenant(), &request).await?;
    let stored = retention::get(&tx).await?;
    tx.commit().await?;
    Ok(answer(&service, &stored))
}

fn answer(service: &Service, stored: &TenantRetention) -> RecordRetention {
    let default_days = service.config.record_retention_days;
    RecordRetention {
        days: stored.days.unwrap_or(default_days),
        default_days,
        chosen: stored.days.is_some(),
        removed_before: (stored.removed_before > 0)
            .then(|| DateTime::from_timestamp_micros(stored.removed_before * DAY))
            .flatten(),
    }
}
