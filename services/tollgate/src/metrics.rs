//! Metrics of the roles: what they are asked by others and at their edges, how it ended, how long it took.
//!
//! The gateway has metrics of its own. Ids of tenants and keys are never labels.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Data;
use common::Code;
use common::clock::monotonic;
use contracts::{Endpoints, Role};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
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

/// What the last hourly comparison of the ledger found, followed by `rest`, the role's other metrics.
pub(crate) fn ledger(service: Arc<metering::Service>, rest: Metrics) -> Metrics {
    let (verified_at, checked) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    let (differences, first) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    let mut registry = Registry::with_prefix("tollgate_ledger");
    let help = "When the ledger was last compared with itself, in seconds since 1970; 0 = not yet";
    registry.register("verified_timestamp_seconds", help, verified_at.clone());
    registry.register("checked", "Sums compared then", checked.clone());
    registry.register("differences", "Differences found then; any is a fault", differences.clone());
    let help = "Start of the first minute, hour, day or period that differs; 0 = none does";
    registry.register("first_difference_timestamp_seconds", help, first.clone());
    Arc::new(move || {
        let state = metering::ledger_state(&service);
        let seconds = |time: Option<chrono::DateTime<chrono::Utc>>| time.map_or(0, |time| time.timestamp());
        verified_at.set(seconds(state.verified_at));
        checked.set(i64::try_from(state.checked).unwrap_or(i64::MAX));
        differences.set(i64::try_from(state.differences).unwrap_or(i64::MAX));
        first.set(seconds(state.first));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text.replace("# EOF\n", "") + &rest()
    })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    role: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EdgeLabels {
    role: &'static str,
}

/// What one role's HTTP edge answered. Cloning shares the counts.
#[derive(Clone)]
pub(crate) struct Edge {
    role: &'static str,
    requests: Family<RequestLabels, Counter>,
    durations: Family<EdgeLabels, Histogram>,
}

impl Edge {
    /// Nothing answered yet.
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role: role.as_str(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }

    /// Counts an answer. Methods nobody defined count together: clients choose them.
    fn count(&self, method: &Method, status: u16, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        self.requests.get_or_create(&RequestLabels { role: self.role, method, status }).inc();
        self.durations.get_or_create(&EdgeLabels { role: self.role }).observe(took.as_secs_f64());
    }

    /// What `/metrics` shows, followed by `rest`, the same role's other metrics.
    pub(crate) fn metrics(&self, rest: Option<Metrics>) -> Metrics {
        let mut registry = Registry::with_prefix("tollgate");
        registry.register("requests", "Requests at a role's edge, by outcome", self.requests.clone());
        let help = "Time to the answer of a role's edge";
        registry.register("request_duration_seconds", help, self.durations.clone());
        Arc::new(move || {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = encode(&mut text, &registry);
            match &rest {
                Some(rest) => text.replace("# EOF\n", "") + &rest(),
                None => text,
            }
        })
    }
}

/// Middleware that counts what an edge answers.
pub(crate) async fn count_request(
    edge: Data<Edge>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let (method, started) = (request.method().clone(), monotonic());
    let outcome = next.call(request).await;
    let status = match &outcome {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    edge.count(&method, status.as_u16(), started.elapsed());
    outcome
}
