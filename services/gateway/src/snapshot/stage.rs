//! One stage compiled for serving: routes, integrations, policy.
//!
//! Made once per deployment, off the hot path, and never changed. A method that cannot be compiled does not take the
//! stage down: it answers that it is not configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apidef::integration::MappingPlan;
use apidef::matcher::Matcher;
use apidef::model::{Integration, IntegrationType, Verb};
use apidef::resolve::Resolver;
use common::id::{ApiId, DeploymentId, TenantId};
use contracts::apis::StageEntry;

use crate::admission::{Bucket, BucketName, Limit, MethodName, Rate};
use crate::cors::CorsPolicy;
use crate::snapshot::CostKeys;
use crate::upstream::Origin;

/// Largest request body unless the stage says otherwise (limits.md of the API Gateway guide).
const DEFAULT_PAYLOAD_LIMIT: u64 = 10 * 1024 * 1024;

/// A stage as the workers serve it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) tenant: TenantId,
    pub(crate) api: ApiId,
    pub(crate) name: String,
    pub(crate) deployment: DeploymentId,
    pub(crate) matcher: Matcher,
    /// In the order the matcher counts in.
    pub(crate) methods: Vec<Method>,
    pub(crate) cors: Option<CorsPolicy>,
    pub(crate) payload_limit: u64,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) secret_headers: Vec<(String, String)>,
    /// Of the stage, all keys together.
    pub(crate) throttle: Option<CommonThrottle>,
    /// Of its tenant, all APIs together.
    pub(crate) tenant_throttle: Option<CommonThrottle>,
}

/// A throttle that all keys have in common. Its bucket outlives deployments.
#[derive(Debug)]
pub(crate) struct CommonThrottle {
    pub(crate) rate: Rate,
    pub(crate) bucket: Arc<Bucket>,
}

impl CommonThrottle {
    pub(crate) fn limit(&self) -> Limit<'_> {
        Limit { bucket: &self.bucket, rate: self.rate }
    }
}

/// A method as the workers serve it.
#[derive(Debug)]
pub(crate) struct Method {
    /// Resource path, as in the document.
    pub(crate) route: String,
    /// `{resource path}/{VERB}`: the name usage plans know it by.
    pub(crate) throttle_key: String,
    pub(crate) cost_keys: CostKeys,
    /// The names throttles know it by: `{resource path}/{VERB}` and, for all methods of the path that are not named by
    /// themselves, `{resource path}/ANY`.
    pub(crate) names: [MethodName; 2],
    /// Of the method, all keys together.
    pub(crate) throttle: Option<CommonThrottle>,
    pub(crate) verb: Verb,
    pub(crate) key_required: bool,
    pub(crate) timeout: Duration,
    pub(crate) backend: Backend,
}

/// What answers a method.
#[derive(Debug)]
pub(crate) enum Backend {
    /// An HTTP upstream; request and answer pass through.
    Proxy(Upstream),
    /// An HTTP upstream; request and answer are mapped.
    Http(Upstream, Box<MappingPlan>),
    /// Templates alone.
    Mock(Box<MappingPlan>),
    /// Nothing that can be carried out.
    Unconfigured,
}

/// Where an HTTP integration leads.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) origin: Origin,
    /// The value of its `Host` header.
    pub(crate) authority: String,
    pub(crate) resolver: Resolver,
}

impl Stage {
    /// Compiles a stage. `bucket` finds the buckets of its throttles, `tenant` is the rate of its tenant's. Fails when its
    /// routes contradict each other.
    pub(crate) fn compile(
        entry: &StageEntry,
        tenant: Option<Rate>,
        bucket: &mut dyn FnMut(BucketName) -> Arc<Bucket>,
    ) -> Result<Self, apidef::matcher::BuildError> {
        let document = &entry.document;
        let variables = entry.settings.variables.clone();
        let upstream = document.upstream.as_ref().map(|upstream| upstream.url.as_str());
        let methods = document.methods().map(|(path, verb, method)| {
            let backend = method.integration.as_ref().map_or(Backend::Unconfigured, |integration| {
                Backend::compile(integration, upstream, &variables).unwrap_or_else(|fault| {
                    let (api, stage) = (entry.api, &entry.stage);
                    tracing::warn!(%api, stage, path, %verb, fault, "method cannot be served");
                    Backend::Unconfigured
                })
            });
            let throttle_key = format!("{path}/{verb}");
            let (names, throttle) = method_throttle(entry, path, verb, bucket);
            Method {
                route: path.to_owned(),
                cost_keys: CostKeys::new(path, &throttle_key),
                throttle_key,
                names,
                throttle,
                verb,
                key_required: method.api_key_required,
                timeout: timeout_of(method.integration.as_ref()),
                backend,
            }
        });
        let methods = methods.collect();
        let stage_bucket = || BucketName::Stage { api: entry.api, stage: entry.stage.clone() };
        let throttle = entry
            .settings
            .throttle
            .map(|throttle| CommonThrottle { rate: Rate::new(&throttle), bucket: bucket(stage_bucket()) });
        let tenant_throttle = tenant
            .map(|rate| CommonThrottle { rate, bucket: bucket(BucketName::Tenant { tenant: entry.tenant }) });
        Ok(Self {
            tenant: entry.tenant,
            api: entry.api,
            name: entry.stage.clone(),
            deployment: entry.deployment,
            matcher: Matcher::compile(document)?,
            methods,
            cors: CorsPolicy::compile(&document.cors),
            payload_limit: entry.settings.payload_limit.unwrap_or(DEFAULT_PAYLOAD_LIMIT),
            secret_headers: entry
                .secret_headers
                .iter()
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
            throttle,
            tenant_throttle,
            variables,
        })
    }
}

/// The names of a method and its throttle: the one set for it by itself, else the one for the methods of its path, whose
/// bucket they have in common.
fn method_throttle(
    entry: &StageEntry,
    path: &str,
    verb: Verb,
    bucket: &mut dyn FnMut(BucketName) -> Arc<Bucket>,
) -> ([MethodName; 2], Option<CommonThrottle>) {
    let texts = [format!("{path}/{verb}"), format!("{path}/{}", Verb::Any)];
    let names = [MethodName::of(&texts[0]), MethodName::of(&texts[1])];
    let set = texts.iter().zip(names).find_map(|(text, name)| {
        let throttle = entry.settings.method_throttles.get(text)?;
        Some((name, Rate::new(throttle)))
    });
    let throttle = set.map(|(method, rate)| CommonThrottle {
        rate,
        bucket: bucket(BucketName::Method { api: entry.api, stage: entry.stage.clone(), method }),
    });
    (names, throttle)
}

impl Backend {
    fn compile(
        integration: &Integration,
        upstream: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match integration.kind {
            IntegrationType::HttpProxy => {
                Ok(Self::Proxy(Upstream::compile(integration, upstream, variables)?))
            }
            IntegrationType::Http => {
                let plan = MappingPlan::compile(integration).map_err(|error| text(&error))?;
                Ok(Self::Http(Upstream::compile(integration, upstream, variables)?, Box::new(plan)))
            }
            IntegrationType::Mock => {
                Ok(Self::Mock(Box::new(MappingPlan::compile(integration).map_err(|error| text(&error))?)))
            }
            IntegrationType::Aws | IntegrationType::AwsProxy => {
                Err("integrations with AWS services are not served".to_owned())
            }
        }
    }
}

impl Upstream {
    fn compile(
        integration: &Integration,
        upstream: Option<&str>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let resolver =
            Resolver::compile(integration, upstream, variables).map_err(|error| error.to_string())?;
        let origin = resolver.origin();
        Ok(Self {
            origin: Origin { tls: origin.tls, host: origin.host.as_str().into(), port: origin.port },
            authority: origin.authority(),
            resolver,
        })
    }
}

fn timeout_of(integration: Option<&Integration>) -> Duration {
    let millis = integration.map_or(Integration::DEFAULT_TIMEOUT_MS, |it| it.timeout_in_millis);
    Duration::from_millis(u64::from(millis))
}
