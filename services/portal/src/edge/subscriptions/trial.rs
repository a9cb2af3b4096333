//! A line to paste that tries a key.

use std::collections::HashMap;

use apidef::Api;
use apidef::model::{DEFAULT_ROUTE, Verb};
use common::id::UsagePlanId;
use common::{Error, Result};
use contracts::Ctx;
use contracts::apis::GetApi;
use contracts::metering::GetUsagePlan;
use tokio::sync::Mutex;

use crate::State;

/// Addresses to try by usage plan, found once per request.
#[derive(Default)]
pub(super) struct Trials(Mutex<HashMap<UsagePlanId, Option<String>>>);

impl Trials {
    /// A `curl` command with the key. Nothing when the plan opens no stage that is there.
    pub(super) async fn curl(
        &self,
        state: &State,
        ctx: &Ctx,
        usage_plan: UsagePlanId,
        value: &str,
    ) -> Option<String> {
        let mut known = self.0.lock().await;
        let url = match known.get(&usage_plan) {
            Some(url) => url.clone(),
            None => {
                let found = address(state, ctx, usage_plan).await;
                let found = found.inspect_err(|error| tracing::debug!(%error, "no address to try")).ok();
                known.insert(usage_plan, found.clone());
                found
            }
        };
        url.map(|url| format!("curl -H 'x-api-key: {value}' '{url}'"))
    }
}

async fn address(state: &State, ctx: &Ctx, usage_plan: UsagePlanId) -> Result<String> {
    let usage_plan = state.client.call(ctx, GetUsagePlan { id: usage_plan }).await?;
    let opened = usage_plan.terms.stages.first().ok_or_else(|| Error::not_found("stage"))?;
    let api = state.client.call(ctx, GetApi { id: opened.api_id }).await?;
    let stage = api.summary.stages.iter().find(|stage| stage.name == opened.stage);
    let stage = stage.ok_or_else(|| Error::not_found("stage"))?;
    Ok(format!("{}{}", stage.invoke_url.trim_end_matches('/'), sample_path(&api.document)))
}

/// A path that answers GET without parameters, the root's last.
fn sample_path(document: &Api) -> &str {
    let plain = document.methods().filter(|(path, verb, method)| {
        let gets = matches!(verb, Verb::Get | Verb::Any);
        let required = method.request_parameters.values().any(|required| *required);
        gets && !required && *path != DEFAULT_ROUTE && !path.contains('{')
    });
    let mut paths: Vec<&str> = plain.map(|(path, ..)| path).collect();
    paths.sort_by_key(|path| *path == "/");
    paths.first().copied().unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use apidef::model::{Integration, Method};

    use super::*;

    #[test]
    fn the_line_calls_what_needs_no_parameter() {
        let mut document = Api::new("pets");
        for path in ["/", "/pets/{petId}", "/search", "/pets"] {
            document.put_resource(path).unwrap();
            let integration = Some(Integration::http_proxy("http://127.0.0.1:9"));
            let mut method = Method { integration, ..Method::default() };
            if path == "/search" {
                method.request_parameters.insert("method.request.querystring.q".into(), true);
            }
            document.put_method(path, Verb::Get, method).unwrap();
        }
        assert_eq!(sample_path(&document), "/pets");
        assert_eq!(sample_path(&Api::new("empty")), "/");
    }
}
