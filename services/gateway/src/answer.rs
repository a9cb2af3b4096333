//! An answer the gateway makes itself: refusals, preflights, mocks, mapped responses.

use bytes::Bytes;
use contracts::record::Reason;

use crate::errors::Refusal;

/// Status, headers and a body that is all there.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names and values as they go on the wire. Framing, date and request id are added when it is sent.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    pub(crate) reason: Reason,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), reason: Reason::Ok }
    }

    /// An answer with a body of a media type.
    pub(crate) fn with_body(status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self { body: body.into(), ..Self::empty(status) };
        answer.header("content-type", media_type);
        answer
    }

    /// Adds a header.
    pub(crate) fn header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let mut answer = Self::with_body(refusal.status, "application/json", refusal.body());
        answer.reason = refusal.reason;
        if let Some(error_type) = refusal.error_type {
            answer.header("x-amzn-ErrorType", error_type);
        }
        answer.header("x-tollgate-reason", refusal.reason.as_str());
        if let Some(throttle) = refusal.throttle {
            answer.header("x-tollgate-limit", throttle.as_str());
        }
        if let Some(seconds) = refusal.retry_after {
            answer.header("retry-after", seconds.to_string());
        }
        answer
    }
}
