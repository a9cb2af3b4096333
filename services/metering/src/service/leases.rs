//! Leases: granted and settled.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::id::{IncarnationId, LeaseId, TenantId};
use common::{Error, Result};
use contracts::Ctx;
use contracts::lease::{
    Budget, LeaseAnswer, LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseSettled, LeaseStatement,
};
use database::SystemTx;

use super::Service;
use crate::domain::leases::Statement;
use crate::store::quotas::{self, BudgetKey};
use crate::store::{budgets, gateways, ledger};

pub(crate) async fn grant(service: Arc<Service>, ctx: Ctx, request: LeaseGrant) -> Result<LeaseAnswers> {
    let LeaseGrant { gateway, incarnation, wants } = request;
    let tx = service.database.system("gateways ask for the keys of every tenant").await?;
    let run = gateways::lock_run(&tx, gateway, incarnation).await?;
    if run.ended {
        tx.commit().await?;
        return Ok(LeaseAnswers { ended: true, ..LeaseAnswers::default() });
    }
    let mut answers = Vec::with_capacity(wants.len());
    let mut bounded = Vec::with_capacity(wants.len());
    let allowances = budgets::allowances(&tx, wants.iter().map(|want| want.budget)).await?;
    for want in wants {
        let outcome = match (allowances.get(&want.budget), want.budget) {
            (Some(budgets::Allowance { tenant, rule: Some(rule) }), budget) => {
                let span = rule.span(want.at);
                bounded.push((BudgetKey { budget, span }, *tenant, rule.limit(span), want));
                continue;
            }
            (Some(_), _) | (None, Budget::Spend { .. }) => LeaseOutcome::Unlimited,
            (None, Budget::Quota { .. }) => LeaseOutcome::Unknown,
        };
        answers.push(LeaseAnswer { lease: want.lease, outcome });
    }
    // Everyone locks rows in this order, so that nobody waits in a circle.
    bounded.sort_by_key(|(at, ..)| *at);
    for (at, tenant, limit, want) in bounded {
        let before = quotas::lock_or_insert(&tx, &at, tenant, limit, &[want.lease]).await?;
        let mut after = before.clone();
        after.set_limit(limit);
        let outcome = after.grant(incarnation, &want);
        quotas::save(&tx, &at, tenant, &before, &after, ctx.now.timestamp_micros()).await?;
        answers.push(LeaseAnswer { lease: want.lease, outcome });
    }
    let recalls = quotas::recalls(&tx, incarnation).await?;
    tx.commit().await?;
    Ok(LeaseAnswers { answers, recalls, ended: false })
}

pub(crate) async fn settle(service: Arc<Service>, ctx: Ctx, request: LeaseSettle) -> Result<LeaseSettled> {
    let LeaseSettle { gateway, incarnation, statements, last } = request;
    let now = ctx.now.timestamp_micros();
    let tx = service.database.system("gateways settle the keys of every tenant").await?;
    gateways::lock_run(&tx, gateway, incarnation).await?;
    let by_lease: BTreeMap<LeaseId, LeaseStatement> =
        statements.into_iter().map(|statement| (statement.lease, statement)).collect();
    let leases: Vec<_> = by_lease.keys().copied().collect();
    let ended = last.then_some(incarnation);
    if last {
        gateways::end_run(&tx, incarnation).await?;
    }
    let rows = concerned(&tx, &leases, ended.as_slice()).await?;
    let mut locked = Vec::with_capacity(rows.len());
    for at in rows.keys() {
        locked.push(quotas::lock(&tx, at, &[]).await?.ok_or_else(moved)?);
    }
    if concerned(&tx, &leases, ended.as_slice()).await? != rows {
        return Err(moved());
    }
    for ((at, (tenant, leases)), before) in rows.into_iter().zip(locked) {
        let mut after = before.clone();
        for statement in leases.iter().filter_map(|lease| by_lease.get(lease)) {
            if let Statement::Overspent { by } = after.state(statement) {
                tracing::error!(lease.id = %statement.lease, budget = ?at.budget, units = by, "a lease was overspent");
            }
        }
        if last {
            after.end_stated(incarnation);
        }
        quotas::save(&tx, &at, tenant, &before, &after, now).await?;
    }
    if last {
        quotas::remove_closed_of_run(&tx, incarnation).await?;
    }
    let recalls = quotas::recalls(&tx, incarnation).await?;
    tx.commit().await?;
    Ok(LeaseSettled { recalls })
}

/// Ends runs whose lease state is lost: their open leases count as fully spent. Answers the quota units.
/// The runs are locked.
pub(super) async fn write_off(tx: &SystemTx, runs: &[IncarnationId], now: i64) -> Result<u64> {
    for run in runs {
        gateways::end_run(tx, *run).await?;
    }
    let rows = concerned(tx, &[], runs).await?;
    let mut locked = Vec::with_capacity(rows.len());
    for at in rows.keys() {
        locked.push(quotas::lock(tx, at, &[]).await?.ok_or_else(moved)?);
    }
    if concerned(tx, &[], runs).await? != rows {
        return Err(moved());
    }
    let mut units = 0_u64;
    for ((at, (tenant, _)), before) in rows.into_iter().zip(locked) {
        let mut after = before.clone();
        let mut written_off = 0_u64;
        for run in runs {
            written_off = written_off.saturating_add(after.write_off(*run));
        }
        if matches!(at.budget, Budget::Quota { .. }) {
            units = units.saturating_add(written_off);
        }
        quotas::save(tx, &at, tenant, &before, &after, now).await?;
        ledger::note_write_off(tx, &at, tenant, written_off).await?;
    }
    for run in runs {
        quotas::remove_closed_of_run(tx, *run).await?;
    }
    Ok(units)
}

/// The rows of these leases, and those from which these runs hold open ones, in locking order.
async fn concerned(
    tx: &SystemTx,
    leases: &[LeaseId],
    runs: &[IncarnationId],
) -> Result<BTreeMap<BudgetKey, (TenantId, Vec<LeaseId>)>> {
    let mut rows = quotas::places(tx, leases).await?;
    for run in runs {
        for (at, tenant) in quotas::rows_of_run(tx, *run).await? {
            rows.entry(at).or_insert((tenant, Vec::new()));
        }
    }
    Ok(rows)
}

/// A key changed its usage plan between the look at its leases and the lock on their row. The same request finds them where
/// they are now.
fn moved() -> Error {
    Error::unavailable("the quota", "its leases are being handed to another usage plan")
}
