//! The `tollgate` executable: every role, and the tools around them.

mod cli;
mod config;
mod demo;
mod internal;
mod metrics;
mod migrate;
mod operate;
mod roles;
mod serve;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use contracts::Role;

/// API management with billing built in and one usage ledger.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about, propagate_version = true)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run everything in one process, with its data in a directory.
    Up(up::Options),
    /// Run one role as its own process.
    Serve(ServeOptions),
    /// Bring the databases of a configuration to this version.
    Migrate(ConfigOptions),
    /// Make the demo organization in a running installation and print how to use it.
    Demo(DemoOptions),
    /// Work with gateways.
    #[command(subcommand)]
    Gateway(operate::gateways::Action),
    /// Find out whether the ledger adds up.
    #[command(subcommand)]
    Ledger(operate::ledger::Action),
    /// Check a configuration.
    #[command(subcommand)]
    Config(ConfigAction),
    /// Print a schema.
    #[command(subcommand)]
    Schema(SchemaAction),
    /// Run the backend of the sample API alone.
    SampleBackend(up::SampleBackendOptions),
    /// Use an installation from a shell.
    #[command(flatten)]
    Client(cli::Command),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigOptions {
    /// A TOML file; `TOLLGATE__SECTION__KEY` variables win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeOptions {
    /// gateway, tenants, apis, metering, billing, portal or admin.
    role: Role,
    #[command(flatten)]
    config: ConfigOptions,
    /// For tests: the clock is wrong by the microseconds in this file, which is read ten times a second. Absent file: 0.
    #[arg(long, value_name = "FILE")]
    clock_offset: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct DemoOptions {
    #[command(flatten)]
    config: ConfigOptions,
    /// Address of a running sample backend.
    #[arg(long)]
    backend_url: String,
    /// Secret that the backend asks for.
    #[arg(long, env = "TOLLGATE_SAMPLE_SECRET", hide_env_values = true)]
    backend_secret: String,
    /// text or json.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Read a configuration, name every fault, and print it with secrets redacted.
    Check(CheckOptions),
}

#[derive(Debug, Args)]
struct CheckOptions {
    #[command(flatten)]
    config: ConfigOptions,
    /// Ask for the secrets of this role alone.
    #[arg(long)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum SchemaAction {
    /// The GraphQL schema of the admin API, in SDL.
    Graphql,
}

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For machines: one JSON value.
    Json,
}

fn main() -> ExitCode {
    // One TLS provider for everything in the process. It fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match Command::parse().action {
        Action::Up(options) => up::run(&options),
        Action::Serve(options) => serve::run(&options),
        Action::Migrate(options) => migrate::run(options.config.as_deref()),
        Action::Demo(options) => serve::demo(&options),
        Action::Gateway(action) => operate::gateways::run(&action),
        Action::Ledger(action) => return operate::ledger::run(&action),
        Action::Config(ConfigAction::Check(options)) => {
            operate::check_config(options.config.config.as_deref(), options.role)
        }
        Action::Schema(SchemaAction::Graphql) => operate::print(&admin::sdl()),
        Action::SampleBackend(options) => up::sample_backend(&options),
        Action::Client(command) => return client(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            operate::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs a client's command to its exit code.
fn client(command: cli::Command) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(command)),
        Err(error) => {
            operate::complain(&error.into());
            ExitCode::FAILURE
        }
    }
}
