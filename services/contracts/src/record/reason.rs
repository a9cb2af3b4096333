//! Why a call ended as it did.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $counts:literal;)*) => {
        /// Why a call ended as it did. Codes and names are stable: they are stored, and sent as `x-tollgate-reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The stable number in encoded records.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }

            /// The reason with this number.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Whether a call that ended for this reason uses up quota and rate unless its plan says otherwise: true once
            /// the upstream may have seen it. Refusals never do.
            pub const fn counts(self) -> bool {
                match self { $(Self::$name => $counts),* }
            }
        }
    };
}

reasons! {
    /// Answered by the upstream or the integration, whatever the status.
    Ok = 0, "ok", true;
    /// The route needs a key and none was sent.
    KeyMissing = 1, "key_missing", false;
    /// The key is not known, or belongs to another tenant.
    KeyUnknown = 2, "key_unknown", false;
    /// The key is switched off.
    KeyDisabled = 3, "key_disabled", false;
    /// The key's time, or its grace after rotation, is over.
    KeyExpired = 4, "key_expired", false;
    /// No usage plan of the key holds for this stage.
    PlanLacksRoute = 5, "plan_lacks_route", false;
    /// No route matches method and path.
    NoRoute = 6, "no_route", false;
    /// Over the rate or the burst.
    Throttled = 7, "throttled", false;
    /// The period's quota is used up.
    QuotaExhausted = 8, "quota_exhausted", false;
    /// No quota lease could be had in time.
    LeaseUnavailable = 9, "lease_unavailable", false;
    /// The request body is over the stage's limit.
    PayloadTooLarge = 10, "payload_too_large", false;
    /// The upstream did not answer in time.
    UpstreamTimeout = 11, "upstream_timeout", true;
    /// No connection to the upstream could be made.
    UpstreamUnreachable = 12, "upstream_unreachable", false;
    /// The upstream's answer was not HTTP, or broke off.
    UpstreamInvalidResponse = 13, "upstream_invalid_response", true;
    /// The upstream's address may not be called.
    UpstreamBlocked = 14, "upstream_blocked", false;
    /// The gateway's disk holds as many unshipped records as it may.
    SpoolFull = 15, "spool_full", false;
    /// The client left before the end.
    ClientDisconnected = 16, "client_disconnected", true;
    /// The gateway died while the call ran.
    Interrupted = 17, "interrupted", true;
    /// The request breaks the rules of HTTP or of the route.
    BadRequest = 18, "bad_request", false;
    /// The method's configuration cannot be carried out.
    ConfigurationInvalid = 19, "configuration_invalid", false;
    /// As many calls are in flight as the gateway may hold.
    Overloaded = 20, "overloaded", false;
    /// The gateway failed.
    Internal = 21, "internal", false;
    /// The request's body did not arrive in time.
    RequestTimeout = 22, "request_timeout", false;
    /// The gateway's configuration is older than it may be.
    ConfigurationStale = 23, "configuration_stale", false;
    /// The gateway does not know its configuration yet, so it cannot say whether route and key exist.
    ConfigurationMissing = 24, "configuration_missing", false;
    /// The subscription's spend cap is reached.
    SpendCapReached = 25, "spend_cap_reached", false;
    /// The plan throttles exactly and the fleet's common buckets could not be asked in time.
    ThrottleUnavailable = 26, "throttle_unavailable", false;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No reason has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no reason is named {0}")]
pub struct UnknownReason(String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.iter().find(|reason| reason.as_str() == text);
        found.copied().ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back_to_the_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert_eq!(reason.as_str().parse::<Reason>().unwrap(), *reason);
        }
        assert_eq!(Reason::from_code(u16::MAX), None);
    }
}
