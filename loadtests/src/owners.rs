//! `apis` and `metering` as far as a gateway sees them: change streams, leases as metering grants them, and a count of the records
//! that arrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::monotonic;
use contracts::apis::{FollowStages, StageEntry};
use contracts::lease::{
    AppendBatch, Appended, GatewayRegister, GatewayRegistered, GatewayStop, GatewayStopped, LeaseAnswer,
    LeaseAnswers, LeaseGrant, LeaseOutcome, LeaseSettle, LeaseSettled, MAX_LEASE, ReportWatermark,
    WatermarkReported,
};
use contracts::metering::{AccessEntry, FollowAccess};
use contracts::record::{Batch, Reason};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Client, Ctx, Endpoints, Role};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::catalogue::{Catalogue, QUOTA};

/// Changes answered at once.
const PAGE: usize = 2_000;
/// A lease takes at most this part of what is free: metering's own rule.
const SHARE: u64 = 4;

/// What both owners know.
#[derive(Debug)]
pub(crate) struct Owners {
    catalogue: Catalogue,
    upstream: String,
    now: DateTime<Utc>,
    access: Stream<AccessEntry>,
    stages: Stream<StageEntry>,
    counted: Mutex<Counted>,
}

/// What came from the gateway.
#[derive(Debug, Default)]
struct Counted {
    records: u64,
    by_outcome: BTreeMap<(u16, &'static str), u64>,
    units: u64,
    batches: u64,
    grant_calls: u64,
    leases: u64,
}

/// The state at the beginning, which is made when it is read, and what changed since.
#[derive(Debug)]
struct Stream<T> {
    initial: usize,
    later: Mutex<Vec<Change<T>>>,
    revision: watch::Sender<u64>,
    applied: watch::Sender<u64>,
}

impl<T: Clone> Stream<T> {
    fn new(initial: usize) -> Self {
        let revision = watch::channel(initial as u64).0;
        Self { initial, later: Mutex::default(), revision, applied: watch::channel(0).0 }
    }

    async fn answer(&self, follow: &Follow, make: impl Fn(usize) -> (String, T)) -> Changes<T> {
        self.applied.send_modify(|applied| *applied = follow.applied.max(*applied));
        let after = usize::try_from(follow.after()).unwrap_or(usize::MAX);
        if after < self.initial {
            let end = (after + PAGE).min(self.initial);
            let changes = (after..end).map(|at| {
                let (key, state) = make(at);
                Change::new(at as u64 + 1, key, Some(state))
            });
            return Changes {
                changes: changes.collect(),
                revision: end as u64,
                more: end as u64 != *self.revision.borrow(),
            };
        }
        let mut revision = self.revision.subscribe();
        let wait = Duration::from_millis(u64::from(follow.wait_ms).min(5_000));
        // Nothing new within the wait is an answer too.
        let _ = tokio::time::timeout(wait, revision.wait_for(|revision| *revision > follow.after())).await;
        let later = self.later.lock();
        let changes = later.iter().filter(|change| change.revision > follow.after()).cloned().collect();
        Changes { changes, revision: *self.revision.borrow(), more: false }
    }

    /// Publishes a state and answers its revision.
    fn push(&self, key: String, state: T) -> u64 {
        let mut later = self.later.lock();
        let revision = *self.revision.borrow() + 1;
        later.push(Change::new(revision, key, Some(state)));
        drop(later);
        self.revision.send_replace(revision);
        revision
    }

    /// Waits until the gateway has said that it enforces `revision`.
    async fn applied(&self, revision: u64) {
        // The sender lives as long as this.
        let _ = self.applied.subscribe().wait_for(|applied| *applied >= revision).await;
    }
}

impl Owners {
    pub(crate) fn new(catalogue: Catalogue, upstream: String, now: DateTime<Utc>) -> Self {
        Self {
            access: Stream::new(catalogue.access_len()),
            stages: Stream::new(catalogue.apis),
            catalogue,
            upstream,
            now,
            counted: Mutex::default(),
        }
    }

    /// A client by which a gateway reaches both, on `runtime`.
    pub(crate) fn client(owners: &Arc<Self>, runtime: Handle) -> Client {
        let apis = Endpoints::new(Role::Apis).with(owners, follow_stages);
        let metering = Endpoints::new(Role::Metering)
            .with(owners, follow_access)
            .with(owners, register)
            .with(owners, grant)
            .with(owners, settle)
            .with(owners, append)
            .with(owners, report)
            .with(owners, stop);
        Client::builder().local(Arc::new(apis), runtime.clone()).local(Arc::new(metering), runtime).build()
    }

    /// Waits until the gateway enforces everything there is.
    pub(crate) async fn all_applied(&self) {
        self.access.applied(self.catalogue.access_len() as u64).await;
        self.stages.applied(self.catalogue.apis as u64).await;
    }

    /// What has come from the gateway so far.
    pub(crate) fn counts(&self) -> Value {
        let counted = self.counted.lock();
        let outcomes = counted.by_outcome.iter();
        let by_outcome: BTreeMap<String, u64> =
            outcomes.map(|((status, reason), count)| (format!("{status} {reason}"), *count)).collect();
        json!({
            "records": counted.records,
            "by_outcome": by_outcome,
            "units": counted.units,
            "batches": counted.batches,
            "grant_calls": counted.grant_calls,
            "leases": counted.leases,
        })
    }

    /// Changes a key and answers the milliseconds until the gateway has said that it enforces the change.
    pub(crate) async fn change_key(&self) -> f64 {
        let began = monotonic();
        // One that no load uses: its quota is asked for anew after the change.
        let (name, state) = self.catalogue.access(self.catalogue.access_len() - 1, self.now);
        let revision = self.access.push(name, state);
        self.access.applied(revision).await;
        began.elapsed().as_secs_f64() * 1e3
    }

    /// Deploys an API anew and answers the milliseconds until it is in force.
    pub(crate) async fn change_stage(&self) -> f64 {
        let began = monotonic();
        let (name, state) = self.catalogue.stage(0, &self.upstream, self.now);
        let revision = self.stages.push(name, state);
        self.stages.applied(revision).await;
        began.elapsed().as_secs_f64() * 1e3
    }
}

async fn follow_stages(
    owners: Arc<Owners>,
    _: Ctx,
    call: FollowStages,
) -> common::Result<Changes<StageEntry>> {
    let make = |number| owners.catalogue.stage(number, &owners.upstream, owners.now);
    Ok(owners.stages.answer(&call.follow, make).await)
}

async fn follow_access(
    owners: Arc<Owners>,
    _: Ctx,
    call: FollowAccess,
) -> common::Result<Changes<AccessEntry>> {
    Ok(owners.access.answer(&call.follow, |at| owners.catalogue.access(at, owners.now)).await)
}

async fn register(_: Arc<Owners>, _: Ctx, _: GatewayRegister) -> common::Result<GatewayRegistered> {
    Ok(GatewayRegistered {})
}

async fn report(_: Arc<Owners>, _: Ctx, _: ReportWatermark) -> common::Result<WatermarkReported> {
    Ok(WatermarkReported::default())
}

async fn stop(_: Arc<Owners>, _: Ctx, _: GatewayStop) -> common::Result<GatewayStopped> {
    Ok(GatewayStopped {})
}

async fn settle(_: Arc<Owners>, _: Ctx, _: LeaseSettle) -> common::Result<LeaseSettled> {
    Ok(LeaseSettled::default())
}

/// Grants what the gateway expects to use, from a quota that no run comes near to.
async fn grant(owners: Arc<Owners>, _: Ctx, call: LeaseGrant) -> common::Result<LeaseAnswers> {
    let mut counted = owners.counted.lock();
    counted.grant_calls += 1;
    counted.leases += call.wants.len() as u64;
    let answers = call.wants.iter().map(|want| {
        let outcome = LeaseOutcome::Granted {
            units: want.hint.min(QUOTA / SHARE).clamp(want.need, MAX_LEASE),
            period_start: 0,
            period_end: i64::MAX,
            limit: QUOTA,
            left: QUOTA,
        };
        LeaseAnswer { lease: want.lease, outcome }
    });
    Ok(LeaseAnswers { answers: answers.collect(), ..LeaseAnswers::default() })
}

async fn append(owners: Arc<Owners>, _: Ctx, call: AppendBatch) -> common::Result<Appended> {
    let batch = Batch::parse(&call.bytes).map_err(common::Error::internal)?;
    let mut counted = owners.counted.lock();
    counted.batches += 1;
    for record in batch.records().map_err(common::Error::internal)? {
        let outcome = record.outcome;
        counted.records += 1;
        counted.units += outcome.quota_units;
        let reason: Reason = outcome.reason;
        *counted.by_outcome.entry((outcome.status, reason.as_str())).or_default() += 1;
    }
    Ok(Appended { acked_through: call.sequence })
}
