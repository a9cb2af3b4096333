//! PostgreSQL: one private cluster per test process, one database per test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, ensure};
use parking_lot::Mutex;

use crate::place::{repository, scratch_dir, short_random, state_dir};
use crate::process::{Process, start_on_free_port};

/// The two database users of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseRole {
    /// `tollgate_owner`: owns the database and migrates it.
    Owner,
    /// `tollgate_app`: what services connect as. Owns nothing, so forced row-level security binds it.
    App,
}

/// An empty database of its own on a real server; dropping it drops the database.
#[derive(Debug)]
pub struct TestPostgres {
    cluster: Arc<Cluster>,
    database: String,
}

impl TestPostgres {
    /// A database on the cluster that all tests of this process share. Nothing there waits for the disk.
    pub fn new() -> Result<Self> {
        static SHARED: OnceLock<std::result::Result<Arc<Cluster>, String>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| Cluster::start(false).map(Arc::new).map_err(|error| format!("{error:#}")));
        Self::on(shared.clone().map_err(|error| anyhow!("{error}"))?)
    }

    /// A database on a cluster of its own, with full durability, for tests that kill and restart it.
    pub fn dedicated() -> Result<Self> {
        Self::on(Arc::new(Cluster::start(true)?))
    }

    fn on(cluster: Arc<Cluster>) -> Result<Self> {
        let database = format!("test_{}", short_random());
        cluster.execute(&format!("CREATE DATABASE {database} OWNER tollgate_owner"))?;
        Ok(Self { cluster, database })
    }

    /// The address to connect to as `role`. No password is needed.
    pub fn url(&self, role: DatabaseRole) -> String {
        let user = match role {
            DatabaseRole::Owner => "tollgate_owner",
            DatabaseRole::App => "tollgate_app",
        };
        format!("postgres://{user}@127.0.0.1:{}/{}", self.cluster.port, self.database)
    }

    /// Kills the server of a [`TestPostgres::dedicated`] as a crash would.
    pub fn kill_9(&self) -> Result<()> {
        ensure!(
            self.cluster.durable,
            "the shared server serves other tests too: use TestPostgres::dedicated"
        );
        self.cluster.process.lock().take().context("PostgreSQL is not running")?.signal("KILL")
    }

    /// Starts the server again, on the same port and data, and waits until it has recovered.
    pub fn restart(&self) -> Result<()> {
        let mut process = self.cluster.process.lock();
        drop(process.take());
        *process = Some(Cluster::launch(&self.cluster.dir, self.cluster.port, self.cluster.durable)?);
        Ok(())
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        // A dedicated cluster goes with its database; a test that failed leaves nothing to save.
        if !self.cluster.durable {
            let _ = self.cluster.execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database));
        }
    }
}

#[derive(Debug)]
struct Cluster {
    dir: PathBuf,
    port: u16,
    durable: bool,
    process: Mutex<Option<Process>>,
}

impl Cluster {
    fn start(durable: bool) -> Result<Self> {
        let dir = scratch_dir("postgres")?;
        copy_template(&dir)?;
        let (process, port) = start_on_free_port(|port| Self::launch(&dir, port, durable))?;
        Ok(Self { dir, port, durable, process: Mutex::new(Some(process)) })
    }

    fn launch(dir: &Path, port: u16, durable: bool) -> Result<Process> {
        let mut command = Command::new(script());
        command.arg("foreground").arg(dir).arg(port.to_string());
        if durable {
            command.arg("--durable");
        }
        let mut process = Process::spawn("postgres", &command)?;
        process.wait_ready(|process| {
            process.stderr().contains("database system is ready to accept connections")
        })?;
        Ok(process)
    }

    fn execute(&self, sql: &str) -> Result<()> {
        let address = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let output =
            Command::new("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &address]).output()?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}

fn script() -> PathBuf {
    repository().join("infra/dev/postgres")
}

/// Copies an initialised cluster to `dir`: twenty times faster than making one. The first test ever makes it.
fn copy_template(dir: &Path) -> Result<()> {
    let definition = repository().join("infra/dev/postgres.sql");
    let state = state_dir()?;
    let template = state.join("postgres");
    let lock = File::create(state.join("postgres.lock"))?;
    lock.lock()?;
    let made_from = state.join("postgres.made-from");
    let current = fs::read_to_string(&definition)? + &fs::read_to_string(script())?;
    if fs::read_to_string(&made_from).ok().as_ref() != Some(&current) {
        let _ = fs::remove_dir_all(&template);
        run(Command::new(script()).arg("init").arg(&template))?;
        fs::write(&made_from, current)?;
    }
    run(Command::new("cp").arg("-a").arg(template.join("data")).arg(dir))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
