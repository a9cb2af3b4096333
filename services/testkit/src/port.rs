//! Ports for servers that cannot take port 0.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// A port on 127.0.0.1 that was free a moment ago. Another process may take it before its user does: servers that can
/// bind port 0 should.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
