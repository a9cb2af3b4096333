//! Quota leases: granted, settled, and how a key stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::Result;
use common::id::{IncarnationId, LeaseId};
use contracts::Ctx;
use contracts::lease::{
    Budget, LeaseAnswer, LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseSettled, LeaseStatement,
};
use contracts::metering::{GetQuotaStatus, QuotaStatus};
use database::SystemTx;

use super::Service;
use crate::domain::leases::Statement;
use crate::domain::periods::{containing, limit_in_force};
use crate::store::quotas::{self, QuotaKey};
use crate::store::{api_keys, gateways};

pub(crate) async fn grant(service: Arc<Service>, ctx: Ctx, request: LeaseGrant) -> Result<LeaseAnswers> {
    let LeaseGrant { gateway, incarnation, wants } = request;
    let tx = service.database.system("gateways ask for the keys of every tenant").await?;
    let run = gateways::lock_run(&tx, gateway, incarnation).await?;
    if run.ended {
        tx.commit().await?;
        return Ok(LeaseAnswers { ended: true, ..LeaseAnswers::default() });
    }
    let mut answers = Vec::with_capacity(wants.len());
    let mut quoted = Vec::with_capacity(wants.len());
    for want in wants {
        let Budget::Quota { key, plan, .. } = want.budget else {
            answers.push(LeaseAnswer { lease: want.lease, outcome: LeaseOutcome::Unknown });
            continue;
        };
        let Some(allowance) = quotas::allowance(&tx, key, plan).await? else {
            answers.push(LeaseAnswer { lease: want.lease, outcome: LeaseOutcome::Unknown });
            continue;
        };
        let Some(quota) = allowance.quota else {
            answers.push(LeaseAnswer { lease: want.lease, outcome: LeaseOutcome::Unlimited });
            continue;
        };
        let span = containing(quota.period, want.at);
        let limit = limit_in_force(&quota, allowance.key_created_at, span);
        quoted.push((QuotaKey { key, plan, span }, allowance.tenant, limit, want));
    }
    // Everyone locks rows in this order, so that nobody waits in a circle.
    quoted.sort_by_key(|(at, ..)| *at);
    for (at, tenant, limit, want) in quoted {
        let before = quotas::lock_or_insert(&tx, &at, tenant, limit, &[want.lease]).await?;
        let mut after = before.clone();
        if after.limit != limit {
            after.set_limit(limit);
        }
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
    let mut rows = quotas::places(&tx, &leases).await?;
    if last {
        gateways::end_run(&tx, incarnation).await?;
        for (at, tenant) in quotas::rows_of_run(&tx, incarnation).await? {
            rows.entry(at).or_insert((tenant, Vec::new()));
        }
    }
    for (at, (tenant, leases)) in rows {
        let Some(before) = quotas::lock(&tx, &at, &[]).await? else { continue };
        let mut after = before.clone();
        for statement in leases.iter().filter_map(|lease| by_lease.get(lease)) {
            if let Statement::Overspent { by } = after.state(statement) {
                tracing::error!(lease.id = %statement.lease, key.id = %at.key, units = by, "a lease was overspent");
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

/// Ends runs whose lease state is lost: their open leases count as fully spent. Answers the units. The runs are locked.
pub(super) async fn write_off(tx: &SystemTx, runs: &[IncarnationId], now: i64) -> Result<u64> {
    let mut rows = BTreeMap::new();
    for run in runs {
        gateways::end_run(tx, *run).await?;
        rows.extend(quotas::rows_of_run(tx, *run).await?);
    }
    let mut units = 0_u64;
    for (at, tenant) in rows {
        let Some(before) = quotas::lock(tx, &at, &[]).await? else { continue };
        let mut after = before.clone();
        for run in runs {
            units = units.saturating_add(after.write_off(*run));
        }
        quotas::save(tx, &at, tenant, &before, &after, now).await?;
    }
    for run in runs {
        quotas::remove_closed_of_run(tx, *run).await?;
    }
    Ok(units)
}

pub(crate) async fn status(
    service: Arc<Service>,
    ctx: Ctx,
    request: GetQuotaStatus,
) -> Result<Vec<QuotaStatus>> {
    let tx = service.database.tenant_read(&ctx).await?;
    api_keys::get(&tx, request.id).await?;
    quotas::standing(&tx, request.id, ctx.now.timestamp_micros()).await
}
