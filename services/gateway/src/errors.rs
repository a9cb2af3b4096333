//! The gateway's own answers: which status, body and headers each reason has.
//!
//! Bodies, statuses and `x-amzn-ErrorType` are API Gateway's (gateway response types of its developer guide); the reason
//! beside them says more than they do. Knows no connection.

use contracts::record::{Reason, ThrottleScope};

/// Whose doing a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The caller's: the same request will fail again.
    Client,
    /// The gateway's, or its configuration's.
    Gateway,
    /// The backend's.
    Upstream,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Of no use.
    Never,
    /// Yes: nothing was done.
    Safe,
    /// The backend may have acted: only if the request is idempotent.
    Unknown,
}

/// A call the gateway answers itself because it cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Refusal {
    /// Why; decides everything else.
    pub(crate) reason: Reason,
    /// Status of the answer.
    pub(crate) status: u16,
    /// The body's message.
    pub(crate) message: &'static str,
    /// Value of `x-amzn-ErrorType`.
    pub(crate) error_type: Option<&'static str>,
    /// Seconds after which it may work.
    pub(crate) retry_after: Option<u64>,
    /// The throttle that has no token, where that is the reason.
    pub(crate) throttle: Option<ThrottleScope>,
}

impl Refusal {
    /// The answer for a reason that stands for a refusal or failure.
    pub(crate) const fn new(reason: Reason) -> Self {
        let (status, message, error_type) = match reason {
            Reason::KeyMissing
            | Reason::KeyUnknown
            | Reason::KeyDisabled
            | Reason::KeyExpired
            | Reason::PlanLacksRoute => (403, "Forbidden", Some("ForbiddenException")),
            Reason::NoRoute => {
                (403, "Missing Authentication Token", Some("MissingAuthenticationTokenException"))
            }
            Reason::Throttled => (429, "Too Many Requests", Some("TooManyRequestsException")),
            Reason::QuotaExhausted => (429, "Limit Exceeded", Some("LimitExceededException")),
            Reason::SpendCapReached => (402, "Spend Cap Reached", Some("SpendCapReachedException")),
            Reason::PayloadTooLarge => (413, "Request Too Long", Some("RequestTooLargeException")),
            Reason::BadRequest => (400, "Bad Request", Some("BadRequestException")),
            Reason::RequestTimeout => (408, "Request Timeout", Some("RequestTimeoutException")),
            Reason::UpstreamTimeout => (504, "Endpoint request timed out", None),
            Reason::UpstreamUnreachable | Reason::UpstreamBlocked => {
                (504, "Network error communicating with endpoint", None)
            }
            Reason::UpstreamInvalidResponse => (504, "Invalid response from the endpoint", None),
            Reason::LeaseUnavailable
            | Reason::SpoolFull
            | Reason::Overloaded
            | Reason::ThrottleUnavailable
            | Reason::ConfigurationStale
            | Reason::ConfigurationMissing => {
                (503, "Service Unavailable", Some("ServiceUnavailableException"))
            }
            Reason::Ok
            | Reason::ClientDisconnected
            | Reason::Interrupted
            | Reason::ConfigurationInvalid
            | Reason::Internal => (500, "Internal server error", Some("InternalServerErrorException")),
        };
        Self { reason, status, message, error_type, retry_after: None, throttle: None }
    }

    /// The same reason with another status and message, where a reason covers several.
    pub(crate) const fn with(mut self, status: u16, message: &'static str) -> Self {
        self.status = status;
        self.message = message;
        self
    }

    /// Names the throttle that refuses.
    pub(crate) const fn throttled_by(mut self, throttle: ThrottleScope) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Says when to try again.
    pub(crate) const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Says when to try again, if that is known. Rounded up: whoever waits as told is not refused again.
    pub(crate) fn retry_after_us(self, micros: i64) -> Self {
        if micros > 0 { self.retry_after(crate::ratelimit_headers::seconds(micros)) } else { self }
    }

    /// Whose doing it is; the label of failure metrics.
    pub(crate) const fn fault(&self) -> Fault {
        match self.reason {
            Reason::UpstreamTimeout
            | Reason::UpstreamUnreachable
            | Reason::UpstreamInvalidResponse
            | Reason::UpstreamBlocked => Fault::Upstream,
            _ if self.status < 500 => Fault::Client,
            _ => Fault::Gateway,
        }
    }

    /// Whether the same request may be sent again.
    pub(crate) const fn retry(&self) -> Retry {
        match self.reason {
            Reason::UpstreamTimeout | Reason::UpstreamInvalidResponse => Retry::Unknown,
            Reason::Throttled
            | Reason::QuotaExhausted
            | Reason::SpendCapReached
            | Reason::LeaseUnavailable
            | Reason::SpoolFull
            | Reason::Overloaded
            | Reason::ThrottleUnavailable
            | Reason::ConfigurationStale
            | Reason::ConfigurationMissing
            | Reason::UpstreamUnreachable
            | Reason::RequestTimeout => Retry::Safe,
            _ => Retry::Never,
        }
    }

    /// The body: API Gateway's, and the throttle's name beside its message.
    pub(crate) fn body(&self) -> String {
        match self.throttle {
            Some(throttle) => {
                format!("{{\"message\":\"{}\",\"limit\":\"{}\"}}", self.message, throttle.as_str())
            }
            None => format!("{{\"message\":\"{}\"}}", self.message),
        }
    }
}

impl Fault {
    /// Name in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_look_as_api_gateway_sends_them() {
        for (reason, status, message, error_type) in [
            (Reason::KeyMissing, 403, "Forbidden", Some("ForbiddenException")),
            (Reason::KeyUnknown, 403, "Forbidden", Some("ForbiddenException")),
            (Reason::KeyDisabled, 403, "Forbidden", Some("ForbiddenException")),
            (
                Reason::NoRoute,
                403,
                "Missing Authentication Token",
                Some("MissingAuthenticationTokenException"),
            ),
            (Reason::Throttled, 429, "Too Many Requests", Some("TooManyRequestsException")),
            (Reason::QuotaExhausted, 429, "Limit Exceeded", Some("LimitExceededException")),
            (Reason::UpstreamTimeout, 504, "Endpoint request timed out", None),
        ] {
            let refusal = Refusal::new(reason);
            assert_eq!((refusal.status, refusal.message, refusal.error_type), (status, message, error_type));
            assert_eq!(refusal.body(), format!(r#"{{"message":"{message}"}}"#));
        }
    }

    #[test]
    fn a_retry_is_called_safe_only_when_the_backend_was_not_reached() {
        assert_eq!(Refusal::new(Reason::UpstreamUnreachable).retry(), Retry::Safe);
        assert_eq!(Refusal::new(Reason::UpstreamTimeout).retry(), Retry::Unknown);
        assert_eq!(Refusal::new(Reason::UpstreamInvalidResponse).fault(), Fault::Upstream);
        assert_eq!(Refusal::new(Reason::KeyUnknown).retry(), Retry::Never);
        assert_eq!(Refusal::new(Reason::SpoolFull).fault(), Fault::Gateway);
    }
}
