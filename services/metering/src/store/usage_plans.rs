//! Usage plans and the stages they open.

use std::collections::BTreeMap;

use common::id::{KeyId, UsagePlanId};
use common::{Error, Page, PageArgs, Result};
use contracts::metering::{PlanStage, PlanTerms, UsagePlan};
use database::error::store;
use database::limits::Limit;
use database::{TenantTx, Tx};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set,
};

use super::entities::{usage_plan, usage_plan_stage};
use super::sql::{column, execute, parsed, query, time, unsigned};

/// Refuses one more plan where the tenant has as many as it may have.
pub(crate) async fn check_room(tx: &TenantTx, most: u64) -> Result<()> {
    Limit { name: "usage_plans", most, table: "usage_plans", only: "TRUE" }.check(tx).await
}

/// Stores a new plan.
pub(crate) async fn insert(tx: &TenantTx, plan: &UsagePlan) -> Result<()> {
    row(tx, plan)?.into_active_model().insert(tx.conn()).await.map_err(store)?;
    insert_stages(tx, plan).await
}

/// Replaces a plan's content.
pub(crate) async fn update(tx: &TenantTx, plan: &UsagePlan) -> Result<()> {
    let row = row(tx, plan)?;
    let changed = usage_plan::ActiveModel {
        id: Set(row.id),
        name: Set(row.name),
        description: Set(row.description),
        terms: Set(row.terms),
        ..Default::default()
    };
    changed.update(tx.conn()).await.map_err(store)?;
    delete_stages(tx, plan.id).await?;
    insert_stages(tx, plan).await
}

/// Removes a plan and its stages.
pub(crate) async fn delete(tx: &TenantTx, id: UsagePlanId) -> Result<()> {
    let values = || [id.to_string().into(), tx.tenant().to_string().into()];
    // Only revoked keys can still name it.
    let links = "DELETE FROM api_key_usage_plans WHERE usage_plan_id = $1 AND tenant_id = $2";
    execute(tx, links, values()).await?;
    delete_stages(tx, id).await?;
    execute(tx, "DELETE FROM usage_plans WHERE id = $1 AND tenant_id = $2", values()).await?;
    Ok(())
}

/// The plan.
pub(crate) async fn get(tx: &TenantTx, id: UsagePlanId) -> Result<UsagePlan> {
    find(tx, id).await?.ok_or_else(|| Error::not_found("usage plan"))
}

/// The plan, if there is one.
pub(crate) async fn find(tx: &TenantTx, id: UsagePlanId) -> Result<Option<UsagePlan>> {
    Ok(by_ids(tx, &[id], false).await?.into_iter().next())
}

/// The plans, in the order of their ids, locked until the transaction ends. Fails when one of them does not exist.
pub(crate) async fn lock(tx: &TenantTx, ids: &[UsagePlanId]) -> Result<Vec<UsagePlan>> {
    let mut wanted = ids.to_vec();
    wanted.sort_unstable();
    let found = by_ids(tx, &wanted, true).await?;
    if found.len() == wanted.len() { Ok(found) } else { Err(Error::not_found("usage plan")) }
}

async fn by_ids(tx: &TenantTx, ids: &[UsagePlanId], locked: bool) -> Result<Vec<UsagePlan>> {
    let mut select = usage_plan::Entity::find()
        .filter(usage_plan::Column::TenantId.eq(tx.tenant().to_string()))
        .filter(usage_plan::Column::Id.is_in(ids.iter().map(UsagePlanId::to_string)))
        .order_by_asc(usage_plan::Column::Id);
    if locked {
        select = select.lock_exclusive();
    }
    let rows = select.all(tx.conn()).await.map_err(store)?;
    with_stages(tx, rows).await
}

/// One page, newest first.
pub(crate) async fn list(tx: &TenantTx, page: &PageArgs) -> Result<Page<UsagePlan>> {
    let limit = page.limit()?;
    let mut select = usage_plan::Entity::find()
        .filter(usage_plan::Column::TenantId.eq(tx.tenant().to_string()))
        .order_by_desc(usage_plan::Column::Id)
        .limit(limit + 1);
    if let Some(after) = &page.after {
        select = select.filter(usage_plan::Column::Id.lt(after));
    }
    let rows = select.all(tx.conn()).await.map_err(store)?;
    let plans = with_stages(tx, rows).await?;
    Ok(Page::from_overfetch(plans, limit, |plan| plan.id.to_string()))
}

/// How many keys that can still be used have the plan.
pub(crate) async fn keys_in_use(tx: &TenantTx, id: UsagePlanId) -> Result<u64> {
    let count = "SELECT COUNT(*) AS n FROM api_key_usage_plans link JOIN api_keys k ON k.id = link.api_key_id \
                 WHERE link.usage_plan_id = $1 AND link.tenant_id = $2 AND k.revoked_at IS NULL";
    let rows = query(tx, count, [id.to_string().into(), tx.tenant().to_string().into()]).await?;
    rows.first().map_or(Ok(0), |row| unsigned(column(row, "n")?))
}

/// A key of this plan that reaches one of `stages` through another plan too, if there is one.
pub(crate) async fn key_with_second_plan(
    tx: &TenantTx,
    id: UsagePlanId,
    stages: &[PlanStage],
) -> Result<Option<(KeyId, PlanStage)>> {
    let overlap = "SELECT mine.api_key_id AS api_key_id FROM api_key_usage_plans mine \
                   JOIN api_key_usage_plans other ON other.api_key_id = mine.api_key_id AND other.usage_plan_id <> mine.usage_plan_id \
                   JOIN usage_plan_stages stage ON stage.usage_plan_id = other.usage_plan_id \
                   WHERE mine.usage_plan_id = $1 AND mine.tenant_id = $2 AND stage.api_id = $3 AND stage.stage = $4 LIMIT 1";
    for stage in stages {
        let values = [
            id.to_string().into(),
            tx.tenant().to_string().into(),
            stage.api_id.to_string().into(),
            stage.stage.as_str().into(),
        ];
        if let Some(row) = query(tx, overlap, values).await?.first() {
            let key: String = column(row, "api_key_id")?;
            return Ok(Some((parsed(&key)?, stage.clone())));
        }
    }
    Ok(None)
}

async fn delete_stages(tx: &TenantTx, id: UsagePlanId) -> Result<()> {
    let stages = "DELETE FROM usage_plan_stages WHERE usage_plan_id = $1 AND tenant_id = $2";
    execute(tx, stages, [id.to_string().into(), tx.tenant().to_string().into()]).await?;
    Ok(())
}

async fn insert_stages(tx: &TenantTx, plan: &UsagePlan) -> Result<()> {
    let mut rows = Vec::with_capacity(plan.terms.stages.len());
    for (place, stage) in (0..).zip(&plan.terms.stages) {
        let row = usage_plan_stage::Model {
            usage_plan_id: plan.id.to_string(),
            tenant_id: tx.tenant().to_string(),
            api_id: stage.api_id.to_string(),
            stage: stage.stage.clone(),
            throttles: serde_json::to_string(&stage.throttle).map_err(Error::internal)?,
            costs: serde_json::to_string(&stage.costs).map_err(Error::internal)?,
            place,
        };
        rows.push(row.into_active_model());
    }
    if rows.is_empty() {
        return Ok(());
    }
    usage_plan_stage::Entity::insert_many(rows).exec_without_returning(tx.conn()).await.map_err(store)?;
    Ok(())
}

async fn with_stages(tx: &TenantTx, rows: Vec<usage_plan::Model>) -> Result<Vec<UsagePlan>> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    let stages = usage_plan_stage::Entity::find()
        .filter(usage_plan_stage::Column::TenantId.eq(tx.tenant().to_string()))
        .filter(usage_plan_stage::Column::UsagePlanId.is_in(ids))
        .order_by_asc(usage_plan_stage::Column::Place)
        .all(tx.conn())
        .await
        .map_err(store)?;
    let mut by_plan: BTreeMap<String, Vec<PlanStage>> = BTreeMap::new();
    for stage in stages {
        let read = PlanStage {
            api_id: parsed(&stage.api_id)?,
            stage: stage.stage,
            throttle: serde_json::from_str(&stage.throttles).map_err(Error::internal)?,
            costs: serde_json::from_str(&stage.costs).map_err(Error::internal)?,
        };
        by_plan.entry(stage.usage_plan_id).or_default().push(read);
    }
    rows.into_iter()
        .map(|row| {
            let stages = by_plan.remove(&row.id).unwrap_or_default();
            plan(row, stages)
        })
        .collect()
}

fn row(tx: &TenantTx, plan: &UsagePlan) -> Result<usage_plan::Model> {
    // Stages have a table of their own: plans are found by them.
    let terms = PlanTerms { stages: Vec::new(), ..plan.terms.clone() };
    Ok(usage_plan::Model {
        id: plan.id.to_string(),
        tenant_id: tx.tenant().to_string(),
        name: plan.name.clone(),
        description: plan.description.clone(),
        terms: serde_json::to_string(&terms).map_err(Error::internal)?,
        created_at: plan.created_at.timestamp_micros(),
    })
}

fn plan(row: usage_plan::Model, stages: Vec<PlanStage>) -> Result<UsagePlan> {
    Ok(UsagePlan {
        id: parsed(&row.id)?,
        name: row.name,
        description: row.description,
        terms: PlanTerms { stages, ..terms(&row.terms)? },
        created_at: time(row.created_at),
    })
}

/// What a plan says about calls, from its column; without its stages.
pub(super) fn terms(text: &str) -> Result<PlanTerms> {
    serde_json::from_str(text).map_err(Error::internal)
}
