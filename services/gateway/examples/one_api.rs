//! A gateway in front of one upstream, for measuring: `one_api UPSTREAM_URL PORT KEYS [TENANTS WORKERS TENANT_RATE]`.
//!
//! Its configuration comes from a stand-in for `apis` and `metering` in this process; every key opens `/_api/aaaaaaaaaa/dev/`
//! without limits, and records are acknowledged and dropped. Further tenants have the APIs `bbbbbbbbbb` and so on, with as many
//! keys of their own; with a rate, each may call so often per second, half of it at once.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use apidef::Api;
use apidef::model::{Integration, Method, Resource, Upstream, Verb};
use common::Clock;
use common::id::{DeploymentId, KeyId, TenantId, UsagePlanId};
use contracts::apis::{FollowStages, StageEntry, StageSettings};
use contracts::lease::{
    AppendBatch, Appended, GatewayRegister, GatewayRegistered, ReportWatermark, WatermarkReported,
};
use contracts::metering::{AccessEntry, FollowAccess, KeyEntry, PlanStage, PlanTerms, UsagePlanEntry};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Client, Ctx, Endpoints, Role};

struct Owners {
    stages: Vec<Change<StageEntry>>,
    access: Vec<Change<AccessEntry>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |name: &str| arguments.next().with_context(|| format!("no {name} given"));
    let (upstream, port, keys): (_, u16, usize) =
        (next("upstream")?, next("port")?.parse()?, next("number of keys")?.parse()?);
    let mut or = |default: u32| -> Result<u32> { Ok(arguments.next().map_or(Ok(default), |it| it.parse())?) };
    let (tenants, workers, tenant_rate) = (or(1)?, or(1)?, or(0)?);
    let clock = Clock::System;
    let owners = Arc::new(owners(&upstream, keys, tenants, &clock)?);
    let apis = Endpoints::new(Role::Apis).with(&owners, stages);
    let metering = Endpoints::new(Role::Metering)
        .with(&owners, access)
        .with(&owners, register)
        .with(&owners, append)
        .with(&owners, report);
    let runtime = tokio::runtime::Handle::current();
    let client =
        Client::builder().local(Arc::new(apis), runtime.clone()).local(Arc::new(metering), runtime).build();
    let data = tempfile::tempdir()?;
    let mut config = gateway::Config {
        workers: workers as usize,
        data_dir: data.path().to_owned(),
        ..gateway::Config::default()
    };
    config.upstream.allow = vec!["127.0.0.0/8".parse()?];
    config.tenant_throttle =
        gateway::ThrottleSetting { rate_limit: f64::from(tenant_rate), burst_limit: tenant_rate / 2 };
    let handle = gateway::run(
        config,
        TcpListener::bind(("127.0.0.1", port))?,
        gateway::Deps { client, clock, redis: None },
    )
    .await?;
    tokio::signal::ctrl_c().await?;
    handle.stop().await?;
    Ok(())
}

fn owners(upstream: &str, keys: usize, tenants: u32, clock: &Clock) -> Result<Owners> {
    let (mut stages, mut access) = (Vec::new(), Vec::new());
    for number in 0..u8::try_from(tenants)? {
        let (stage, entries) = tenant(upstream, keys, number, clock)?;
        let key = format!("stage/{}/dev", stage.api);
        stages.push(Change::new(stages.len() as u64 + 1, key, Some(stage)));
        access.extend(entries);
    }
    let access = access.into_iter().enumerate();
    let access = access.map(|(at, state)| Change::new(at as u64 + 1, format!("entry/{at}"), Some(state)));
    Ok(Owners { stages, access: access.collect() })
}

/// A tenant's stage, usage plan and keys.
fn tenant(upstream: &str, keys: usize, number: u8, clock: &Clock) -> Result<(StageEntry, Vec<AccessEntry>)> {
    let (now, api) = (clock.now(), String::from_iter([char::from(b'a' + number); 10]).parse()?);
    let (tenant, plan) = (TenantId::new(now), UsagePlanId::new(now));
    let mut document = Api::new("bench");
    document.upstream = Some(Upstream { url: upstream.to_owned(), ..Upstream::default() });
    let integration = Some(Integration::http_proxy("/{proxy}"));
    let method = Method { api_key_required: true, integration, ..Method::default() };
    let mut resource = Resource::default();
    resource.methods.insert(Verb::Any, method);
    document.resources.insert("/{proxy+}".to_owned(), resource);
    let stage = StageEntry {
        tenant,
        api,
        stage: "dev".to_owned(),
        deployment: DeploymentId::new(now),
        document: Arc::new(document),
        settings: StageSettings::default(),
        secret_headers: Vec::new(),
    };
    let usage_plan = AccessEntry::UsagePlan(UsagePlanEntry {
        id: plan,
        tenant,
        terms: PlanTerms {
            stages: vec![PlanStage {
                api_id: api,
                stage: "dev".to_owned(),
                throttle: Default::default(),
                costs: Default::default(),
            }],
            ..PlanTerms::default()
        },
    });
    let key = |number: usize| {
        AccessEntry::Key(KeyEntry {
            id: KeyId::new(now),
            tenant,
            sha256: common::secret::sha256_hex(format!("key-{number:020}").as_bytes()),
            previous: None,
            enabled: true,
            expires_at: None,
            created_at: now,
            usage_plans: vec![plan],
            subscription: None,
            plan: None,
            spend_price_micros: None,
        })
    };
    let first = usize::from(number) * keys;
    Ok((stage, std::iter::once(usage_plan).chain((first..first + keys).map(key)).collect()))
}

async fn stages(owners: Arc<Owners>, _: Ctx, call: FollowStages) -> common::Result<Changes<StageEntry>> {
    Ok(after(&call.follow, &owners.stages).await)
}

async fn access(owners: Arc<Owners>, _: Ctx, call: FollowAccess) -> common::Result<Changes<AccessEntry>> {
    Ok(after(&call.follow, &owners.access).await)
}

async fn after<T: Clone>(follow: &Follow, all: &[Change<T>]) -> Changes<T> {
    let revision = all.len() as u64;
    if follow.applied >= revision {
        tokio::time::sleep(std::time::Duration::from_millis(u64::from(follow.wait_ms))).await;
        return Changes { changes: Vec::new(), revision, more: false };
    }
    Changes { changes: all.to_vec(), revision, more: false }
}

async fn register(_: Arc<Owners>, _: Ctx, _: GatewayRegister) -> common::Result<GatewayRegistered> {
    Ok(GatewayRegistered {})
}

async fn append(_: Arc<Owners>, _: Ctx, call: AppendBatch) -> common::Result<Appended> {
    Ok(Appended { acked_through: call.sequence })
}

async fn report(_: Arc<Owners>, _: Ctx, _: ReportWatermark) -> common::Result<WatermarkReported> {
    Ok(WatermarkReported::default())
}
