//! API keys: made, changed, rotated, revoked, revealed.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::id::{KeyId, UsagePlanId};
use common::{Code, Error, Page, Result, secret};
use contracts::Ctx;
use contracts::metering::{
    AccessEntry, ApiKey, CreateApiKey, DeleteApiKey, GetApiKey, ListApiKeys, RevealApiKey, RevokeApiKey,
    RotateApiKey, SavedApiKey, UpdateApiKey, UsagePlan,
};
use contracts::stream::Liveness;
use database::{TenantTx, audit, changes, idempotency};
use secrecy::ExposeSecret;

use super::{Service, plan_changes};
use crate::domain::api_keys::{
    MAX_USAGE_PLANS, check_name, check_not_revoked, check_value, grace_end, new_value, shown_prefix,
};
use crate::store::api_keys::{self, StoredKey};
use crate::store::{published_revision, spend_caps, usage_plans};

pub(crate) async fn create(service: Arc<Service>, ctx: Ctx, request: CreateApiKey) -> Result<SavedApiKey> {
    check_name(&request.name)?;
    if let Some(value) = &request.value {
        check_value(value)?;
    }
    if request.expires_at.is_some_and(|end| end <= ctx.now) {
        return Err(Error::invalid("expiresAt", "must be in the future"));
    }
    let tx = service.database.tenant(&ctx).await?;
    let claimed = idempotency::begin(&tx, &ctx, &request).await?;
    let claimed = claimed.map(|id| id.parse::<KeyId>()).transpose().map_err(Error::internal)?;
    if let Some(id) = claimed.or(request.id)
        && let Some(made_before) = api_keys::find(&tx, id).await?
    {
        let revision = published_revision(&tx, &change_key(id)).await?;
        idempotency::finish::<CreateApiKey>(&tx, &ctx, &id.to_string()).await?;
        tx.commit().await?;
        let value = open(&service, &made_before)?;
        let liveness = service.feed.wait_live(revision).await?;
        return Ok(SavedApiKey { api_key: seen_at(&ctx, made_before.key), value, liveness });
    }
    if request.subscription.is_none() {
        api_keys::check_room(&tx, service.config.limits.api_keys).await?;
    }
    check_plans(&tx, &request.usage_plans).await?;
    let id = request.id.unwrap_or_else(|| KeyId::new(ctx.now));
    let value = request.value.unwrap_or_else(new_value);
    let stored = StoredKey {
        sha256: secret::sha256_hex(value.as_bytes()),
        previous_sha256: None,
        sealed_value: seal(&service, id, &value, request.shown_once)?,
        shown_once: request.shown_once,
        key: ApiKey {
            id,
            name: request.name,
            prefix: shown_prefix(&value),
            enabled: request.enabled,
            revoked_at: None,
            expires_at: request.expires_at,
            usage_plans: request.usage_plans,
            subscription: request.subscription,
            plan: request.plan,
            previous_until: None,
            anchored_at: request.anchored_at.unwrap_or(ctx.now),
            created_at: ctx.now,
        },
    };
    api_keys::insert(&tx, &stored).await?;
    idempotency::finish::<CreateApiKey>(&tx, &ctx, &id.to_string()).await?;
    audit::record(&tx, &ctx, "api_key.create", id, &stored.key).await?;
    save(&service, tx, stored, Some(value)).await
}

pub(crate) async fn update(service: Arc<Service>, ctx: Ctx, request: UpdateApiKey) -> Result<SavedApiKey> {
    let tx = service.database.tenant(&ctx).await?;
    let mut stored = api_keys::lock(&tx, request.id).await?;
    check_not_revoked(stored.key.revoked_at.map(|at| at.timestamp_micros()))?;
    if let Some(name) = &request.name {
        check_name(name)?;
        stored.key.name.clone_from(name);
    }
    if let Some(enabled) = request.enabled {
        stored.key.enabled = enabled;
    }
    if request.plan.is_some() {
        stored.key.plan = request.plan;
    }
    if let Some(plans) = &request.usage_plans {
        check_distinct(plans)?;
        let (before, after) = plan_changes::lock(&tx, &stored.key.usage_plans, plans).await?;
        check_stages(&after)?;
        let now = ctx.now.timestamp_micros();
        plan_changes::carry_over(&tx, &stored.key, &before, &after, request.used_units, now).await?;
        stored.key.usage_plans.clone_from(plans);
        api_keys::replace_plans(&tx, &stored.key).await?;
    }
    api_keys::update(&tx, &stored).await?;
    audit::record(&tx, &ctx, "api_key.update", request.id, &request).await?;
    save(&service, tx, stored, None).await
}

pub(crate) async fn rotate(service: Arc<Service>, ctx: Ctx, request: RotateApiKey) -> Result<SavedApiKey> {
    let previous_until = grace_end(ctx.now, request.grace_seconds)?;
    if let Some(value) = &request.value {
        check_value(value)?;
    }
    let tx = service.database.tenant(&ctx).await?;
    let repeated = idempotency::begin(&tx, &ctx, &request).await?.is_some();
    let mut stored = api_keys::lock(&tx, request.id).await?;
    if repeated {
        let revision = published_revision(&tx, &change_key(request.id)).await?;
        tx.commit().await?;
        let value = open(&service, &stored)?;
        let liveness = service.feed.wait_live(revision).await?;
        return Ok(SavedApiKey { api_key: seen_at(&ctx, stored.key), value, liveness });
    }
    check_not_revoked(stored.key.revoked_at.map(|at| at.timestamp_micros()))?;
    let value = request.value.unwrap_or_else(new_value);
    let sha256 = secret::sha256_hex(value.as_bytes());
    api_keys::claim_value(&tx, request.id, &sha256).await?;
    let old = std::mem::replace(&mut stored.sha256, sha256);
    stored.previous_sha256 = previous_until.map(|_| old);
    stored.key.previous_until = previous_until;
    stored.key.prefix = shown_prefix(&value);
    stored.sealed_value = seal(&service, request.id, &value, stored.shown_once)?;
    api_keys::update(&tx, &stored).await?;
    idempotency::finish::<RotateApiKey>(&tx, &ctx, &request.id.to_string()).await?;
    audit::record(&tx, &ctx, "api_key.rotate", request.id, &request.grace_seconds).await?;
    save(&service, tx, stored, Some(value)).await
}

pub(crate) async fn revoke(service: Arc<Service>, ctx: Ctx, request: RevokeApiKey) -> Result<SavedApiKey> {
    let tx = service.database.tenant(&ctx).await?;
    let mut stored = api_keys::lock(&tx, request.id).await?;
    if stored.key.revoked_at.is_none() {
        stored.key.revoked_at = Some(ctx.now);
        stored.key.enabled = false;
        stored.previous_sha256 = None;
        stored.key.previous_until = None;
        api_keys::update(&tx, &stored).await?;
        audit::record(&tx, &ctx, "api_key.revoke", request.id, &()).await?;
    }
    save(&service, tx, stored, None).await
}

pub(crate) async fn delete(service: Arc<Service>, ctx: Ctx, request: DeleteApiKey) -> Result<Liveness> {
    let tx = service.database.tenant(&ctx).await?;
    api_keys::lock(&tx, request.id).await?;
    api_keys::delete(&tx, request.id).await?;
    audit::record(&tx, &ctx, "api_key.delete", request.id, &()).await?;
    let revision = service.publish(&tx, &change_key(request.id), None).await?;
    tx.commit().await?;
    service.feed.wait_live(revision).await
}

pub(crate) async fn get(service: Arc<Service>, ctx: Ctx, request: GetApiKey) -> Result<ApiKey> {
    let tx = service.database.tenant_read(&ctx).await?;
    Ok(seen_at(&ctx, api_keys::get(&tx, request.id).await?.key))
}

pub(crate) async fn list(service: Arc<Service>, ctx: Ctx, request: ListApiKeys) -> Result<Page<ApiKey>> {
    let tx = service.database.tenant_read(&ctx).await?;
    Ok(api_keys::list(&tx, &request).await?.map(|key| seen_at(&ctx, key)))
}

pub(crate) async fn reveal(service: Arc<Service>, ctx: Ctx, request: RevealApiKey) -> Result<String> {
    let tx = service.database.tenant(&ctx).await?;
    let stored = api_keys::get(&tx, request.id).await?;
    let Some(value) = open(&service, &stored)? else {
        let message = "this key was shown once and no copy is kept; rotate it to get a new value";
        return Err(Error::new(Code::Conflict, "api_key_shown_once", message));
    };
    audit::record(&tx, &ctx, "api_key.reveal", request.id, &()).await?;
    tx.commit().await?;
    Ok(value)
}

async fn save(
    service: &Service,
    tx: TenantTx,
    stored: StoredKey,
    value: Option<String>,
) -> Result<SavedApiKey> {
    let revision = publish(service, &tx, &stored).await?;
    tx.commit().await?;
    let liveness = service.feed.wait_live(revision).await?;
    Ok(SavedApiKey { api_key: stored.key, value, liveness })
}

/// Publishes the key as it is, with the price of its calls where its subscription's spend cap stops them.
///
/// The counter of revisions is taken first: it orders this behind every change of the cap, or that change behind this one.
pub(super) async fn publish(service: &Service, tx: &TenantTx, stored: &StoredKey) -> Result<u64> {
    let key = change_key(stored.key.id);
    let Some(subscription) = stored.key.subscription else {
        let entry = AccessEntry::Key(stored.entry(tx.tenant(), None));
        return service.publish(tx, &key, Some(&entry)).await;
    };
    changes::lock(tx).await?;
    let price = spend_caps::find(tx, subscription).await?.and_then(|cap| cap.published_price());
    service.publish(tx, &key, Some(&AccessEntry::Key(stored.entry(tx.tenant(), price)))).await
}

pub(super) fn change_key(id: KeyId) -> String {
    format!("key/{id}")
}

/// The key as it stands now: a grace that is over is not shown.
fn seen_at(ctx: &Ctx, mut key: ApiKey) -> ApiKey {
    key.previous_until = key.previous_until.filter(|until| *until > ctx.now);
    key
}

fn seal(service: &Service, id: KeyId, value: &str, shown_once: bool) -> Result<Option<String>> {
    if shown_once {
        return Ok(None);
    }
    service.vault.seal(value, &id.to_string()).map(Some)
}

fn open(service: &Service, stored: &StoredKey) -> Result<Option<String>> {
    let Some(sealed) = &stored.sealed_value else { return Ok(None) };
    let value = service.vault.open(sealed, &stored.key.id.to_string())?;
    Ok(Some(value.expose_secret().to_owned()))
}

/// Refuses too many plans, unknown ones, and two that open the same stage. Locks the plans, so that their stages stay as
/// they were checked.
async fn check_plans(tx: &TenantTx, plans: &[UsagePlanId]) -> Result<()> {
    check_distinct(plans)?;
    check_stages(&usage_plans::lock(tx, plans).await?)
}

fn check_distinct(plans: &[UsagePlanId]) -> Result<()> {
    if plans.len() > MAX_USAGE_PLANS {
        return Err(Error::invalid("usagePlanIds", "must name at most 10 usage plans"));
    }
    let distinct: BTreeSet<_> = plans.iter().collect();
    if distinct.len() != plans.len() {
        return Err(Error::invalid("usagePlanIds", "names a usage plan twice"));
    }
    Ok(())
}

fn check_stages(plans: &[UsagePlan]) -> Result<()> {
    let mut stages = BTreeSet::new();
    for stage in plans.iter().flat_map(|plan| &plan.terms.stages) {
        let text = format!("stage {} of {}", stage.stage, stage.api_id);
        if !stages.insert((stage.api_id, stage.stage.as_str())) {
            let message = format!("a key has one usage plan per stage, and two of these open {text}");
            let mut error = Error::invalid("usagePlanIds", message);
            error.reason = "one_usage_plan_per_stage".into();
            return Err(error);
        }
    }
    Ok(())
}
