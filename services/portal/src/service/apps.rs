//! Apps of developers.

use std::sync::Arc;

use common::id::{AppId, DeveloperId};
use common::{Code, Error, Page, Result, text};
use contracts::Ctx;
use contracts::portal::{App, CreateApp, EnsureApp, GetApp, ListApps};
use database::{TenantTx, audit, idempotency};

use crate::store::apps::Taken;
use crate::{State, store};

/// Makes an app on the provider's behalf.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreateApp) -> Result<App> {
    let name = text::name("name", &input.name)?;
    let tx = state.database.tenant(&ctx).await?;
    if let Some(first) = idempotency::begin(&tx, &ctx, &input).await? {
        return serde_json::from_str(&first).map_err(Error::internal);
    }
    if store::developers::get(&tx, input.developer).await?.is_none() {
        return Err(Error::not_found("developer"));
    }
    let Ok(app) = insert(&state, &tx, &ctx, input.developer, name).await? else {
        return Err(Error::new(Code::AlreadyExists, "app_exists", "this developer has an app of this name"));
    };
    let outcome = serde_json::to_string(&app).map_err(Error::internal)?;
    idempotency::finish::<CreateApp>(&tx, &ctx, &outcome).await?;
    tx.commit().await?;
    Ok(app)
}

/// The developer's app of this name, made when missing.
pub(crate) async fn ensure(state: Arc<State>, ctx: Ctx, input: EnsureApp) -> Result<App> {
    let developer = ctx.developer()?;
    let name = text::name("appName", &input.name)?;
    let tx = state.database.tenant(&ctx).await?;
    if let Some(app) = store::apps::find_by_name(&tx, developer, &name).await? {
        return Ok(app);
    }
    if let Ok(app) = insert(&state, &tx, &ctx, developer, name.clone()).await? {
        tx.commit().await?;
        return Ok(app);
    }
    drop(tx);
    // Somebody made it at the same moment.
    let tx = state.database.tenant_read(&ctx).await?;
    let found = store::apps::find_by_name(&tx, developer, &name).await?;
    found.ok_or_else(|| Error::internal("an app neither made nor found"))
}

/// One app.
pub(crate) async fn get(state: Arc<State>, ctx: Ctx, input: GetApp) -> Result<App> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::apps::get(&tx, input.id).await?.ok_or_else(|| Error::not_found("app"))
}

/// The tenant's apps.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, input: ListApps) -> Result<Page<App>> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::apps::list(&tx, &input.page, input.developer).await
}

async fn insert(
    state: &State,
    tx: &TenantTx,
    ctx: &Ctx,
    developer: DeveloperId,
    name: String,
) -> Result<Result<App, Taken>> {
    let most = state.config.limits.apps_per_developer;
    if store::apps::count(tx, developer).await? >= most {
        return Err(Error::limit_exceeded("apps_per_developer", most));
    }
    let app = App { id: AppId::new(ctx.now), developer, name, created_at: ctx.now };
    if let Err(taken) = store::apps::insert(tx, &app).await? {
        return Ok(Err(taken));
    }
    audit::record(tx, ctx, "app.create", app.id, &app).await?;
    Ok(Ok(app))
}
