//! One error shape between roles and towards every edge.
//!
//! Each crate keeps its own `thiserror` enum; where it leaves the crate it becomes an [`Error`]: a [`Code`], a stable
//! `reason`, a message meant for the caller, field errors, and an internal cause that never leaves the process.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Result of everything that can fail towards a caller.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. Each has one HTTP status and says whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The input breaks a rule; `fields` says which.
    Invalid,
    /// No credentials, or ones that do not hold.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// It does not exist for this caller; another tenant's objects look the same.
    NotFound,
    /// Somebody else changed it first, or the state does not allow the step.
    Conflict,
    /// An object with this identity is already there.
    AlreadyExists,
    /// A stated bound on count or size is reached.
    LimitExceeded,
    /// The body is larger than allowed.
    PayloadTooLarge,
    /// Too many requests to this edge.
    RateLimited,
    /// Something this depends on does not answer.
    Unavailable,
    /// The deadline passed first.
    Timeout,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code, for tables and documentation.
    pub const ALL: [Self; 12] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::AlreadyExists,
        Self::LimitExceeded,
        Self::PayloadTooLarge,
        Self::RateLimited,
        Self::Unavailable,
        Self::Timeout,
        Self::Internal,
    ];

    /// The stable machine name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::AlreadyExists => "already_exists",
            Self::LimitExceeded => "limit_exceeded",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status at edges that speak plain HTTP.
    pub const fn status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::AlreadyExists => 409,
            Self::LimitExceeded => 422,
            Self::PayloadTooLarge => 413,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::Internal => 500,
        }
    }

    /// Whether repeating the same request later may succeed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout)
    }
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Path of the field, for example `throttle.rateLimit`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// A failure on its way to a caller.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
pub struct Error {
    /// The kind.
    pub code: Code,
    /// Stable name of this failure, for example `api_key_not_found`.
    pub reason: Cow<'static, str>,
    /// What happened and what to do, for the caller's eyes.
    pub message: String,
    /// One entry per field at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldError>,
    /// Whole seconds after which the same request may succeed, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// For our logs only; stays in this process.
    #[serde(skip)]
    pub cause: Option<String>,
}

impl fmt::Display for Error {
    /// The public text; the cause is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// A failure of this kind with a stable reason and a public message.
    pub fn new(code: Code, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            fields: Vec::new(),
            retry_after_seconds: None,
            cause: None,
        }
    }

    /// One field of the input breaks a rule.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut error = Self::new(Code::Invalid, "invalid", format!("{field}: {message}"));
        error.fields.push(FieldError { field, message });
        error
    }

    /// Several fields break rules. With no fields this is still an `invalid` error.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let message = fields.iter().map(|at| format!("{}: {}", at.field, at.message)).collect::<Vec<_>>();
        Self { fields, ..Self::new(Code::Invalid, "invalid", message.join("; ")) }
    }

    /// `what` (a noun such as `api key`) does not exist for this caller.
    pub fn not_found(what: &str) -> Self {
        let reason = format!("{}_not_found", what.replace(' ', "_"));
        Self::new(Code::NotFound, reason, format!("no such {what}"))
    }

    /// There is as much as `limit`, a setting with the value `most`, allows.
    pub fn limit_exceeded(limit: &str, most: u64) -> Self {
        let message = format!("the limit {limit} is reached: at most {most}");
        Self::new(Code::LimitExceeded, "limit_exceeded", message)
    }

    /// A fault of ours: the caller learns nothing but the request id.
    pub fn internal(cause: impl fmt::Display) -> Self {
        let message = "something went wrong on our side; tell us the request id";
        Self { cause: Some(cause.to_string()), ..Self::new(Code::Internal, "internal", message) }
    }

    /// Something this depends on does not answer; safe to try again.
    pub fn unavailable(what: &str, cause: impl fmt::Display) -> Self {
        let message = format!("{what} is not available right now; try again");
        Self { cause: Some(cause.to_string()), ..Self::new(Code::Unavailable, "unavailable", message) }
    }

    /// The same failure, with the seconds after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The same failure with an internal cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_never_reaches_the_wire() {
        let error = Error::internal("password=hunter2");
        assert!(!serde_json::to_string(&error).unwrap().contains("hunter2"));
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn code_names_match_their_serialised_form() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
