//! `apis` and `metering` as far as a gateway sees them: two change streams, here told by a test what to say.

use std::sync::Arc;
use std::time::Duration;

use common::id::{ApiId, KeyId, TenantId, UsagePlanId};
use contracts::apis::{FollowStages, StageEntry};
use contracts::metering::{AccessEntry, FollowAccess, KeyEntry, UsagePlanEntry};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Client, Ctx, Endpoints, Role};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Both streams.
#[derive(Clone)]
pub struct Owners {
    stages: Arc<Stream<StageEntry>>,
    access: Arc<Stream<AccessEntry>>,
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
        let mut changes = self.changes.lock();
        let revision = *self.revision.borrow() + 1;
        changes.retain(|change| change.key != key);
        changes.push(Change { revision, key, state });
        drop(changes);
        self.revision.send_replace(revision);
    }

    async fn answer(&self, follow: Follow) -> Changes<T> {
        self.applied.send_modify(|applied| *applied = follow.applied.max(*applied));
        let mut revision = self.revision.subscribe();
        let wait = Duration::from_millis(u64::from(follow.wait_ms));
        // Nothing new within the wait is an answer too.
        let _ = tokio::time::timeout(wait, revision.wait_for(|revision| *revision > follow.applied)).await;
        let changes = self.changes.lock();
        let after = changes.iter().filter(|change| change.revision > follow.applied).cloned();
        Changes { changes: after.collect(), revision: *self.revision.borrow(), more: false }
    }

    async fn in_force(&self) {
        let revision = *self.revision.borrow();
        self.applied.subscribe().wait_for(|applied| *applied >= revision).await.expect("owners live");
    }
}

impl Owners {
    pub fn new() -> Self {
        Self { stages: Arc::default(), access: Arc::default() }
    }

    pub fn client(&self) -> Client {
        let apis = Endpoints::new(Role::Apis).with(&self.stages, follow_stages);
        let metering = Endpoints::new(Role::Metering).with(&self.access, follow_access);
        let runtime = tokio::runtime::Handle::current();
        Client::builder().local(Arc::new(apis), runtime.clone()).local(Arc::new(metering), runtime).build()
    }

    pub fn put_stage(&self, entry: StageEntry) {
        self.stages.push(format!("stage/{}/{}", entry.api, entry.stage), Some(entry));
    }

    pub fn remove_stage(&self, api: ApiId, stage: &str) {
        self.stages.push(format!("stage/{api}/{stage}"), None);
    }

    pub fn put_key(&self, entry: KeyEntry) {
        self.access.push(format!("key/{}", entry.id), Some(AccessEntry::Key(entry)));
    }

    pub fn remove_key(&self, key: KeyId) {
        self.access.push(format!("key/{key}"), None);
    }

    pub fn put_plan(&self, entry: UsagePlanEntry) {
        self.access.push(format!("usage_plan/{}", entry.id), Some(AccessEntry::UsagePlan(entry)));
    }

    pub fn remove_plan(&self, plan: UsagePlanId) {
        self.access.push(format!("usage_plan/{plan}"), None);
    }

    /// Waits until a gateway has reported everything said so far.
    pub async fn in_force(&self) {
        self.stages.in_force().await;
        self.access.in_force().await;
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
    stream: Arc<Stream<AccessEntry>>,
    _: Ctx,
    call: FollowAccess,
) -> common::Result<Changes<AccessEntry>> {
    Ok(stream.answer(call.follow).await)
}

/// A key of a tenant with this value and these plans.
pub fn key(tenant: TenantId, value: &str, plans: &[UsagePlanId]) -> KeyEntry {
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
    }
}
