//! Errors at HTTP edges: `application/problem+json` as RFC 9457 defines it, with the request id.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::error::{Code, Error, FieldError};
use crate::id::RequestId;

/// Header that carries the request id of every answer of an edge.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// An [`Error`] ready to leave an HTTP edge.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Problem {
    error: Error,
    request_id: RequestId,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    instance: String,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    request_id: RequestId,
}

impl Problem {
    /// Wraps the error and logs its cause, once, here at the boundary.
    pub fn new(error: Error, request_id: RequestId) -> Self {
        match error.code {
            Code::Internal | Code::Unavailable | Code::Timeout => {
                tracing::error!(%request_id, code = error.code.as_str(), reason = %error.reason, cause = error.cause, "request failed");
            }
            _ => {
                tracing::debug!(%request_id, code = error.code.as_str(), reason = %error.reason, "request refused")
            }
        }
        Self { error, request_id }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let body = Body {
            r#type: format!("urn:tollgate:error:{}", self.error.reason),
            title: self.error.code.as_str(),
            status: self.error.code.status(),
            code: &self.error.reason,
            detail: &self.error.message,
            instance: self.request_id.to_string(),
            errors: &self.error.fields,
            request_id: self.request_id,
        };
        let mut response = HttpResponse::build(self.status_code()).json(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.error.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Ok(id) = HeaderValue::from_str(&self.request_id.to_string()) {
            headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), id);
        }
        response
    }
}
