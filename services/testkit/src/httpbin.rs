//! httpbin: an HTTP backend that this project did not write.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::place::venv_python;
use crate::process::Process;

/// How many requests it serves at the same time. Slow answers (`/delay`, `/drip`) hold a thread each.
const THREADS: &str = "32";

/// The real httpbin under gunicorn, one per test process.
#[derive(Debug)]
pub struct HttpBin {
    url: String,
    _process: Process,
}

impl HttpBin {
    /// The one of this process; the first call starts it.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<std::result::Result<HttpBin, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        shared.as_ref().map_err(|error| anyhow!("{error}"))
    }

    /// Its address without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn start() -> Result<Self> {
        let mut command = Command::new(venv_python()?);
        command.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "1", "--threads", THREADS]);
        // Without a control file in the user's home and with temporary files in memory.
        command.args(["--worker-tmp-dir", "/dev/shm", "--no-control-socket", "httpbin:app"]);
        let mut process = Process::spawn("httpbin", &command)?;
        process.wait_ready(|process| {
            listening_address(process).is_some() && process.stderr().contains("Booting worker")
        })?;
        let url = listening_address(&process).context("gunicorn did not say where it listens")?;
        Ok(Self { url, _process: process })
    }
}

/// Out of the line `Listening at: http://127.0.0.1:41234 (42)`.
fn listening_address(process: &Process) -> Option<String> {
    let log = process.stderr();
    let (_, rest) = log.split_once("Listening at: ")?;
    rest.split_whitespace().next().map(str::to_owned)
}
