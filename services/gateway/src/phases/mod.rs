//! What happens to a request, in order; one file per phase.
//!
//! match -> preflight -> record opened -> key -> admit (throttle, quota) -> integrate -> respond -> record closed. A phase
//! answers `Continue` with what the next one needs, or `Break` with the answer to send. Nothing here asks a store.

mod admit;
mod bill;
mod key;
mod peer;
mod preflight;
pub(crate) mod record;
pub(crate) mod respond;
mod route;

use std::ops::ControlFlow;
use std::time::Instant;

use actix_http::Request;
use common::id::RequestId;
use contracts::record::Reason;

pub(crate) use self::admit::crowded;
pub(crate) use self::key::KEY_HEADER;
pub(crate) use self::peer::Peer;
pub(crate) use self::record::CallRecord;
pub(crate) use self::route::Route;

use crate::answer::Answer;
use crate::errors::Refusal;
use crate::integrations;
use crate::ops;
use crate::server::{Ending, Inbound, Outbound};
use crate::snapshot::Live;
use crate::worker::Worker;

/// `Continue` with a value, or respond with an answer.
pub(crate) type Step<T> = ControlFlow<Answer, T>;

/// What every phase may read.
pub(crate) struct Cx<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) request: &'a Request,
    host: &'a str,
    pub(crate) id: RequestId,
    pub(crate) peer: &'a Peer,
    /// Microseconds since the epoch.
    pub(crate) started_at: i64,
    pub(crate) started: Instant,
}

impl<'a> Cx<'a> {
    /// The value of a header's first line.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.request.head().headers.get(name).map(actix_http::header::HeaderValue::as_bytes)
    }

    /// The origin of a script's request.
    pub(crate) fn origin(&self) -> Option<&'a [u8]> {
        self.header("origin")
    }

    /// The host the client asked for.
    pub(crate) const fn host(&self) -> &'a str {
        self.host
    }

    /// The path as sent.
    pub(crate) fn path(&self) -> &'a str {
        self.request.head().uri.path()
    }

    /// The query as sent, without `?`.
    pub(crate) fn query(&self) -> &'a str {
        self.request.head().uri.query().unwrap_or_default()
    }

    /// Microseconds since the request's head was read.
    pub(crate) fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The method as sent.
    pub(crate) fn method(&self) -> &'a str {
        self.request.head().method.as_str()
    }
}

/// Of the target when it is absolute (RFC 9112 section 3.2.2), else the Host header.
fn host_of(request: &Request) -> &str {
    let head = request.head();
    let target = head.uri.authority().map(|authority| authority.as_str());
    let header = || std::str::from_utf8(head.headers.get("host")?.as_bytes()).ok();
    target.or_else(header).unwrap_or_default()
}

/// Serves one request to its end.
pub(crate) async fn run(
    worker: &Worker,
    request: &Request,
    peer: &Peer,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Ending {
    let started_at = worker.clock.micros();
    let id = worker.new_request_id(started_at);
    let cx = Cx {
        worker,
        request,
        host: host_of(request),
        id,
        peer,
        started_at,
        started: common::clock::monotonic(),
    };
    let live = worker.live();

    if let ControlFlow::Break(answer) = route::target(&cx) {
        return respond::unrecorded(&cx, None, answer, inbound, outbound).await;
    }
    let Some((stage, below)) = route::stage(&cx, &live) else {
        let answer = ops::answer(&cx).unwrap_or_else(|| route::no_stage(&cx));
        return respond::unrecorded(&cx, None, answer, inbound, outbound).await;
    };
    let path = route::path(below);
    if let Some(answer) = preflight::answer(&cx, stage, path.as_ref().ok()) {
        return respond::unrecorded(&cx, Some(stage), answer, inbound, outbound).await;
    }
    let found = match &path {
        Ok(path) => route::find(&cx, stage, path),
        Err(_) => ControlFlow::Break(Refusal::new(Reason::BadRequest).into()),
    };
    let route = match &found {
        ControlFlow::Continue(route) => route.method.route.as_str(),
        ControlFlow::Break(_) => "",
    };
    let record = match CallRecord::open(&cx, stage, route) {
        ControlFlow::Continue(record) => record,
        ControlFlow::Break(answer) => {
            return respond::unrecorded(&cx, Some(stage), answer, inbound, outbound).await;
        }
    };
    let step = match found {
        ControlFlow::Continue(route) => call(&cx, &live, &route, &record, inbound, outbound).await,
        ControlFlow::Break(answer) => ControlFlow::Break(answer),
    };
    match step {
        ControlFlow::Continue(ending) => ending,
        ControlFlow::Break(answer) => respond::send(&cx, stage, answer, &record, inbound, outbound).await,
    }
}

/// The phases between match and response.
async fn call<'a>(
    cx: &Cx<'_>,
    live: &'a Live,
    route: &Route<'_>,
    record: &CallRecord<'a>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Step<Ending> {
    let caller = key::identify(cx, live, route, record)?;
    route::payload_fits(route, inbound)?;
    admit::admit(cx, route, caller, record, inbound).await?;
    integrations::call(cx, route, record, inbound, outbound).await
}
