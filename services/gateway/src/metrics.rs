//! Counters of the workers and their text for `/metrics`.
//!
//! Each worker adds to its own counters; whoever asks sums them up.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contracts::record::{Reason, ThrottleScope};

use crate::errors::{Fault, Refusal};

const STATUS_CLASSES: usize = 6;
/// More than there are reasons.
const REASONS: usize = 64;

/// The counters of one worker, alone on their cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct WorkerMetrics {
    /// Answers by status class; the first for calls that ended without one.
    by_class: [AtomicU64; STATUS_CLASSES],
    by_reason: [AtomicU64; REASONS],
    by_throttle: [AtomicU64; ThrottleScope::ALL.len()],
    malformed: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicU64,
    costs_capped: AtomicU64,
    degraded: AtomicU64,
}

/// Picks one number of a worker.
type Counter<'a> = &'a dyn Fn(&WorkerMetrics) -> &AtomicU64;

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            by_class: std::array::from_fn(|_| AtomicU64::new(0)),
            by_reason: std::array::from_fn(|_| AtomicU64::new(0)),
            by_throttle: std::array::from_fn(|_| AtomicU64::new(0)),
            malformed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            costs_capped: AtomicU64::new(0),
            degraded: AtomicU64::new(0),
        }
    }
}

impl WorkerMetrics {
    pub(crate) fn call_ended(&self, status: u16, reason: Reason) {
        let class = usize::from(status / 100).min(STATUS_CLASSES - 1);
        add(&self.by_class[class]);
        if let Some(counter) = self.by_reason.get(usize::from(reason.code())) {
            add(counter);
        }
    }

    /// A throttle refused a call.
    pub(crate) fn throttled(&self, throttle: ThrottleScope) {
        add(&self.by_throttle[place(throttle)]);
    }

    /// A call was refused before it had a record.
    pub(crate) fn call_refused(&self, reason: Reason) {
        self.call_ended(503, reason);
    }

    pub(crate) fn malformed(&self) {
        add(&self.malformed);
    }

    /// A call is served by its plan's rule for degraded mode.
    pub(crate) fn call_degraded(&self) {
        add(&self.degraded);
    }

    /// An answer said that it cost more than was reserved for it.
    pub(crate) fn cost_capped(&self) {
        add(&self.costs_capped);
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.connections);
    }

    pub(crate) fn call_begun(&self) {
        add(&self.in_flight);
    }

    pub(crate) fn call_left(&self) {
        self.in_flight.store(self.in_flight.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
    }
}

/// Its place among all throttles.
const fn place(throttle: ThrottleScope) -> usize {
    throttle as usize - 1
}

/// Only its own thread writes a counter: no read-modify-write is needed.
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The counters of all workers in the Prometheus text format.
pub(crate) fn render(workers: &[Arc<WorkerMetrics>], out: &mut String) {
    let sum = |of: &dyn Fn(&WorkerMetrics) -> &AtomicU64| -> u64 {
        workers.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
    };
    header(out, "tollgate_gateway_calls_total", "counter", "Calls by outcome.");
    for reason in Reason::ALL {
        let count = sum(&|worker| &worker.by_reason[usize::from(reason.code()) % REASONS]);
        if count > 0 {
            let fault = match reason {
                Reason::Ok => "none",
                Reason::ClientDisconnected => Fault::Client.as_str(),
                reason => Refusal::new(*reason).fault().as_str(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "tollgate_gateway_calls_total{{reason=\"{}\",fault=\"{fault}\"}} {count}",
                reason.as_str()
            );
        }
    }
    header(out, "tollgate_gateway_responses_total", "counter", "Calls by status class; 0 = none was sent.");
    for class in 0..STATUS_CLASSES {
        let count = sum(&|worker| &worker.by_class[class]);
        let _ = writeln!(out, "tollgate_gateway_responses_total{{class=\"{class}\"}} {count}");
    }
    let name = "tollgate_gateway_throttled_total";
    header(out, name, "counter", "Calls refused by a throttle, by what it holds for.");
    for throttle in ThrottleScope::ALL {
        let count = sum(&|worker| &worker.by_throttle[place(throttle)]);
        let _ = writeln!(out, "{name}{{limit=\"{}\"}} {count}", throttle.as_str());
    }
    let single: [(&str, &str, &str, Counter<'_>); 5] = [
        (
            "tollgate_gateway_degraded_calls_total",
            "counter",
            "Calls served by their plan's rule for degraded mode, outside its limits.",
            &|w| &w.degraded,
        ),
        (
            "tollgate_gateway_costs_capped_total",
            "counter",
            "Calls whose answer said that they cost more than was reserved.",
            &|w| &w.costs_capped,
        ),
        ("tollgate_gateway_malformed_requests_total", "counter", "Requests that were not HTTP.", &|w| {
            &w.malformed
        }),
        ("tollgate_gateway_connections_total", "counter", "Client connections accepted.", &|w| {
            &w.connections
        }),
        ("tollgate_gateway_calls_in_flight", "gauge", "Calls being served.", &|w| &w.in_flight),
    ];
    for (name, kind, help, of) in single {
        header(out, name, kind, help);
        let _ = writeln!(out, "{name} {}", sum(of));
    }
}

/// Writes one metric's description.
pub(crate) fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
