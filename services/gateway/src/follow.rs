//! Follows what `apis` and `metering` publish.
//!
//! One task per owner, on the control runtime. A long poll reports what is in force and waits for what comes next. When an
//! owner is down the gateway serves on with what it has; `/readyz` says why.

use std::sync::Arc;
use std::time::Duration;

use common::Clock;
use common::id::GatewayId;
use contracts::apis::FollowStages;
use contracts::metering::{AccessEntry, FollowAccess};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Call, Client, Ctx, Role};
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::accounting::News;
use crate::snapshot::{Store, Writer};
use crate::status::{Owner, Status};

const WAIT_MS: u32 = 20_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What both followers share.
#[derive(Debug, Clone)]
pub(crate) struct Follower {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) gateway: GatewayId,
    pub(crate) status: Arc<Status>,
    pub(crate) writer: Arc<Mutex<Writer>>,
    pub(crate) store: Arc<Store>,
    /// Tells the desk which keys and plans changed.
    pub(crate) news: UnboundedSender<News>,
}

impl Follower {
    /// Follows the stages until dropped.
    pub(crate) async fn stages(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let applied = self.writer.lock().live().revisions.apis;
            let call = FollowStages { follow: self.follow(applied) };
            let Some(changes) = self.ask(call, &self.status.apis, &mut pause).await else { continue };
            if changes.revision < applied {
                self.writer.lock().reset_stages();
                self.store.forget_stages().await;
                continue;
            }
            if !changes.changes.is_empty() || changes.revision != applied {
                let stored = changes.changes.clone();
                self.writer.lock().apply_stages(changes.changes, changes.revision);
                self.store.save_stages(stored, changes.revision).await;
            }
            self.status.heard(&self.status.apis, !changes.more);
        }
    }

    /// Follows keys and usage plans until dropped.
    pub(crate) async fn access(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let applied = self.writer.lock().live().revisions.metering;
            let call = FollowAccess { follow: self.follow(applied) };
            let Some(changes) = self.ask(call, &self.status.metering, &mut pause).await else { continue };
            if changes.revision < applied {
                self.writer.lock().reset_access();
                continue;
            }
            if !changes.changes.is_empty() || changes.revision != applied {
                let news: Vec<_> = changes.changes.iter().filter_map(what_changed).collect();
                self.writer.lock().apply_access(changes.changes, changes.revision);
                for changed in news {
                    // Fails only when the gateway ends.
                    let _ = self.news.send(changed);
                }
                if !changes.more {
                    let live = self.writer.lock().live().clone();
                    self.store.save_access(live).await;
                }
            }
            self.status.heard(&self.status.metering, !changes.more);
        }
    }

    fn follow(&self, applied: u64) -> Follow {
        Follow { gateway: self.gateway, applied, wait_ms: WAIT_MS }
    }

    async fn ask<C, T>(&self, call: C, owner: &Owner, pause: &mut Duration) -> Option<Changes<T>>
    where
        C: Call<Output = Changes<T>>,
    {
        let ctx = Ctx::service(Role::Gateway, self.clock.now());
        match self.client.call(&ctx, call).await {
            Ok(changes) => {
                *pause = FIRST_PAUSE;
                for change in &changes.changes {
                    if let Some(fault) = &change.fault {
                        tracing::error!(
                            key = change.key,
                            fault,
                            "state cannot be read: the object is denied"
                        );
                        owner.unreadable();
                    }
                }
                Some(changes)
            }
            Err(error) => {
                self.status.failed(owner, error.to_string());
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(LONGEST_PAUSE);
                None
            }
        }
    }
}

fn what_changed(change: &Change<AccessEntry>) -> Option<News> {
    if let Some(key) = change.key.strip_prefix("key/") {
        return Some(News::Changed(Some(key.parse().ok()?), None));
    }
    let plan = change.key.strip_prefix("usage_plan/")?;
    Some(News::Changed(None, Some(plan.parse().ok()?)))
}
