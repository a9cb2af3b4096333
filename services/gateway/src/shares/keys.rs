//! The names of everything the gateway keeps in Redis. `docs/REDIS-KEYS.md` describes each.
//!
//! The same on every gateway and in every version: gateways find each other's buckets by them.

use common::id::{KeyId, UsagePlanId};

use crate::admission::BucketName;

/// The gateways that are there.
pub(super) fn gateways(prefix: &str) -> String {
    format!("{prefix}gateways")
}

/// The state of a bucket.
pub(super) fn bucket(prefix: &str, name: &BucketName) -> String {
    match name {
        BucketName::Key { key, plan } => format!("{prefix}throttle:{key}:{plan}"),
        BucketName::KeyMethod { key, plan, api, method } => {
            format!("{prefix}throttle:{key}:{plan}:{api}:{method}")
        }
        BucketName::Method { api, stage, method } => {
            format!("{prefix}throttle:method:{api}:{stage}:{method}")
        }
        BucketName::Stage { api, stage } => format!("{prefix}throttle:stage:{api}:{stage}"),
        BucketName::Tenant { tenant } => format!("{prefix}throttle:{tenant}"),
    }
}

/// The state of all buckets that a key has in a usage plan which throttles exactly.
pub(super) fn exact(prefix: &str, key: KeyId, plan: UsagePlanId) -> String {
    format!("{prefix}exact:{key}:{plan}")
}

#[cfg(test)]
mod tests {
    use common::id::TenantId;
    use uuid::Uuid;

    use super::*;
    use crate::admission::MethodName;

    #[test]
    fn names_never_change() {
        let (key, plan) = (KeyId::from_uuid(Uuid::from_u128(1)), UsagePlanId::from_uuid(Uuid::from_u128(2)));
        let (api, method) = ("abcdefghij".parse().unwrap(), MethodName::of("/pets/{id}/GET"));
        let names = [
            BucketName::Key { key, plan },
            BucketName::KeyMethod { key, plan, api, method },
            BucketName::Method { api, stage: "live".into(), method },
            BucketName::Stage { api, stage: "live".into() },
            BucketName::Tenant { tenant: TenantId::from_uuid(Uuid::from_u128(3)) },
        ];
        assert_eq!(
            names.map(|name| bucket("tollgate:", &name)),
            [
                "tollgate:throttle:key_00000000000000000000000000000001:upl_00000000000000000000000000000002",
                "tollgate:throttle:key_00000000000000000000000000000001:upl_00000000000000000000000000000002:abcdefghij:fd50c682684feb77",
                "tollgate:throttle:method:abcdefghij:live:fd50c682684feb77",
                "tollgate:throttle:stage:abcdefghij:live",
                "tollgate:throttle:ten_00000000000000000000000000000003",
            ]
        );
        assert_eq!(
            exact("tollgate:", key, plan),
            "tollgate:exact:key_00000000000000000000000000000001:upl_00000000000000000000000000000002"
        );
        assert_eq!(gateways("tollgate:"), "tollgate:gateways");
    }
}
