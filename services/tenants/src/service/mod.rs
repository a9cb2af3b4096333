//! The use cases: one function per call.

pub(crate) mod access_keys;
pub(crate) mod sessions;
pub(crate) mod tenants;
pub(crate) mod tokens;

use common::Result;
use common::vault::Vault;
use database::idempotency;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;

use contracts::{Call, Ctx};
use database::TenantTx;

/// Vault context of remembered outcomes that hold a secret.
const OUTCOME: &str = "outcome";

/// Remembers an outcome that holds a secret: sealed.
async fn remember<C: Call>(tx: &TenantTx, ctx: &Ctx, vault: &Vault, outcome: &impl Serialize) -> Result<()> {
    if ctx.idempotency_key.is_none() {
        return Ok(());
    }
    let text = serde_json::to_string(outcome).map_err(common::Error::internal)?;
    let context = format!("{OUTCOME}/{}", tx.tenant());
    idempotency::finish::<C>(tx, ctx, &vault.seal(&text, &context)?).await
}

/// An outcome that [`remember`] stored.
fn recall<T: DeserializeOwned>(tx: &TenantTx, vault: &Vault, sealed: &str) -> Result<T> {
    let text = vault.open(sealed, &format!("{OUTCOME}/{}", tx.tenant()))?;
    serde_json::from_str(text.expose_secret()).map_err(common::Error::internal)
}
