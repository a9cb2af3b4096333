//! `tollgate up`: every role in one process on the embedded default.
//!
//! Pools and jobs live on one control runtime; the edges and the gateway have workers of their own that reach it through
//! the client.

pub(crate) mod console_extras;
pub(crate) mod data_dir;
pub(crate) mod report;
pub(crate) mod sample;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use common::Clock;
use common::telemetry::{self, LogFormat};
use tokio_util::sync::CancellationToken;

use crate::Output;
use crate::demo::Demo;
use crate::roles::Embedded;
use data_dir::DataDir;

/// Region that AWS clients are told.
const REGION: &str = "us-east-1";

/// Options of `tollgate up`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data_dir: PathBuf,
    /// Port of the gateway, 0 = any free one.
    #[arg(long, default_value_t = 8080)]
    gateway_port: u16,
    /// Port of the console: dashboard and GraphQL; 0 = any free one.
    #[arg(long, default_value_t = 8081)]
    console_port: u16,
    /// Port of the developer portal, 0 = any free one.
    #[arg(long, default_value_t = 8082)]
    portal_port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// manual: time stands still until `POST /_test/clock {"now": RFC 3339}` on the console port moves it.
    #[arg(long, value_enum, default_value = "system")]
    clock: ClockOption,
    /// json: one line on standard output once everything is ready.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockOption {
    System,
    Manual,
}

/// Options of `tollgate sample-backend`.
#[derive(Debug, Args)]
pub(crate) struct SampleBackendOptions {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Secret that callers must send.
    #[arg(long, env = "TOLLGATE_SAMPLE_SECRET", hide_env_values = true)]
    secret: String,
}

/// Serves the sample API's backend alone until told to stop.
pub(crate) fn sample_backend(options: &SampleBackendOptions) -> Result<()> {
    let listener =
        TcpListener::bind(options.listen).with_context(|| format!("cannot listen on {}", options.listen))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = sample::serve(listener, options.secret.clone())?;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        crate::serve::stop_signal().await?;
        handle.stop(true).await;
        serving.await??;
        Ok(())
    })
}

/// The three public listeners, bound before anything else so that a taken port harms nothing.
pub(crate) struct Listeners {
    /// The gateway's.
    pub(crate) gateway: TcpListener,
    /// The console's.
    pub(crate) console: TcpListener,
    /// The portal's.
    pub(crate) portal: TcpListener,
}

impl Listeners {
    fn bind(options: &Options) -> Result<Self> {
        let bind = |port: u16, flag: &str| {
            TcpListener::bind((options.bind, port)).with_context(|| {
                format!(
                    "cannot listen on {}:{port}: choose another port with {flag}, 0 for any free one",
                    options.bind
                )
            })
        };
        Ok(Self {
            gateway: bind(options.gateway_port, "--gateway-port")?,
            console: bind(options.console_port, "--console-port")?,
            portal: bind(options.portal_port, "--portal-port")?,
        })
    }
}

/// Runs until told to stop; then drains and loses nothing.
pub(crate) fn run(options: &Options) -> Result<()> {
    let listeners = Listeners::bind(options)?;
    let data_dir = DataDir::open(&options.data_dir)?;
    let clock = match options.clock {
        ClockOption::System => Clock::System,
        ClockOption::Manual => Clock::manual(Clock::System.now()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let otlp = std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
        let _telemetry = telemetry::init(LogFormat::Text, "warn,tollgate=info", otlp);
        let stop = CancellationToken::new();
        let mut running = Embedded::start(&data_dir, &clock, listeners, &stop).await?;
        let demo = demo(&data_dir, &clock, &mut running).await?;
        report::print(options.output, &running, &demo)?;
        crate::serve::stop_signal().await?;
        if options.output == Output::Text {
            report::stopping();
        }
        running.stop(stop).await
    })
}

/// The demo organization, made on first start and found again on later ones.
async fn demo(data_dir: &DataDir, clock: &Clock, running: &mut Embedded) -> Result<Demo> {
    let path = data_dir.path("demo.json");
    let mut demo = data_dir::read_json(&path)?.unwrap_or_else(|| Demo::new(REGION));
    // Written before anything is made: a start that is cut off is finished by the next one with the same passwords.
    data_dir::write_json(&path, &demo)?;
    let backend = running.start_sample_backend(&demo)?;
    demo.ensure(&running.client, clock, &backend).await.map_err(|error| {
        let cause = error.cause.as_deref().unwrap_or_default();
        anyhow!("cannot make the demo organization: {error} {cause}")
    })?;
    data_dir::write_json(&path, &demo)?;
    Ok(demo)
}
