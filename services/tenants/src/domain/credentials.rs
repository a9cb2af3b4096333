//! Shapes of sessions, tokens and access keys, and who may grant what.

use chrono::{DateTime, Utc};
use common::{Code, Error, Result};
use contracts::{Ctx, Permission, Principal};

/// What a bearer token starts with, so that a leaked one is recognised.
pub(crate) const TOKEN_PREFIX: &str = "tgt_";
/// What a session's secret starts with.
pub(crate) const SESSION_PREFIX: &str = "tgs_";
/// Random characters after a prefix: over 250 bits.
pub(crate) const SECRET_LENGTH: usize = 43;
/// Characters of a token shown to recognise it by.
pub(crate) const SHOWN_LENGTH: usize = 8;
/// What an access key's id starts with, as AWS makes them.
pub(crate) const ACCESS_KEY_PREFIX: &str = "AKIA";
/// Characters of an access key's secret.
pub(crate) const ACCESS_KEY_SECRET_LENGTH: usize = 40;

/// Most tokens of a tenant.
pub(crate) const MAX_TOKENS: u64 = 500;
/// Most access keys of a tenant.
pub(crate) const MAX_ACCESS_KEYS: u64 = 100;

/// What the caller may do, and so may grant.
pub(crate) fn grantable(ctx: &Ctx) -> &[Permission] {
    match &ctx.principal {
        Principal::Member { permissions, .. } | Principal::Token { permissions, .. } => permissions,
        Principal::Service { .. } => Permission::ALL,
        Principal::Anonymous | Principal::Developer { .. } => &[],
    }
}

/// The permissions of a new credential: the wanted ones, all of the caller's when none are named. Fails when the caller
/// lacks one of them.
pub(crate) fn granted(ctx: &Ctx, wanted: &[Permission]) -> Result<Vec<Permission>> {
    let grantable = grantable(ctx);
    if wanted.is_empty() {
        return Ok(grantable.to_vec());
    }
    if let Some(missing) = wanted.iter().find(|permission| !grantable.contains(permission)) {
        let message = format!("you cannot grant {}: you do not have it", missing.as_str());
        return Err(Error::new(Code::Forbidden, "permission_not_grantable", message));
    }
    let mut granted = wanted.to_vec();
    granted.sort_by_key(|permission| permission.as_str());
    granted.dedup();
    Ok(granted)
}

/// An end in the future.
pub(crate) fn check_expiry(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    match expires_at {
        Some(end) if end <= now => Err(Error::invalid("expiresAt", "must be in the future")),
        _ => Ok(()),
    }
}

/// The refusal of credentials that prove nothing, whatever is wrong with them.
pub(crate) fn refused() -> Error {
    Error::new(Code::Unauthenticated, "credentials_invalid", "these credentials are unknown or have ended")
}

/// The refusal of a limit on how many `what` a tenant has.
pub(crate) fn too_many(what: &str, limit: u64) -> Error {
    let message = format!("an organization has at most {limit} {what}");
    Error::new(Code::LimitExceeded, "too_many_credentials", message)
}

#[cfg(test)]
mod tests {
    use common::id::TokenId;

    use super::*;

    fn caller(permissions: &[Permission]) -> Ctx {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let principal = Principal::Token { token: TokenId::new(now), permissions: permissions.to_vec() };
        Ctx { principal, ..Ctx::anonymous(now) }
    }

    #[test]
    fn nobody_grants_more_than_they_have() {
        let ctx = caller(&[Permission::ApisRead, Permission::TokensWrite]);
        assert_eq!(granted(&ctx, &[]).unwrap(), [Permission::ApisRead, Permission::TokensWrite]);
        assert_eq!(granted(&ctx, &[Permission::ApisRead]).unwrap(), [Permission::ApisRead]);
        assert_eq!(granted(&ctx, &[Permission::ApisWrite]).unwrap_err().code, Code::Forbidden);
    }
}
