//! Commands for operators: gateways, the ledger, configuration; and how every command prints.

pub(crate) mod gateways;
pub(crate) mod ledger;

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use contracts::Role;

use crate::config::{Config, Purpose};

/// `tollgate config check`.
pub(crate) fn check_config(file: Option<&Path>, role: Option<Role>) -> Result<()> {
    let config = Config::read(file, role.map_or(Purpose::Everything, Purpose::Serve))?;
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
