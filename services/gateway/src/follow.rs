//! Follows what `apis` and `metering` publish.
//!
//! One task per owner, on the control runtime. A long poll reports what is in force and waits for what comes next. When an
//! owner is down the gateway serves on with what it has; `/readyz` says why.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::Clock;
use common::clock::monotonic;
use common::id::GatewayId;
use contracts::apis::FollowStages;
use contracts::metering::{AccessEntry, FollowAccess};
use contracts::stream::{Change, Changes, Follow};
use contracts::{Call, Client, Ctx, Role};
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::accounting::News;
use crate::admission::Published;
use crate::memory;
use crate::snapshot::{Store, Writer};
use crate::status::{Owner, Status};

const WAIT_MS: u32 = 20_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often it is kept on disk when an owner was heard.
const NOTE_EVERY: Duration = Duration::from_secs(60);
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

/// The state of an owner that went back, as far as it has been read anew.
#[derive(Debug)]
struct Anew<T> {
    changes: Vec<Change<T>>,
    through: u64,
}

/// What an answer means for a follower.
enum Told<T> {
    /// These came after what is in force.
    Next(Changes<T>),
    /// This is the whole state of an owner that went back.
    Whole(Changes<T>),
    /// Nothing can be put in force yet.
    Partly,
}

/// Makes whole states of answers. An owner that was restored from a backup is behind what is in force; its state is read
/// anew beside it and takes its place when it is complete, so that nothing vanishes meanwhile.
#[derive(Debug)]
struct Reading<T> {
    owner: &'static str,
    anew: Option<Anew<T>>,
}

impl<T> Reading<T> {
    const fn new(owner: &'static str) -> Self {
        Self { owner, anew: None }
    }

    /// What to ask for when `applied` is in force.
    fn ask(&self, gateway: GatewayId, applied: u64) -> Follow {
        match &self.anew {
            None => Follow { gateway, applied, after: None, wait_ms: WAIT_MS },
            // What is in force belongs to a state that is no more.
            Some(anew) => Follow { gateway, applied: 0, after: Some(anew.through), wait_ms: 0 },
        }
    }

    /// Takes the answer to `asked`.
    fn take(&mut self, asked: &Follow, answer: Changes<T>) -> Told<T> {
        if answer.revision < asked.after() {
            let (owner, revision, followed) = (self.owner, answer.revision, asked.after());
            tracing::warn!(owner, revision, followed, "an owner went back: its state is read anew");
            self.anew = Some(Anew { changes: Vec::new(), through: 0 });
            return Told::Partly;
        }
        let Some(mut anew) = self.anew.take() else { return Told::Next(answer) };
        anew.changes.extend(answer.changes);
        anew.through = answer.revision;
        if answer.more {
            self.anew = Some(anew);
            return Told::Partly;
        }
        Told::Whole(Changes { changes: anew.changes, revision: answer.revision, more: false })
    }
}

impl Follower {
    /// Follows the stages until dropped.
    pub(crate) async fn stages(self) {
        let _watched = self.status.watch("following apis");
        let owner = &self.status.apis;
        let mut reading = Reading::new(owner.name());
        let (mut pause, mut noted) = (FIRST_PAUSE, None);
        let mut changes = 0;
        loop {
            let applied = self.writer.lock().live().revisions.apis;
            let follow = reading.ask(self.gateway, applied);
            let call = FollowStages { follow: follow.clone() };
            let Some(answer) = self.ask(call, owner, &mut pause).await else { continue };
            let complete = !answer.more;
            changes += answer.changes.len();
            match reading.take(&follow, answer) {
                Told::Partly => continue,
                Told::Whole(state) => {
                    self.store.note_all_stages(state.changes.clone(), state.revision);
                    self.writer.lock().replace_stages(state.changes, state.revision);
                }
                Told::Next(next) if !next.changes.is_empty() || next.revision != applied => {
                    self.store.note_stages(next.changes.clone(), next.revision);
                    self.writer.lock().apply_stages(next.changes, next.revision);
                }
                Told::Next(_) => {}
            }
            self.status.heard(owner, complete);
            if complete {
                self.store.save_stages().await;
                self.note_heard(owner, &mut noted).await;
                tidy(std::mem::take(&mut changes) >= memory::MANY_STAGES).await;
            }
        }
    }

    /// Follows keys and usage plans until dropped.
    pub(crate) async fn access(self) {
        let _watched = self.status.watch("following metering");
        let owner = &self.status.metering;
        let mut reading = Reading::new(owner.name());
        let (mut pause, mut noted) = (FIRST_PAUSE, None);
        let mut changes = 0;
        loop {
            let applied = self.writer.lock().live().revisions.metering;
            let follow = reading.ask(self.gateway, applied);
            let call = FollowAccess { follow: follow.clone() };
            let Some(answer) = self.ask(call, owner, &mut pause).await else { continue };
            let complete = !answer.more;
            changes += answer.changes.len();
            match reading.take(&follow, answer) {
                Told::Partly => continue,
                Told::Whole(state) => {
                    let news: Vec<_> = state.changes.iter().flat_map(what_changed).collect();
                    self.store.forget_access();
                    self.writer.lock().replace_access(state.changes, state.revision);
                    self.tell(news);
                }
                Told::Next(next) if !next.changes.is_empty() || next.revision != applied => {
                    let news: Vec<_> = next.changes.iter().flat_map(what_changed).collect();
                    self.writer.lock().apply_access(next.changes, next.revision);
                    self.tell(news);
                }
                Told::Next(_) => {}
            }
            self.status.heard(owner, complete);
            if complete {
                let live = self.writer.lock().live().clone();
                self.store.save_access(live).await;
                self.note_heard(owner, &mut noted).await;
                tidy(std::mem::take(&mut changes) >= memory::MANY_KEYS).await;
            }
        }
    }

    fn tell(&self, news: Vec<News>) {
        for changed in news {
            // Fails only when the gateway ends.
            let _ = self.news.send(changed);
        }
    }

    /// Keeps when the owner was heard, now and then: it tells a later run how old its configuration is.
    async fn note_heard(&self, owner: &Owner, noted: &mut Option<Instant>) {
        if noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) {
            *noted = Some(monotonic());
            self.store.save_heard(owner.name(), Clock::System.micros()).await;
        }
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

/// Gives memory back when there were many changes.
async fn tidy(many: bool) {
    if many {
        // Fails only when the gateway ends.
        let _ = tokio::task::spawn_blocking(memory::give_back).await;
    }
}

fn what_changed(change: &Change<AccessEntry>) -> Vec<News> {
    let mut published = Vec::new();
    if let Some(key) = change.key.strip_prefix("key/") {
        published.extend(key.parse().ok().map(Published::Key));
        if let Some(AccessEntry::Key(key)) = &change.state {
            published.extend(key.subscription.map(Published::Subscription));
        }
    } else if let Some(plan) = change.key.strip_prefix("usage_plan/") {
        published.extend(plan.parse().ok().map(Published::Plan));
    }
    published.into_iter().map(News::Changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(changes: &[u64], revision: u64, more: bool) -> Changes<u64> {
        let change = |number: &u64| Change::new(*number, number.to_string(), Some(*number));
        Changes { changes: changes.iter().map(change).collect(), revision, more }
    }

    #[test]
    fn an_owner_that_went_back_is_read_from_the_beginning_and_put_in_force_whole() {
        let gateway = GatewayId::new(chrono::DateTime::UNIX_EPOCH);
        let mut reading = Reading::new("metering");
        let asked = reading.ask(gateway, 100);
        assert_eq!((asked.applied, asked.after), (100, None));
        assert!(matches!(reading.take(&asked, answer(&[], 90, false)), Told::Partly));

        let asked = reading.ask(gateway, 100);
        assert_eq!((asked.applied, asked.after), (0, Some(0)), "nothing of the new state is in force");
        assert!(matches!(reading.take(&asked, answer(&[3, 50], 50, true)), Told::Partly));
        let asked = reading.ask(gateway, 100);
        assert_eq!((asked.applied, asked.after), (0, Some(50)));
        let Told::Whole(state) = reading.take(&asked, answer(&[90], 90, false)) else {
            unreachable!("the state is complete")
        };
        assert_eq!((state.changes.len(), state.revision), (3, 90));

        let asked = reading.ask(gateway, 90);
        assert_eq!((asked.applied, asked.after), (90, None));
        assert!(matches!(reading.take(&asked, answer(&[91], 91, false)), Told::Next(_)));
    }
}
