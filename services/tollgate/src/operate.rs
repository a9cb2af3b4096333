//! Commands for operators: gateways, configuration; and how every command prints.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Subcommand;
use common::Clock;
use common::id::GatewayId;
use contracts::lease::GatewayForget;
use contracts::{Ctx, Role};

use crate::config::Config;

/// `tollgate gateway …`.
#[derive(Debug, Subcommand)]
pub(crate) enum GatewayAction {
    /// Give up a gateway that will not come back with its disk: its open leases count as fully spent.
    Forget {
        /// The gateway's id, `gwy_…`.
        gateway: GatewayId,
        /// A TOML file; `TOLLGATE__SECTION__KEY` variables win over it.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Runs a `tollgate gateway` command.
pub(crate) fn gateway(action: &GatewayAction) -> Result<()> {
    let GatewayAction::Forget { gateway, config } = action;
    let config = Config::read(config.as_deref())?;
    let client = crate::serve::client(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ctx = Ctx::service(Role::Admin, Clock::System.now());
    let forgotten = runtime.block_on(client.call(&ctx, GatewayForget { gateway: *gateway }));
    let forgotten = forgotten.map_err(|error| anyhow!("cannot forget {gateway}: {error}"))?;
    print(&format!(
        "{gateway} is forgotten; {} units of its leases count as spent",
        forgotten.units_written_off
    ))
}

/// `tollgate config check`.
pub(crate) fn check_config(file: Option<&Path>) -> Result<()> {
    let config = Config::read(file)?;
    print(&format!("{config:#?}"))
}

/// Writes an answer to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Writes an error with its causes to standard error, in one line.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "tollgate: {error:#}");
}
