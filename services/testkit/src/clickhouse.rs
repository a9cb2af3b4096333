//! ClickHouse: one engine per test process, one database per test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow};
use clickhouse::Client;
use parking_lot::Mutex;

use crate::place::{repository, scratch_dir, short_random};
use crate::process::{Process, start_on_free_port};

/// A real server to use instead of starting the engine, as the services' own configuration names it.
const URL_VARIABLE: &str = "TOLLGATE__CLICKHOUSE__URL";
const USER_VARIABLE: &str = "TOLLGATE__CLICKHOUSE__USER";
const PASSWORD_VARIABLE: &str = "TOLLGATE__CLICKHOUSE__PASSWORD";

/// An empty database of its own. On a server named by `TOLLGATE__CLICKHOUSE__URL` when that is set, else on the
/// ClickHouse engine that this process starts.
#[derive(Debug)]
pub struct TestClickHouse {
    server: Server,
    database: String,
}

#[derive(Debug, Clone)]
enum Server {
    /// Somebody else's; it stays as it is.
    Existing(String),
    Shared(Arc<Engine>),
    Dedicated(Arc<Engine>),
}

impl TestClickHouse {
    /// A database on the server that all tests of this process share.
    pub async fn new() -> Result<Self> {
        static SHARED: OnceLock<std::result::Result<Arc<Engine>, String>> = OnceLock::new();
        if let Ok(url) = std::env::var(URL_VARIABLE) {
            return Self::on(Server::Existing(url)).await;
        }
        let shared =
            SHARED.get_or_init(|| Engine::start().map(Arc::new).map_err(|error| format!("{error:#}")));
        Self::on(Server::Shared(shared.clone().map_err(|error| anyhow!("{error}"))?)).await
    }

    /// A database on an engine of its own, for tests that kill and restart it.
    pub async fn dedicated() -> Result<Self> {
        Self::on(Server::Dedicated(Arc::new(Engine::start()?))).await
    }

    async fn on(server: Server) -> Result<Self> {
        let created = Self { server, database: format!("test_{}", short_random()) };
        let statement = format!("CREATE DATABASE {}", created.database);
        created.server_client().query(&statement).execute().await.context(statement)?;
        Ok(created)
    }

    /// The server's address.
    pub fn url(&self) -> String {
        match &self.server {
            Server::Existing(url) => url.clone(),
            Server::Shared(engine) | Server::Dedicated(engine) => format!("http://127.0.0.1:{}", engine.port),
        }
    }

    /// The name of this test's database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A client of this test's database.
    pub fn client(&self) -> Client {
        self.server_client().with_database(&self.database)
    }

    /// Kills the engine of a [`TestClickHouse::dedicated`] as a crash would.
    pub fn kill_9(&self) -> Result<()> {
        self.dedicated_engine()?
            .process
            .lock()
            .take()
            .context("the ClickHouse engine is not running")?
            .kill_9()
    }

    /// Starts the engine again, on the same port and data.
    pub fn restart(&self) -> Result<()> {
        let engine = self.dedicated_engine()?;
        let mut process = engine.process.lock();
        drop(process.take());
        *process = Some(Engine::launch(&engine.dir, engine.port)?);
        Ok(())
    }

    fn dedicated_engine(&self) -> Result<&Engine> {
        match &self.server {
            Server::Dedicated(engine) => Ok(engine),
            _ => Err(anyhow!("this server serves others too: use TestClickHouse::dedicated")),
        }
    }

    fn server_client(&self) -> Client {
        let mut client = Client::default().with_url(self.url());
        if let Ok(user) = std::env::var(USER_VARIABLE) {
            client = client.with_user(user);
        }
        if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
            client = client.with_password(password);
        }
        client
    }
}

impl Drop for TestClickHouse {
    fn drop(&mut self) {
        // The engine's data goes with this process; a server that stays should not collect databases.
        if !matches!(self.server, Server::Existing(_)) {
            return;
        }
        let (client, statement) =
            (self.server_client(), format!("DROP DATABASE IF EXISTS {}", self.database));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(client.query(&statement).execute()).map_err(std::io::Error::other)
        });
        let _ = dropping.join();
    }
}

#[derive(Debug)]
struct Engine {
    dir: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl Engine {
    fn start() -> Result<Self> {
        let dir = scratch_dir("clickhouse")?;
        let (process, port) = start_on_free_port(|port| Self::launch(&dir, port))?;
        Ok(Self { dir, port, process: Mutex::new(Some(process)) })
    }

    fn launch(dir: &Path, port: u16) -> Result<Process> {
        let mut command = Command::new(repository().join("infra/dev/clickhouse"));
        command.arg("foreground").arg(dir).arg(port.to_string());
        let mut process = Process::spawn_logging_to("clickhouse", &command, dir)?;
        process.wait_ready(|process| process.stdout().contains("ready http://"))?;
        Ok(process)
    }
}
