//! Usage plans: limits and the stages they hold for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use common::id::{ApiId, UsagePlanId};
use common::{Code, Error, Page, Result};
use contracts::apis::FindApis;
use contracts::billing::FindPlansOfUsagePlan;
use contracts::metering::{
    AccessEntry, CreateUsagePlan, DeleteUsagePlan, GetUsagePlan, ListUsagePlans, PlanStage, PlanTerms, Quota,
    SavedUsagePlan, UpdateUsagePlan, UsagePlan, UsagePlanEntry,
};
use contracts::stream::Liveness;
use contracts::{Ctx, Role};
use database::{TenantTx, audit, idempotency};

use super::Service;
use crate::domain::budgets::Rule;
use crate::domain::usage_plans::check;
use crate::store::{published_revision, quotas, usage_plans};

/// APIs that one call finds.
const FIND_AT_ONCE: usize = 100;

pub(crate) async fn create(
    service: Arc<Service>,
    ctx: Ctx,
    content: CreateUsagePlan,
) -> Result<SavedUsagePlan> {
    check(&content)?;
    check_stage_count(&service, &content.terms.stages)?;
    check_stages_exist(&service, &ctx, &content.terms.stages, &[]).await?;
    let tx = service.database.tenant(&ctx).await?;
    if let Some(id) = idempotency::begin(&tx, &ctx, &content).await? {
        let id: UsagePlanId = id.parse().map_err(Error::internal)?;
        // One that is gone again was taken back by whoever made it: the repeat starts anew.
        if let Some(usage_plan) = usage_plans::find(&tx, id).await? {
            let revision = published_revision(&tx, &change_key(id)).await?;
            tx.commit().await?;
            let liveness = service.feed.wait_live(revision).await?;
            return Ok(SavedUsagePlan { usage_plan, liveness });
        }
    }
    let usage_plan = UsagePlan {
        id: UsagePlanId::new(ctx.now),
        name: content.name,
        description: content.description,
        terms: content.terms,
        created_at: ctx.now,
    };
    usage_plans::check_room(&tx, service.config.limits.usage_plans).await?;
    usage_plans::insert(&tx, &usage_plan).await?;
    idempotency::finish::<CreateUsagePlan>(&tx, &ctx, &usage_plan.id.to_string()).await?;
    audit::record(&tx, &ctx, "usage_plan.create", usage_plan.id, &usage_plan).await?;
    save(&service, tx, usage_plan).await
}

pub(crate) async fn update(
    service: Arc<Service>,
    ctx: Ctx,
    request: UpdateUsagePlan,
) -> Result<SavedUsagePlan> {
    let id = request.id;
    if let Some(stages) = &request.stages {
        check_stage_count(&service, stages)?;
        let reading = service.database.tenant_read(&ctx).await?;
        let before = usage_plans::get(&reading, id).await?;
        reading.commit().await?;
        check_stages_exist(&service, &ctx, stages, &before.terms.stages).await?;
    }
    let tx = service.database.tenant(&ctx).await?;
    let locked = usage_plans::lock(&tx, &[id]).await?;
    let before = locked.into_iter().next().ok_or_else(|| Error::not_found("usage plan"))?;
    let content = CreateUsagePlan {
        name: request.name.unwrap_or(before.name),
        description: request.description.unwrap_or(before.description),
        terms: PlanTerms {
            throttle: request.throttle.unwrap_or(before.terms.throttle),
            throttle_mode: request.throttle_mode.unwrap_or(before.terms.throttle_mode),
            quotas: request.quotas.unwrap_or_else(|| before.terms.quotas.clone()),
            counting: request.counting.unwrap_or(before.terms.counting),
            stages: request.stages.unwrap_or(before.terms.stages),
            degraded: request.degraded.unwrap_or(before.terms.degraded),
        },
    };
    check(&content)?;
    if let Some((key, stage)) = usage_plans::key_with_second_plan(&tx, id, &content.terms.stages).await? {
        let message = format!(
            "the key {key} reaches stage {} of {} through another usage plan already",
            stage.stage, stage.api_id
        );
        return Err(Error::new(Code::Conflict, "one_usage_plan_per_stage", message));
    }
    let usage_plan = UsagePlan {
        id,
        name: content.name,
        description: content.description,
        terms: content.terms,
        created_at: before.created_at,
    };
    usage_plans::update(&tx, &usage_plan).await?;
    for quota in usage_plan.terms.quotas.iter().filter(|quota| !before.terms.quotas.contains(quota)) {
        put_in_force(&tx, id, *quota, ctx.now.timestamp_micros()).await?;
    }
    audit::record(&tx, &ctx, "usage_plan.update", id, &usage_plan).await?;
    save(&service, tx, usage_plan).await
}

pub(crate) async fn delete(service: Arc<Service>, ctx: Ctx, request: DeleteUsagePlan) -> Result<Liveness> {
    let DeleteUsagePlan { id } = request;
    let sold = FindPlansOfUsagePlan { usage_plan: id };
    if let Some(plan) = service.client.call(&ctx.as_service(Role::Metering), sold).await?.first() {
        let message = format!("the plan {} sells these limits", plan.name);
        return Err(Error::new(Code::Conflict, "usage_plan_sold", message));
    }
    let tx = service.database.tenant(&ctx).await?;
    usage_plans::lock(&tx, &[id]).await?;
    let keys = usage_plans::keys_in_use(&tx, id).await?;
    if keys > 0 {
        let message = format!("{keys} keys use this usage plan; take it from them first");
        return Err(Error::new(Code::Conflict, "usage_plan_in_use", message));
    }
    usage_plans::delete(&tx, id).await?;
    audit::record(&tx, &ctx, "usage_plan.delete", id, &()).await?;
    let revision = service.publish(&tx, &change_key(id), None).await?;
    tx.commit().await?;
    service.feed.wait_live(revision).await
}

pub(crate) async fn get(service: Arc<Service>, ctx: Ctx, request: GetUsagePlan) -> Result<UsagePlan> {
    let tx = service.database.tenant_read(&ctx).await?;
    usage_plans::get(&tx, request.id).await
}

pub(crate) async fn list(
    service: Arc<Service>,
    ctx: Ctx,
    request: ListUsagePlans,
) -> Result<Page<UsagePlan>> {
    let tx = service.database.tenant_read(&ctx).await?;
    usage_plans::list(&tx, &request.page).await
}

/// Puts a plan's new quota in force in the periods that have begun: leases above it are called back. A quota whose periods
/// begin at other times has begun none.
async fn put_in_force(tx: &TenantTx, plan: UsagePlanId, quota: Quota, now: i64) -> Result<()> {
    for (at, (created_at, anchor)) in quotas::rows_of_plan(tx, plan, quota.period, now).await? {
        let rule = Rule::Quota { quota, created_at, anchor };
        if rule.span(at.span.start) != at.span {
            continue;
        }
        let Some(before) = quotas::lock(tx, &at, &[]).await? else { continue };
        let mut after = before.clone();
        after.set_limit(rule.limit(at.span));
        quotas::save(tx, &at, tx.tenant(), &before, &after, now).await?;
    }
    Ok(())
}

async fn save(service: &Service, tx: TenantTx, usage_plan: UsagePlan) -> Result<SavedUsagePlan> {
    let entry = AccessEntry::UsagePlan(UsagePlanEntry {
        id: usage_plan.id,
        tenant: tx.tenant(),
        terms: usage_plan.terms.clone(),
    });
    let revision = service.publish(&tx, &change_key(usage_plan.id), Some(&entry)).await?;
    tx.commit().await?;
    let liveness = service.feed.wait_live(revision).await?;
    Ok(SavedUsagePlan { usage_plan, liveness })
}

fn change_key(id: UsagePlanId) -> String {
    format!("usage_plan/{id}")
}

fn check_stage_count(service: &Service, stages: &[PlanStage]) -> Result<()> {
    let most = service.config.limits.stages_per_usage_plan;
    let fits = u64::try_from(stages.len()).is_ok_and(|count| count <= most);
    if fits { Ok(()) } else { Err(Error::limit_exceeded("stages_per_usage_plan", most)) }
}

/// Asks the role `apis` for every stage that `known` does not name yet. A stage removed since then does not stand in the
/// way of other changes.
async fn check_stages_exist(
    service: &Service,
    ctx: &Ctx,
    wanted: &[PlanStage],
    known: &[PlanStage],
) -> Result<()> {
    // Whoever may write usage plans may name the organization's stages, with or without the right to read documents.
    let ctx = ctx.as_service(Role::Metering);
    let is_known =
        |stage: &PlanStage| known.iter().any(|old| old.api_id == stage.api_id && old.stage == stage.stage);
    let unknown: Vec<_> = wanted.iter().enumerate().filter(|(_, stage)| !is_known(stage)).collect();
    let ids: BTreeSet<ApiId> = unknown.iter().map(|(_, stage)| stage.api_id).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let mut apis = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(FIND_AT_ONCE) {
        let found = service.client.call(&ctx, FindApis { ids: ids.to_vec() }).await?;
        apis.extend(found.into_iter().map(|api| (api.id, api)));
    }
    for (index, stage) in unknown {
        let Some(api) = apis.get(&stage.api_id) else {
            return Err(Error::invalid(format!("stages[{index}].apiId"), "names no API of yours"));
        };
        if !api.stages.iter().any(|existing| existing.name == stage.stage) {
            return Err(Error::invalid(format!("stages[{index}].stage"), "names no stage of this API"));
        }
    }
    Ok(())
}
