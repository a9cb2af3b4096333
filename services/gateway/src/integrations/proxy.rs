//! Proxy: the request goes to the upstream as it comes in, the answer to the client as it comes back.
//!
//! Both directions run side by side in one task: an upstream may answer before it has read the body, and a client that
//! leaves is noticed while the upstream is awaited.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Instant;

use contracts::record::Reason;

use super::context::with_input;
use super::forward::{Outgoing, write_request_head};
use super::measure::{self, Held};
use super::{Failure, relay};
use crate::errors::Refusal;
use crate::phases::{CallRecord, Cx, Route, Step};
use crate::server::{Ending, Inbound, Outbound};
use crate::snapshot::Upstream;
use crate::upstream::{Sink, Source, UpstreamError};

/// Carries out a proxied call.
pub(super) async fn call(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Step<Ending> {
    let target = match with_input(cx, route, b"", |input| upstream.resolver.resolve(&input.request)) {
        Ok(target) => target,
        Err(_) => return ControlFlow::Break(Refusal::new(Reason::BadRequest).into()),
    };
    let mut head = cx.worker.take_scratch();
    write_request_head(&mut head, cx, route, upstream, &target, Outgoing::AsSent(inbound.framing()));
    let result = exchange(cx, route, upstream, &head, record, inbound, outbound).await;
    cx.worker.return_scratch(head);

    let failure = match result {
        Ok(()) if outbound.keeps_alive() => return ControlFlow::Continue(Ending::Keep),
        Ok(()) => return ControlFlow::Continue(Ending::Close),
        Err(failure) => failure,
    };
    if record.upstream_us.get() == 0 {
        record.upstream_us.set(cx.elapsed_us());
    }
    let refusal = failure.refusal(cx, route);
    if outbound.has_reached_client() && failure.is_clients() {
        record.close_broken_off(outbound.status_sent(), outbound.payload_bytes());
        return ControlFlow::Continue(Ending::Abort);
    }
    if outbound.has_begun() || matches!(failure, Failure::ClientGone) {
        record.close(outbound.status_sent(), refusal.reason, outbound.payload_bytes());
        return ControlFlow::Continue(Ending::Abort);
    }
    outbound.discard();
    ControlFlow::Break(refusal.into())
}

/// Tries once more on a new connection when a pooled one turned out to be closed, nothing of the answer had arrived and
/// a repeat is harmless (RFC 9110 section 9.2.2).
async fn exchange(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    head: &[u8],
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Result<(), Failure> {
    let repeatable =
        inbound.framing().is_none() && matches!(cx.method(), "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE");
    let request = Request { moved: Cell::new(common::clock::monotonic()), complete: Cell::new(false) };
    match attempt(cx, route, upstream, head, false, &request, record, inbound, outbound).await {
        Err(Failure::Upstream(UpstreamError::ClosedEarly { reused: true })) if repeatable => {
            attempt(cx, route, upstream, head, true, &request, record, inbound, outbound).await
        }
        result => result,
    }
}

#[expect(clippy::too_many_arguments, reason = "one call's parts, all of which a single attempt needs")]
async fn attempt(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    head: &[u8],
    fresh: bool,
    request: &Request,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Result<(), Failure> {
    let client = &cx.worker.client;
    let may_watch = inbound.body_complete();
    let deadline = request.moved.get() + route.method.timeout;
    let pooled = if fresh { None } else { client.open_pooled(&upstream.origin, head) };
    let mut exchange = match pooled {
        Some(exchange) => exchange,
        None => tokio::select! {
            biased;
            opened = super::open(cx, upstream, head, fresh, deadline, record) => opened?,
            () = inbound.gone(), if may_watch => return Err(Failure::ClientGone),
        },
    };
    if inbound.awaits_continue() {
        outbound.write_continue().await.map_err(|_| Failure::ClientGone)?;
        inbound.continued();
    }
    let is_head = cx.request.head().method == actix_http::Method::HEAD;
    let (sink, mut source) = exchange.split(inbound.framing(), is_head, client.head_limit());
    let result = tokio::select! {
        biased;
        answered = answer(cx, route, request, &mut source, record, outbound) => answered,
        failure = feed(inbound, sink, route.stage.payload_limit, request, record) => Err(failure),
    };
    client.close(exchange);
    result
}

/// What the answering side must know of the request's body.
struct Request {
    /// When a piece of it was last passed on; at first, when the call began.
    moved: Cell<Instant>,
    complete: Cell<bool>,
}

/// Passes the request's body on, then watches the client. Ends only by a failure.
async fn feed(
    inbound: &mut Inbound<'_>,
    mut sink: Sink<'_>,
    limit: u64,
    request: &Request,
    record: &CallRecord<'_>,
) -> Failure {
    loop {
        let piece = match inbound.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(fault) => return fault.into(),
        };
        let received = record.bytes_in.get() + piece.len() as u64;
        record.bytes_in.set(received);
        if received > limit {
            return Failure::TooLarge;
        }
        if sink.write(&piece).await.is_err() {
            // The upstream reads no more: its answer, or the lack of one, decides.
            return std::future::pending().await;
        }
        request.moved.set(common::clock::monotonic());
    }
    request.complete.set(true);
    if sink.finish().await.is_err() {
        return std::future::pending().await;
    }
    inbound.gone().await;
    Failure::ClientGone
}

/// Passes the answer on.
async fn answer(
    cx: &Cx<'_>,
    route: &Route<'_>,
    request: &Request,
    source: &mut Source<'_>,
    record: &CallRecord<'_>,
    outbound: &mut Outbound<'_>,
) -> Result<(), Failure> {
    let meta = relay::head(source, route.method.timeout, &request.moved, outbound.timer()).await?;
    record.upstream_us.set(cx.elapsed_us());
    if !request.complete.get() {
        // Answered before the body was read: what is left of it would be taken for the next request.
        outbound.close_after();
    }
    let cost_path = measure::by_head(record, meta, source);
    relay::write_head(cx, route, record, meta, source, outbound);
    if let Some(path) = cost_path {
        match measure::hold(source, cx.worker.stall).await? {
            Held::Whole(body) => {
                record.cost_said(path.units(&body));
                return relay::whole(&body, outbound, record, meta.status).await;
            }
            Held::TooLong(begun) => outbound.send(&begun).await.map_err(|_| Failure::ClientGone)?,
        }
    }
    relay::body(source, outbound, record, meta.status, cx.worker.stall).await
}
