//! The data directory of `tollgate up`: one process at a time, one file per role, secrets readable by their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::secret::random_text;
use common::vault::Vault;
use migrations::Schema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Grows when an older version could no longer read the directory.
const FORMAT: u32 = 1;

/// An opened data directory; held exclusively until dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    /// Secrets made on first start.
    pub(crate) secrets: Secrets,
    _lock: File,
}

/// Secrets of this installation.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    format: u32,
    /// Master keys of the vault, newest first.
    pub(crate) vault_keys: Vec<String>,
    /// What roles prove themselves with.
    pub(crate) service_token: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("format", &self.format).finish_non_exhaustive()
    }
}

impl DataDir {
    /// Opens or makes the directory. Fails, changing nothing, when another process holds it, when it cannot be written,
    /// or when a newer version of Tollgate made it.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let shown = root.display();
        make_private(root).with_context(|| format!("cannot make the data directory {shown}"))?;
        let root = root.canonicalize().with_context(|| format!("cannot open the data directory {shown}"))?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(root.join("lock"));
        let lock = lock.with_context(|| format!("cannot write to the data directory {shown}"))?;
        if lock.try_lock().is_err() {
            bail!("the data directory {shown} is in use by another tollgate process");
        }
        let secrets = match read_json::<Secrets>(&root.join("secrets.json"))? {
            Some(secrets) if secrets.format > FORMAT => {
                bail!("the data directory {shown} was made by a newer version of Tollgate; use that version");
            }
            Some(secrets) => secrets,
            None => {
                let secrets = Secrets {
                    format: FORMAT,
                    vault_keys: vec![Vault::generate_key("1")],
                    service_token: random_text(43),
                };
                write_json(&root.join("secrets.json"), &secrets)?;
                secrets
            }
        };
        make_private_inside(&root).with_context(|| format!("cannot write to the data directory {shown}"))?;
        Ok(Self { root, secrets, _lock: lock })
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The address of a role's SQLite file.
    pub(crate) fn database_url(&self, role: &str) -> String {
        format!("sqlite://{}?mode=rwc", self.root.join(format!("{role}.db")).display())
    }
}

/// Makes a directory that only its owner can look into. One that exists stays as it is.
fn make_private(directory: &Path) -> std::io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        outcome => outcome,
    }
}

/// Takes what is ours away from everybody else, and makes what others will write into: SQLite gives its side files the
/// permissions of the database.
fn make_private_inside(root: &Path) -> std::io::Result<()> {
    for directory in ["mail", "gateway"] {
        make_private(&root.join(directory))?;
    }
    for schema in Schema::ALL {
        let path = root.join(format!("{}.db", schema.as_str()));
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = ["mail", "gateway", "lock", "secrets.json", "demo.json"].contains(&name.as_str())
            || [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end));
        let permissions = entry.metadata()?.permissions();
        if ours && permissions.mode() & 0o077 != 0 {
            fs::set_permissions(entry.path(), Permissions::from_mode(permissions.mode() & 0o700))?;
        }
    }
    Ok(())
}

/// Reads a file of ours; absent is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let value = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    Ok(Some(value))
}

/// Replaces a file of ours at once or not at all; only its owner can read it.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let draft = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_secrets_and_admits_one_process() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDir::open(directory.path()).unwrap();
        let token = first.secrets.service_token.clone();
        let second = DataDir::open(directory.path()).unwrap_err();
        assert!(second.to_string().contains("in use"), "{second}");
        drop(first);
        assert_eq!(DataDir::open(directory.path()).unwrap().secrets.service_token, token);
    }

    #[test]
    fn a_directory_of_a_newer_version_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.json");
        let newer = Secrets { format: FORMAT + 1, vault_keys: vec![], service_token: String::new() };
        write_json(&path, &newer).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(DataDir::open(directory.path()).unwrap_err().to_string().contains("newer version"));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
