//! People's passwords: rules, and hashing off the event loop with a bound on memory.

use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::secret;

/// Hashes computed at once; each takes 19 MiB and a core.
const PARALLEL: usize = 4;
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
}

impl Passwords {
    /// Takes tens of milliseconds.
    pub async fn new() -> Result<Self> {
        let nobody = blocking(|| secret::hash_password(&secret::random_text(MIN_LENGTH))).await??;
        Ok(Self { nobody, permits: Semaphore::new(PARALLEL) })
    }

    /// The hash to store.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        let _permit = self.permits.acquire().await.map_err(Error::internal)?;
        blocking(move || secret::hash_password(&password)).await?
    }

    /// Whether the password is the account's. Without an account (`hash` absent) the answer is no, after the same work, so
    /// that the time tells nothing.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let (password, exists) = (password.to_owned(), hash.is_some());
        let hash = hash.unwrap_or(&self.nobody).to_owned();
        let _permit = self.permits.acquire().await.map_err(Error::internal)?;
        let matches = blocking(move || secret::verify_password(&password, &hash)).await?;
        Ok(matches && exists)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}
