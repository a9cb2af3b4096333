//! Secrets: making them, hashing them, comparing them in constant time.

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, Mac};
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// A random text of `length` letters and digits: about 5.95 bits each.
pub fn random_text(length: usize) -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}

/// SHA-256 of a secret with enough randomness of its own (keys, tokens, session ids).
pub fn sha256(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// [`sha256`] in lower-case hexadecimal, as it is stored.
pub fn sha256_hex(secret: &[u8]) -> String {
    hex::encode(sha256(secret))
}

/// HMAC-SHA256 in lower-case hexadecimal: a secret derived from another one, for `purpose` alone.
pub fn derive(secret: &[u8], purpose: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::internal)?;
    mac.update(purpose.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// Whether two secrets are equal, in time that does not depend on where they differ.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Parameters of OWASP's password storage guidance: 19 MiB, two passes, one lane.
fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hash of a person's password (Argon2id). Costs tens of milliseconds: call it off the event loop.
pub fn hash_password(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = argon2()?.hash_password(password.as_bytes(), &salt).map_err(Error::internal)?;
    Ok(hash.to_string())
}

/// Whether the password belongs to the stored hash. An unreadable hash matches nothing.
pub fn verify_password(password: &str, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    let Ok(argon2) = argon2() else { return false };
    argon2.verify_password(password.as_bytes(), &parsed).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_secret_is_what_openssl_makes() {
        // printf gateway | openssl dgst -sha256 -hmac key
        let expected = "38c77e91c03d93a2fec8599abbd2f8462591b6296bdb8ff1e05a6a8daa3af358";
        assert_eq!(derive(b"key", "gateway").unwrap(), expected);
    }

    #[test]
    fn only_the_right_password_verifies() {
        let hash = hash_password("correct horse").unwrap();
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horsf", &hash));
        assert!(!verify_password("correct horse", "not a hash"));
    }
}
