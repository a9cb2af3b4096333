//! How the gateway stands: what it follows, since when, and why it is not ready.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::admission::Unrecorded;
use crate::answer::Answer;
use crate::condition::Condition;
use crate::metrics::{self, WorkerMetrics};
use crate::shares::Standing;
use crate::snapshot::Live;

/// Never heard, or nobody knows when.
const NEVER: i64 = i64::MIN;

/// What is known of one owner of configuration.
#[derive(Debug)]
pub(crate) struct Owner {
    name: &'static str,
    /// Its state has been seen, from it or from disk.
    known: AtomicBool,
    /// Milliseconds, since the process began, at which it last answered: below zero before that, [`NEVER`] if it is not known.
    heard_ms: AtomicI64,
    fault: Mutex<Option<String>>,
    /// Changes whose state could not be read.
    unreadable: AtomicU64,
}

/// Shared by the workers, the followers and whoever asks.
#[derive(Debug)]
pub(crate) struct Status {
    began: Instant,
    stale_after: Duration,
    pub(crate) apis: Owner,
    pub(crate) metering: Owner,
    workers: Mutex<Vec<Arc<WorkerMetrics>>>,
    unrecorded: Arc<Unrecorded>,
    /// How throttles are shared, where they are.
    shares: Option<Arc<Standing>>,
    draining: AtomicBool,
    /// An operator gave this gateway up.
    ended: AtomicBool,
    spool_fault: Mutex<Option<String>>,
    stale: Condition,
    leases_unanswered: Condition,
    spool_full: Condition,
    /// Batches that metering refuses, and why.
    refused_batches: Mutex<Vec<String>>,
    /// Batches that went bad on the disk and were put aside, and why.
    set_aside: Mutex<Vec<String>>,
    /// Tasks that ended although the gateway runs.
    dead: Mutex<Vec<&'static str>>,
}

/// Says that a task runs; dropped with it, it tells whether the task had a reason to end.
#[derive(Debug)]
pub(crate) struct Watched {
    status: Arc<Status>,
    task: &'static str,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.status.draining.load(Ordering::Relaxed) {
            tracing::error!(task = self.task, "a task ended while the gateway runs: restart the gateway");
            self.status.dead.lock().push(self.task);
        }
    }
}

impl Owner {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            known: AtomicBool::new(false),
            heard_ms: AtomicI64::new(NEVER),
            fault: Mutex::new(None),
            unreadable: AtomicU64::new(0),
        }
    }

    /// A change of this owner has a state that cannot be read.
    pub(crate) fn unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// Its name, stable.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// True once its whole state has been seen, from it or from disk.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

impl Status {
    pub(crate) fn new(stale_after: Duration, shares: Option<Arc<Standing>>) -> Self {
        Self {
            began: common::clock::monotonic(),
            stale_after,
            apis: Owner::new("apis"),
            metering: Owner::new("metering"),
            workers: Mutex::default(),
            unrecorded: Arc::default(),
            shares,
            draining: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            spool_fault: Mutex::new(None),
            stale: Condition::new(
                "configuration is older than it may be: calls are refused",
                "configuration is young enough again",
            ),
            leases_unanswered: Condition::new(
                "metering does not answer about leases: plans' rules for degraded mode decide on calls without one",
                "metering answers about leases again",
            ),
            spool_full: Condition::new(
                "the spool's disk bound is reached: plans' rules for degraded mode decide on calls",
                "the spool has room again",
            ),
            refused_batches: Mutex::default(),
            set_aside: Mutex::default(),
            dead: Mutex::default(),
        }
    }

    /// To be held by a task that must run as long as the gateway does.
    pub(crate) fn watch(self: &Arc<Self>, task: &'static str) -> Watched {
        Watched { status: Arc::clone(self), task }
    }

    /// The state of this owner was read from disk. It was last heard at `heard`, if that is known, and it is `now`: both in
    /// microseconds since the epoch.
    pub(crate) fn restored(&self, owner: &Owner, heard: Option<i64>, now: i64) {
        let age_ms = heard.map(|heard| now.saturating_sub(heard).max(0) / 1_000);
        let heard_ms = age_ms.map_or(NEVER, |age_ms| self.elapsed_ms() - age_ms);
        owner.heard_ms.store(heard_ms, Ordering::Relaxed);
        owner.known.store(true, Ordering::Relaxed);
    }

    /// When the owner was last heard if it is `now`, in microseconds since the epoch; none if it never was.
    pub(crate) fn heard_at(&self, owner: &Owner, now: i64) -> Option<i64> {
        let heard_ms = owner.heard_ms.load(Ordering::Relaxed);
        (heard_ms != NEVER).then(|| now.saturating_sub((self.elapsed_ms() - heard_ms).saturating_mul(1_000)))
    }

    /// The owner answered; `complete` says that all its changes are known now.
    pub(crate) fn heard(&self, owner: &Owner, complete: bool) {
        if complete {
            owner.known.store(true, Ordering::Relaxed);
        }
        owner.heard_ms.store(self.elapsed_ms(), Ordering::Relaxed);
        *owner.fault.lock() = None;
    }

    /// The owner did not answer.
    pub(crate) fn failed(&self, owner: &Owner, reason: String) {
        *owner.fault.lock() = Some(reason);
    }

    /// True when the configuration is older than it may be, or nobody knows how old.
    pub(crate) fn is_stale(&self) -> bool {
        let now = self.elapsed_ms();
        [&self.apis, &self.metering].iter().any(|owner| {
            let age_ms = now.saturating_sub(owner.heard_ms.load(Ordering::Relaxed)).max(0);
            owner.is_known() && u128::from(age_ms.unsigned_abs()) > self.stale_after.as_millis()
        })
    }

    /// Says in the log when the configuration has become too old, and when it no longer is.
    pub(crate) fn note_age(&self) {
        self.stale.see(self.is_stale());
    }

    /// Metering answered about leases, or did not.
    pub(crate) fn leases_answered(&self, answered: bool) {
        self.leases_unanswered.see(!answered);
    }

    /// The spool's disk bound is reached, or not.
    pub(crate) fn spool_is_full(&self, full: bool) {
        self.spool_full.see(full);
    }

    /// From now on the gateway ends.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// This run was ended by an operator: it gets no more leases.
    pub(crate) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// The spool's disk refuses.
    pub(crate) fn spool_failed(&self, error: &crate::spool::Error) {
        let text = error.to_string();
        let mut fault = self.spool_fault.lock();
        if fault.as_ref() != Some(&text) {
            tracing::error!(%error, "spool fails");
            *fault = Some(text);
        }
    }

    /// The spool's disk works (again).
    pub(crate) fn spool_works(&self) {
        *self.spool_fault.lock() = None;
    }

    /// Batches that metering refuses for good; their streams wait.
    pub(crate) fn set_refused_batches(&self, refused: Vec<String>) {
        *self.refused_batches.lock() = refused;
    }

    /// A batch went bad on the disk and was put aside; somebody has to look at the disk.
    pub(crate) fn set_aside(&self, batch: String) {
        tracing::error!(batch, "a batch went bad on the disk: what can be read of it is shipped");
        self.set_aside.lock().push(batch);
    }

    /// Counters for a new worker.
    pub(crate) fn add_worker(&self) -> Arc<WorkerMetrics> {
        let metrics = Arc::new(WorkerMetrics::default());
        self.workers.lock().push(Arc::clone(&metrics));
        metrics
    }

    /// Counts of calls that left no record because the disk bound was reached.
    pub(crate) fn unrecorded(&self) -> Arc<Unrecorded> {
        Arc::clone(&self.unrecorded)
    }

    /// Reasons against sending calls here; none when it is ready.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for owner in [&self.apis, &self.metering] {
            if !owner.is_known() {
                let fault = owner.fault.lock().clone().unwrap_or_else(|| "not asked yet".to_owned());
                reasons.push(format!("nothing known of {}: {fault}", owner.name));
            }
        }
        if self.is_stale() {
            reasons.push("configuration too old".to_owned());
        }
        for task in self.dead.lock().iter() {
            reasons.push(format!("{task} ended: restart the gateway"));
        }
        if self.ended.load(Ordering::Relaxed) {
            reasons.push("this run was ended by an operator: restart the gateway".to_owned());
        }
        if let Some(fault) = self.spool_fault.lock().as_ref() {
            reasons.push(format!("spool: {fault}"));
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        }
        reasons
    }

    /// What does not stop service but should be known.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for owner in [&self.apis, &self.metering] {
            if let Some(fault) = owner.fault.lock().as_ref() {
                let heard_ms = owner.heard_ms.load(Ordering::Relaxed);
                let since = match heard_ms {
                    NEVER => String::new(),
                    _ => format!(" for {} s", (self.elapsed_ms() - heard_ms) / 1_000),
                };
                warnings.push(format!("{} not heard{since}: {fault}", owner.name));
            }
        }
        let conditions = [&self.leases_unanswered, &self.spool_full];
        let holding = conditions.iter().filter(|condition| condition.holds());
        warnings.extend(holding.map(|condition| condition.meaning().to_owned()));
        warnings.extend(self.shares.iter().flat_map(|shares| shares.warnings()));
        warnings.extend(self.set_aside.lock().iter().map(|batch| format!("damaged batch {batch}")));
        warnings
            .extend(self.refused_batches.lock().iter().map(|refused| format!("metering refuses {refused}")));
        warnings
    }

    pub(crate) fn readyz(&self) -> Answer {
        let obstacles = self.obstacles();
        let status = if obstacles.is_empty() { 200 } else { 503 };
        let body = serde_json::json!({
            "ready": obstacles.is_empty(),
            "reasons": obstacles,
            "warnings": self.warnings(),
        });
        Answer::with_body(status, "application/json", body.to_string())
    }

    pub(crate) fn metrics(&self, live: &Live) -> String {
        let mut out = String::new();
        metrics::render(&self.workers.lock(), &mut out);
        let (stages, keys) = live.sizes();
        let unrecorded = [
            (
                "tollgate_gateway_unrecorded_refusals_total",
                "Refusals beyond the disk bound.",
                &self.unrecorded.refused,
            ),
            (
                "tollgate_gateway_unrecorded_calls_total",
                "Calls served beyond the disk bound.",
                &self.unrecorded.served,
            ),
        ];
        for (name, help, counter) in unrecorded {
            metrics::header(&mut out, name, "counter", help);
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name} {}", counter.load(Ordering::Relaxed));
        }
        let name = "tollgate_gateway_unreadable_changes_total";
        metrics::header(&mut out, name, "counter", "Changes denied because their state cannot be read.");
        for owner in [&self.apis, &self.metering] {
            let count = owner.unreadable.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}{{owner=\"{}\"}} {count}", owner.name);
        }
        let name = "tollgate_gateway_damaged_batches_total";
        metrics::header(&mut out, name, "counter", "Batches that went bad on the disk.");
        let _ = writeln!(out, "{name} {}", self.set_aside.lock().len());
        let gauges = [
            ("tollgate_gateway_stages", "Stages served.", stages as u64),
            ("tollgate_gateway_key_values", "Values of keys held.", keys as u64),
            ("tollgate_gateway_apis_revision", "Revision of apis in force.", live.revisions.apis),
            ("tollgate_gateway_metering_revision", "Revision of metering in force.", live.revisions.metering),
            (
                "tollgate_gateway_configuration_stale",
                "1 while the configuration is older than it may be.",
                u64::from(self.is_stale()),
            ),
            (
                "tollgate_gateway_leases_unanswered",
                "1 while metering does not answer about leases.",
                u64::from(self.leases_unanswered.holds()),
            ),
            (
                "tollgate_gateway_spool_full",
                "1 while the spool's disk bound is reached.",
                u64::from(self.spool_full.holds()),
            ),
        ];
        for (name, help, value) in gauges {
            metrics::header(&mut out, name, "gauge", help);
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name} {value}");
        }
        if let Some(shares) = &self.shares {
            shares.metrics(&mut out);
        }
        out
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn status(stale_after: Duration) -> Arc<Status> {
        Arc::new(Status::new(stale_after, None))
    }

    #[test]
    fn the_age_of_a_restored_configuration_counts_from_when_its_owner_was_heard() {
        let now = 1_000 * HOUR_US;
        let status = status(Duration::from_secs(24 * 3_600));
        status.restored(&status.apis, Some(now - 23 * HOUR_US), now);
        status.restored(&status.metering, Some(now), now);
        assert!(!status.is_stale());
        status.restored(&status.apis, Some(now - 25 * HOUR_US), now);
        assert!(status.is_stale(), "a day and an hour");
        assert!(status.obstacles().contains(&"configuration too old".to_owned()));
        let kept = status.heard_at(&status.apis, now).map(|heard| (now - heard) / HOUR_US);
        assert_eq!(kept, Some(25), "a restart makes nothing younger");
        status.heard(&status.apis, true);
        assert!(!status.is_stale(), "its owner answers again");
        status.restored(&status.metering, Some(now + HOUR_US), now);
        assert!(!status.is_stale(), "a clock that was set back");
    }

    #[test]
    fn a_configuration_of_unknown_age_is_stale_unless_it_may_have_any_age() {
        for (stale_after, stale) in [(Duration::from_secs(3_600), true), (Duration::MAX, false)] {
            let status = status(stale_after);
            assert!(!status.is_stale(), "nothing is known, so nothing is old");
            status.restored(&status.apis, None, HOUR_US);
            assert_eq!(status.is_stale(), stale);
            assert_eq!(status.heard_at(&status.apis, HOUR_US), None);
        }
    }

    #[test]
    fn a_task_that_panics_while_the_gateway_runs_is_an_obstacle() {
        let status = status(Duration::MAX);
        let watched = status.watch("following apis");
        let ended = std::thread::spawn(move || {
            let _watched = watched;
            std::panic::resume_unwind(Box::new("planted"));
        });
        assert!(ended.join().is_err());
        assert!(status.obstacles().contains(&"following apis ended: restart the gateway".to_owned()));
    }

    #[test]
    fn a_task_that_ends_with_the_gateway_is_none() {
        let status = status(Duration::MAX);
        let watched = status.watch("following apis");
        status.drain();
        drop(watched);
        assert!(!status.obstacles().iter().any(|reason| reason.contains("ended")));
    }
}
