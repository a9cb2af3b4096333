//! A gateway of a test's own, started on a free port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use apidef::Api;
use apidef::model::{Integration, Method, Resource, Upstream as ApiUpstream, Verb};
use common::Clock;
use common::id::{ApiId, DeploymentId, TenantId};
use contracts::apis::{SecretHeader, StageEntry, StageSettings};
use contracts::metering::{KeyEntry, UsagePlanEntry};
use gateway::{Config, Deps, Handle};
use tempfile::TempDir;
use testkit::{Head, Wire};
use tokio::runtime::Runtime;

use crate::owners::{Owners, Record};

/// Everything a wire test needs: one API with the stage `dev` in front of one upstream.
pub(crate) struct TestGateway {
    pub(crate) owners: Owners,
    pub(crate) api: ApiId,
    pub(crate) tenant: TenantId,
    pub(crate) data_dir: TempDir,
    /// Where it shares throttles, once it is launched.
    pub(crate) redis: Option<gateway::Redis>,
    handle: Option<Handle>,
    runtime: Runtime,
}

/// An API that passes everything on to `upstream`, without keys.
pub(crate) fn open_api(upstream: &str) -> Api {
    let mut api = Api::new("test");
    api.upstream = Some(ApiUpstream { url: upstream.to_owned(), ..ApiUpstream::default() });
    for (path, uri) in [("/", "/"), ("/{proxy+}", "/{proxy}")] {
        let method = Method { integration: Some(Integration::http_proxy(uri)), ..Method::default() };
        let mut resource = Resource::default();
        resource.methods.insert(Verb::Any, method);
        api.resources.insert(path.to_owned(), resource);
    }
    api
}

/// The same, and every method needs a key.
pub(crate) fn keyed_api(upstream: &str) -> Api {
    let mut api = open_api(upstream);
    for resource in api.resources.values_mut() {
        resource.methods.values_mut().for_each(|method| method.api_key_required = true);
    }
    api
}

/// Short enough for a test, long enough for a busy machine.
pub(crate) fn config(data_dir: &TempDir) -> Config {
    let mut config =
        Config { workers: 1, data_dir: data_dir.path().to_owned(), drain_seconds: 5, ..Config::default() };
    config.upstream.allow = vec!["127.0.0.0/8".parse().expect("a range")];
    config.limits.half_close_probe_ms = 100;
    config.tenant_throttle.rate_limit = 0.0;
    config
}

/// A stage of an API.
pub(crate) fn stage(
    tenant: TenantId,
    api: ApiId,
    name: &str,
    document: Api,
    settings: StageSettings,
) -> StageEntry {
    StageEntry {
        tenant,
        api,
        stage: name.to_owned(),
        deployment: DeploymentId::new(chrono::DateTime::UNIX_EPOCH),
        document: Arc::new(document),
        settings,
        secret_headers: vec![SecretHeader { name: "x-origin-secret".into(), value: "s3cret".into() }],
    }
}

impl TestGateway {
    /// In front of `upstream`, an address as `http://127.0.0.1:PORT`.
    pub(crate) fn before(upstream: &str) -> Self {
        Self::start(open_api(upstream), StageSettings::default(), |_| {})
    }

    pub(crate) fn start(document: Api, settings: StageSettings, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut gateway = Self::owned(document, settings);
        let mut config = config(&gateway.data_dir);
        adjust(&mut config);
        gateway.launch(config);
        gateway
    }

    /// Two in front of the same stage that share throttles, once each knows the other.
    pub(crate) fn pair(document: Api, settings: StageSettings, redis: &gateway::Redis) -> [Self; 2] {
        let one = Self::owned(document, settings);
        let other = one.twin();
        let pair = [one, other].map(|gateway| gateway.join(redis));
        assert!(pair.iter().all(|gateway| gateway.knows(2)));
        pair
    }

    /// So many in front of the same stage that share throttles, once each knows the others.
    pub(crate) fn fleet(document: Api, redis: &gateway::Redis, count: usize) -> Vec<Self> {
        let one = Self::owned(document, StageSettings::default());
        let others: Vec<_> = (1..count).map(|_| one.twin()).collect();
        let all = std::iter::once(one).chain(others);
        let fleet: Vec<_> = all.map(|gateway| gateway.join(redis)).collect();
        assert!(fleet.iter().all(|gateway| gateway.knows(count as u64)));
        fleet
    }

    /// Another with the same owners, not launched.
    fn twin(&self) -> Self {
        Self::unlaunched(self.owners.clone(), self.api, self.tenant)
    }

    fn join(mut self, redis: &gateway::Redis) -> Self {
        self.redis = Some(redis.clone());
        self.launch(config(&self.data_dir));
        self
    }

    /// Waits until it shares throttles among so many.
    pub(crate) fn knows(&self, gateways: u64) -> bool {
        let known = || self.metric("tollgate_gateway_throttle_gateways ");
        testkit::wait_until(testkit::PATIENCE, || known() == gateways)
    }

    pub(crate) fn unlaunched(owners: Owners, api: ApiId, tenant: TenantId) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let data_dir = tempfile::tempdir().expect("a directory");
        Self { owners, api, tenant, data_dir, redis: None, handle: None, runtime }
    }

    fn owned(document: Api, settings: StageSettings) -> Self {
        let owners = Owners::new();
        let (api, tenant) = (ApiId::random(), TenantId::new(chrono::DateTime::UNIX_EPOCH));
        owners.put_stage(stage(tenant, api, "dev", document, settings));
        Self::unlaunched(owners, api, tenant)
    }

    /// Starts (again) with the owners as they are.
    pub(crate) fn launch(&mut self, config: Config) {
        let (owners, redis) = (self.owners.clone(), self.redis.clone());
        let handle = self.runtime.block_on(async {
            let deps = Deps { client: owners.client(), clock: Clock::System, redis };
            let handle = gateway::run(config, TcpListener::bind("127.0.0.1:0").expect("a free port"), deps)
                .await
                .expect("a gateway");
            owners.in_force().await;
            handle
        });
        self.handle = Some(handle);
    }

    /// Starts (again) while no owner can be reached.
    pub(crate) fn launch_alone(&mut self, config: Config) {
        let handle = self.runtime.block_on(async {
            let deps =
                Deps { client: contracts::Client::builder().build(), clock: Clock::System, redis: None };
            gateway::run(config, TcpListener::bind("127.0.0.1:0").expect("a free port"), deps)
                .await
                .expect("a gateway")
        });
        self.handle = Some(handle);
    }

    /// Waits until everything the owners said is in force.
    pub(crate) fn settle(&self) {
        self.runtime.block_on(self.owners.in_force());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.as_ref().expect("running").address()
    }

    /// Ends it as a signal would.
    pub(crate) fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.stop()).expect("a clean stop");
        }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address()).expect("a connection")
    }

    /// `{method} /_api/{api}/dev{path}` with Host, the given lines, and the empty line.
    pub(crate) fn request(&self, method: &str, path: &str, lines: &str) -> String {
        format!("{method} /_api/{}/dev{path} HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n", self.api)
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub(crate) fn call(&self, method: &str, path: &str, lines: &str) -> Answer {
        self.send(self.request(method, path, lines))
    }

    /// Sends bytes on a connection of their own and reads one answer.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.connect();
        wire.send(bytes).expect("sent");
        read_answer(&mut wire)
    }

    /// Sends a request with a key.
    pub(crate) fn call_with(&self, key: &str, path: &str) -> Answer {
        self.call("GET", path, &format!("x-api-key: {key}\r\n"))
    }

    /// Puts a plan and a key with this value in force; answers their entries.
    pub(crate) fn sell(
        &self,
        value: &str,
        adjust: impl FnOnce(&mut UsagePlanEntry),
    ) -> (KeyEntry, UsagePlanEntry) {
        let mut plan = crate::owners::plan(self.tenant, self.api, "dev");
        adjust(&mut plan);
        let key = crate::owners::key(self.tenant, value, &[plan.id]);
        self.owners.put_plan(plan.clone());
        self.owners.put_key(key.clone());
        self.settle();
        (key, plan)
    }

    /// Waits for the record of an answered call.
    pub(crate) fn record_of(&self, answer: &Answer) -> Record {
        let id = answer.header("x-amzn-requestid").expect("a request id").to_owned();
        let mut found = None;
        let find = || {
            found = self.owners.records().into_iter().find(|record| record.request_id == id);
            found.is_some()
        };
        assert!(testkit::wait_until(testkit::PATIENCE, find), "no record of {id}");
        found.expect("found")
    }

    /// The value of one metric line.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let metrics = self.handle.as_ref().expect("running").probe().metrics();
        let found = metrics.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0)
    }

    /// Calls that ended with a reason.
    pub(crate) fn ended(&self, reason: &str) -> u64 {
        ["none", "client", "gateway", "upstream"]
            .iter()
            .map(|fault| {
                self.metric(&format!("tollgate_gateway_calls_total{{reason=\"{reason}\",fault=\"{fault}\"}}"))
            })
            .sum()
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An answer as a client has it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status().expect("a status")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}

/// Reads one answer; its body by its framing.
pub(crate) fn read_answer(wire: &mut Wire) -> Answer {
    let head = wire.read_head().expect("a head");
    let bodiless = matches!(head.status(), Some(100..=199 | 204 | 304));
    let body = if bodiless { Vec::new() } else { wire.read_body(&head).expect("a body") };
    Answer { head, body }
}

/// An upstream script that answers every request on a connection with the same bytes.
pub(crate) fn answers(answer: &'static str) -> impl Fn(Wire) -> std::io::Result<()> + Send + Sync + 'static {
    move |mut wire| {
        // A client that ends between two requests is the normal end.
        while let Ok(head) = wire.read_head() {
            wire.read_body(&head)?;
            wire.send(answer)?;
        }
        Ok(())
    }
}

/// An upstream script that answers with the head it got as the body.
pub(crate) fn echoes_head(mut wire: Wire) -> std::io::Result<()> {
    while let Ok(head) = wire.read_head() {
        wire.read_body(&head)?;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", head.text.len(), head.text);
        wire.send(answer)?;
    }
    Ok(())
}

/// An upstream script that answers with the body it got, decoded.
pub(crate) fn echoes_body(mut wire: Wire) -> std::io::Result<()> {
    while let Ok(head) = wire.read_head() {
        let body = wire.read_body(&head)?;
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
        wire.send(body)?;
    }
    Ok(())
}
