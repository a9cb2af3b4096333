//! Bearer tokens.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use common::id::TokenId;
use common::secret::{random_text, sha256_hex};
use common::{Error, Result, text};
use contracts::tenants::{CreateToken, CreatedToken, ListTokens, RevokeToken, Token};
use contracts::{Ctx, Principal};
use database::{TenantTx, audit, idempotency};
use serde_json::json;

use super::{recall, remember};
use crate::domain::credentials::{
    MAX_TOKENS, SECRET_LENGTH, SHOWN_LENGTH, TOKEN_PREFIX, check_expiry, granted, refused, too_many,
};
use crate::{State, store};

/// Makes a token.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreateToken) -> Result<CreatedToken> {
    let tx = state.database.tenant(&ctx).await?;
    if let Some(outcome) = idempotency::begin(&tx, &ctx, &input).await? {
        return recall(&tx, &state.vault, &outcome);
    }
    let name = text::name("name", &input.name)?;
    check_expiry(input.expires_at, ctx.now)?;
    let permissions = granted(&ctx, &input.permissions)?;
    // Nobody grants more time than they have.
    let expires_at = match (input.expires_at, end_of_caller(&tx, &ctx).await?) {
        (Some(wanted), Some(end)) => Some(wanted.min(end)),
        (wanted, end) => wanted.or(end),
    };
    if store::tokens::count(&tx).await? >= MAX_TOKENS {
        return Err(too_many("tokens", MAX_TOKENS));
    }
    let secret = format!("{TOKEN_PREFIX}{}", random_text(SECRET_LENGTH));
    let token = Token {
        id: TokenId::new(ctx.now),
        name,
        prefix: secret.chars().take(SHOWN_LENGTH).collect(),
        permissions,
        created_at: ctx.now,
        expires_at,
    };
    store::tokens::insert(&tx, &token, &sha256_hex(secret.as_bytes())).await?;
    audit::record(&tx, &ctx, "token.create", token.id, &token).await?;
    let created = CreatedToken { token, secret };
    remember::<CreateToken>(&tx, &ctx, &state.vault, &created).await?;
    tx.commit().await?;
    Ok(created)
}

/// When the credentials that make the call end, as far as they are a token that does.
pub(super) async fn end_of_caller(tx: &TenantTx, ctx: &Ctx) -> Result<Option<DateTime<Utc>>> {
    let Principal::Token { token, .. } = ctx.principal else { return Ok(None) };
    let token = store::tokens::get(tx, token).await?;
    Ok(token.ok_or_else(refused)?.expires_at)
}

/// The tenant's tokens.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, _: ListTokens) -> Result<Vec<Token>> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::tokens::list(&tx).await
}

/// Ends a token.
pub(crate) async fn revoke(state: Arc<State>, ctx: Ctx, input: RevokeToken) -> Result<()> {
    let tx = state.database.tenant(&ctx).await?;
    if !store::tokens::delete(&tx, input.id).await? {
        return Err(Error::not_found("token"));
    }
    audit::record(&tx, &ctx, "token.revoke", input.id, &json!({})).await?;
    tx.commit().await
}
