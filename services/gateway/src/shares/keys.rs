//! The names of everything the gateway keeps in Redis. `docs/REDIS-KEYS.md` describes each.
//!
//! The same on every gateway and in every version: gateways find each other's buckets by them.

use std::fmt::Write as _;

use crate::admission::BucketName;

/// The gateways that are there.
pub(super) fn gateways(prefix: &str) -> String {
    format!("{prefix}gateways")
}

/// The state of a bucket.
pub(super) fn bucket(prefix: &str, name: &BucketName) -> String {
    match name {
        BucketName::Key { key, plan } => format!("{prefix}throttle:{key}:{plan}"),
        BucketName::Method { key, plan, api, method } => {
            let mut text = format!("{prefix}throttle:{key}:{plan}:{api}:");
            for byte in method {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            text
        }
        BucketName::Stage { api, stage } => format!("{prefix}throttle:stage:{api}:{stage}"),
    }
}

#[cfg(test)]
mod tests {
    use common::id::{KeyId, UsagePlanId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn names_never_change() {
        let (key, plan) = (KeyId::from_uuid(Uuid::from_u128(1)), UsagePlanId::from_uuid(Uuid::from_u128(2)));
        let api = "abcdefghij".parse().unwrap();
        let names = [
            BucketName::Key { key, plan },
            BucketName::method(key, plan, api, "/pets/{id}/GET"),
            BucketName::Stage { api, stage: "live".into() },
        ];
        assert_eq!(
            names.map(|name| bucket("tollgate:", &name)),
            [
                "tollgate:throttle:key_00000000000000000000000000000001:upl_00000000000000000000000000000002",
                "tollgate:throttle:key_00000000000000000000000000000001:upl_00000000000000000000000000000002:abcdefghij:fd50c682684feb77",
                "tollgate:throttle:stage:abcdefghij:live",
            ]
        );
        assert_eq!(gateways("tollgate:"), "tollgate:gateways");
    }
}
