//! Gives memory back that a large change of the configuration has left.
//!
//! Each key that comes in makes a small table anew, a little larger than the last one: a million keys leave between them a third
//! of what they take.

/// Changes of keys after which this is worth while.
pub(crate) const MANY_KEYS: usize = 10_000;
/// Changes of stages after which this is worth while: each leaves the document it was compiled from.
pub(crate) const MANY_STAGES: usize = 100;

/// Returns free memory to the system. Takes milliseconds, in which other threads may wait for memory of the calling thread's.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "only the allocator itself can do it")]
        // SAFETY: takes no memory of ours, and may be called by any thread at any time.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
