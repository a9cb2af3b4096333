//! The use cases: one function per call.

pub(crate) mod apis;
pub(crate) mod deployments;
pub(crate) mod imports;
pub(crate) mod stages;

use apidef::Api;
use common::id::ApiId;
use common::vault::Vault;
use common::{Error, Result};
use contracts::apis::{ApiSummary, SecretHeader, Stage};
use database::TenantTx;
use secrecy::ExposeSecret;

use crate::domain::stages::invoke_url;
use crate::store::apis::ApiRow;
use crate::store::stages::StageRow;
use crate::{Config, store};

/// The APIs with their stages, in the same order.
async fn summaries(tx: &TenantTx, config: &Config, rows: Vec<ApiRow>) -> Result<Vec<ApiSummary>> {
    let ids: Vec<ApiId> = rows.iter().map(|row| row.id).collect();
    let mut stages = store::stages::of_apis(tx, &ids).await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for row in rows {
        let own = stages.extract_if(.., |stage| stage.api == row.id);
        let stages = own.map(|stage| stage_of(config, stage, row.revision)).collect();
        summaries.push(ApiSummary {
            id: row.id,
            name: row.name,
            description: row.description,
            revision: row.revision,
            stages,
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
    }
    Ok(summaries)
}

/// One API with its stages.
async fn summary(tx: &TenantTx, config: &Config, row: ApiRow) -> Result<ApiSummary> {
    let summary = summaries(tx, config, vec![row]).await?.pop();
    summary.ok_or_else(|| Error::internal("no summary of an api"))
}

/// A stage as it is shown; `revision` is the document's.
fn stage_of(config: &Config, stage: StageRow, revision: u64) -> Stage {
    Stage {
        invoke_url: invoke_url(&config.invoke_url, stage.api, &stage.name),
        undeployed_changes: stage.deployed_revision < revision,
        name: stage.name,
        deployment: stage.deployment,
        settings: stage.settings,
        updated_at: stage.updated_at,
    }
}

/// Secret headers as they are stored: sealed under their API's id. `None` when there are none.
fn seal(vault: &Vault, api: ApiId, headers: &[SecretHeader]) -> Result<Option<String>> {
    if headers.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(headers).map_err(Error::internal)?;
    vault.seal(&text, api.as_str()).map(Some)
}

/// Secret headers that [`seal`] stored.
fn open(vault: &Vault, api: ApiId, sealed: Option<&str>) -> Result<Vec<SecretHeader>> {
    let Some(sealed) = sealed else { return Ok(Vec::new()) };
    let text = vault.open(sealed, api.as_str())?;
    serde_json::from_str(text.expose_secret()).map_err(Error::internal)
}

/// Runs CPU-bound work on a document off the event loop.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// A stored document, read off the event loop.
async fn parse(text: String) -> Result<Api> {
    blocking(move || crate::domain::documents::from_text(&text)).await
}
