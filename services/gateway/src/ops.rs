//! Health, at paths no API can have.
//!
//! Answered where a request addresses no API: `/_tollgate/livez`, `/_tollgate/readyz`, and the same
//! names without the prefix, as every role has them.

use actix_http::Method;

use crate::answer::Answer;
use crate::phases::Cx;

/// The answer to an operations request; none when it is none.
pub(crate) fn answer(cx: &Cx<'_>) -> Option<Answer> {
    let path = cx.path();
    let name = path.strip_prefix("/_tollgate").unwrap_or(path);
    if !matches!(cx.request.head().method, Method::GET | Method::HEAD) {
        return None;
    }
    match name {
        "/livez" => Some(Answer::with_body(200, "text/plain; charset=utf-8", "ok\n")),
        "/readyz" => Some(cx.worker.status.readyz()),
        _ => None,
    }
}
