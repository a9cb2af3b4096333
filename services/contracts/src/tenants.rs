//! Calls of the role `tenants`: organizations, sign-in, sessions, tokens.

use chrono::{DateTime, Utc};
use common::id::{TenantId, TokenId};
use serde::{Deserialize, Serialize};

use crate::access::{Permission, Principal};
use crate::call;

/// An organization that publishes APIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Name on screen.
    pub name: String,
    /// Short unique name: lower-case letters, digits and hyphens; the portal's host label.
    pub slug: String,
    /// Twelve digits, the account in ARNs.
    pub account_id: String,
    /// When it signed up.
    pub created_at: DateTime<Utc>,
}

/// A person signed in to a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session's secret, for the cookie. Shown once.
    pub session_secret: String,
    /// When the session ends.
    pub expires_at: DateTime<Utc>,
    /// Whose session it is.
    pub identity: Identity,
}

/// What credentials prove.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The tenant they belong to.
    pub tenant: Tenant,
    /// Who acts with them.
    pub principal: Principal,
    /// The person's e-mail address; absent for tokens.
    pub email: Option<String>,
}

/// Makes an organization with its first member, an owner, and signs that member in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignUp {
    /// Name of the organization: 1 to 100 characters.
    pub organization: String,
    /// The owner's e-mail address.
    pub email: String,
    /// At least 10 characters, at most 200.
    pub password: String,
}
call!(SignUp => SignedIn, Tenants, Public);

/// Signs a member in. Wrong address and wrong password look alike and take equally long.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignIn {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}
call!(SignIn => SignedIn, Tenants, Public);

/// Ends a session. A session that is gone already is no error.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignOut {
    /// The session's secret.
    pub session_secret: String,
}
call!(SignOut => (), Tenants, Service);

/// What a session's secret or a bearer token proves, for the edges.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authenticate {
    /// The value of the session cookie.
    Session {
        /// The secret.
        secret: String,
    },
    /// The value after `Bearer`.
    Token {
        /// The secret.
        secret: String,
    },
}
call!(Authenticate => Identity, Tenants, Service);

/// The caller's organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetTenant {}
call!(GetTenant => Tenant, Tenants, Tenant(OrganizationRead), from [Admin, Portal]);

/// An organization by its short name, for the portal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindTenant {
    /// The short name.
    pub slug: String,
}
call!(FindTenant => Tenant, Tenants, Service, from [Portal]);

/// A token without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What its owner calls it.
    pub name: String,
    /// The first characters of the secret, to recognise it by.
    pub prefix: String,
    /// What it allows.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends; absent = never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a bearer token. Nobody can grant more than they may do themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateToken {
    /// 1 to 100 characters.
    pub name: String,
    /// What it allows; empty = everything the caller may do.
    pub permissions: Vec<Permission>,
    /// When it ends; absent = never. A token that ends makes none that outlives it.
    pub expires_at: Option<DateTime<Utc>>,
}
call!(CreateToken => CreatedToken, Tenants, Tenant(TokensWrite));

/// A new token. The secret is not kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// What to send after `Bearer`.
    pub secret: String,
}

/// The organization's tokens, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListTokens {}
call!(ListTokens => Vec<Token>, Tenants, Tenant(OrganizationRead));

/// Ends a token at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeToken {
    /// The token.
    pub id: TokenId,
}
call!(RevokeToken => (), Tenants, Tenant(TokensWrite));

/// Makes credentials for the AWS-compatible management API (Signature Version 4 needs the secret itself, so it is kept
/// in the vault). They never end by themselves, so a token that ends cannot make them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateAccessKey {}
call!(CreateAccessKey => AccessKey, Tenants, Tenant(TokensWrite));

/// An access key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeySummary {
    /// 20 upper-case letters and digits.
    pub access_key_id: String,
    /// What it allows.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The organization's access keys, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListAccessKeys {}
call!(ListAccessKeys => Vec<AccessKeySummary>, Tenants, Tenant(OrganizationRead));

/// Ends an access key at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeAccessKey {
    /// The access key's id.
    pub access_key_id: String,
}
call!(RevokeAccessKey => (), Tenants, Tenant(TokensWrite));

/// Credentials of the AWS-compatible management API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// 20 upper-case letters and digits.
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: String,
}
