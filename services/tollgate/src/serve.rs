//! `tollgate serve`: one role as its own process.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use common::Clock;
use common::telemetry;
use contracts::{Client, Role};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, LogFormat, Purpose};
use crate::demo::Demo;
use crate::internal::{self, Inner};
use crate::roles::{self, Shared};
use crate::{DemoOptions, Output, ServeOptions};

/// How often a clock that is wrong on purpose looks by how much.
const OFFSET_READ_EVERY: Duration = Duration::from_millis(100);

/// Runs a role until told to stop.
pub(crate) fn run(options: &ServeOptions) -> Result<()> {
    let role = options.role;
    let config = Config::read(options.config.config.as_deref(), Purpose::Serve(role))?;
    let internal = bind(internal_address(&config, role), "its inner address")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let format = match config.common.log.format {
            LogFormat::Text => telemetry::LogFormat::Text,
            LogFormat::Json => telemetry::LogFormat::Json,
        };
        let otlp = std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
        let _telemetry = telemetry::init(format, &config.common.log.filter, otlp);
        let clock = options.clock_offset.as_deref().map_or(Clock::System, wrong_clock);
        serve(role, &config, internal, clock).await
    })
}

/// The machine's clock, wrong by what `file` says.
fn wrong_clock(file: &Path) -> Clock {
    let (file, offset) = (file.to_owned(), Arc::new(AtomicI64::new(read_offset(file))));
    let clock = Clock::Shifted(Arc::clone(&offset));
    tokio::spawn(async move {
        loop {
            offset.store(read_offset(&file), Ordering::Relaxed);
            tokio::time::sleep(OFFSET_READ_EVERY).await;
        }
    });
    clock
}

fn read_offset(file: &Path) -> i64 {
    std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

async fn serve(role: Role, config: &Config, internal: TcpListener, clock: Clock) -> Result<()> {
    let shared = Shared {
        clock,
        vault: config.vault()?,
        mailer: config.mailer()?,
        client: client(config, role)?,
        stop: CancellationToken::new(),
    };
    let running = match role {
        Role::Tenants => roles::start_tenants(&shared, &config.tenants).await?,
        Role::Apis => roles::start_apis(&shared, &config.apis).await?,
        Role::Metering => roles::start_metering(&shared, &config.metering).await?,
        Role::Billing => roles::start_billing(&shared, &config.billing).await?,
        Role::Portal => {
            let listener = bind(config.portal.listen, "portal.listen")?;
            roles::start_portal(&shared, &config.portal, listener).await?
        }
        Role::Admin => {
            let listener = bind(config.admin.listen, "admin.listen")?;
            roles::start_admin(&shared, &config.admin.settings, listener, None).await?
        }
        Role::Gateway => {
            let listener = bind(config.gateway.listen, "gateway.listen")?;
            roles::start_gateway(&shared, config.gateway.settings.clone(), config.redis()?, listener).await?
        }
    };
    let inner = Inner {
        role,
        endpoints: running.endpoints,
        service_secret: config.common.service_secret.clone(),
        readiness: running.readiness,
        metrics: running.metrics,
    };
    // Not stopped with the rest: it answers until the role's own work is done.
    let server = internal::serve(inner, internal)?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    tracing::info!(%role, "started");
    stop_signal().await?;
    tracing::info!(%role, "stopping");
    shared.stop.cancel();
    for task in running.tasks {
        task.await?;
    }
    handle.stop(true).await;
    serving.await??;
    Ok(())
}

/// `tollgate demo`: the demo organization in a running installation.
pub(crate) fn demo(options: &DemoOptions) -> Result<()> {
    let config = Config::read(options.config.config.as_deref(), Purpose::Operate)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut demo = Demo::new(&config.common.region);
    demo.backend_secret.clone_from(&options.backend_secret);
    let client = client(&config, Role::Admin)?;
    let made = runtime.block_on(demo.ensure(&client, &Clock::System, &options.backend_url));
    let made = made.map_err(|error| anyhow!("cannot make the demo organization: {error}"))?;
    let line = crate::up::report::demo_line(&demo, &made, &config.gateway.public_url);
    match options.output {
        Output::Json => crate::operate::print(&line.to_string()),
        Output::Text => crate::operate::print(&format!("{line:#}")),
    }
}

/// Reaches every role over HTTP, as `caller`.
pub(crate) fn client(config: &Config, caller: Role) -> Result<Client> {
    let token = config.token_of(caller)?;
    let mut builder = Client::builder();
    for (role, base) in &config.roles {
        builder = builder.http(*role, base, token.expose_secret())?;
    }
    Ok(builder.build())
}

fn internal_address(config: &Config, role: Role) -> SocketAddr {
    match role {
        Role::Tenants => config.tenants.internal,
        Role::Apis => config.apis.internal,
        Role::Metering => config.metering.internal,
        Role::Billing => config.billing.internal,
        Role::Portal => config.portal.internal,
        Role::Admin => config.admin.internal,
        Role::Gateway => config.gateway.internal,
    }
}

fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({what})"))
}

/// Waits for ctrl-c or the operator's request to end.
pub(crate) async fn stop_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
