//! Who calls, on whose behalf, and what that allows.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use common::id::{DeveloperId, RequestId, TenantId, TokenId, UserId};
use common::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::call::Role;

/// First argument of every use case: the tenant it acts in, who acts, the request it belongs to, and the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ctx {
    /// The tenant this acts in; absent only before sign-in and for work across tenants.
    pub tenant: Option<TenantId>,
    /// Who acts.
    pub principal: Principal,
    /// The request or job this belongs to, in every log line and error.
    pub request_id: RequestId,
    /// The time of the request. Use cases read no clock.
    pub now: DateTime<Utc>,
    /// The caller's idempotency key: the same key and input answer the first outcome again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Address the request came from, where an edge knows it: bounds on attempts count by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<IpAddr>,
}

impl Ctx {
    /// A request before anybody is known.
    pub fn anonymous(now: DateTime<Utc>) -> Self {
        Self {
            tenant: None,
            principal: Principal::Anonymous,
            request_id: RequestId::new(now),
            now,
            idempotency_key: None,
            client_address: None,
        }
    }

    /// Work of a role itself, for no tenant.
    pub fn service(role: Role, now: DateTime<Utc>) -> Self {
        Self { principal: Principal::Service { role }, ..Self::anonymous(now) }
    }

    /// The same request, acting in `tenant`.
    #[must_use]
    pub fn in_tenant(&self, tenant: TenantId) -> Self {
        Self { tenant: Some(tenant), ..self.clone() }
    }

    /// The same request made by a role on behalf of whoever asked it, for example the portal subscribing a developer.
    #[must_use]
    pub fn as_service(&self, role: Role) -> Self {
        Self { principal: Principal::Service { role }, ..self.clone() }
    }

    /// The tenant, or the refusal of a call that needs one.
    pub fn tenant(&self) -> Result<TenantId> {
        self.tenant
            .ok_or_else(|| Error::new(Code::Forbidden, "tenant_required", "this needs an organization"))
    }

    /// The signed-in app developer, or the refusal of a call that needs one.
    pub fn developer(&self) -> Result<DeveloperId> {
        match self.principal {
            Principal::Developer { developer } => Ok(developer),
            _ => Err(unauthenticated()),
        }
    }

    /// Refuses whoever `access` does not admit. A role admits itself to everything: edges check before they act as one.
    pub fn authorize(&self, access: Access) -> Result<()> {
        let allowed = match (access, &self.principal) {
            (Access::Public, _) | (_, Principal::Service { .. }) => true,
            (_, Principal::Anonymous) => return Err(unauthenticated()),
            (Access::Service, _) => false,
            (
                Access::Tenant(needed),
                Principal::Member { permissions, .. } | Principal::Token { permissions, .. },
            ) => self.tenant.is_some() && permissions.contains(&needed),
            (Access::Developer, Principal::Developer { .. }) => self.tenant.is_some(),
            (Access::Tenant(_), Principal::Developer { .. }) => false,
            (Access::Developer, Principal::Member { .. } | Principal::Token { .. }) => false,
        };
        if allowed {
            return Ok(());
        }
        let message = match access {
            Access::Tenant(needed) => format!("this needs the permission {}", needed.as_str()),
            _ => "these credentials are not for this".to_owned(),
        };
        Err(Error::new(Code::Forbidden, "permission_denied", message))
    }
}

fn unauthenticated() -> Error {
    Error::new(Code::Unauthenticated, "credentials_required", "sign in or send a bearer token")
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// Nobody yet.
    Anonymous,
    /// A signed-in member of a tenant.
    Member {
        /// The person.
        user: UserId,
        /// What the member's role allows.
        permissions: Vec<Permission>,
    },
    /// A bearer token.
    Token {
        /// The token.
        token: TokenId,
        /// What it was made for.
        permissions: Vec<Permission>,
    },
    /// A signed-in app developer.
    Developer {
        /// The person.
        developer: DeveloperId,
    },
    /// A role of Tollgate, proven by its service token or by running in this process.
    Service {
        /// The role.
        role: Role,
    },
}

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// A member or token of the tenant with this permission.
    Tenant(Permission),
    /// A signed-in app developer of the tenant.
    Developer,
    /// Tollgate's own roles alone.
    Service,
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a member or token of a tenant may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name, for example `plans:write`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

permissions! {
    /// Read the organization, its members and tokens.
    OrganizationRead = "organization:read",
    /// Change the organization and its members.
    OrganizationWrite = "organization:write",
    /// Make and revoke tokens and access keys.
    TokensWrite = "tokens:write",
    /// Read API documents, stages and deployments.
    ApisRead = "apis:read",
    /// Change and deploy APIs.
    ApisWrite = "apis:write",
    /// Read API keys without their values.
    KeysRead = "keys:read",
    /// Make, change, rotate and revoke API keys.
    KeysWrite = "keys:write",
    /// Read the values of API keys.
    KeysReveal = "keys:reveal",
    /// Read usage plans.
    UsagePlansRead = "usage_plans:read",
    /// Change usage plans.
    UsagePlansWrite = "usage_plans:write",
    /// Read products and plans.
    ProductsRead = "products:read",
    /// Change products and plans.
    ProductsWrite = "products:write",
    /// Read app developers, apps and subscriptions.
    SubscriptionsRead = "subscriptions:read",
    /// Make and end subscriptions.
    SubscriptionsWrite = "subscriptions:write",
    /// Read usage.
    UsageRead = "usage:read",
    /// Read the request log.
    RequestLogRead = "request_log:read",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ctx(principal: Principal, tenant: bool) -> Ctx {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Ctx { tenant: tenant.then(|| TenantId::new(now)), principal, ..Ctx::anonymous(now) }
    }

    #[test]
    fn a_call_admits_only_those_its_access_names() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = |permissions: &[Permission]| Principal::Token {
            token: TokenId::new(now),
            permissions: permissions.to_vec(),
        };
        let developer = Principal::Developer { developer: DeveloperId::new(now) };
        let write = Access::Tenant(Permission::ApisWrite);
        let cases = [
            (ctx(Principal::Anonymous, false), Access::Public, None),
            (ctx(Principal::Anonymous, false), write, Some(Code::Unauthenticated)),
            (ctx(token(&[Permission::ApisWrite]), true), write, None),
            (ctx(token(&[Permission::ApisRead]), true), write, Some(Code::Forbidden)),
            (ctx(token(&[Permission::ApisWrite]), false), write, Some(Code::Forbidden)),
            (ctx(token(Permission::ALL), true), Access::Service, Some(Code::Forbidden)),
            (ctx(token(Permission::ALL), true), Access::Developer, Some(Code::Forbidden)),
            (ctx(developer.clone(), true), Access::Developer, None),
            (ctx(developer, true), write, Some(Code::Forbidden)),
            (ctx(Principal::Service { role: Role::Portal }, false), Access::Service, None),
        ];
        for (ctx, access, refusal) in cases {
            assert_eq!(ctx.authorize(access).err().map(|error| error.code), refusal, "{ctx:?} {access:?}");
        }
    }
}
