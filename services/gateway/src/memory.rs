//! Gives memory back that a large change of the configuration has left.
//!
//! Each key that comes in makes a small table anew, a little larger than the last one. What is left between the tables when a
//! million keys have come is a third of what they take.

/// Changes after which this is worth while.
pub(crate) const WORTH_WHILE: usize = 10_000;

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
