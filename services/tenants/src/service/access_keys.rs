//! Access keys of the AWS-compatible management API.

use std::sync::Arc;

use common::secret::random_text;
use common::{Code, Error, Result};
use contracts::Ctx;
use contracts::tenants::{AccessKey, AccessKeySummary, CreateAccessKey, ListAccessKeys, RevokeAccessKey};
use database::{audit, idempotency};
use serde_json::json;

use super::{recall, remember, tokens};
use crate::domain::credentials::{
    ACCESS_KEY_PREFIX, ACCESS_KEY_SECRET_LENGTH, MAX_ACCESS_KEYS, grantable, too_many,
};
use crate::{State, store};

/// Random characters of an access key's id.
const ID_LENGTH: usize = 16;

/// Makes an access key with all of the caller's permissions. Its secret is sealed under its id.
pub(crate) async fn create(state: Arc<State>, ctx: Ctx, input: CreateAccessKey) -> Result<AccessKey> {
    let tx = state.database.tenant(&ctx).await?;
    if let Some(outcome) = idempotency::begin(&tx, &ctx, &input).await? {
        return recall(&tx, &state.vault, &outcome);
    }
    if tokens::end_of_caller(&tx, &ctx).await?.is_some() {
        let message = "access keys never end; make them signed in, or with a token that never ends";
        return Err(Error::new(Code::Forbidden, "credentials_end", message));
    }
    if store::access_keys::count(&tx).await? >= MAX_ACCESS_KEYS {
        return Err(too_many("access keys", MAX_ACCESS_KEYS));
    }
    let key = AccessKey {
        access_key_id: format!("{ACCESS_KEY_PREFIX}{}", random_text(ID_LENGTH).to_ascii_uppercase()),
        secret_access_key: random_text(ACCESS_KEY_SECRET_LENGTH),
    };
    let sealed = state.vault.seal(&key.secret_access_key, &key.access_key_id)?;
    store::access_keys::insert(&tx, &key.access_key_id, sealed, grantable(&ctx), ctx.now).await?;
    audit::record(&tx, &ctx, "access_key.create", &key.access_key_id, &json!({})).await?;
    remember::<CreateAccessKey>(&tx, &ctx, &state.vault, &key).await?;
    tx.commit().await?;
    Ok(key)
}

/// The tenant's access keys.
pub(crate) async fn list(state: Arc<State>, ctx: Ctx, _: ListAccessKeys) -> Result<Vec<AccessKeySummary>> {
    let tx = state.database.tenant_read(&ctx).await?;
    store::access_keys::list(&tx).await
}

/// Ends an access key.
pub(crate) async fn revoke(state: Arc<State>, ctx: Ctx, input: RevokeAccessKey) -> Result<()> {
    let tx = state.database.tenant(&ctx).await?;
    if !store::access_keys::delete(&tx, &input.access_key_id).await? {
        return Err(Error::not_found("access key"));
    }
    audit::record(&tx, &ctx, "access_key.revoke", &input.access_key_id, &json!({})).await?;
    tx.commit().await
}
