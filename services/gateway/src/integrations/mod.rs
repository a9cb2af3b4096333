//! Integrate: what answers a method.
//!
//! `proxy` streams both ways, `http` maps both ways, `mock` answers from templates.

mod context;
mod forward;
mod http;
mod measure;
mod mock;
mod proxy;
mod relay;

use std::ops::ControlFlow;
use std::time::Instant;

use contracts::record::Reason;
use tokio::time::timeout_at;

use crate::errors::Refusal;
use crate::phases::{CallRecord, Cx, Route, Step, crowded};
use crate::server::{BodyFault, Ending, Inbound, Outbound};
use crate::snapshot::{Backend, Upstream};
use crate::upstream::{Exchange, UpstreamError};

/// Carries the call out.
pub(crate) async fn call(
    cx: &Cx<'_>,
    route: &Route<'_>,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Step<Ending> {
    match &route.method.backend {
        Backend::Proxy(upstream) => proxy::call(cx, route, upstream, record, inbound, outbound).await,
        Backend::Http(upstream, plan) => {
            let answer = http::call(cx, route, upstream, plan, record, inbound, outbound).await?;
            ControlFlow::Break(answer)
        }
        Backend::Mock(plan) => {
            let answer = mock::call(cx, route, plan, record, inbound, outbound).await?;
            measure::whole(record, &answer.headers, &answer.body);
            ControlFlow::Break(answer)
        }
        Backend::Unconfigured => ControlFlow::Break(Refusal::new(Reason::ConfigurationInvalid).into()),
    }
}

/// Connects and sends the request's head before the integration's time is over.
async fn open(
    cx: &Cx<'_>,
    upstream: &Upstream,
    head: &[u8],
    fresh: bool,
    deadline: Instant,
    record: &CallRecord<'_>,
) -> Result<Exchange, Failure> {
    let _waiting = record.seat().wait().ok_or(Failure::Crowded)?;
    let opened = cx.worker.client.open(&upstream.origin, head, fresh);
    Ok(timeout_at(deadline.into(), opened).await.map_err(|_| Failure::NotConnected)??)
}

/// Why a call did not get its answer.
#[derive(Debug)]
enum Failure {
    /// The upstream failed.
    Upstream(UpstreamError),
    /// The integration's time is over and the upstream may have seen the request.
    TimedOut,
    /// The integration's time is over and no connection was made.
    NotConnected,
    /// As many calls of the tenant wait for a connection as may.
    Crowded,
    /// The client left.
    ClientGone,
    /// The client's body is over the stage's limit.
    TooLarge,
    /// The client's body is malformed.
    Malformed,
    /// The client's body did not arrive in time.
    Stalled,
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<BodyFault> for Failure {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Gone => Self::ClientGone,
            BodyFault::Malformed => Self::Malformed,
            BodyFault::Stalled => Self::Stalled,
        }
    }
}

impl Failure {
    /// True when the client ended the exchange: it left, or broke off its request.
    fn is_clients(&self) -> bool {
        matches!(self, Self::ClientGone | Self::TooLarge | Self::Malformed | Self::Stalled)
    }

    fn reason(&self) -> Reason {
        match self {
            Self::TimedOut => Reason::UpstreamTimeout,
            Self::NotConnected => Reason::UpstreamUnreachable,
            Self::Crowded => Reason::Overloaded,
            Self::ClientGone => Reason::ClientDisconnected,
            Self::TooLarge => Reason::PayloadTooLarge,
            Self::Malformed => Reason::BadRequest,
            Self::Stalled => Reason::RequestTimeout,
            Self::Upstream(error) => match error {
                UpstreamError::Blocked => Reason::UpstreamBlocked,
                UpstreamError::Resolve(_)
                | UpstreamError::Connect(_)
                | UpstreamError::ConnectTimeout
                | UpstreamError::Tls(_) => Reason::UpstreamUnreachable,
                UpstreamError::Stalled => Reason::UpstreamTimeout,
                UpstreamError::ClosedEarly { .. } | UpstreamError::Truncated | UpstreamError::Invalid(_) => {
                    Reason::UpstreamInvalidResponse
                }
            },
        }
    }

    /// The answer to a client that can still be given one.
    fn refusal(&self, cx: &Cx<'_>, route: &Route<'_>) -> Refusal {
        if matches!(self, Self::Crowded) {
            return crowded();
        }
        let mut refusal = Refusal::new(self.reason());
        if matches!(self, Self::NotConnected) {
            // For the caller a timeout like any other; the reason says that nothing was done and nothing counts.
            let timeout = Refusal::new(Reason::UpstreamTimeout);
            refusal = refusal.with(timeout.status, timeout.message);
        }
        if let Self::Upstream(error) = self {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let (api, stage) = (route.stage.api, &route.stage.name);
            tracing::warn!(%api, stage, request_id = %cx.id, %error, cause, retry = ?refusal.retry(), "upstream failed");
        }
        refusal
    }
}
