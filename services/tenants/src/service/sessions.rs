//! Signing in and out, and what a credential proves.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::id::{SessionId, TenantId, UserId};
use common::mail::normalize_address;
use common::secret::{random_text, sha256_hex};
use common::{Result, sign_in};
use contracts::tenants::{Authenticate, Identity, SignIn, SignOut, SignedIn, Tenant};
use contracts::{Ctx, Principal};
use database::SystemTx;

use crate::domain::credentials::{SECRET_LENGTH, SESSION_PREFIX, refused};
use crate::domain::roles::MemberRole;
use crate::store::sessions::NewSession;
use crate::{Config, State, store};

/// A new session with its secret.
pub(super) struct OpenSession {
    secret: String,
    expires_at: DateTime<Utc>,
}

/// Signs a member in.
pub(crate) async fn sign_in(state: Arc<State>, ctx: Ctx, input: SignIn) -> Result<SignedIn> {
    // What cannot be an address of anybody is wrong like any other.
    let email = normalize_address("email", &input.email).unwrap_or_default();
    verify_and_open(&state, &ctx, &email, &input.password).await
}

/// Checks a password and opens a session in the person's oldest tenant.
pub(super) async fn verify_and_open(
    state: &State,
    ctx: &Ctx,
    email: &str,
    password: &str,
) -> Result<SignedIn> {
    let attempt = state.sign_ins.begin(ctx.client_address, email, ctx.now)?;
    let tx = state.database.system_read("sign-in finds out the tenant").await?;
    let user = store::users::find_by_email(&tx, email).await?;
    // No connection is held while the password is hashed.
    drop(tx);
    let hash = user.as_ref().map(|user| user.password_hash.as_str());
    state.sign_ins.verify(attempt, password, hash).await?;
    let user = user.ok_or_else(sign_in::refused)?;
    let tx = state.database.system("sign-in finds out the tenant").await?;
    let Some((member_role, tenant)) = store::members::oldest_of(&tx, user.id).await? else {
        return Err(sign_in::refused());
    };
    let session = open(&tx, &state.config, ctx, tenant.id, user.id).await?;
    tx.commit().await?;
    Ok(signed_in(session, tenant, user.id, user.email, member_role))
}

/// Stores a new session.
pub(super) async fn open(
    tx: &SystemTx,
    config: &Config,
    ctx: &Ctx,
    tenant: TenantId,
    user: UserId,
) -> Result<OpenSession> {
    let secret = format!("{SESSION_PREFIX}{}", random_text(SECRET_LENGTH));
    let expires_at = ctx.now + TimeDelta::days(config.session_days.into());
    let session = NewSession {
        id: SessionId::new(ctx.now),
        tenant,
        user,
        secret_sha256: sha256_hex(secret.as_bytes()),
        created_at: ctx.now,
        expires_at,
    };
    store::sessions::insert(tx, session).await?;
    Ok(OpenSession { secret, expires_at })
}

/// The answer to a sign-in.
pub(super) fn signed_in(
    session: OpenSession,
    tenant: Tenant,
    user: UserId,
    email: String,
    role: MemberRole,
) -> SignedIn {
    let principal = Principal::Member { user, permissions: role.permissions() };
    SignedIn {
        session_secret: session.secret,
        expires_at: session.expires_at,
        identity: Identity { tenant, principal, email: Some(email) },
    }
}

/// Ends a session.
pub(crate) async fn sign_out(state: Arc<State>, _: Ctx, input: SignOut) -> Result<()> {
    let tx = state.database.system("a session's secret says whose it is").await?;
    store::sessions::delete(&tx, &sha256_hex(input.session_secret.as_bytes())).await?;
    tx.commit().await
}

/// What a session's secret or a bearer token proves.
pub(crate) async fn authenticate(state: Arc<State>, ctx: Ctx, input: Authenticate) -> Result<Identity> {
    let tx = state.database.system_read("a credential says whose it is").await?;
    match input {
        Authenticate::Session { secret } => {
            let found = store::sessions::find(&tx, &sha256_hex(secret.as_bytes()), ctx.now).await?;
            let (session, user, role) = found.ok_or_else(refused)?;
            let tenant = store::tenants::get(&tx, session.tenant).await?.ok_or_else(refused)?;
            let principal = Principal::Member { user: user.id, permissions: role.permissions() };
            Ok(Identity { tenant, principal, email: Some(user.email) })
        }
        Authenticate::Token { secret } => {
            let found = store::tokens::find_by_secret(&tx, &sha256_hex(secret.as_bytes())).await?;
            let (tenant, token) = found.ok_or_else(refused)?;
            if token.expires_at.is_some_and(|end| end <= ctx.now) {
                return Err(refused());
            }
            let tenant = store::tenants::get(&tx, tenant).await?.ok_or_else(refused)?;
            let principal = Principal::Token { token: token.id, permissions: token.permissions };
            Ok(Identity { tenant, principal, email: None })
        }
    }
}
