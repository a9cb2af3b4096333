//! A child process that never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::{PATIENCE, free_port, scratch_dir, wait_until};

/// A running child with its output in files. Dropping it kills it; if this process dies first, the kernel kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; `name` appears in errors and names its output files. Its standard input is empty.
    pub fn spawn(name: &str, command: &Command) -> Result<Self> {
        let dir = scratch_dir(name)?;
        Self::spawn_logging_to(name, command, &dir)
    }

    /// [`Process::spawn`] with the output in `dir/out` and `dir/err`, which are emptied first.
    pub(crate) fn spawn_logging_to(name: &str, command: &Command, dir: &Path) -> Result<Self> {
        let (stdout, stderr) = (dir.join("out"), dir.join("err"));
        let mut guarded = dying_with_parent(command);
        guarded.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = spawn_on_keeper(guarded)
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, stdout, stderr })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard output so far.
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// What it has written to its standard error so far.
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// Waits until `ready` says so; fails early, with the last lines of its output, when the process has ended.
    pub fn wait_ready(&mut self, mut ready: impl FnMut(&Self) -> bool) -> Result<()> {
        let mut exited = None;
        let settled = wait_until(PATIENCE, || {
            exited = self.child.try_wait().ok().flatten();
            exited.is_some() || ready(self)
        });
        match exited {
            Some(status) => bail!("{} ended while starting ({status}): {}", self.name, self.last_words()),
            None if settled => Ok(()),
            None => bail!("{} was not ready after {PATIENCE:?}: {}", self.name, self.last_words()),
        }
    }

    /// Kills it as a crash would (SIGKILL) and waits until it is gone.
    pub fn kill_9(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it `signal` (a name such as `TERM` or `STOP`).
    pub fn signal(&self, signal: &str) -> Result<()> {
        let script = format!("kill -{signal} {}", self.pid());
        let status = Command::new("sh").args(["-c", &script]).status()?;
        anyhow::ensure!(status.success(), "{} did not take the signal {signal}", self.name);
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits; fails when it is still there after `deadline`.
    pub fn terminate(mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let mut exited = None;
        wait_until(deadline, || {
            exited = self.child.try_wait().ok().flatten();
            exited.is_some()
        });
        exited.ok_or_else(|| {
            anyhow!("{} was still running {deadline:?} after SIGTERM: {}", self.name, self.last_words())
        })
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn last_words(&self) -> String {
        let text = self.stdout() + &self.stderr();
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that needs to be told its port. Tries another one when the first was taken in between.
pub(crate) fn start_on_free_port(start: impl Fn(u16) -> Result<Process>) -> Result<(Process, u16)> {
    const ATTEMPTS: u32 = 3;
    for _ in 1..ATTEMPTS {
        let port = free_port()?;
        match start(port) {
            Err(error) if format!("{error:#}").to_lowercase().contains("in use") => {}
            started => return started.map(|process| (process, port)),
        }
    }
    let port = free_port()?;
    start(port).map(|process| (process, port))
}

fn read_lossy(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn dying_with_parent(command: &Command) -> Command {
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig=KILL", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        guarded.current_dir(dir);
    }
    guarded
}

type SpawnRequest = (Command, Sender<std::io::Result<Child>>);

/// Spawns on a thread that lives as long as the process: the kernel's "parent died" means the thread that spawned, and
/// the test harness ends a thread after every test.
fn spawn_on_keeper(command: Command) -> Result<Child> {
    static KEEPER: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (requests, inbox) = channel::<SpawnRequest>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        requests
    });
    let (reply, answer) = channel();
    keeper.send((command, reply)).map_err(|_| anyhow!("the spawning thread is gone"))?;
    Ok(answer.recv()??)
}
