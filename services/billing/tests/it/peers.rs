//! The calls that billing makes to other roles, answered from memory, with the failures a test asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use common::id::{ApiId, AppId, DeveloperId, KeyId, TenantId, UsagePlanId};
use common::{Error, Result};
use contracts::apis::{ApiSummary, FindApis};
use contracts::metering::{
    ApiKey, CreateApiKey, GetUsagePlan, PlanTerms, PutSpendCap, RevealApiKey, RevokeApiKey, SavedApiKey,
    UsagePlan,
};
use contracts::portal::{App, GetApp};
use contracts::stream::Liveness;
use contracts::{Ctx, Endpoints, Role};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What the other roles know.
pub(crate) struct Peers {
    pub(crate) apis: Mutex<Vec<(TenantId, ApiId)>>,
    pub(crate) usage_plans: Mutex<Vec<(TenantId, UsagePlanId)>>,
    pub(crate) apps: Mutex<Vec<(TenantId, App)>>,
    pub(crate) keys: Mutex<HashMap<KeyId, ApiKey>>,
    /// Caps that were put, in their order.
    pub(crate) caps: Mutex<Vec<PutSpendCap>>,
    /// Metering refuses to make keys.
    pub(crate) down: AtomicBool,
    /// Metering makes the key, and its answer is lost.
    pub(crate) answer_lost: AtomicBool,
    /// One permit per key that may be made.
    pub(crate) gate: Semaphore,
    /// A key is asked for.
    pub(crate) asked: Semaphore,
}

impl Peers {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            apis: Mutex::default(),
            usage_plans: Mutex::default(),
            apps: Mutex::default(),
            keys: Mutex::default(),
            caps: Mutex::default(),
            down: AtomicBool::new(false),
            answer_lost: AtomicBool::new(false),
            gate: Semaphore::new(1000),
            asked: Semaphore::new(0),
        })
    }

    pub(crate) fn key(&self, id: KeyId) -> Option<ApiKey> {
        self.keys.lock().get(&id).cloned()
    }

    pub(crate) fn api(&self, ctx: &Ctx) -> ApiId {
        let id = ApiId::random();
        self.apis.lock().push((ctx.tenant().unwrap(), id));
        id
    }

    pub(crate) fn usage_plan(&self, ctx: &Ctx) -> UsagePlanId {
        let id = UsagePlanId::new(ctx.now);
        self.usage_plans.lock().push((ctx.tenant().unwrap(), id));
        id
    }

    pub(crate) fn app(&self, ctx: &Ctx) -> App {
        let developer = DeveloperId::new(ctx.now);
        let app = App { id: AppId::new(ctx.now), developer, name: "app".into(), created_at: ctx.now };
        self.apps.lock().push((ctx.tenant().unwrap(), app.clone()));
        app
    }

    pub(crate) fn endpoints(self: &Arc<Self>) -> [Endpoints; 3] {
        let metering = Endpoints::new(Role::Metering)
            .with::<GetUsagePlan, _, _, _>(self, get_usage_plan)
            .with::<CreateApiKey, _, _, _>(self, create_key)
            .with::<RevokeApiKey, _, _, _>(self, revoke_key)
            .with::<RevealApiKey, _, _, _>(self, reveal_key)
            .with::<PutSpendCap, _, _, _>(self, put_spend_cap);
        let portal = Endpoints::new(Role::Portal).with::<GetApp, _, _, _>(self, get_app);
        let apis = Endpoints::new(Role::Apis).with::<FindApis, _, _, _>(self, find_apis);
        [metering, portal, apis]
    }
}

async fn get_usage_plan(peers: Arc<Peers>, ctx: Ctx, call: GetUsagePlan) -> Result<UsagePlan> {
    if !peers.usage_plans.lock().contains(&(ctx.tenant()?, call.id)) {
        return Err(Error::not_found("usage plan"));
    }
    Ok(UsagePlan {
        id: call.id,
        name: "limits".into(),
        description: None,
        terms: PlanTerms::default(),
        created_at: ctx.now,
    })
}

async fn create_key(peers: Arc<Peers>, ctx: Ctx, call: CreateApiKey) -> Result<SavedApiKey> {
    peers.asked.add_permits(1);
    peers.gate.acquire().await.unwrap().forget();
    if peers.down.load(Ordering::SeqCst) {
        return Err(Error::unavailable("the role metering", "down"));
    }
    let id = call.id.unwrap();
    let key = peers.keys.lock().entry(id).or_insert_with(|| new_key(id, &call, ctx.now)).clone();
    if peers.answer_lost.load(Ordering::SeqCst) {
        return Err(Error::unavailable("the role metering", "connection lost"));
    }
    Ok(SavedApiKey { api_key: key, value: Some(value(id)), liveness: Liveness::Live })
}

async fn revoke_key(peers: Arc<Peers>, ctx: Ctx, call: RevokeApiKey) -> Result<SavedApiKey> {
    if peers.down.load(Ordering::SeqCst) {
        return Err(Error::unavailable("the role metering", "down"));
    }
    let mut keys = peers.keys.lock();
    let key = keys.get_mut(&call.id).ok_or_else(|| Error::not_found("api key"))?;
    key.revoked_at = Some(ctx.now);
    Ok(SavedApiKey { api_key: key.clone(), value: None, liveness: Liveness::Live })
}

async fn reveal_key(peers: Arc<Peers>, _: Ctx, call: RevealApiKey) -> Result<String> {
    peers.key(call.id).map(|key| value(key.id)).ok_or_else(|| Error::not_found("api key"))
}

async fn put_spend_cap(peers: Arc<Peers>, _: Ctx, call: PutSpendCap) -> Result<Liveness> {
    peers.caps.lock().push(call);
    Ok(Liveness::Live)
}

async fn get_app(peers: Arc<Peers>, ctx: Ctx, call: GetApp) -> Result<App> {
    let tenant = ctx.tenant()?;
    let apps = peers.apps.lock();
    let found = apps.iter().find(|(owner, app)| *owner == tenant && app.id == call.id);
    found.map(|(_, app)| app.clone()).ok_or_else(|| Error::not_found("app"))
}

async fn find_apis(peers: Arc<Peers>, ctx: Ctx, call: FindApis) -> Result<Vec<ApiSummary>> {
    let tenant = ctx.tenant()?;
    let apis = peers.apis.lock();
    let own = call.ids.into_iter().filter(|id| apis.contains(&(tenant, *id)));
    let summary = |id| ApiSummary {
        id,
        name: "api".into(),
        description: None,
        revision: 1,
        stages: Vec::new(),
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    Ok(own.map(summary).collect())
}

fn new_key(id: KeyId, call: &CreateApiKey, now: DateTime<Utc>) -> ApiKey {
    ApiKey {
        id,
        name: call.name.clone(),
        prefix: String::new(),
        enabled: call.enabled,
        revoked_at: None,
        expires_at: call.expires_at,
        usage_plans: call.usage_plans.clone(),
        subscription: call.subscription,
        plan: call.plan,
        previous_until: None,
        anchored_at: call.anchored_at.unwrap_or(now),
        created_at: now,
    }
}

pub(crate) fn value(id: KeyId) -> String {
    format!("value-of-{id}")
}
