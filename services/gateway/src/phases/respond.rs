//! Respond: an answer of the gateway's own goes to the client.

use super::{CallRecord, Cx};
use crate::answer::Answer;
use crate::cors::CorsPolicy;
use crate::ratelimit_headers::RateLimits;
use crate::server::{Ending, Inbound, Outbound};
use crate::snapshot::Stage;
use crate::worker::request_id_text;
use common::id::RequestId;

/// Sends the answer and closes the record before its last byte.
pub(crate) async fn send(
    cx: &Cx<'_>,
    stage: &Stage,
    answer: Answer,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Ending {
    let cors = stage.cors.as_ref().map(|policy| (policy, cx.origin()));
    prepare(cx.id, &answer, cors, Some(record.limits.get()), inbound, outbound);
    record.close(answer.status, answer.reason, outbound.payload_bytes());
    finish(outbound).await
}

/// Sends an answer that no record belongs to: no API was reached, or it counts for nothing.
pub(crate) async fn unrecorded(
    cx: &Cx<'_>,
    stage: Option<&Stage>,
    answer: Answer,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Ending {
    let is_preflight = answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
    let policy = stage.filter(|_| !is_preflight).and_then(|stage| stage.cors.as_ref());
    prepare(cx.id, &answer, policy.map(|policy| (policy, cx.origin())), None, inbound, outbound);
    finish(outbound).await
}

fn prepare(
    id: RequestId,
    answer: &Answer,
    cors: Option<(&CorsPolicy, Option<&[u8]>)>,
    limits: Option<RateLimits>,
    inbound: &Inbound<'_>,
    outbound: &mut Outbound<'_>,
) {
    if !inbound.rest_is_short() {
        outbound.close_after();
    }
    write_head(outbound, answer, id, cors, limits);
    outbound.push(&answer.body);
}

async fn finish(outbound: &mut Outbound<'_>) -> Ending {
    match outbound.flush().await {
        Ok(()) if outbound.keeps_alive() => Ending::Keep,
        Ok(()) => Ending::Close,
        Err(_) => Ending::Abort,
    }
}

/// Writes the head of an answer into the buffer.
pub(crate) fn write_head(
    outbound: &mut Outbound<'_>,
    answer: &Answer,
    id: RequestId,
    cors: Option<(&CorsPolicy, Option<&[u8]>)>,
    limits: Option<RateLimits>,
) {
    outbound.status(answer.status);
    outbound.header(b"x-amzn-RequestId", request_id_text(id, &mut [0; 36]));
    for (name, value) in &answer.headers {
        outbound.header(name.as_bytes(), value);
    }
    if let Some((policy, origin)) = cors {
        let names = |wanted: &[u8]| {
            answer.headers.iter().any(|(name, _)| name.as_bytes().eq_ignore_ascii_case(wanted))
        };
        policy.each_header(origin, |name, value| {
            if name == b"vary" || !names(name) {
                outbound.header(name, value);
            }
        });
    }
    if let Some(limits) = limits {
        limits.each_header(|name, value| outbound.header(name, value));
    }
    outbound.end_head(answer.status, Some(answer.body.len() as u64));
}
