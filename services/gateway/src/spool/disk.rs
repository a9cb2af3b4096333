//! Files and directories of the spool: what is created here exists durably before it is used.
//!
//! Names are `directory/file`. Knows nothing of what the files hold.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::mapping::Mapping;
use super::memory::MemoryDisk;
use super::{Error, Result};

/// Where the spool lives.
#[derive(Debug, Clone)]
pub enum Disk {
    /// A directory of the file system.
    Files(PathBuf),
    /// Memory that dies on demand.
    Memory(MemoryDisk),
}

impl Disk {
    /// A file of `len` zero bytes, mapped; its blocks are allocated, so that writing into it cannot fail.
    pub fn create(&self, name: &str, len: usize) -> Result<Mapping> {
        let made = match self {
            Self::Files(root) => create(&root.join(name), len),
            Self::Memory(disk) => disk.create(name, len),
        };
        made.map_err(fault("create", name))
    }

    /// An existing file, mapped.
    pub fn open(&self, name: &str) -> Result<Mapping> {
        let opened = match self {
            Self::Files(root) => OpenOptions::new()
                .read(true)
                .write(true)
                .open(root.join(name))
                .and_then(|file| Mapping::file(&file)),
            Self::Memory(disk) => disk.open(name),
        };
        opened.map_err(fault("open", name))
    }

    /// The content of a file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let read = match self {
            Self::Files(root) => fs::read(root.join(name)),
            Self::Memory(disk) => disk.read(name),
        };
        read.map_err(fault("read", name))
    }

    /// The content of a file, if there is one.
    pub fn read_if_present(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.read(name) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a whole file so that after a crash it has the old content or the new one, and durably the new one on return.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let written = match self {
            Self::Files(root) => put(&root.join(name), bytes),
            Self::Memory(disk) => disk.put(name, bytes),
        };
        written.map_err(fault("write", name))
    }

    /// Shortens a file. Nothing may access a mapping of it behind `len` any more.
    pub fn truncate(&self, name: &str, len: usize) -> Result<()> {
        let cut = match self {
            Self::Files(root) => {
                OpenOptions::new().write(true).open(root.join(name)).and_then(|file| file.set_len(len as u64))
            }
            Self::Memory(disk) => disk.truncate(name, len),
        };
        cut.map_err(fault("truncate", name))
    }

    /// Removes a file; one that is gone already is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        let removed = match self {
            Self::Files(root) => match fs::remove_file(root.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
            Self::Memory(disk) => disk.remove(name),
        };
        removed.map_err(fault("remove", name))
    }

    /// Makes removals in `directory` durable.
    pub fn sync_directory(&self, directory: &str) -> Result<()> {
        let synced = match self {
            Self::Files(root) => File::open(root.join(directory)).and_then(|file| file.sync_all()),
            Self::Memory(_) => Ok(()),
        };
        synced.map_err(fault("sync", directory))
    }

    /// Makes a directory; one that is there already is fine.
    pub fn create_directory(&self, directory: &str) -> Result<()> {
        let Self::Files(root) = self else { return Ok(()) };
        let made = fs::create_dir_all(root.join(directory)).and_then(|()| File::open(root)?.sync_all());
        made.map_err(fault("create", directory))
    }

    /// Removes a directory and what is in it.
    pub fn remove_directory(&self, directory: &str) -> Result<()> {
        match self {
            Self::Files(root) => match fs::remove_dir_all(root.join(directory)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(fault("remove", directory)(error))
                }
                _ => Ok(()),
            },
            Self::Memory(_) => {
                self.list(directory)?.iter().try_for_each(|name| self.remove(&format!("{directory}/{name}")))
            }
        }
    }

    /// Names of the files in `directory`, in order.
    pub fn list(&self, directory: &str) -> Result<Vec<String>> {
        match self {
            Self::Files(root) => names(&root.join(directory), false).map_err(fault("list", directory)),
            Self::Memory(disk) => Ok(disk.list(directory)),
        }
    }

    /// Names of all directories, in order.
    pub fn directories(&self) -> Result<Vec<String>> {
        match self {
            Self::Files(root) => names(root, true).map_err(fault("list", "")),
            Self::Memory(disk) => Ok(disk.directories()),
        }
    }

    /// Keeps every other process out until the answer is dropped.
    pub fn lock(&self) -> Result<Option<File>> {
        let Self::Files(root) = self else { return Ok(None) };
        let opened = fs::create_dir_all(root).and_then(|()| {
            OpenOptions::new().create(true).truncate(false).write(true).open(root.join("lock"))
        });
        let file = opened.map_err(fault("open", "lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse { name: root.display().to_string() }),
            Err(fs::TryLockError::Error(error)) => Err(fault("lock", "lock")(error)),
        }
    }
}

fn fault(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
    let name = name.to_owned();
    move |source| Error::Disk { action, name, source }
}

fn create(path: &Path, len: usize) -> io::Result<Mapping> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    allocate(&file, len)?;
    file.sync_all()?;
    sync_parent(path)?;
    Mapping::file(&file)
}

fn allocate(file: &File, len: usize) -> io::Result<()> {
    let len = i64::try_from(len).map_err(io::Error::other)?;
    #[expect(
        unsafe_code,
        reason = "std has no call that allocates blocks; a hole would raise SIGBUS on a full disk"
    )]
    // SAFETY: the descriptor is open for the length of the call, and no memory is passed.
    let code = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) };
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn names(path: &Path, directories: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() == directories
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
