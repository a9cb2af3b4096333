//! What the portal's web app reads. Names and shapes are its contract: `web/apps/portal/src/api.ts`.

use chrono::{DateTime, Utc};
use common::id::{ApiId, AppId, DeveloperId, KeyId, PlanId, ProductId, SubscriptionId, TenantId};
use common::money::Money;
use contracts::billing::SubscriptionStatus;
use contracts::metering::{
    Cost, Counting, Period, PeriodBegin, PlanTerms, Quota, QuotaStatus, SpendStatus, Throttle, Usage,
};
use contracts::portal::Developer;
use contracts::stream::Liveness;
use contracts::tenants::Tenant;
use serde::Serialize;

/// An object with the name to show for it.
#[derive(Serialize)]
pub(super) struct Named<I> {
    pub(super) id: I,
    pub(super) name: String,
}

/// Who is signed in, and where.
#[derive(Serialize)]
pub(super) struct SessionView {
    tenant: TenantView,
    user: UserView,
}

#[derive(Serialize)]
pub(super) struct TenantView {
    id: TenantId,
    name: String,
    slug: String,
}

#[derive(Serialize)]
struct UserView {
    id: DeveloperId,
    email: String,
    name: String,
}

impl SessionView {
    pub(super) fn new(tenant: Tenant, developer: Developer) -> Self {
        let user = UserView { id: developer.id, email: developer.email, name: developer.name };
        Self { tenant: tenant.into(), user }
    }
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self { id: tenant.id, name: tenant.name, slug: tenant.slug }
    }
}

/// What there is to subscribe to.
#[derive(Serialize)]
pub(super) struct CatalogView {
    pub(super) tenant: TenantView,
    pub(super) products: Vec<ProductView>,
}

#[derive(Serialize)]
pub(super) struct ProductView {
    pub(super) id: ProductId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) apis: Vec<ApiView>,
    pub(super) plans: Vec<PlanView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiView {
    pub(super) id: ApiId,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) invoke_urls: Vec<String>,
}

/// A plan and what it allows; without limits when its usage plan is gone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanView {
    pub(super) id: PlanId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) price: Money,
    pub(super) unit_price_micros: u64,
    #[serde(flatten)]
    pub(super) limits: LimitsView,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct LimitsView {
    throttle: Option<Throttle>,
    quotas: Vec<QuotaLimitView>,
    counting: Option<Counting>,
    costs: Vec<CostView>,
}

/// A quota; without a time zone its periods begin with the billing date.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuotaLimitView {
    limit: u64,
    period: Period,
    offset: u64,
    time_zone: Option<String>,
}

/// What calls of a method cost: always so many units, or at most so many, as the answer says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostView {
    method: String,
    units: Option<u32>,
    at_most: Option<u32>,
}

impl From<&PlanTerms> for LimitsView {
    fn from(terms: &PlanTerms) -> Self {
        let costs = terms.stages.iter().flat_map(|stage| &stage.costs);
        let mut costs: Vec<_> = costs.map(|(method, cost)| CostView::new(method, cost)).collect();
        // Stages of a plan mostly say the same.
        costs.sort_by(|a, b| a.key().cmp(&b.key()));
        costs.dedup_by(|a, b| a.key() == b.key());
        Self {
            throttle: terms.throttle,
            quotas: terms.quotas.iter().map(QuotaLimitView::from).collect(),
            counting: Some(terms.counting.clone()),
            costs,
        }
    }
}

impl From<&Quota> for QuotaLimitView {
    fn from(quota: &Quota) -> Self {
        let time_zone = match quota.begins {
            PeriodBegin::Calendar { time_zone } => Some(time_zone.name().to_owned()),
            PeriodBegin::Anchor => None,
        };
        Self { limit: quota.limit, period: quota.period, offset: quota.offset, time_zone }
    }
}

impl CostView {
    fn new(method: &str, cost: &Cost) -> Self {
        let (units, at_most) = match cost {
            Cost::Fixed { units } => (Some(*units), None),
            Cost::Measured { reserve, .. } => (None, Some(*reserve)),
        };
        Self { method: method.to_owned(), units, at_most }
    }

    fn key(&self) -> (&str, Option<u32>, Option<u32>) {
        (&self.method, self.units, self.at_most)
    }
}

#[derive(Serialize)]
pub(super) struct SubscriptionsView {
    pub(super) subscriptions: Vec<SubscriptionView>,
}

/// A subscription with its keys and a line to try it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionView {
    pub(super) id: SubscriptionId,
    pub(super) app: Named<AppId>,
    pub(super) product: Named<ProductId>,
    pub(super) plan: Named<PlanId>,
    pub(super) status: SubscriptionStatus,
    pub(super) created_at: DateTime<Utc>,
    pub(super) cancelled_at: Option<DateTime<Utc>>,
    pub(super) curl: Option<String>,
    pub(super) keys: Vec<KeyView>,
}

/// A key; the value is absent when no copy of it is kept.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyView {
    pub(super) id: KeyId,
    pub(super) value: Option<String>,
    pub(super) prefix: String,
    pub(super) previous_until: Option<DateTime<Utc>>,
}

/// What a subscription was used for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageView {
    rows: Vec<UsageRowView>,
    as_of: DateTime<Utc>,
    complete: bool,
    quotas: Vec<QuotaView>,
    spending: Option<SpendView>,
}

/// Spending in the current month under a cap, in micro-units.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpendView {
    limit: Money,
    hard_stop: bool,
    spent_micros: u64,
    period_start: DateTime<Utc>,
    period_end: DateTime<Utc>,
}

/// Whether a spending limit is in force at every gateway: `live` or `pending`.
#[derive(Serialize)]
pub(super) struct SpendingLimitView {
    pub(super) status: Liveness,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageRowView {
    time: DateTime<Utc>,
    requests: u64,
    quota_units: u64,
    billable_units: u64,
    p95_ms: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuotaView {
    period: Period,
    limit: u64,
    extension: u64,
    settled: u64,
    leased: u64,
    period_start: DateTime<Utc>,
    period_end: DateTime<Utc>,
}

impl UsageView {
    pub(super) fn new(usage: Usage, quotas: Vec<QuotaStatus>, spending: Option<SpendStatus>) -> Self {
        let rows = usage.rows.into_iter().map(|row| UsageRowView {
            time: row.time,
            requests: row.requests,
            quota_units: row.quota_units,
            billable_units: row.billable_units,
            p95_ms: row.p95_ms,
        });
        let quotas = quotas.into_iter().map(|quota| QuotaView {
            period: quota.period,
            limit: quota.limit,
            extension: quota.extension,
            settled: quota.settled,
            leased: quota.leased,
            period_start: quota.period_start,
            period_end: quota.period_end,
        });
        let spending = spending.map(|status| SpendView {
            limit: status.cap.limit,
            hard_stop: status.cap.hard_stop,
            spent_micros: status.spent_micros,
            period_start: status.period_start,
            period_end: status.period_end,
        });
        Self {
            rows: rows.collect(),
            as_of: usage.as_of,
            complete: usage.complete,
            quotas: quotas.collect(),
            spending,
        }
    }
}
