//! How the exchange stands, for operators.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Word;
use crate::admission::Sharing;
use crate::metrics::header;

/// Counts and the present fault.
#[derive(Debug)]
pub(crate) struct Standing {
    sharing: Sharing,
    done: AtomicU64,
    failed: AtomicU64,
    buckets: AtomicU64,
    fault: Mutex<Option<String>>,
    passed: AtomicU64,
    refused: AtomicU64,
    unheard: AtomicU64,
    exact_fault: Mutex<Option<String>>,
}

impl Standing {
    pub(crate) fn new(sharing: Sharing) -> Self {
        let count = || AtomicU64::new(0);
        let fault = Mutex::new(Some("not connected yet".to_owned()));
        Self {
            sharing,
            done: count(),
            failed: count(),
            buckets: count(),
            fault,
            passed: count(),
            refused: count(),
            unheard: count(),
            exact_fault: Mutex::new(None),
        }
    }

    /// A call asked the common buckets.
    pub(super) fn exact_asked(&self, word: Option<Word>) {
        let counter = match word {
            Some(Word::Passed(_)) => &self.passed,
            Some(Word::Throttled(_)) => &self.refused,
            None => &self.unheard,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Exact throttles can be asked; says whether they could not before.
    pub(super) fn exact_works(&self) -> bool {
        self.exact_fault.lock().take().is_some()
    }

    /// Exact throttles cannot be asked; says whether they could before.
    pub(super) fn exact_failed(&self, fault: &str) -> bool {
        self.exact_fault.lock().replace(fault.to_owned()).is_none()
    }

    /// An exchange was done, of so many buckets.
    pub(super) fn exchanged(&self, buckets: usize) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.buckets.fetch_add(buckets as u64, Ordering::Relaxed);
    }

    /// Redis answers; says whether it did not before.
    pub(super) fn works(&self) -> bool {
        self.fault.lock().take().is_some()
    }

    /// Redis does not answer; says whether it did before.
    pub(super) fn failed(&self, fault: String) -> bool {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.fault.lock().replace(fault).is_none()
    }

    /// What an operator should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let gateways = self.sharing.gateways();
        let shared =
            self.fault.lock().as_ref().map(|fault| {
                format!("throttles are not shared, shares for {gateways} gateways hold: {fault}")
            });
        let exact =
            self.exact_fault.lock().as_ref().map(|fault| format!("exact throttles cannot be asked: {fault}"));
        shared.into_iter().chain(exact).collect()
    }

    /// Metrics in the Prometheus text format.
    pub(crate) fn metrics(&self, out: &mut String) {
        let name = "tollgate_gateway_throttle_exchanges_total";
        header(out, name, "counter", "Exchanges of throttle shares with the fleet.");
        for (outcome, count) in [("ok", &self.done), ("failed", &self.failed)] {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}{{outcome=\"{outcome}\"}} {}", count.load(Ordering::Relaxed));
        }
        let name = "tollgate_gateway_throttle_buckets_exchanged_total";
        header(out, name, "counter", "Buckets in these exchanges.");
        let _ = writeln!(out, "{name} {}", self.buckets.load(Ordering::Relaxed));
        let name = "tollgate_gateway_exact_throttles_total";
        header(out, name, "counter", "Calls that asked the fleet's common buckets.");
        for (outcome, count) in
            [("passed", &self.passed), ("refused", &self.refused), ("unheard", &self.unheard)]
        {
            let _ = writeln!(out, "{name}{{outcome=\"{outcome}\"}} {}", count.load(Ordering::Relaxed));
        }
        let name = "tollgate_gateway_throttle_gateways";
        header(out, name, "gauge", "Gateways that share the throttles, as far as this one knows.");
        let _ = writeln!(out, "{name} {}", self.sharing.gateways());
    }
}
