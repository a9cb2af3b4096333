//! Identifiers: prefixed UUIDv7 newtypes, and the short shapes that AWS clients expect.
//!
//! On every wire and in every store an id is its text, for example `key_0198c0de4f5e7a40b1c2d3e4f5a6b7c8`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{NoContext, Uuid};

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {expected}")]
pub struct InvalidId {
    /// The shape that was expected, for example `key_<32 hex digits>`.
    pub expected: &'static str,
}

macro_rules! prefixed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = concat!($prefix, "_");

            /// A new id that sorts by `now`; the rest is random.
            pub fn new(now: DateTime<Utc>) -> Self {
                Self(uuid_at(now))
            }

            /// The id with this value, for codecs that store the 16 bytes alone.
            pub const fn from_uuid(value: Uuid) -> Self {
                Self(value)
            }

            /// The 16 bytes behind the id.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { expected: concat!($prefix, "_<32 hex digits>") };
                let Some(digits) = text.strip_prefix(Self::PREFIX) else { return Err(invalid) };
                if digits.len() != 32 {
                    return Err(invalid);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| invalid)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

prefixed_ids! {
    /// An organization that publishes APIs.
    TenantId = "ten";
    /// A person who can sign in to one or more tenants.
    UserId = "usr";
    /// A user's place in a tenant, with a role.
    MemberId = "mem";
    /// A bearer token for automation.
    TokenId = "tok";
    /// A signed-in browser.
    SessionId = "ses";
    /// An immutable snapshot of an API document.
    DeploymentId = "dep";
    /// An API key; it survives rotation of its value.
    KeyId = "key";
    /// Limits: throttle, quota and the stages they hold for.
    UsagePlanId = "upl";
    /// What the catalogue shows: APIs, texts and plans.
    ProductId = "prd";
    /// What is sold: prices and one usage plan.
    PlanId = "pln";
    /// An app's purchase of a plan; it carries the keys.
    SubscriptionId = "sub";
    /// A person who consumes APIs through a tenant's portal.
    DeveloperId = "dev";
    /// What an app developer builds; it holds subscriptions.
    AppId = "app";
    /// One gateway installation, kept across restarts.
    GatewayId = "gwy";
    /// One run of a gateway process.
    IncarnationId = "inc";
    /// Quota units handed to one gateway incarnation.
    LeaseId = "lse";
    /// One call through the gateway or one request to an edge.
    RequestId = "req";
    /// One entry of the audit log.
    AuditEntryId = "aud";
    /// One event in a role's outbox.
    EventId = "evt";
}

/// A UUIDv7 that carries `now` in its leading 48 bits.
pub fn uuid_at(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// The id of an API: ten lower-case letters and digits, as API Gateway makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiId([u8; 10]);

impl ApiId {
    /// A new random id. It starts with a letter, so that it is also a valid host name label.
    pub fn random() -> Self {
        const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
        const ALL: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut rng = rand::rng();
        let mut id = [0; 10];
        id[0] = LETTERS[rng.random_range(0..LETTERS.len())];
        for byte in &mut id[1..] {
            *byte = ALL[rng.random_range(0..ALL.len())];
        }
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { expected: "ten lower-case letters and digits" };
        let id: [u8; 10] = text.as_bytes().try_into().map_err(|_| invalid.clone())?;
        if id.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Ok(Self(id));
        }
        Err(invalid)
    }
}

impl Serialize for ApiId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ApiId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A tenant's account number: twelve digits, as they appear in ARNs.
pub fn random_account_id() -> String {
    let mut rng = rand::rng();
    format!("{:012}", rng.random_range(100_000_000_000_u64..1_000_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_as_written() {
        let id = KeyId::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        assert_eq!(id.to_string().parse::<KeyId>().unwrap(), id);
        assert_eq!(serde_json::from_str::<KeyId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        let api = ApiId::random();
        assert_eq!(api.as_str().parse::<ApiId>().unwrap(), api);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = KeyId::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        assert!(id.to_string().parse::<TenantId>().is_err());
        assert!("key_0198".parse::<KeyId>().is_err());
        assert!("ABCDEFGHIJ".parse::<ApiId>().is_err());
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let first = TenantId::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let second = TenantId::new(DateTime::from_timestamp(1_700_000_001, 0).unwrap());
        assert!(first.to_string() < second.to_string());
    }
}
