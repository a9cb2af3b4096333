//! Failures: expected ones as user errors in a mutation's payload, the rest as top-level errors with a stable code.

use async_graphql::{ErrorExtensionValues, Json, Object, ServerError, SimpleObject};
use common::id::RequestId;
use common::{Code, Error, Result};
use serde::Serialize;

use super::cost;

/// What is wrong with one field of the input, or with the whole of it.
#[derive(Debug, Clone, PartialEq, SimpleObject, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserError {
    /// Path of the field below `input`, for example `throttle.rateLimit`; absent when no single field is at fault.
    field: Option<String>,
    /// What is wrong and what is allowed.
    message: String,
    /// Kind of the failure: `invalid`, `not_found`, `conflict`, `already_exists`, `limit_exceeded`, `payload_too_large`.
    code: String,
    /// Stable name of the failure, for example `usage_plan_not_found`.
    reason: String,
}

/// Why a mutation changed nothing. Empty when it did what was asked.
#[derive(Debug, Default)]
pub(crate) struct Refusal(Vec<UserError>);

#[Object]
impl Refusal {
    /// Why nothing was changed, as JSON: objects with `field`, `message`, `code` and `reason`. Empty on success.
    async fn user_errors(&self) -> Vec<Json<UserError>> {
        self.0.iter().cloned().map(Json).collect()
    }

    /// Why nothing was changed. Empty on success. The same entries as `userErrors`.
    #[graphql(complexity = "cost::flat(child_complexity)")]
    async fn errors(&self) -> &[UserError] {
        &self.0
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let entry = |field, message| UserError {
            field,
            message,
            code: error.code.as_str().to_owned(),
            reason: error.reason.clone().into_owned(),
        };
        if error.fields.is_empty() {
            return Self(vec![entry(None, error.message.clone())]);
        }
        Self(error.fields.iter().map(|at| entry(Some(at.field.clone()), at.message.clone())).collect())
    }
}

/// Makes payloads of refusals: everything else in them stays empty.
macro_rules! refusable {
    ($($payload:ident),+ $(,)?) => {$(
        impl From<$crate::graphql::refusal::Refusal> for $payload {
            fn from(refusal: $crate::graphql::refusal::Refusal) -> Self {
                Self { refusal, ..Self::default() }
            }
        }
    )+};
}
pub(crate) use refusable;

/// Turns an expected failure into the payload's user errors; anything else stays an error of the whole request.
pub(crate) async fn settle<P: From<Refusal>>(
    change: impl Future<Output = Result<P>>,
) -> async_graphql::Result<P> {
    match change.await {
        Ok(payload) => Ok(payload),
        Err(error) if is_expected(error.code) => Ok(P::from(Refusal::from(error))),
        Err(error) => Err(error.into()),
    }
}

/// Whether the caller's input or the state of things is at fault, not the credentials and not Tollgate.
const fn is_expected(code: Code) -> bool {
    match code {
        Code::Invalid
        | Code::NotFound
        | Code::Conflict
        | Code::AlreadyExists
        | Code::LimitExceeded
        | Code::PayloadTooLarge => true,
        Code::Unauthenticated
        | Code::Forbidden
        | Code::RateLimited
        | Code::Unavailable
        | Code::Timeout
        | Code::Internal => false,
    }
}

/// Completes a top-level error with code, reason and request id, and logs faults of ours once.
pub(crate) fn complete(error: &mut ServerError, request_id: RequestId) {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("requestId", request_id.to_string());
    let source = error.source::<Error>().cloned();
    let (code, reason) = match &source {
        Some(source) => (source.code, source.reason.as_ref()),
        // Parsing, validation and coercion: the document is at fault.
        None => (Code::Invalid, "invalid_query"),
    };
    extensions.set("code", code.as_str());
    extensions.set("reason", reason);
    if let Some(Error { fields, .. }) = &source
        && !fields.is_empty()
        && let Ok(fields) = async_graphql::to_value(fields)
    {
        extensions.set("fields", fields);
    }
    if let Some(source) = &source
        && matches!(code, Code::Internal | Code::Unavailable | Code::Timeout)
    {
        tracing::error!(%request_id, code = code.as_str(), reason, cause = source.cause, "graphql field failed");
    }
    error.extensions = Some(extensions);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_at_fault_becomes_a_user_error() {
        let fields = ["name", "quota.limit"]
            .map(|field| common::FieldError { field: field.to_owned(), message: "is wrong".to_owned() });
        let refusal = Refusal::from(Error::invalid_fields(fields.to_vec()));
        let named: Vec<_> = refusal.0.iter().map(|error| error.field.as_deref()).collect();
        assert_eq!(named, [Some("name"), Some("quota.limit")]);
    }

    #[tokio::test]
    async fn a_fault_of_ours_is_no_user_error_and_keeps_its_cause_inside() {
        let fault = async { Err::<Refusal, _>(Error::internal("password=hunter2")) };
        let error = settle(fault).await.unwrap_err();
        let mut error = error.into_server_error(async_graphql::Pos::default());
        let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        complete(&mut error, RequestId::new(now));
        let shown = serde_json::to_string(&error).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("\"code\":\"internal\"") && shown.contains("req_"), "{shown}");
    }
}
