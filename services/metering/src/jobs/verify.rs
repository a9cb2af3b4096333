//! Compares the ledger with itself, so that somebody hears of a difference within the hour.

use std::sync::Arc;

use chrono::TimeDelta;
use common::Result;
use contracts::ledger::VerifyLedger;
use contracts::{Ctx, Role};

use crate::service::Service;
use crate::service::ledger::{LedgerState, verify_all};

/// How far back it looks: yesterday, and the quota periods that have ended since.
const BACK: TimeDelta = TimeDelta::days(1);

/// [`verify_ledger`] as a job.
pub(super) async fn verify_now(service: &Arc<Service>) -> Result<()> {
    verify_ledger(service).await.map(drop)
}

/// Compares yesterday and today. A difference is an error in the log that names the first minute, hour, day or period, and
/// stays in the metrics until the next comparison.
pub async fn verify_ledger(service: &Arc<Service>) -> Result<LedgerState> {
    let now = service.clock.now();
    let from = (now - BACK).date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    let request = VerifyLedger { from: Some(from), to: None, after: None };
    let verified = verify_all(service, &Ctx::service(Role::Metering, now), request).await?;
    let first = verified.differences.iter().min_by_key(|difference| difference.time());
    if let Some(first) = first {
        let difference = serde_json::to_string(first).unwrap_or_default();
        tracing::error!(
            ledger.minute = %first.time(),
            ledger.differences = verified.differences.len(),
            difference,
            "the ledger does not add up"
        );
    }
    let state = LedgerState {
        verified_at: Some(now),
        checked: verified.checked,
        differences: verified.differences.len() as u64,
        first: first.map(|difference| difference.time()),
    };
    *service.ledger.lock() = state.clone();
    Ok(state)
}
