//! Keys, usage plans and APIs by number. Nothing is kept: each is made when it is asked for, so that the memory of the process is
//! the gateway's.

use std::collections::BTreeMap;
use std::sync::Arc;

use apidef::Api;
use apidef::model::{Integration, Method, Resource, Upstream, Verb};
use chrono::{DateTime, Utc};
use clap::Args;
use common::id::{ApiId, DeploymentId, KeyId, TenantId, UsagePlanId};
use contracts::apis::{StageEntry, StageSettings};
use contracts::metering::{
    AccessEntry, KeyEntry, Period, PeriodBegin, PlanStage, PlanTerms, Quota, Throttle, UsagePlanEntry,
};
use uuid::Uuid;

/// APIs that one usage plan opens; each plan has its own tenant.
const APIS_PER_PLAN: usize = 10;
const STAGE: &str = "prod";
/// Units per month of a key: no run reaches it.
pub(crate) const QUOTA: u64 = 1_000_000_000_000;

/// How many of each there are.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Catalogue {
    /// API keys.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) keys: usize,
    /// APIs, each with a host name of its own.
    #[arg(long, default_value_t = 10)]
    pub(crate) apis: usize,
    /// Routes of each API.
    #[arg(long, default_value_t = 10)]
    pub(crate) routes: usize,
}

impl Catalogue {
    pub(crate) fn plans(&self) -> usize {
        self.apis.div_ceil(APIS_PER_PLAN)
    }

    /// Objects that metering publishes: the plans, then the keys.
    pub(crate) fn access_len(&self) -> usize {
        self.plans() + self.keys
    }

    /// One of them, with the name it changes under.
    pub(crate) fn access(&self, at: usize, now: DateTime<Utc>) -> (String, AccessEntry) {
        let Some(number) = at.checked_sub(self.plans()) else {
            let plan = self.plan(at);
            return (format!("usage_plan/{}", plan.id), AccessEntry::UsagePlan(plan));
        };
        let key = self.key(number, now);
        (format!("key/{}", key.id), AccessEntry::Key(key))
    }

    /// The key with value `tg_live_{number}_…`.
    pub(crate) fn key(&self, number: usize, now: DateTime<Utc>) -> KeyEntry {
        let plan = number % self.plans();
        let value = format!("tg_live_{number:08}_0123456789abcdef0123");
        KeyEntry {
            id: KeyId::from_uuid(id(3, number)),
            tenant: tenant(plan),
            sha256: common::secret::sha256_hex(value.as_bytes()),
            previous: None,
            enabled: true,
            expires_at: None,
            created_at: now,
            usage_plans: vec![plan_id(plan)],
            subscription: None,
            plan: None,
            spend_price_micros: None,
        }
    }

    fn plan(&self, number: usize) -> UsagePlanEntry {
        let apis = (number * APIS_PER_PLAN..self.apis).take(APIS_PER_PLAN);
        UsagePlanEntry {
            id: plan_id(number),
            tenant: tenant(number),
            terms: PlanTerms {
                throttle: Some(Throttle { rate_limit: 1_000_000.0, burst_limit: 1_000_000 }),
                quotas: vec![Quota {
                    limit: QUOTA,
                    period: Period::Month,
                    offset: 0,
                    begins: PeriodBegin::default(),
                }],
                stages: apis.map(plan_stage).collect(),
                ..PlanTerms::default()
            },
        }
    }

    /// The stage of an API, with the name it changes under.
    pub(crate) fn stage(&self, number: usize, upstream: &str, now: DateTime<Utc>) -> (String, StageEntry) {
        let mut document = Api::new(format!("api {number}"));
        document.upstream = Some(Upstream { url: upstream.to_owned(), ..Upstream::default() });
        for route in 0..self.routes {
            let path = format!("/res{route}/items/{{item}}");
            let integration = Some(Integration::http_proxy(format!("/res{route}/items/{{item}}")));
            let method = Method { api_key_required: true, integration, ..Method::default() };
            let mut resource = Resource::default();
            resource.methods.insert(Verb::Get, method);
            document.resources.insert(path, resource);
        }
        let api = api_id(number);
        let entry = StageEntry {
            tenant: tenant(number / APIS_PER_PLAN),
            api,
            stage: STAGE.to_owned(),
            deployment: DeploymentId::new(now),
            document: Arc::new(document),
            settings: StageSettings::default(),
            secret_headers: Vec::new(),
        };
        (format!("stage/{api}/{STAGE}"), entry)
    }
}

fn plan_stage(number: usize) -> PlanStage {
    PlanStage {
        api_id: api_id(number),
        stage: STAGE.to_owned(),
        throttle: BTreeMap::new(),
        costs: BTreeMap::new(),
    }
}

fn tenant(number: usize) -> TenantId {
    TenantId::from_uuid(id(1, number))
}

fn plan_id(number: usize) -> UsagePlanId {
    UsagePlanId::from_uuid(id(2, number))
}

#[expect(clippy::expect_used, reason = "three letters and seven digits are an id")]
fn api_id(number: usize) -> ApiId {
    format!("api{number:07}").parse().expect("an id")
}

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 120) | (number as u128 * 0x9E37_79B9_7F4A_7C15))
}
