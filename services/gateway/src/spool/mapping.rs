//! Bytes that outlive the process: a mapped file, or memory that plays one.
//!
//! Owns every unsafe access of the spool. Knows nothing of what the bytes mean.

use std::fmt;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use memmap2::MmapRaw;

use super::memory::{Fuse, Pages};

/// A fixed stretch of bytes shared by the threads of this process.
///
/// Words (`load`, `store`) are atomic and may be used by any thread. Plain bytes (`write`, `read`) have one writer, and nobody
/// reads them while it writes: the worker that owns a slot or an open segment, and after handing it over the spool's thread.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
    owner: Owner,
}

enum Owner {
    File(MmapRaw),
    Memory { pages: Arc<Pages>, fuse: Arc<Fuse> },
}

#[expect(unsafe_code, reason = "the pointer's memory is owned by the mapping and shared on purpose")]
// SAFETY: `base` points into memory that `owner` keeps alive and that no thread owns alone. Words are accessed atomically;
// plain bytes follow the single-writer rule stated on the type.
unsafe impl Send for Mapping {}
#[expect(unsafe_code, reason = "the pointer's memory is owned by the mapping and shared on purpose")]
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Mapping {
    /// Maps a whole file for reading and writing.
    pub(super) fn file(file: &std::fs::File) -> io::Result<Self> {
        let map = MmapRaw::map_raw(file)?;
        let base =
            NonNull::new(map.as_mut_ptr()).ok_or_else(|| io::Error::other("mapping has no address"))?;
        Ok(Self { base, len: map.len(), owner: Owner::File(map) })
    }

    /// Maps memory that plays a file.
    pub(super) fn memory(pages: Arc<Pages>, fuse: Arc<Fuse>) -> Self {
        Self { base: pages.base(), len: pages.len(), owner: Owner::Memory { pages, fuse } }
    }

    /// Length in bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an empty mapping cannot be made")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The word at `at`, a multiple of 8. Sees everything its storer wrote before it.
    #[inline]
    pub fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    /// Stores the word at `at`, a multiple of 8, after everything this thread wrote before.
    #[inline]
    pub fn store(&self, at: usize, value: u64) {
        if let Owner::Memory { fuse, .. } = &self.owner
            && !fuse.burn()
        {
            return;
        }
        self.word(at).store(value, Ordering::Release);
    }

    /// Copies `bytes` to `at`.
    #[inline]
    pub fn write(&self, at: usize, bytes: &[u8]) {
        let mut len = bytes.len();
        if let Owner::Memory { fuse, .. } = &self.owner
            && !fuse.burn()
        {
            if !fuse.tears() || len <= 8 {
                return;
            }
            len /= 2;
        }
        self.check(at, len);
        compiler_fence(Ordering::Release);
        #[expect(unsafe_code, reason = "copies into the mapping")]
        // SAFETY: the range was checked to lie in the mapping; `bytes` cannot overlap it, because no reference into a mapping
        // is ever made; nobody else accesses these bytes by the rule on the type.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(at), len);
        }
        compiler_fence(Ordering::Release);
    }

    /// Copies bytes from `at` into all of `buffer`.
    #[inline]
    pub fn read(&self, at: usize, buffer: &mut [u8]) {
        self.check(at, buffer.len());
        #[expect(unsafe_code, reason = "copies out of the mapping")]
        // SAFETY: the range was checked to lie in the mapping; nobody writes these bytes now by the rule on the type.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(at), buffer.as_mut_ptr(), buffer.len());
        }
    }

    /// Brings every byte to the disk; returns when it is there.
    pub fn sync(&self) -> io::Result<()> {
        match &self.owner {
            Owner::File(map) => map.flush(),
            Owner::Memory { pages, fuse } => {
                if fuse.burn() {
                    let mut bytes = vec![0; self.len];
                    self.read(0, &mut bytes);
                    pages.set_synced(bytes);
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8), "words are aligned");
        self.check(at, 8);
        #[expect(unsafe_code, reason = "a word of the mapping as an atomic")]
        // SAFETY: in range and aligned (mappings start at a page or at an aligned allocation); words are only ever accessed
        // through this function or by a plain copy of a thread that owns them, by the rule on the type.
        unsafe {
            AtomicU64::from_ptr(self.base.as_ptr().add(at).cast())
        }
    }

    #[inline]
    fn check(&self, at: usize, len: usize) {
        assert!(at <= self.len && len <= self.len - at, "access outside of the mapping");
    }
}
