//! Mock: the answer is made of templates alone.

use std::ops::ControlFlow;

use apidef::integration::{BodyRule, MappingPlan, mock_status};

use super::http::{misconfigured, or_refuse, read_body, render, set_headers, set_media_type, unsupported};
use crate::answer::Answer;
use crate::phases::{CallRecord, Cx, Route, Step};
use crate::server::{Inbound, Outbound};

/// Carries out a mock call.
pub(super) async fn call(
    cx: &Cx<'_>,
    route: &Route<'_>,
    plan: &MappingPlan,
    record: &CallRecord<'_>,
    inbound: &mut Inbound<'_>,
    outbound: &mut Outbound<'_>,
) -> Step<Answer> {
    let received = read_body(route, record, inbound, outbound).await;
    let body = or_refuse(cx, route, received)?;
    let content_type = cx.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    let chosen = match plan.request_body(content_type) {
        BodyRule::Map(template) => mock_status(&render(cx, route, template, &body)?),
        BodyRule::Pass => Some(200),
        BodyRule::Refuse => return unsupported(),
    };
    let Some(status) = chosen else { return misconfigured() };
    let Some(response) = plan.response(status) else { return misconfigured() };
    let mut answer = Answer::empty(response.status);
    let accept = cx.header("accept").and_then(|value| std::str::from_utf8(value).ok());
    if let Some((media_type, template)) = response.template(accept) {
        answer.body = render(cx, route, template, &body)?.into();
        set_media_type(&mut answer, media_type);
    }
    set_headers(cx, route, response, &mut answer, |_| Vec::new());
    ControlFlow::Continue(answer)
}
