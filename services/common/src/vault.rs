//! The vault: secrets that must be shown again (API keys, backend headers), encrypted at rest.
//!
//! Envelope encryption: each secret has its own random data key, sealed by the vault's current master key. Rotation adds
//! a master key in front; old ones stay readable until their secrets are sealed anew.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

const NONCE: usize = 24;
const KEY: usize = 32;

/// Master keys, newest first. Cloning shares nothing secret beyond this process.
#[derive(Clone)]
pub struct Vault {
    masters: Vec<(String, XChaCha20Poly1305)>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.masters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Vault").field("masters", &names).finish()
    }
}

impl Vault {
    /// A vault from texts of the form `name:base64 of 32 bytes`, newest first.
    pub fn from_keys(keys: &[SecretString]) -> Result<Self> {
        let mut masters = Vec::with_capacity(keys.len());
        for key in keys {
            let invalid = || Error::invalid("vault.keys", "each key must be name:<base64 of 32 bytes>");
            let (name, encoded) = key.expose_secret().split_once(':').ok_or_else(invalid)?;
            let bytes = STANDARD.decode(encoded).map_err(|_| invalid())?;
            let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| invalid())?;
            masters.push((name.to_owned(), cipher));
        }
        if masters.is_empty() {
            return Err(Error::invalid("vault.keys", "at least one key is needed"));
        }
        Ok(Self { masters })
    }

    /// A new master key in the form [`Vault::from_keys`] reads.
    pub fn generate_key(name: &str) -> String {
        format!("{name}:{}", STANDARD.encode(rand::rng().random::<[u8; KEY]>()))
    }

    /// Seals a secret. `context` (for example the owner's id) must be given again to open it.
    pub fn seal(&self, secret: &str, context: &str) -> Result<String> {
        let (name, master) = self.masters.first().ok_or_else(|| Error::internal("vault without keys"))?;
        let data_key: [u8; KEY] = rand::rng().random();
        let sealed_key = encrypt(master, &data_key, context)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&data_key).map_err(Error::internal)?;
        let sealed = encrypt(&cipher, secret.as_bytes(), context)?;
        Ok(format!("{name}:{}:{}", STANDARD.encode(sealed_key), STANDARD.encode(sealed)))
    }

    /// Opens what [`Vault::seal`] made with the same context.
    pub fn open(&self, sealed: &str, context: &str) -> Result<SecretString> {
        let broken = || Error::internal("sealed secret is not readable with this vault");
        let mut parts = sealed.splitn(3, ':');
        let (Some(name), Some(key), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(broken());
        };
        let (_, master) = self.masters.iter().find(|(known, _)| known == name).ok_or_else(broken)?;
        let data_key = decrypt(master, &STANDARD.decode(key).map_err(|_| broken())?, context)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&data_key).map_err(|_| broken())?;
        let secret = decrypt(&cipher, &STANDARD.decode(body).map_err(|_| broken())?, context)?;
        String::from_utf8(secret).map(SecretString::from).map_err(|_| broken())
    }
}

fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], context: &str) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE] = rand::rng().random();
    let payload = Payload { msg: plain, aad: context.as_bytes() };
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(Error::internal)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, sealed: &[u8], context: &str) -> Result<Vec<u8>> {
    let Some((nonce, body)) = sealed.split_at_checked(NONCE) else {
        return Err(Error::internal("sealed secret is too short"));
    };
    let payload = Payload { msg: body, aad: context.as_bytes() };
    cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> SecretString {
        Vault::generate_key(name).into()
    }

    #[test]
    fn a_secret_opens_only_with_its_context_and_key() {
        let vault = Vault::from_keys(&[key("a")]).unwrap();
        let sealed = vault.seal("s3cret", "key_1").unwrap();
        assert!(!sealed.contains("s3cret"));
        assert_eq!(vault.open(&sealed, "key_1").unwrap().expose_secret(), "s3cret");
        assert!(vault.open(&sealed, "key_2").is_err());
        assert!(Vault::from_keys(&[key("a")]).unwrap().open(&sealed, "key_1").is_err());
    }

    #[test]
    fn secrets_stay_readable_after_the_master_key_is_rotated() {
        let old = key("old");
        let sealed = Vault::from_keys(std::slice::from_ref(&old)).unwrap().seal("s3cret", "c").unwrap();
        let rotated = Vault::from_keys(&[key("new"), old]).unwrap();
        assert_eq!(rotated.open(&sealed, "c").unwrap().expose_secret(), "s3cret");
        assert!(rotated.seal("x", "c").unwrap().starts_with("new:"));
    }
}
