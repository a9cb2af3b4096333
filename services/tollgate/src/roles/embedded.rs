//! All roles in one process on the embedded stores.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use common::Clock;
use common::mail::Mailer;
use common::net::Cidr;
use common::vault::Vault;
use contracts::{Client, Role};
use migrations::Schema;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Running, Shared, spawn_server};
use crate::config;
use crate::demo::Demo;
use crate::up::Listeners;
use crate::up::console_extras::Extras;
use crate::up::data_dir::DataDir;
use crate::up::sample;

/// Most connections to each SQLite file: readers do not wait for the one writer.
const CONNECTIONS: u32 = 8;

/// Where the edges answer, as base URLs.
pub(crate) struct Addresses {
    /// The gateway.
    pub(crate) gateway: String,
    /// Dashboard and GraphQL.
    pub(crate) console: String,
    /// The developer portal.
    pub(crate) portal: String,
}

/// Everything, running.
pub(crate) struct Embedded {
    /// Where the edges answer.
    pub(crate) addresses: Addresses,
    /// Reaches every role.
    pub(crate) client: Client,
    /// The edges: stopped first.
    edges: Vec<JoinHandle<()>>,
    edges_stop: CancellationToken,
    /// Jobs of the domain roles: stopped once no edge calls them any more.
    jobs: Vec<JoinHandle<()>>,
}

impl Embedded {
    /// Starts every role; domain roles first, then the edges that call them.
    pub(crate) async fn start(
        data_dir: &DataDir,
        clock: &Clock,
        listeners: Listeners,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let addresses = Addresses {
            gateway: base_url(&listeners.gateway)?,
            console: base_url(&listeners.console)?,
            portal: base_url(&listeners.portal)?,
        };
        let vault_keys: Vec<SecretString> =
            data_dir.secrets.vault_keys.iter().cloned().map(Into::into).collect();
        let mail_directory = data_dir.path("mail");
        let shared = Shared {
            clock: clock.clone(),
            vault: Some(Vault::from_keys(&vault_keys)?),
            mailer: Mailer::files(&mail_directory, "Tollgate <no-reply@tollgate.example>")?,
            client: Client::unconnected(),
            stop: stop.clone(),
        };
        migrate(data_dir).await?;

        let domain = start_domain(&shared, data_dir, &addresses).await?;
        let edges_stop = stop.child_token();
        let edge = Shared {
            stop: edges_stop.clone(),
            client: shared.client.clone(),
            clock: clock.clone(),
            ..shared
        };
        let portal_config = portal_config(data_dir, listeners.portal.local_addr()?.port());
        let portal = super::start_portal(&edge, &portal_config, listeners.portal).await?;
        connect(&edge.client, &domain, &portal);
        let gateway = super::start_gateway(&edge, gateway_config(data_dir)?, None, listeners.gateway).await?;
        let others = domain.iter().chain([&portal, &gateway]);
        let roles = others.map(|role| (Arc::clone(&role.readiness), Arc::clone(&role.metrics))).collect();
        let extras = Extras { roles, clock: clock.clone(), mail_directory };
        let admin = super::start_admin(&edge, &admin_config()?, listeners.console, Some(extras)).await?;

        let edges = [gateway, admin, portal].into_iter().flat_map(|running| running.tasks).collect();
        let jobs = domain.into_iter().flat_map(|running| running.tasks).collect();
        Ok(Self { addresses, client: edge.client.of(Role::Admin), edges, edges_stop, jobs })
    }

    /// Starts the sample backend where it was before, if that is free; answers its address.
    pub(crate) fn start_sample_backend(&mut self, demo: &Demo) -> Result<String> {
        let before = demo.backend_url.as_deref().and_then(|url| url.strip_prefix("http://"));
        let before: Option<SocketAddr> = before.and_then(|address| address.parse().ok());
        let listener = before.and_then(|address| TcpListener::bind(address).ok());
        let listener = match listener {
            Some(listener) => listener,
            None => TcpListener::bind("127.0.0.1:0").context("cannot listen for the sample backend")?,
        };
        let url = base_url(&listener)?;
        let server = sample::serve(listener, demo.backend_secret.clone())?;
        self.edges.push(spawn_server(server, self.edges_stop.clone()));
        Ok(url)
    }

    /// Stops the edges, lets their calls end and their records arrive, then stops the rest.
    pub(crate) async fn stop(self, stop: CancellationToken) -> Result<()> {
        self.edges_stop.cancel();
        for edge in self.edges {
            edge.await?;
        }
        stop.cancel();
        for job in self.jobs {
            job.await?;
        }
        Ok(())
    }
}

async fn migrate(data_dir: &DataDir) -> Result<()> {
    for schema in Schema::ALL {
        crate::migrate::migrate(schema, &database(data_dir, schema)).await?;
    }
    Ok(())
}

fn database(data_dir: &DataDir, schema: Schema) -> config::Database {
    config::Database {
        url: data_dir.database_url(schema.as_str()).into(),
        migration_url: SecretString::default(),
        max_connections: CONNECTIONS,
    }
}

fn store<S>(data_dir: &DataDir, schema: Schema, settings: S) -> config::Store<S> {
    config::Store { internal: unused_address(), database: database(data_dir, schema), settings }
}

/// Roles in one process call each other without a listener.
fn unused_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn start_domain(shared: &Shared, data_dir: &DataDir, addresses: &Addresses) -> Result<Vec<Running>> {
    let tenants = tenants::Config { console_url: addresses.console.clone(), ..Default::default() };
    let apis = apis::Config {
        invoke_url: format!("{}/_api/{{api_id}}/{{stage}}", addresses.gateway),
        ..Default::default()
    };
    Ok(vec![
        super::start_tenants(shared, &store(data_dir, Schema::Tenants, tenants)).await?,
        super::start_apis(shared, &store(data_dir, Schema::Apis, apis)).await?,
        super::start_metering(shared, &store(data_dir, Schema::Metering, metering::Config::default()))
            .await?,
        super::start_billing(shared, &store(data_dir, Schema::Billing, billing::Config::default())).await?,
    ])
}

fn connect(client: &Client, domain: &[Running], portal: &Running) {
    let runtime = Handle::current();
    let mut builder = Client::builder();
    for running in domain.iter().chain([portal]) {
        if let Some(endpoints) = &running.endpoints {
            builder = builder.local(Arc::clone(endpoints), runtime.clone());
        }
    }
    client.connect(builder);
}

/// Every organization's portal has a host of its own below `localhost`; that of the demo also answers elsewhere.
fn portal_config(data_dir: &DataDir, port: u16) -> config::Portal {
    let portal_url = format!("http://{{slug}}.localhost:{port}");
    config::Portal {
        listen: unused_address(),
        internal: unused_address(),
        database: database(data_dir, Schema::Portal),
        settings: portal::Config {
            portal_url,
            default_tenant: Some("demo".to_owned()),
            ..Default::default()
        },
    }
}

fn admin_config() -> Result<admin::Config> {
    Ok(admin::Config { allow_private_networks: loopback()?, ..Default::default() })
}

fn gateway_config(data_dir: &DataDir) -> Result<gateway::Config> {
    let upstream = gateway::UpstreamConfig { allow: loopback()?, ..Default::default() };
    Ok(gateway::Config { data_dir: data_dir.path("gateway"), upstream, ..Default::default() })
}

/// `up` is for one machine: backends on it may be called.
fn loopback() -> Result<Vec<Cidr>> {
    Ok(vec!["127.0.0.0/8".parse()?, "::1/128".parse()?])
}

fn base_url(listener: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}
