//! Match: which stage and method a request is for.

use std::ops::ControlFlow;

use actix_http::Method as HttpMethod;
use apidef::matcher::{Lookup, Match};
use apidef::model::Verb;
use apidef::path::{PathError, RequestPath};
use contracts::record::Reason;

use super::{Cx, Step};
use crate::answer::Answer;
use crate::errors::Refusal;
use crate::hosts::Address;
use crate::server::Inbound;
use crate::snapshot::{Live, Method, Stage};
use crate::upstream::Framing;

/// Verbs of the gateway as a whole, for `OPTIONS *`.
const ALLOWED: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// A method, and the path parameters of this request.
pub(crate) struct Route<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) method: &'a Method,
    pub(crate) found: Match<'a>,
}

/// Answers targets and methods that belong to no API.
pub(crate) fn target(cx: &Cx<'_>) -> Step<()> {
    let head = cx.request.head();
    let refused = || {
        let mut answer = Answer::from(Refusal::new(Reason::BadRequest).with(405, "Method Not Allowed"));
        answer.header("allow", ALLOWED);
        ControlFlow::Break(answer)
    };
    match head.method {
        // A tunnel would bypass every phase; a trace would show the backend's secret headers.
        HttpMethod::CONNECT | HttpMethod::TRACE => return refused(),
        HttpMethod::OPTIONS if head.uri.path() == "*" => {
            let mut answer = Answer::empty(204);
            answer.header("allow", ALLOWED);
            return ControlFlow::Break(answer);
        }
        _ => {}
    }
    let unknown_expectation =
        cx.header("expect").is_some_and(|expect| !expect.trim_ascii().eq_ignore_ascii_case(b"100-continue"));
    if unknown_expectation {
        return ControlFlow::Break(Refusal::new(Reason::BadRequest).with(417, "Expectation Failed").into());
    }
    if !is_host(cx.host()) || !head.uri.path().starts_with('/') {
        return ControlFlow::Break(Refusal::new(Reason::BadRequest).into());
    }
    let target_bytes = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > cx.worker.limits.uri_bytes {
        return ControlFlow::Break(Refusal::new(Reason::BadRequest).with(414, "Request-URI Too Long").into());
    }
    ControlFlow::Continue(())
}

/// Characters of a name or address with an optional port; empty is allowed (RFC 9110 section 7.2).
fn is_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]~%!$&'()*+;=".contains(&byte))
}

/// The stage that the request addresses, and the path below it.
pub(crate) fn stage<'a>(cx: &Cx<'a>, live: &'a Live) -> Option<(&'a Stage, &'a str)> {
    match cx.worker.hosts.address(cx.host(), cx.path()) {
        Address::Stage { api, stage, path } => Some((live.stage(&api, stage)?, path)),
        Address::NoStage | Address::Elsewhere => None,
    }
}

/// The path in normal form. One that could mean another path to a backend is refused.
pub(crate) fn path(below_stage: &str) -> Result<RequestPath<'_>, PathError> {
    RequestPath::parse(below_stage)
}

/// The method for path and verb.
pub(crate) fn find<'a>(cx: &Cx<'a>, stage: &'a Stage, path: &'a RequestPath<'_>) -> Step<Route<'a>> {
    let verb = Verb::from_request(cx.request.head().method.as_str());
    let Some(Lookup::Found(found)) = verb.map(|verb| stage.matcher.find(path, verb)) else {
        return ControlFlow::Break(not_found());
    };
    let Some(method) = stage.methods.get(found.method.0 as usize) else {
        return ControlFlow::Break(not_found());
    };
    ControlFlow::Continue(Route { stage, method, found })
}

/// No API, stage, path or verb of this kind.
pub(crate) fn not_found() -> Answer {
    Refusal::new(Reason::NoRoute).into()
}

/// No stage of this address, as far as the gateway can know: before `apis` was heard it cannot say so.
pub(crate) fn no_stage(cx: &Cx<'_>) -> Answer {
    if cx.worker.status.apis.is_known() {
        return not_found();
    }
    Refusal::new(Reason::ConfigurationMissing).retry_after(1).into()
}

/// Refuses a body that is announced larger than the stage takes.
pub(crate) fn payload_fits(route: &Route<'_>, inbound: &Inbound<'_>) -> Step<()> {
    match inbound.framing() {
        Some(Framing::Length(length)) if length > route.stage.payload_limit => {
            ControlFlow::Break(Refusal::new(Reason::PayloadTooLarge).into())
        }
        _ => ControlFlow::Continue(()),
    }
}
