//! Redis: one private server per test process, a random key prefix per test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, ensure};
use parking_lot::Mutex;

use crate::place::{repository, scratch_dir, short_random};
use crate::process::{Process, start_on_free_port};

/// A real Redis, and the prefix that keeps this test's keys apart.
#[derive(Debug)]
pub struct TestRedis {
    server: Arc<Server>,
    prefix: String,
    dedicated: bool,
}

impl TestRedis {
    /// On the server that all tests of this process share.
    pub fn new() -> Result<Self> {
        static SHARED: OnceLock<std::result::Result<Arc<Server>, String>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| Server::start().map(Arc::new).map_err(|error| format!("{error:#}")));
        Ok(Self::on(shared.clone().map_err(|error| anyhow!("{error}"))?, false))
    }

    /// On a server of its own, for tests that kill and restart it.
    pub fn dedicated() -> Result<Self> {
        Ok(Self::on(Arc::new(Server::start()?), true))
    }

    fn on(server: Arc<Server>, dedicated: bool) -> Self {
        Self { server, prefix: format!("test-{}:", short_random()), dedicated }
    }

    /// The address, `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port)
    }

    /// What every key of this test begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A client of the server.
    pub fn client(&self) -> Result<redis::Client> {
        Ok(redis::Client::open(self.url())?)
    }

    /// Kills the server of a [`TestRedis::dedicated`] as a crash would. Its keys are gone, as they may always be.
    pub fn kill_9(&self) -> Result<()> {
        ensure!(self.dedicated, "the shared server serves other tests too: use TestRedis::dedicated");
        self.server.process.lock().take().context("Redis is not running")?.kill_9()
    }

    /// Starts the server again on the same port.
    pub fn restart(&self) -> Result<()> {
        let mut process = self.server.process.lock();
        drop(process.take());
        *process = Some(Server::launch(&self.server.dir, self.server.port)?);
        Ok(())
    }
}

#[derive(Debug)]
struct Server {
    dir: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl Server {
    fn start() -> Result<Self> {
        let dir = scratch_dir("redis")?;
        let (process, port) = start_on_free_port(|port| Self::launch(&dir, port))?;
        Ok(Self { dir, port, process: Mutex::new(Some(process)) })
    }

    fn launch(dir: &Path, port: u16) -> Result<Process> {
        let mut command = Command::new(repository().join("infra/dev/redis"));
        command.arg("foreground").arg(dir).arg(port.to_string());
        let mut process = Process::spawn_logging_to("redis", &command, dir)?;
        process.wait_ready(|process| process.stdout().contains("Ready to accept connections"))?;
        Ok(process)
    }
}
