//! Where the repository is and where services keep their files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};

/// The root of this checkout.
pub fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_path_buf()
    })
}

/// An executable of the Python environment that `infra/dev/install` makes.
pub(crate) fn venv_python() -> Result<PathBuf> {
    let python = repository().join(".cache/venv/bin/python");
    anyhow::ensure!(
        python.exists(),
        "the Python environment is not installed, run infra/dev/install (the first step of make test)"
    );
    Ok(python)
}

/// A new directory `name`, of its own for every call; it is removed some time after this process has ended.
pub fn scratch_dir(name: &str) -> Result<PathBuf> {
    static RUN: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let run = RUN.get_or_init(|| run_dir().map_err(|error| format!("{error:#}")));
    let run = run.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let dir = run.join(format!("{name}-{}", short_random()));
    fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Eight random characters: enough to tell the databases, prefixes and directories of one machine apart.
pub(crate) fn short_random() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

/// What outlives a test process: prepared templates, and below `run/` a directory per process.
pub(crate) fn state_dir() -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let mut state = target.join("testkit");
    // PostgreSQL of a root shell runs as another user, who must be able to get there.
    if running_as_root()? && !enterable_by_others(repository()) {
        state = std::env::temp_dir().join("tollgate-testkit");
    }
    fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
    Ok(state)
}

fn run_dir() -> Result<PathBuf> {
    let runs = state_dir()?.join("run");
    fs::create_dir_all(&runs)?;
    sweep(&runs)?;
    let mine = runs.join(std::process::id().to_string());
    // A process of the same number that ended without a sweep in between.
    let _ = fs::remove_dir_all(&mine);
    fs::create_dir(&mine).with_context(|| format!("cannot make {}", mine.display()))?;
    Ok(mine)
}

/// Removes the directories of processes that are gone. Another process may be doing the same: what fails is left to it.
fn sweep(runs: &Path) -> Result<()> {
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        let alive = Path::new("/proc").join(entry.file_name()).exists();
        if !alive {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn running_as_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn enterable_by_others(path: &Path) -> bool {
    path.ancestors()
        .all(|dir| fs::metadata(dir).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0))
}
