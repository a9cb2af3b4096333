//! HTTP: request and answer are mapped by templates.
//!
//! Bodies are held whole, as they came and as they are mapped: each up to the limit of API Gateway, whatever the stage allows
//! for those that stream.

use std::ops::ControlFlow;

use apidef::integration::{BodyRule, MappingPlan, ResponsePlan, ResponseSource};
use apidef::model::{is_field_value, is_own_response_header};
use apidef::template::Template;
use bytes::{Bytes, BytesMut};
use contracts::record::Reason;
use tokio::time::timeout_at;

use super::context::{variable, with_input};
use super::forward::{Outgoing, is_hop_by_hop, write_request_head};
use super::{Failure, measure};
use crate::answer::Answer;
use crate::errors::Refusal;
use crate::phases::{CallRecord, Cx, Route, Step};
use crate::server::{Inbound, Outbound};
use crate::snapshot::Upstream;
use crate::upstream::{Exchange, Framing, FramingFault, UpstreamError};

/// Largest body that is held whole (limits.md of the API Gateway guide).
const HELD_LIMIT: usize = 10 * 1024 * 1024;

/// What the upstream answered.
struct Answered {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

/// Carries out a mapped call.
pub(super) async fn call(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    plan: &MappingPlan,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Step<Answer> {
    let received = read_body(route, record, inbound, outbound).await;
    let received = or_refuse(cx, route, received)?;
    let content_type = cx.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    let mapped = match plan.request_body(content_type) {
        BodyRule::Map(template) => Some(render(cx, route, template, &received)?),
        BodyRule::Pass => None,
        BodyRule::Refuse => return unsupported(),
    };
    let target = match with_input(cx, route, b"", |input| upstream.resolver.resolve(&input.request)) {
        Ok(target) => target,
        Err(_) => return ControlFlow::Break(Refusal::new(Reason::BadRequest).into()),
    };
    let body = mapped.map_or_else(|| received.clone(), Bytes::from);
    let length = body.len() as u64;
    let outgoing = match content_type {
        _ if body.is_empty() => Outgoing::AsSent(None),
        Some(_) => Outgoing::AsSent(Some(Framing::Length(length))),
        None => Outgoing::Mapped { length, media_type: "application/json" },
    };
    let mut head = Vec::with_capacity(512);
    write_request_head(&mut head, cx, route, upstream, &target, outgoing);
    let result = exchange(cx, route, upstream, &head, &body, record, inbound).await;
    record.upstream_us.set(cx.elapsed_us());
    let answered = or_refuse(cx, route, result)?;
    measure::whole(record, &answered.headers, &answered.body);
    let Some(response) = plan.response(answered.status) else {
        return misconfigured();
    };
    map_answer(cx, route, response, &answered)
}

/// A template filled with the call and a body. One that makes a body too large is a fault of the API.
pub(super) fn render(cx: &Cx<'_>, route: &Route<'_>, template: &Template, body: &[u8]) -> Step<String> {
    match with_input(cx, route, body, |input| template.render(&input, HELD_LIMIT)) {
        Ok(text) => ControlFlow::Continue(text),
        Err(_) => misconfigured(),
    }
}

/// The answer where the API cannot do what it is configured for.
pub(super) fn misconfigured<T>() -> Step<T> {
    ControlFlow::Break(Refusal::new(Reason::ConfigurationInvalid).into())
}

/// The whole body of the request.
pub(super) async fn read_body(
    route: &Route<'_>,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Result<Bytes, Failure> {
    if inbound.awaits_continue() {
        outbound.write_continue().await.map_err(|_| Failure::ClientGone)?;
        inbound.continued();
    }
    let limit = route.stage.payload_limit.min(HELD_LIMIT as u64);
    let mut body = BytesMut::new();
    while let Some(piece) = inbound.next().await? {
        record.bytes_in.set(record.bytes_in.get() + piece.len() as u64);
        if record.bytes_in.get() > limit {
            return Err(Failure::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// A failure as the answer that ends the call.
pub(super) fn or_refuse<T>(cx: &Cx<'_>, route: &Route<'_>, result: Result<T, Failure>) -> Step<T> {
    match result {
        Ok(value) => ControlFlow::Continue(value),
        Err(failure) => ControlFlow::Break(failure.refusal(cx, route).into()),
    }
}

/// The answer to a media type that no template is for.
pub(super) fn unsupported<T>() -> Step<T> {
    ControlFlow::Break(Refusal::new(Reason::BadRequest).with(415, "Unsupported Media Type").into())
}

async fn exchange(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    head: &[u8],
    body: &[u8],
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
) -> Result<Answered, Failure> {
    tokio::select! {
        biased;
        answered = ask(cx, route, upstream, head, body, record) => answered,
        () = inbound.gone() => Err(Failure::ClientGone),
    }
}

/// Sends the request and takes in the answer, both whole, within the integration's time.
async fn ask(
    cx: &Cx<'_>,
    route: &Route<'_>,
    upstream: &Upstream,
    head: &[u8],
    body: &[u8],
    record: &CallRecord<'_>,
) -> Result<Answered, Failure> {
    let deadline = common::clock::monotonic() + route.method.timeout;
    // A pooled connection may be closed by now, and a mapped call is not repeated: it gets a new one.
    let mut exchange = super::open(cx, upstream, head, true, deadline, record).await?;
    let answered = timeout_at(deadline.into(), converse(cx, &mut exchange, body));
    let answered = answered.await.map_err(|_| Failure::TimedOut)??;
    cx.worker.client.close(exchange);
    Ok(answered)
}

async fn converse(cx: &Cx<'_>, exchange: &mut Exchange, body: &[u8]) -> Result<Answered, Failure> {
    let closed = |_| Failure::Upstream(UpstreamError::ClosedEarly { reused: false });
    let framing = (!body.is_empty()).then_some(Framing::Length(body.len() as u64));
    let is_head = cx.request.head().method == actix_http::Method::HEAD;
    let (mut sink, mut source) = exchange.split(framing, is_head, cx.worker.client.head_limit());
    sink.write(body).await.map_err(closed)?;
    sink.finish().await.map_err(closed)?;
    let meta = source.head().await?;
    let mut headers = Vec::new();
    source.each_header(|name, value| {
        if !is_hop_by_hop(name) {
            headers.push((String::from_utf8_lossy(name).into_owned(), value.to_owned()));
        }
    });
    let mut received = BytesMut::new();
    loop {
        let next = tokio::time::timeout(cx.worker.stall, source.next()).await;
        let Some(piece) = next.map_err(|_| UpstreamError::Stalled)?? else { break };
        if received.len() + piece.bytes.len() > HELD_LIMIT {
            return Err(UpstreamError::Invalid(FramingFault::BodyTooLarge).into());
        }
        received.extend_from_slice(piece.bytes);
    }
    Ok(Answered { status: meta.status, headers, body: received.freeze() })
}

fn map_answer(cx: &Cx<'_>, route: &Route<'_>, plan: &ResponsePlan, answered: &Answered) -> Step<Answer> {
    let mut answer = Answer::empty(plan.status);
    let values = |name: &str| -> Vec<Vec<u8>> {
        let named = answered.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.clone()).collect()
    };
    let accept = cx.header("accept").and_then(|value| std::str::from_utf8(value).ok());
    match plan.template(accept) {
        Some((media_type, template)) => {
            answer.body = render(cx, route, template, &answered.body)?.into();
            set_media_type(&mut answer, media_type);
        }
        None => {
            answer.body = answered.body.clone();
            for name in ["content-type", "content-encoding"] {
                values(name).into_iter().for_each(|value| answer.header(name, value));
            }
        }
    }
    set_headers(cx, route, plan, &mut answer, values);
    ControlFlow::Continue(answer)
}

/// Says what the body is. A document from before media types were checked may hold anything.
pub(super) fn set_media_type(answer: &mut Answer, media_type: &str) {
    if is_field_value(media_type) {
        answer.header("content-type", media_type);
    }
}

/// Sets the headers a response plan names, except the gateway's own; `integration` gives the values of an upstream's header.
pub(super) fn set_headers(
    cx: &Cx<'_>,
    route: &Route<'_>,
    plan: &ResponsePlan,
    answer: &mut Answer,
    integration: impl Fn(&str) -> Vec<Vec<u8>>,
) {
    for (name, source) in plan.headers.iter().filter(|(name, _)| !is_own_response_header(name)) {
        let values: Vec<Vec<u8>> = match source {
            ResponseSource::Static(text) => vec![text.clone().into_bytes()],
            ResponseSource::Header(from) => integration(from).pop().into_iter().collect(),
            ResponseSource::MultiHeader(from) => integration(from),
            ResponseSource::StageVariable(from) => {
                route.stage.variables.get(from).map(|value| value.clone().into_bytes()).into_iter().collect()
            }
            ResponseSource::Context(from) => {
                variable(cx, route, from).map(String::into_bytes).into_iter().collect()
            }
        };
        answer.headers.retain(|(set, _)| !set.eq_ignore_ascii_case(name));
        for value in values.into_iter().filter(|value| is_field_value(value)) {
            answer.header(name, value);
        }
    }
}
