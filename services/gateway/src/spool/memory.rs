//! A disk in memory that can die at any store and lose what was not synced: the machine on which the spool's promises are
//! tried, thousands of times per second.
//!
//! A `MemoryDisk` stands for one process on the disk. [`MemoryDisk::restart`] gives the disk to the next process;
//! what the old one still does is without effect.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::mapping::Mapping;

const PAGE: usize = 4096;

/// Files in memory, seen by one process.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<String, Arc<Pages>>>>,
    fuse: Arc<Fuse>,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self { files: Arc::default(), fuse: Fuse::new() }
    }
}

impl MemoryDisk {
    /// Ends the process after `stores` more stores or file operations: the rest never happens.
    pub fn kill_after(&self, stores: u64) {
        self.fuse.left.store(stores, Ordering::Relaxed);
    }

    /// Whether the process has ended.
    pub fn is_dead(&self) -> bool {
        self.fuse.left.load(Ordering::Relaxed) == 0
    }

    /// The same disk for the next process, after `kill -9`: every store that happened is there.
    #[must_use]
    pub fn restart(&self) -> Self {
        self.kill_after(0);
        Self { files: Arc::clone(&self.files), fuse: Fuse::new() }
    }

    /// The same disk for the next process, after a loss of power: of each page either the present content is there or that
    /// of the last sync, as `keeps` decides.
    #[must_use]
    pub fn lose_power(&self, mut keeps: impl FnMut() -> bool) -> Self {
        let next = self.restart();
        next.files.lock().values().for_each(|pages| pages.lose_power(&mut keeps));
        next
    }

    pub(super) fn create(&self, name: &str, len: usize) -> io::Result<Mapping> {
        self.act()?;
        let pages = Pages::new(len);
        self.files.lock().insert(name.to_owned(), Arc::clone(&pages));
        Ok(Mapping::memory(pages, Arc::clone(&self.fuse)))
    }

    pub(super) fn open(&self, name: &str) -> io::Result<Mapping> {
        Ok(Mapping::memory(self.pages(name)?, Arc::clone(&self.fuse)))
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.pages(name)?.bytes())
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.act()?;
        let pages = Pages::new(bytes.len());
        let map = Mapping::memory(Arc::clone(&pages), Fuse::new());
        map.write(0, bytes);
        map.sync()?;
        self.files.lock().insert(name.to_owned(), pages);
        Ok(())
    }

    pub(super) fn truncate(&self, name: &str, len: usize) -> io::Result<()> {
        self.act()?;
        self.pages(name)?.len.store(len as u64, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.act()?;
        self.files.lock().remove(name);
        Ok(())
    }

    pub(super) fn list(&self, directory: &str) -> Vec<String> {
        let files = self.files.lock();
        files
            .keys()
            .filter_map(|name| name.strip_prefix(directory)?.strip_prefix('/'))
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn directories(&self) -> Vec<String> {
        let files = self.files.lock();
        let mut names: Vec<_> =
            files.keys().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        names.dedup();
        names
    }

    fn pages(&self, name: &str) -> io::Result<Arc<Pages>> {
        self.files.lock().get(name).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn act(&self) -> io::Result<()> {
        if self.fuse.burn() { Ok(()) } else { Err(io::Error::other("the process has ended")) }
    }
}

/// How much longer a process lives, in stores.
pub(super) struct Fuse {
    left: AtomicU64,
    tore: AtomicBool,
}

impl fmt::Debug for Fuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fuse").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Fuse {
    fn new() -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(u64::MAX), tore: AtomicBool::new(false) })
    }

    /// Takes one step; false when the process has ended before it.
    pub(super) fn burn(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left == u64::MAX {
            return true;
        }
        if left == 0 {
            return false;
        }
        self.left.store(left - 1, Ordering::Relaxed);
        true
    }

    /// Whether the store that the process died at happens in part: true for the first one after its end.
    pub(super) fn tears(&self) -> bool {
        !self.tore.swap(true, Ordering::Relaxed)
    }
}

/// Content of one file, and what of it was synced. On the heap: mapping and unmapping memory for each file of each process
/// would make the threads of a test wait for each other in the kernel.
pub(super) struct Pages {
    words: Box<[AtomicU64]>,
    synced: Mutex<Vec<u8>>,
    len: AtomicU64,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Pages {
    fn new(len: usize) -> Arc<Self> {
        let words = (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { words, synced: Mutex::new(vec![0; len]), len: AtomicU64::new(len as u64) })
    }

    /// Where the content begins. Atomics may be written through a shared reference, and so may what lies behind this.
    pub(super) fn base(&self) -> NonNull<u8> {
        NonNull::from(&*self.words).cast()
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_synced(&self, bytes: Vec<u8>) {
        *self.synced.lock() = bytes;
    }

    fn lose_power(self: &Arc<Self>, keeps: &mut impl FnMut() -> bool) {
        let map = Mapping::memory(Arc::clone(self), Fuse::new());
        let now = self.bytes();
        let mut synced = self.synced.lock().clone();
        synced.resize(now.len(), 0);
        for (page, (now, then)) in now.chunks(PAGE).zip(synced.chunks(PAGE)).enumerate() {
            if now != then && !keeps() {
                map.write(page * PAGE, then);
            }
        }
    }

    fn bytes(self: &Arc<Self>) -> Vec<u8> {
        let map = Mapping::memory(Arc::clone(self), Fuse::new());
        let mut bytes = vec![0; map.len()];
        map.read(0, &mut bytes);
        bytes
    }
}
