//! `apis` and `metering` as far as a gateway sees them: two change streams told by a test what to say, leases up to the limit
//! of a plan, and the records that arrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::id::{ApiId, KeyId, LeaseId, SubscriptionId, TenantId, UsagePlanId};
use contracts::apis::{FollowStages, StageEntry};
use contracts::lease::{
    AppendBatch, Appended, Budget, GatewayRegister, GatewayRegistered, GatewayStop, GatewayStopped,
    LeaseAnswer, LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseSettled, ReportWatermark,
    WatermarkReported,
};
use contracts::metering::{AccessEntry, FollowAccess, KeyEntry, PlanStage, PlanTerms, UsagePlanEntry};
use contracts::record::{Batch, Flags, Reason};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Client, Ctx, Endpoints, Role};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Both streams.
#[derive(Clone)]
pub(crate) struct Owners {
    stages: Arc<Stream<StageEntry>>,
    access: Arc<Metering>,
}

/// What `metering` knows beside its stream.
#[derive(Default)]
struct Metering {
    stream: Stream<AccessEntry>,
    granted: Mutex<BTreeMap<Budget, BTreeMap<LeaseId, u64>>>,
    /// Spend caps, in micro-units of money.
    caps: Mutex<BTreeMap<SubscriptionId, u64>>,
    records: Mutex<Vec<Record>>,
    /// How many records had arrived when a gateway said that nothing is left to wait for.
    stops: Mutex<Vec<usize>>,
    /// Refuses to talk about leases.
    silent: AtomicBool,
    /// Hears no statement about leases.
    deaf: AtomicBool,
}

/// What a test asks of a usage record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) request_id: String,
    pub(crate) method: String,
    pub(crate) route: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) flags: Flags,
    pub(crate) quota_units: u64,
    pub(crate) spend_micros: u64,
    pub(crate) billable_units: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) key: Option<KeyId>,
    pub(crate) usage_plan: Option<UsagePlanId>,
}

struct Stream<T> {
    changes: Mutex<Vec<Change<T>>>,
    revision: watch::Sender<u64>,
    /// The highest revision a gateway has reported.
    applied: watch::Sender<u64>,
}

impl<T> Default for Stream<T> {
    fn default() -> Self {
        Self { changes: Mutex::default(), revision: watch::channel(1).0, applied: watch::channel(0).0 }
    }
}

impl<T: Clone> Stream<T> {
    fn push(&self, key: String, state: Option<T>) {
        self.publish(|revision| Change::new(revision, key, state));
    }

    fn publish(&self, change: impl FnOnce(u64) -> Change<T>) {
        let mut changes = self.changes.lock();
        let revision = *self.revision.borrow() + 1;
        let change = change(revision);
        changes.retain(|older| older.key != change.key);
        changes.push(change);
        drop(changes);
        self.revision.send_replace(revision);
    }

    fn get(&self, key: &str) -> Option<T> {
        self.changes.lock().iter().find(|change| change.key == key)?.state.clone()
    }

    async fn answer(&self, follow: Follow) -> Changes<T> {
        self.applied.send_modify(|applied| *applied = follow.applied.max(*applied));
        let mut revision = self.revision.subscribe();
        let wait = Duration::from_millis(u64::from(follow.wait_ms));
        // Nothing new within the wait is an answer too.
        let _ = tokio::time::timeout(wait, revision.wait_for(|revision| *revision != follow.after())).await;
        let changes = self.changes.lock();
        let after: Vec<_> =
            changes.iter().filter(|change| change.revision > follow.after()).cloned().collect();
        // One change at a time while a state is read anew, as if there were many.
        if follow.after.is_some() && after.len() > 1 {
            let first = after[0].clone();
            return Changes { revision: first.revision, changes: vec![first], more: true };
        }
        Changes { changes: after, revision: *self.revision.borrow(), more: false }
    }

    /// The state of a backup: without the last changes.
    fn go_back_to(&self, revision: u64) {
        self.changes.lock().retain(|change| change.revision <= revision);
        self.revision.send_replace(revision);
    }

    async fn in_force(&self) {
        let revision = *self.revision.borrow();
        self.applied.subscribe().wait_for(|applied| *applied >= revision).await.expect("owners live");
    }
}

impl Metering {
    fn limit(&self, budget: &Budget) -> Option<u64> {
        match budget {
            Budget::Quota { plan, period, .. } => match self.stream.get(&format!("usage_plan/{plan}"))? {
                AccessEntry::UsagePlan(plan) => {
                    Some(plan.terms.quotas.iter().find(|quota| quota.period == *period)?.limit)
                }
                AccessEntry::Key(_) => None,
            },
            Budget::Spend { subscription } => self.caps.lock().get(subscription).copied(),
        }
    }
}

impl Owners {
    pub(crate) fn new() -> Self {
        Self { stages: Arc::default(), access: Arc::default() }
    }

    pub(crate) fn client(&self) -> Client {
        let apis = Endpoints::new(Role::Apis).with(&self.stages, follow_stages);
        let metering = Endpoints::new(Role::Metering)
            .with(&self.access, follow_access)
            .with(&self.access, register)
            .with(&self.access, grant)
            .with(&self.access, settle)
            .with(&self.access, append)
            .with(&self.access, report)
            .with(&self.access, stop);
        let runtime = tokio::runtime::Handle::current();
        Client::builder().local(Arc::new(apis), runtime.clone()).local(Arc::new(metering), runtime).build()
    }

    pub(crate) fn put_stage(&self, entry: StageEntry) {
        self.stages.push(format!("stage/{}/{}", entry.api, entry.stage), Some(entry));
    }

    pub(crate) fn remove_stage(&self, api: ApiId, stage: &str) {
        self.stages.push(format!("stage/{api}/{stage}"), None);
    }

    /// Publishes a state of the stage that nobody can read.
    pub(crate) fn spoil_stage(&self, api: ApiId, stage: &str) {
        let key = format!("stage/{api}/{stage}");
        self.stages.publish(|revision| Change::unreadable(revision, key, "a test says so".to_owned()));
    }

    pub(crate) fn put_key(&self, entry: KeyEntry) {
        self.access.stream.push(format!("key/{}", entry.id), Some(AccessEntry::Key(entry)));
    }

    pub(crate) fn remove_key(&self, key: KeyId) {
        self.access.stream.push(format!("key/{key}"), None);
    }

    pub(crate) fn put_plan(&self, entry: UsagePlanEntry) {
        self.access.stream.push(format!("usage_plan/{}", entry.id), Some(AccessEntry::UsagePlan(entry)));
    }

    pub(crate) fn remove_plan(&self, plan: UsagePlanId) {
        self.access.stream.push(format!("usage_plan/{plan}"), None);
    }

    /// The revision of metering's state.
    pub(crate) fn access_revision(&self) -> u64 {
        *self.access.stream.revision.borrow()
    }

    /// Metering is restored from a backup made at a revision.
    pub(crate) fn restore_access(&self, revision: u64) {
        self.access.stream.go_back_to(revision);
    }

    /// Caps what a subscription spends, in micro-units of money, as metering says it: by a change of the key.
    pub(crate) fn cap(&self, key: &KeyEntry, limit: u64) {
        let subscription = key.subscription.expect("a subscription");
        self.access.caps.lock().insert(subscription, limit);
        self.put_key(key.clone());
    }

    /// From now on no lease is granted.
    pub(crate) fn fall_silent(&self) {
        self.access.silent.store(true, Ordering::SeqCst);
    }

    /// From now on no statement about leases is taken.
    pub(crate) fn settle_nothing(&self) {
        self.access.deaf.store(true, Ordering::SeqCst);
    }

    /// Every record that has arrived.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.access.records.lock().clone()
    }

    /// For each clean end of a gateway, how many records had arrived until then.
    pub(crate) fn stops(&self) -> Vec<usize> {
        self.access.stops.lock().clone()
    }

    /// Waits until a gateway has reported everything said so far.
    pub(crate) async fn in_force(&self) {
        self.stages.in_force().await;
        self.access.stream.in_force().await;
    }
}

async fn follow_stages(
    stream: Arc<Stream<StageEntry>>,
    _: Ctx,
    call: FollowStages,
) -> common::Result<Changes<StageEntry>> {
    Ok(stream.answer(call.follow).await)
}

async fn follow_access(
    metering: Arc<Metering>,
    _: Ctx,
    call: FollowAccess,
) -> common::Result<Changes<AccessEntry>> {
    Ok(metering.stream.answer(call.follow).await)
}

async fn register(_: Arc<Metering>, _: Ctx, _: GatewayRegister) -> common::Result<GatewayRegistered> {
    Ok(GatewayRegistered {})
}

async fn report(_: Arc<Metering>, _: Ctx, _: ReportWatermark) -> common::Result<WatermarkReported> {
    Ok(WatermarkReported::default())
}

async fn stop(metering: Arc<Metering>, _: Ctx, _: GatewayStop) -> common::Result<GatewayStopped> {
    metering.stops.lock().push(metering.records.lock().len());
    Ok(GatewayStopped {})
}

async fn settle(metering: Arc<Metering>, _: Ctx, call: LeaseSettle) -> common::Result<LeaseSettled> {
    if metering.deaf.load(Ordering::SeqCst) {
        return Err(common::Error::unavailable("metering", "a test says so"));
    }
    let mut granted = metering.granted.lock();
    for statement in call.statements.iter().filter(|statement| statement.closed) {
        let lease = granted.values_mut().find_map(|leases| leases.get_mut(&statement.lease));
        if let Some(units) = lease {
            *units = statement.spent;
        }
    }
    Ok(LeaseSettled::default())
}

/// Grants what the plan's limit leaves; a lease asked for twice is the same lease.
async fn grant(metering: Arc<Metering>, _: Ctx, call: LeaseGrant) -> common::Result<LeaseAnswers> {
    if metering.silent.load(Ordering::SeqCst) {
        return Err(common::Error::unavailable("metering", "a test says so"));
    }
    let mut granted = metering.granted.lock();
    let answers = call.wants.iter().map(|want| {
        let Some(limit) = metering.limit(&want.budget) else {
            return LeaseAnswer { lease: want.lease, outcome: LeaseOutcome::Unlimited };
        };
        let open = granted.entry(want.budget).or_default();
        let left = limit.saturating_sub(open.values().sum::<u64>());
        let until = want.at + 3_600_000_000;
        let known = open.get(&want.lease).copied();
        let outcome = if known.is_none() && left < want.need {
            LeaseOutcome::Exhausted { until, limit, left }
        } else {
            let units = *open.entry(want.lease).or_insert_with(|| want.hint.min(left / 4).max(want.need));
            LeaseOutcome::Granted {
                units,
                period_start: 0,
                period_end: until,
                limit,
                left: left - units.min(left),
            }
        };
        LeaseAnswer { lease: want.lease, outcome }
    });
    Ok(LeaseAnswers { answers: answers.collect(), ..LeaseAnswers::default() })
}

async fn append(metering: Arc<Metering>, _: Ctx, call: AppendBatch) -> common::Result<Appended> {
    let batch = Batch::parse(&call.bytes).expect("a batch");
    let records = batch.records().expect("records").into_iter().map(|record| Record {
        request_id: record.request_id.to_string(),
        method: record.method.to_owned(),
        route: record.route.to_owned(),
        path: record.path.to_owned(),
        status: record.outcome.status,
        reason: record.outcome.reason,
        flags: record.outcome.flags,
        quota_units: record.outcome.quota_units,
        spend_micros: record.outcome.spend_micros,
        billable_units: record.outcome.billable_units,
        bytes_in: record.outcome.bytes_in,
        bytes_out: record.outcome.bytes_out,
        key: record.subject.key,
        usage_plan: record.subject.usage_plan,
    });
    metering.records.lock().extend(records);
    Ok(Appended { acked_through: call.sequence })
}

/// A key of a tenant with this value and these plans.
pub(crate) fn key(tenant: TenantId, value: &str, plans: &[UsagePlanId]) -> KeyEntry {
    let now = chrono::DateTime::UNIX_EPOCH;
    KeyEntry {
        id: KeyId::new(now),
        tenant,
        sha256: common::secret::sha256_hex(value.as_bytes()),
        previous: None,
        enabled: true,
        expires_at: None,
        created_at: now,
        usage_plans: plans.to_vec(),
        subscription: None,
        plan: None,
        spend_price_micros: None,
    }
}

/// A plan of a tenant for one stage, without limits.
pub(crate) fn plan(tenant: TenantId, api: ApiId, stage: &str) -> UsagePlanEntry {
    UsagePlanEntry {
        id: UsagePlanId::new(chrono::DateTime::UNIX_EPOCH),
        tenant,
        terms: PlanTerms {
            stages: vec![PlanStage {
                api_id: api,
                stage: stage.to_owned(),
                throttle: BTreeMap::new(),
                costs: BTreeMap::new(),
            }],
            ..PlanTerms::default()
        },
    }
}
