//! The organization, whoever asks, and the tokens for automation.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use chrono::{DateTime, Utc};
use common::id::TokenId;
use common::{Code, Error, FieldError};
use contracts::tenants::{
    self, CreateAccessKey, CreateToken, GetTenant, ListAccessKeys, ListTokens, RevokeAccessKey, RevokeToken,
};
use contracts::{Permission, Principal};

use super::call::{call, caller, id};
use super::cost;
use super::refusal::{Refusal, refusable, settle};

/// An organization that publishes APIs.
#[derive(Debug, SimpleObject)]
pub(crate) struct Tenant {
    /// Its id.
    id: ID,
    /// Name on screen.
    name: String,
    /// Short unique name; the portal's host label.
    slug: String,
    /// Twelve digits, the account in ARNs.
    account_id: String,
    /// When it signed up.
    created_at: DateTime<Utc>,
}

impl From<tenants::Tenant> for Tenant {
    fn from(tenant: tenants::Tenant) -> Self {
        Self {
            id: tenant.id.into(),
            name: tenant.name,
            slug: tenant.slug,
            account_id: tenant.account_id,
            created_at: tenant.created_at,
        }
    }
}

/// Whoever the credentials belong to.
#[derive(Debug, SimpleObject)]
pub(crate) struct Viewer {
    /// A signed-in member or a token.
    kind: ViewerKind,
    /// The member's or the token's id.
    id: ID,
    /// The member's e-mail address; absent for tokens.
    email: Option<String>,
    /// What the credentials allow, for example `apis:write`.
    permissions: Vec<String>,
    /// The organization.
    tenant: Tenant,
}

/// Kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum ViewerKind {
    /// A signed-in member of the organization.
    Member,
    /// A bearer token.
    Token,
}

impl TryFrom<tenants::Identity> for Viewer {
    type Error = Error;

    fn try_from(identity: tenants::Identity) -> common::Result<Self> {
        let (kind, id, permissions) = match identity.principal {
            Principal::Member { user, permissions } => (ViewerKind::Member, user.into(), permissions),
            Principal::Token { token, permissions } => (ViewerKind::Token, token.into(), permissions),
            Principal::Anonymous | Principal::Developer { .. } | Principal::Service { .. } => {
                return Err(Error::new(
                    Code::Forbidden,
                    "permission_denied",
                    "these credentials are not for this",
                ));
            }
        };
        Ok(Self {
            kind,
            id,
            email: identity.email,
            permissions: names(&permissions),
            tenant: identity.tenant.into(),
        })
    }
}

fn names(permissions: &[Permission]) -> Vec<String> {
    permissions.iter().map(|permission| permission.as_str().to_owned()).collect()
}

/// A bearer token without its secret.
#[derive(Debug, SimpleObject)]
pub(crate) struct Token {
    /// Its id.
    id: ID,
    /// What its owner calls it.
    name: String,
    /// The first characters of the secret, to recognise it by.
    prefix: String,
    /// What it allows, for example `apis:write`.
    permissions: Vec<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ends; absent = never.
    expires_at: Option<DateTime<Utc>>,
}

impl From<tenants::Token> for Token {
    fn from(token: tenants::Token) -> Self {
        Self {
            id: token.id.into(),
            name: token.name,
            prefix: token.prefix,
            permissions: names(&token.permissions),
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

/// A new bearer token.
#[derive(Debug, InputObject)]
pub(crate) struct TokenCreateInput {
    /// 1 to 100 characters.
    name: String,
    /// What it allows, for example `apis:write`; absent = everything the caller may do.
    permissions: Option<Vec<String>>,
    /// When it ends; absent = never.
    expires_at: Option<DateTime<Utc>>,
}

impl TokenCreateInput {
    fn read(self) -> common::Result<CreateToken> {
        let mut permissions = Vec::new();
        let mut unknown = Vec::new();
        for (index, name) in self.permissions.unwrap_or_default().into_iter().enumerate() {
            match Permission::ALL.iter().find(|permission| permission.as_str() == name) {
                Some(permission) => permissions.push(*permission),
                None => unknown.push(FieldError {
                    field: format!("permissions.{index}"),
                    message: format!("no such permission; known are {}", names(Permission::ALL).join(", ")),
                }),
            }
        }
        if !unknown.is_empty() {
            return Err(Error::invalid_fields(unknown));
        }
        Ok(CreateToken { name: self.name, permissions, expires_at: self.expires_at })
    }
}

/// A new bearer token.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct TokenCreatePayload {
    /// The token; absent when nothing was made.
    token: Option<Token>,
    /// What to send after `Bearer`. Shown here only.
    secret: Option<String>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// A token that ended.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct TokenRevokePayload {
    /// The id of the token; absent when nothing was changed.
    revoked_id: Option<ID>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// New credentials of the AWS-compatible management API.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct AccessKeyCreatePayload {
    /// 20 upper-case letters and digits; absent when nothing was made.
    access_key_id: Option<String>,
    /// 40 characters. Shown here only.
    secret_access_key: Option<String>,
    #[graphql(flatten)]
    refusal: Refusal,
}

/// An access key without its secret.
#[derive(Debug, SimpleObject)]
pub(crate) struct AccessKey {
    /// 20 upper-case letters and digits.
    access_key_id: String,
    /// What it allows, for example `apis:write`.
    permissions: Vec<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// An access key that ended.
#[derive(Debug, Default, SimpleObject)]
pub(crate) struct AccessKeyRevokePayload {
    /// The id of the access key; absent when nothing was changed.
    revoked_id: Option<ID>,
    #[graphql(flatten)]
    refusal: Refusal,
}

refusable!(TokenCreatePayload, TokenRevokePayload, AccessKeyCreatePayload, AccessKeyRevokePayload);

#[derive(Default)]
pub(crate) struct OrganizationQuery;

#[Object]
impl OrganizationQuery {
    /// Whoever the credentials belong to.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let Some(identity) = &caller(ctx)?.identity else {
            return Err(crate::auth::credentials_required().into());
        };
        Ok(identity.clone().try_into()?)
    }

    /// The organization.
    async fn tenant(&self, ctx: &Context<'_>) -> Result<Tenant> {
        Ok(call(ctx, GetTenant {}).await?.into())
    }

    /// The organization's bearer tokens, newest first.
    #[graphql(complexity = "cost::list(500, child_complexity)")]
    async fn tokens(&self, ctx: &Context<'_>) -> Result<Vec<Token>> {
        Ok(call(ctx, ListTokens {}).await?.into_iter().map(Token::from).collect())
    }

    /// The organization's credentials for the AWS-compatible management API, newest first.
    #[graphql(complexity = "cost::flat(child_complexity)")]
    async fn access_keys(&self, ctx: &Context<'_>) -> Result<Vec<AccessKey>> {
        let keys = call(ctx, ListAccessKeys {}).await?.into_iter().map(|key| AccessKey {
            access_key_id: key.access_key_id,
            permissions: names(&key.permissions),
            created_at: key.created_at,
        });
        Ok(keys.collect())
    }
}

#[derive(Default)]
pub(crate) struct OrganizationMutation;

#[Object]
impl OrganizationMutation {
    /// Makes a bearer token for automation. Nobody can grant more than they may do themselves.
    async fn token_create(&self, ctx: &Context<'_>, input: TokenCreateInput) -> Result<TokenCreatePayload> {
        settle(async {
            let created = call(ctx, input.read()?).await?;
            Ok(TokenCreatePayload {
                token: Some(created.token.into()),
                secret: Some(created.secret),
                ..Default::default()
            })
        })
        .await
    }

    /// Ends a bearer token at once.
    async fn token_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "id")] token: ID,
    ) -> Result<TokenRevokePayload> {
        settle(async {
            let token: TokenId = id("id", &token)?;
            call(ctx, RevokeToken { id: token }).await?;
            Ok(TokenRevokePayload { revoked_id: Some(token.into()), ..Default::default() })
        })
        .await
    }

    /// Ends credentials of the AWS-compatible management API at once.
    async fn access_key_revoke(
        &self,
        ctx: &Context<'_>,
        access_key_id: ID,
    ) -> Result<AccessKeyRevokePayload> {
        settle(async {
            call(ctx, RevokeAccessKey { access_key_id: access_key_id.to_string() }).await?;
            Ok(AccessKeyRevokePayload { revoked_id: Some(access_key_id), ..Default::default() })
        })
        .await
    }

    /// Makes credentials for the AWS-compatible management API.
    async fn access_key_create(&self, ctx: &Context<'_>) -> Result<AccessKeyCreatePayload> {
        settle(async {
            let key = call(ctx, CreateAccessKey {}).await?;
            Ok(AccessKeyCreatePayload {
                access_key_id: Some(key.access_key_id),
                secret_access_key: Some(key.secret_access_key),
                ..Default::default()
            })
        })
        .await
    }
}
