//! The shape of a call between roles.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::access::Access;

/// One operation of a role. The struct is the request.
///
/// Every call may be delivered more than once; its handler makes a repeat harmless.
pub trait Call: Serialize + DeserializeOwned + Send + 'static {
    /// The answer.
    type Output: Serialize + DeserializeOwned + Send + 'static;
    /// The role that answers.
    const ROLE: Role;
    /// Name in `POST /internal/{role}/{name}`: the struct's, unique within the role.
    const NAME: &'static str;
    /// On whose behalf the call may be made. Checked before the handler runs, on both wirings.
    const ACCESS: Access;
    /// The roles that may make it, proven by their service token: whatever they say of the principal, no other role is
    /// answered.
    const CALLERS: &'static [Role];
}

/// Declares [`Call`] for a request struct: `call!(CreateToken => CreatedToken, Tenants, Tenant(TokensWrite));`. The
/// provider's edge makes it, unless `from [Portal, Billing]` follows.
#[macro_export]
macro_rules! call {
    ($request:ident => $output:ty, $role:ident, Tenant($permission:ident) $(, from [$($from:ident),+])?) => {
        $crate::call!(@ $request, $output, $role, $crate::Access::Tenant($crate::Permission::$permission), [$($($from),+)?]);
    };
    ($request:ident => $output:ty, $role:ident, $access:ident $(, from [$($from:ident),+])?) => {
        $crate::call!(@ $request, $output, $role, $crate::Access::$access, [$($($from),+)?]);
    };
    (@ $request:ident, $output:ty, $role:ident, $access:expr, []) => {
        $crate::call!(@ $request, $output, $role, $access, [Admin]);
    };
    (@ $request:ident, $output:ty, $role:ident, $access:expr, [$($from:ident),+]) => {
        impl $crate::Call for $request {
            type Output = $output;
            const ROLE: $crate::Role = $crate::Role::$role;
            const NAME: &'static str = stringify!($request);
            const ACCESS: $crate::Access = $access;
            const CALLERS: &'static [$crate::Role] = &[$($crate::Role::$from),+];
        }
    };
}

/// A part of Tollgate that can run as its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The data plane.
    Gateway,
    /// Tenants, members, credentials, sessions, tokens.
    Tenants,
    /// API documents, deployments, stages.
    Apis,
    /// Keys, usage plans, leases, usage.
    Metering,
    /// Products, plans, subscriptions.
    Billing,
    /// App developers and their portal.
    Portal,
    /// The provider's edge: GraphQL and dashboard.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::Gateway, Self::Tenants, Self::Apis, Self::Metering, Self::Billing, Self::Portal, Self::Admin];

    /// The name on the command line, in configuration and in paths.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Tenants => "tenants",
            Self::Apis => "apis",
            Self::Metering => "metering",
            Self::Billing => "billing",
            Self::Portal => "portal",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|role| role.as_str()).collect();
            format!("no role {text}; the roles are {}", names.join(", "))
        })
    }
}
