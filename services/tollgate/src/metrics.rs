//! Metrics of the domain roles: what they are asked, how it ended, how long it took.
//!
//! The gateway has metrics of its own. Ids of tenants and keys are never labels.

use std::sync::Arc;
use std::time::Duration;

use common::Code;
use contracts::Endpoints;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::internal::Metrics;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    role: &'static str,
    call: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    role: &'static str,
    call: &'static str,
}

/// Counts the answers of `endpoints`; answers them with what `/metrics` shows.
pub(crate) fn observe(endpoints: Endpoints) -> (Arc<Endpoints>, Metrics) {
    let calls = Family::<CallLabels, Counter>::default();
    let durations = Family::<DurationLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
    let mut registry = Registry::with_prefix("tollgate");
    registry.register("calls", "Calls between roles, by outcome", calls.clone());
    registry.register("call_duration_seconds", "Time to answer a call between roles", durations.clone());
    let role = endpoints.role().as_str();
    let endpoints = endpoints.observed_by(Box::new(move |call, code: Option<Code>, took: Duration| {
        let code = code.map_or("ok", Code::as_str);
        calls.get_or_create(&CallLabels { role, call, code }).inc();
        durations.get_or_create(&DurationLabels { role, call }).observe(took.as_secs_f64());
    }));
    let metrics: Metrics = Arc::new(move || {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    });
    (Arc::new(endpoints), metrics)
}
