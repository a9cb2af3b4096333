//! Signing in and out of one tenant's portal.

use std::sync::Arc;

use chrono::TimeDelta;
use common::id::SessionId;
use common::mail::normalize_address;
use common::secret::{random_text, sha256_hex};
use common::{Code, Error, Result, sign_in};
use contracts::Ctx;
use contracts::portal::{
    AuthenticateDeveloper, Developer, SignInDeveloper, SignOutDeveloper, SignedInDeveloper,
};
use database::TenantTx;

use crate::store::sessions::NewSession;
use crate::{Config, State, store};

/// What a session's secret starts with.
const PREFIX: &str = "tgd_";
/// Random characters after it: over 250 bits.
const SECRET_LENGTH: usize = 43;

/// Signs a developer in.
pub(crate) async fn sign_in(
    state: Arc<State>,
    ctx: Ctx,
    input: SignInDeveloper,
) -> Result<SignedInDeveloper> {
    // What cannot be an address of anybody is wrong like any other.
    let email = normalize_address("email", &input.email).unwrap_or_default();
    verify_and_open(&state, &ctx, &email, &input.password).await
}

/// Checks a password and opens a session.
pub(super) async fn verify_and_open(
    state: &State,
    ctx: &Ctx,
    email: &str,
    password: &str,
) -> Result<SignedInDeveloper> {
    let account = format!("{} {email}", ctx.tenant()?);
    let attempt = state.sign_ins.begin(ctx.client_address, &account, ctx.now)?;
    let tx = state.database.tenant_read(ctx).await?;
    let found = store::developers::find_by_email(&tx, email).await?;
    // No connection is held while the password is hashed.
    drop(tx);
    let hash = found.as_ref().and_then(|(_, hash)| hash.as_deref());
    state.sign_ins.verify(attempt, password, hash).await?;
    let (developer, _) = found.ok_or_else(sign_in::refused)?;
    let tx = state.database.tenant(ctx).await?;
    let signed_in = open(&tx, &state.config, ctx, developer).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Stores a new session.
pub(super) async fn open(
    tx: &TenantTx,
    config: &Config,
    ctx: &Ctx,
    developer: Developer,
) -> Result<SignedInDeveloper> {
    let session_secret = format!("{PREFIX}{}", random_text(SECRET_LENGTH));
    let expires_at = ctx.now + TimeDelta::days(config.session_days.into());
    let session = NewSession {
        id: SessionId::new(ctx.now),
        developer: developer.id,
        secret_sha256: sha256_hex(session_secret.as_bytes()),
        created_at: ctx.now,
        expires_at,
    };
    store::sessions::insert(tx, session).await?;
    Ok(SignedInDeveloper { session_secret, expires_at, developer })
}

/// Ends a session.
pub(crate) async fn sign_out(state: Arc<State>, ctx: Ctx, input: SignOutDeveloper) -> Result<()> {
    let tx = state.database.tenant(&ctx).await?;
    store::sessions::delete(&tx, &sha256_hex(input.session_secret.as_bytes())).await?;
    tx.commit().await
}

/// Whose session it is. A session of another tenant's portal proves nothing here.
pub(crate) async fn authenticate(
    state: Arc<State>,
    ctx: Ctx,
    input: AuthenticateDeveloper,
) -> Result<Developer> {
    let tx = state.database.tenant_read(&ctx).await?;
    let secret = sha256_hex(input.session_secret.as_bytes());
    store::sessions::find(&tx, &secret, ctx.now).await?.ok_or_else(|| {
        Error::new(
            Code::Unauthenticated,
            "session_ended",
            "this session is unknown or has ended; sign in again",
        )
    })
}
