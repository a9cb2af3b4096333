//! A developer's own subscriptions and keys. What belongs to somebody else does not exist here.

mod trial;

use std::collections::HashMap;

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, TimeDelta, Utc};
use common::body::read_json;
use common::id::{AppId, KeyId, PlanId, SubscriptionId};
use common::money::Money;
use common::problem::Problem;
use common::{Code, Error, PageArgs, Result};
use contracts::Ctx;
use contracts::billing::{
    CancelSubscription, CreateSubscription, GetSubscription, ListSubscriptions, SetSpendCap, Subscription,
    SubscriptionStatus,
};
use contracts::metering::{
    ApiKey, GetApiKey, GetQuotaStatus, GetSpendStatus, QueryUsage, RevealApiKey, RotateApiKey, SpendCap,
    UsageDimension, UsageStep,
};
use contracts::portal::{App, EnsureApp, ListApps};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use trial::Trials;

use super::views::{KeyView, Named, SpendingLimitView, SubscriptionView, SubscriptionsView, UsageView};
use super::{DeveloperVisit, MAX_BODY, answer_developer, catalog};
use crate::State;

/// Usage shown when no range is asked for.
const USAGE_RANGE: TimeDelta = TimeDelta::days(30);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubscribeBody {
    plan_id: PlanId,
    app_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RotateBody {
    grace_seconds: u32,
}

/// The most to spend in a month; none = no limit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpendingLimitBody {
    limit: Option<Money>,
    #[serde(default)]
    hard_stop: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsageRange {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    step: Option<UsageStep>,
}

impl UsageRange {
    /// Start and end. Callers may name dates at the ends of time.
    fn bounds(&self, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
        let to = self.to.unwrap_or(now);
        let from = self.from.or_else(|| to.checked_sub_signed(USAGE_RANGE));
        Ok((from.ok_or_else(|| Error::invalid("to", "is too long ago"))?, to))
    }
}

/// `GET /api/subscriptions`: the developer's 100 newest.
pub(super) async fn list(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let page = PageArgs { first: Some(PageArgs::MAX), after: None };
        let developer = Some(visit.developer.id);
        let list = ListSubscriptions { page: page.clone(), developer, plan: None };
        let subscriptions = state.client.call(&visit.ctx, list).await?.items;
        let apps = state.client.call(&visit.ctx, ListApps { page, developer }).await?.items;
        let apps: HashMap<AppId, String> = apps.into_iter().map(|app| (app.id, app.name)).collect();
        let trials = Trials::default();
        let views = subscriptions.into_iter().map(|subscription| {
            let app_name = apps.get(&subscription.app).cloned().unwrap_or_default();
            view(&state, &visit.ctx, &trials, subscription, app_name)
        });
        let subscriptions = stream::iter(views).buffered(catalog::CONCURRENT).try_collect().await?;
        Ok(HttpResponse::Ok().json(SubscriptionsView { subscriptions }))
    })
    .await
}

/// `POST /api/subscriptions`: subscribes the developer's app of that name, made when missing.
pub(super) async fn create(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let SubscribeBody { plan_id: plan, app_name: name } = read_json(&request, body, MAX_BODY).await?;
        let products = catalog::published(&state, &visit.ctx).await?;
        if !products.iter().any(|product| product.plans.iter().any(|offered| offered.id == plan)) {
            return Err(Error::not_found("plan"));
        }
        let app: App = state.client.call(&visit.own_ctx(), EnsureApp { name }).await?;
        let subscribe = CreateSubscription { plan, app: app.id, developer: app.developer, key_name: None };
        let made = state.client.call(&visit.ctx, subscribe).await?;
        let view = view(&state, &visit.ctx, &Trials::default(), made.subscription, app.name).await?;
        Ok(HttpResponse::Created().json(view))
    })
    .await
}

/// `GET /api/subscriptions/{id}/key`: the key with its value.
pub(super) async fn key(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let subscription = own(&state, &request, &visit).await?;
        let key = live_key(&state, &visit.ctx, &subscription).await?;
        let key = key.ok_or_else(|| Error::not_found("api key"))?;
        Ok(HttpResponse::Ok().json(key_view(&state, &visit.ctx, key).await?))
    })
    .await
}

/// `POST /api/subscriptions/{id}/rotate` or `…/keys/{key}/rotate`: a new value; the old one holds for the grace time.
pub(super) async fn rotate(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let RotateBody { grace_seconds } = read_json(&request, body, MAX_BODY).await?;
        let subscription = own(&state, &request, &visit).await?;
        let named = request.match_info().get("key").map(str::parse::<KeyId>);
        if named.is_some_and(|named| named != Ok(subscription.key)) {
            return Err(Error::not_found("api key"));
        }
        if subscription.status != SubscriptionStatus::Active {
            return Err(Error::new(
                Code::Conflict,
                "subscription_not_active",
                "this subscription has no key to rotate",
            ));
        }
        let rotate = RotateApiKey { id: subscription.key, grace_seconds, value: None };
        let rotated = state.client.call(&visit.ctx, rotate).await?;
        let key = rotated.api_key;
        let view = KeyView {
            id: key.id,
            value: rotated.value,
            prefix: key.prefix,
            previous_until: key.previous_until,
        };
        Ok(HttpResponse::Ok().json(view))
    })
    .await
}

/// `POST /api/subscriptions/{id}/spending-limit`: sets, changes or removes the most that it may spend in a month.
pub(super) async fn limit_spending(
    state: Data<State>,
    request: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let SpendingLimitBody { limit, hard_stop } = read_json(&request, body, MAX_BODY).await?;
        let subscription = own(&state, &request, &visit).await?.id;
        let cap = limit.map(|limit| SpendCap { limit, hard_stop });
        let status = state.client.call(&visit.ctx, SetSpendCap { subscription, cap }).await?;
        Ok(HttpResponse::Ok().json(SpendingLimitView { status }))
    })
    .await
}

/// `POST /api/subscriptions/{id}/cancel`: ends the subscription and its key.
pub(super) async fn cancel(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let id = own(&state, &request, &visit).await?.id;
        let subscription = state.client.call(&visit.ctx, CancelSubscription { id }).await?.subscription;
        let app = contracts::portal::GetApp { id: subscription.app };
        let app = state.client.call(&visit.ctx, app).await?;
        let view = view(&state, &visit.ctx, &Trials::default(), subscription, app.name).await?;
        Ok(HttpResponse::Ok().json(view))
    })
    .await
}

/// `GET /api/subscriptions/{id}/usage?from=&to=&step=`: by default the last 30 days by day, and where quotas
/// and spending stand.
pub(super) async fn usage(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    answer_developer(&state, &request, async |visit| {
        let range = Query::<UsageRange>::from_query(request.query_string())
            .map_err(|error| Error::new(Code::Invalid, "malformed_query", error.to_string()))?;
        let subscription = own(&state, &request, &visit).await?;
        let (from, to) = range.bounds(visit.ctx.now)?;
        let query = QueryUsage {
            from,
            to,
            step: range.step.unwrap_or(UsageStep::Day),
            group_by: Vec::new(),
            filter: [(UsageDimension::Subscription, vec![subscription.id.to_string()])].into(),
        };
        let usage = state.client.call(&visit.ctx, query).await?;
        let quotas = match subscription.status {
            SubscriptionStatus::Active => {
                state.client.call(&visit.ctx, GetQuotaStatus { id: subscription.key }).await?
            }
            SubscriptionStatus::Pending | SubscriptionStatus::Cancelled => Vec::new(),
        };
        let spending =
            state.client.call(&visit.ctx, GetSpendStatus { subscription: subscription.id }).await?;
        Ok(HttpResponse::Ok().json(UsageView::new(usage, quotas, spending)))
    })
    .await
}

/// The subscription in the path, if it is the developer's.
async fn own(state: &State, request: &HttpRequest, visit: &DeveloperVisit) -> Result<Subscription> {
    let missing = || Error::not_found("subscription");
    let id: SubscriptionId = request.match_info().query("id").parse().map_err(|_| missing())?;
    let subscription = state.client.call(&visit.ctx, GetSubscription { id }).await?;
    if subscription.developer != visit.developer.id {
        return Err(missing());
    }
    Ok(subscription)
}

async fn view(
    state: &State,
    ctx: &Ctx,
    trials: &Trials,
    subscription: Subscription,
    app_name: String,
) -> Result<SubscriptionView> {
    let (mut curl, mut keys) = (None, Vec::new());
    if let Some(key) = live_key(state, ctx, &subscription).await? {
        let usage_plan = key.usage_plans.first().copied();
        let key = key_view(state, ctx, key).await?;
        if let (Some(usage_plan), Some(value)) = (usage_plan, &key.value) {
            curl = trials.curl(state, ctx, usage_plan, value).await;
        }
        keys.push(key);
    }
    Ok(SubscriptionView {
        id: subscription.id,
        app: Named { id: subscription.app, name: app_name },
        product: Named { id: subscription.product, name: subscription.product_name },
        plan: Named { id: subscription.plan, name: subscription.plan_name },
        status: subscription.status,
        created_at: subscription.created_at,
        cancelled_at: subscription.cancelled_at,
        curl,
        keys,
    })
}

/// The key of an active subscription.
async fn live_key(state: &State, ctx: &Ctx, subscription: &Subscription) -> Result<Option<ApiKey>> {
    if subscription.status != SubscriptionStatus::Active {
        return Ok(None);
    }
    state.client.call(ctx, GetApiKey { id: subscription.key }).await.map(Some)
}

/// The key with its value, if a copy of it is kept.
async fn key_view(state: &State, ctx: &Ctx, key: ApiKey) -> Result<KeyView> {
    let value = match state.client.call(ctx, RevealApiKey { id: key.id }).await {
        Ok(value) => Some(value),
        Err(error) if matches!(error.code, Code::NotFound | Code::Conflict | Code::Forbidden) => None,
        Err(error) => return Err(error),
    };
    Ok(KeyView { id: key.id, value, prefix: key.prefix, previous_until: key.previous_until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_before_all_dates_is_refused() {
        let range = |text: &str| Query::<UsageRange>::from_query(text).map(Query::into_inner).unwrap();
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(range("").bounds(now).unwrap(), (now - USAGE_RANGE, now));
        let refused = range("to=-262143-01-01T00:00:00Z").bounds(now).unwrap_err();
        assert_eq!(refused.fields[0].field, "to");
    }
}
