//! People's passwords: rules, and hashing off the event loop with a bound on memory.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Code, Error, Result};
use crate::secret;

/// Hashes computed at once; each takes 19 MiB and a core.
const PARALLEL: usize = 4;
/// Hashes that wait at most: about a second of work. More are refused.
const WAITING: usize = 64;
/// Fewest characters of a password.
pub const MIN_LENGTH: usize = 10;
/// Most characters of a password.
pub const MAX_LENGTH: usize = 200;

/// Refuses a password outside 10 to 200 characters. Length is the only rule (NIST SP 800-63B, 3.1.1.2).
pub fn check(field: &str, password: &str) -> Result<()> {
    if (MIN_LENGTH..=MAX_LENGTH).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("must have {MIN_LENGTH} to {MAX_LENGTH} characters")))
}

/// Hashes and verifies passwords.
#[derive(Debug)]
pub struct Passwords {
    /// Stands in for the hash of an account that does not exist.
    nobody: String,
    permits: Semaphore,
    /// Places to wait and to work.
    places: Semaphore,
}

impl Passwords {
    /// Takes tens of milliseconds.
    pub async fn new() -> Result<Self> {
        let nobody = blocking(|| secret::hash_password(&secret::random_text(MIN_LENGTH))).await??;
        Ok(Self { nobody, permits: Semaphore::new(PARALLEL), places: Semaphore::new(PARALLEL + WAITING) })
    }

    /// Waits for a turn. Fails with `rate_limited` when too many wait already.
    async fn admit(&self) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let place = self.places.try_acquire().map_err(|_| {
            let message = "too many people sign in right now; try again";
            Error::new(Code::RateLimited, "sign_in_busy", message).retry_after(1)
        })?;
        Ok((place, self.permits.acquire().await.map_err(Error::internal)?))
    }

    /// The hash to store.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        let _permits = self.admit().await?;
        blocking(move || secret::hash_password(&password)).await?
    }

    /// Whether the password is the account's. Without an account (`hash` absent) the answer is no, after the same work, so
    /// that the time tells nothing.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let (password, exists) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let _permits = self.admit().await?;
        let matches = blocking(move || secret::verify_password(&password, &hash)).await?;
        Ok(matches && exists)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashing_beyond_the_queue_is_refused_with_a_time_to_try_again() {
        let passwords = Passwords::new().await.unwrap();
        let everybody = passwords.places.acquire_many((PARALLEL + WAITING) as u32).await.unwrap();
        let refused = passwords.verify("correct horse", None).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after_seconds), (Code::RateLimited, Some(1)));
        drop(everybody);
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }
}
