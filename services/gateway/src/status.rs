//! How the gateway stands: what it follows, since when, and why it is not ready.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::admission::Unrecorded;
use crate::answer::Answer;
use crate::metrics::{self, WorkerMetrics};
use crate::shares::Standing;
use crate::snapshot::Live;

/// What is known of one owner of configuration.
#[derive(Debug)]
pub(crate) struct Owner {
    name: &'static str,
    /// Its state has been seen, from it or from disk.
    known: AtomicBool,
    /// Milliseconds, since the process began, at which it last answered.
    heard_ms: AtomicU64,
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
    /// Batches that metering refuses, and why.
    refused_batches: Mutex<Vec<String>>,
}

impl Owner {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            known: AtomicBool::new(false),
            heard_ms: AtomicU64::new(0),
            fault: Mutex::new(None),
            unreadable: AtomicU64::new(0),
        }
    }

    /// A change of this owner has a state that cannot be read.
    pub(crate) fn unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// The state of this owner was read from disk.
    pub(crate) fn restored(&self) {
        self.known.store(true, Ordering::Relaxed);
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
            refused_batches: Mutex::default(),
        }
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

    /// True when the configuration is older than it may be.
    pub(crate) fn is_stale(&self) -> bool {
        let oldest =
            self.apis.heard_ms.load(Ordering::Relaxed).min(self.metering.heard_ms.load(Ordering::Relaxed));
        u128::from(self.elapsed_ms().saturating_sub(oldest)) > self.stale_after.as_millis()
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
            if !owner.known.load(Ordering::Relaxed) {
                let fault = owner.fault.lock().clone().unwrap_or_else(|| "not asked yet".to_owned());
                reasons.push(format!("nothing known of {}: {fault}", owner.name));
            }
        }
        if self.is_stale() {
            reasons.push("configuration too old".to_owned());
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
                let since = self.elapsed_ms().saturating_sub(owner.heard_ms.load(Ordering::Relaxed)) / 1_000;
                warnings.push(format!("{} not heard for {since} s: {fault}", owner.name));
            }
        }
        warnings.extend(self.shares.as_ref().and_then(|shares| shares.warning()));
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
        let gauges = [
            ("tollgate_gateway_stages", "Stages served.", stages as u64),
            ("tollgate_gateway_key_values", "Values of keys held.", keys as u64),
            ("tollgate_gateway_apis_revision", "Revision of apis in force.", live.revisions.apis),
            ("tollgate_gateway_metering_revision", "Revision of metering in force.", live.revisions.metering),
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

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
