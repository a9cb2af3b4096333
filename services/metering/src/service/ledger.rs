//! Whether the ledger adds up: records against every sum of them, calls against what was settled of quotas.
//!
//! It runs beside the load. A stretch is compared without holding anything up; what seems to differ is looked at again while
//! no batch is being stored, and counts only if it differs then, and only if its end lies below every gateway's watermark or
//! nothing at all has moved meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use common::Result;
use common::clock::monotonic;
use contracts::Ctx;
use contracts::ledger::{LedgerDifference, VerifiedLedger, VerifyLedger};
use database::SystemTx;

use super::Service;
use crate::domain::ledger::{Account, AccountName, Balance, Kind, Stretch, bad_cursor, balance, report};
use crate::domain::periods::Span;
use crate::domain::rollup::{DAY, Width};
use crate::store::usage::Charges;
use crate::store::{batches, gateways, ledger, retention};

const REASON: &str = "the ledger is of every tenant";
/// Rows of the quota authority compared at once.
const ACCOUNTS: usize = 1_000;
/// Minutes, hours or days of one day that are looked at closely when they seem to differ.
const LOOKED_AT: usize = 50;
/// Longest wait for the records of calls that had begun when an account was read.
const RECORDS_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub(crate) async fn verify(service: Arc<Service>, ctx: Ctx, request: VerifyLedger) -> Result<VerifiedLedger> {
    let now = ctx.now.timestamp_micros();
    // The running day is compared as far as it can be.
    let to = request.to.map_or_else(|| Width::Day.start_of(now) + DAY, |to| to.timestamp_micros());
    let oldest = match request.from {
        Some(from) => from.timestamp_micros(),
        None => Width::Day.start_of(service.usage.oldest_record().await?.unwrap_or(now)),
    };
    match request.after.as_deref().and_then(|after| after.split_once(':')) {
        None if request.after.is_some() => Err(bad_cursor()),
        None => verify_day(&service, oldest.div_euclid(DAY), oldest, to).await,
        Some(("day", day)) => verify_day(&service, day.parse().map_err(|_| bad_cursor())?, oldest, to).await,
        Some(("quotas", "")) => verify_accounts(&service, None, oldest, to).await,
        Some(("quotas", name)) => {
            verify_accounts(&service, Some(&AccountName::parse(name)?), oldest, to).await
        }
        Some(_) => Err(bad_cursor()),
    }
}

/// Everything in `from..to`, in parts as [`verify`] answers them.
pub(crate) async fn verify_all(
    service: &Arc<Service>,
    ctx: &Ctx,
    mut request: VerifyLedger,
) -> Result<VerifiedLedger> {
    let mut all = VerifiedLedger::default();
    loop {
        let part = verify(Arc::clone(service), ctx.clone(), request.clone()).await?;
        all.checked += part.checked;
        all.differences.extend(part.differences);
        let Some(next) = part.next else { return Ok(all) };
        request.after = Some(next);
    }
}

/// What moves while batches are stored.
#[derive(PartialEq, Eq)]
struct Movement {
    steps: i64,
    in_doubt: bool,
}

async fn movement(tx: &SystemTx) -> Result<Movement> {
    let (steps, in_doubt) = batches::movement(tx).await?;
    Ok(Movement { steps, in_doubt })
}

/// Everything before this is stored.
async fn watermark(tx: &SystemTx, now: i64) -> Result<i64> {
    Ok(gateways::oldest_watermark(tx).await?.unwrap_or(now).min(now))
}

async fn verify_day(service: &Service, day: i64, from: i64, to: i64) -> Result<VerifiedLedger> {
    let next_day = (day + 1) * DAY;
    let next = if next_day < to { format!("day:{}", day + 1) } else { "quotas:".to_owned() };
    let mut verified = VerifiedLedger { next: Some(next), ..VerifiedLedger::default() };
    if day * DAY >= to {
        return Ok(verified);
    }
    let tx = service.database.system_read(REASON).await?;
    let intact = retention::removed(&tx).await?.intact(day);
    let below = watermark(&tx, service.clock.micros()).await?;
    let before = movement(&tx).await?;
    tx.commit().await?;
    if intact.is_nobody() {
        return Ok(verified);
    }
    let mut seeming = Vec::new();
    for width in Width::ALL {
        let Some(stretch) = Stretch::within(width, day, from, to) else { continue };
        let compared = service.usage.compare(&stretch, &intact).await?;
        verified.checked += compared.checked;
        seeming.extend(compared.differing.into_iter().take(LOOKED_AT).map(|at| (width, at)));
    }
    let tx = service.database.system_read(REASON).await?;
    let still = movement(&tx).await? == before && !before.in_doubt;
    tx.commit().await?;
    for (width, at) in seeming {
        let is_over = at + width.micros() <= below;
        if is_over || still || service.usage.shares_transactions() {
            verified.differences.extend(look_closely(service, width, at, is_over).await?);
        }
    }
    verified.differences.sort_by_key(LedgerDifference::time);
    Ok(verified)
}

/// What differs in one minute, hour or day while no batch is being stored.
async fn look_closely(
    service: &Service,
    width: Width,
    at: i64,
    is_over: bool,
) -> Result<Vec<LedgerDifference>> {
    let tx = service.database.system(REASON).await?;
    service.usage.hold_still(&tx).await?;
    if !is_over && movement(&tx).await?.in_doubt {
        return Ok(Vec::new());
    }
    let intact = retention::removed(&tx).await?.intact(at.div_euclid(DAY));
    let rows = service.usage.differences(width, at, &intact).await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(|row| row.report(width, at)).collect())
}

async fn verify_accounts(
    service: &Service,
    after: Option<&AccountName>,
    from: i64,
    to: i64,
) -> Result<VerifiedLedger> {
    let before = accounts(service, after, from, to).await?;
    let next = match before.last() {
        Some(last) if before.len() == ACCOUNTS => Some(format!("quotas:{}", last.name.cursor())),
        _ => None,
    };
    // Every call that took a unit settled by now began before this.
    let read_at = service.clock.micros();
    let mut verified = VerifiedLedger { next, ..VerifiedLedger::default() };
    let (checked, uneven) = uneven(service, after, from, to, &before).await?;
    verified.checked = checked;
    if uneven.is_empty() {
        return Ok(verified);
    }
    let below = wait_for_records(service, read_at).await?;
    // Looked at again, now that the records of those calls have arrived.
    let (_, uneven) = self::uneven(service, after, from, to, &before).await?;
    for (account, charged, balance) in uneven {
        if balance == Balance::Over || read_at.min(account.name.span.end) <= below {
            verified.differences.push(report(&account, charged));
        }
    }
    verified.differences.sort_by_key(LedgerDifference::time);
    Ok(verified)
}

async fn accounts(
    service: &Service,
    after: Option<&AccountName>,
    from: i64,
    to: i64,
) -> Result<Vec<Account>> {
    let tx = service.database.system_read(REASON).await?;
    let accounts = ledger::accounts(&tx, from, to, after, ACCOUNTS).await?;
    tx.commit().await?;
    Ok(accounts)
}

/// How many of the accounts could be compared, and those that are not even.
async fn uneven(
    service: &Service,
    after: Option<&AccountName>,
    from: i64,
    to: i64,
    before: &[Account],
) -> Result<(u64, Vec<(Account, u64, Balance)>)> {
    let tx = service.database.system_read(REASON).await?;
    let removed = retention::removed(&tx).await?;
    tx.commit().await?;
    let mut by_span: BTreeMap<(Span, Kind), Vec<&Account>> = BTreeMap::new();
    for account in before {
        let charges = Charges { span: account.name.span, kind: account.name.kind };
        // The ends of a period that begins within a minute are read from single records.
        if charges.ragged_days().all(|day| removed.has(account.tenant, day)) {
            by_span.entry((charges.span, charges.kind)).or_default().push(account);
        }
    }
    let mut charged = BTreeMap::new();
    for ((span, kind), some) in by_span {
        let sums = service.usage.charged(&Charges { span, kind }, &some).await?;
        for account in some {
            let of_plan = |plan: &String| sums.get(&(account.name.holder.clone(), plan.clone())).copied();
            let total = account.plans.iter().filter_map(of_plan).fold(0, u64::saturating_add);
            charged.insert(&account.name, total);
        }
    }
    let after_sums: BTreeMap<_, _> = accounts(service, after, from, to)
        .await?
        .into_iter()
        .map(|account| (account.name.clone(), account))
        .collect();
    let mut uneven = Vec::new();
    for account in before {
        let (Some(charged), Some(after)) = (charged.get(&account.name), after_sums.get(&account.name)) else {
            continue;
        };
        match balance(account, *charged, after) {
            Balance::Even => {}
            other => uneven.push((after.clone(), *charged, other)),
        }
    }
    Ok((charged.len() as u64, uneven))
}

/// Waits until every record of calls that began before `at` is stored, but not for ever; answers how far records are.
async fn wait_for_records(service: &Service, at: i64) -> Result<i64> {
    let deadline = monotonic() + RECORDS_WITHIN;
    loop {
        let tx = service.database.system_read(REASON).await?;
        let below = gateways::oldest_watermark(&tx).await?.unwrap_or(i64::MAX);
        tx.commit().await?;
        if below >= at || monotonic() >= deadline {
            return Ok(below);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// When the ledger was last compared by itself, and what was found.
#[derive(Debug, Clone, Default)]
pub struct LedgerState {
    /// When it was compared; absent = not yet.
    pub verified_at: Option<DateTime<chrono::Utc>>,
    /// Comparisons made.
    pub checked: u64,
    /// Differences found.
    pub differences: u64,
    /// Start of the first minute, hour, day or period that differs.
    pub first: Option<DateTime<chrono::Utc>>,
}
