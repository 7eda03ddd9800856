//! The vault: tenants' and users' secrets, sealed with keys that stand outside of the database.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

pub use crate::model::secret::{Sealed, SecretPurpose};

use super::random_bytes;

/// Why something was not sealed or opened. It never says what was inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error("the master key file is not valid: a line holds a version, a colon and 32 bytes in base64")]
    Key,
    #[error("the secret was sealed with master key {0}, which is not in the key file")]
    UnknownKey(i32),
    #[error("the secret cannot be opened: it was changed, or belongs to another owner or purpose")]
    Refused,
}

/// The master keys by version. The highest one seals; the others only open what they sealed before.
#[derive(Clone)]
pub struct MasterKey {
    keys: BTreeMap<i32, Zeroizing<[u8; 32]>>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("versions", &self.keys.keys()).finish()
    }
}

impl MasterKey {
    /// A new one, of version 1.
    #[must_use]
    pub fn generate() -> Self {
        Self { keys: BTreeMap::from([(1, Zeroizing::new(random_bytes()))]) }
    }

    /// With a new key on top, which seals from now on.
    #[must_use]
    pub fn rotated(mut self) -> Self {
        let next = self.keys.last_key_value().map_or(1, |(version, _)| version + 1);
        self.keys.insert(next, Zeroizing::new(random_bytes()));
        self
    }

    /// As it stands in its file: a line for each version, `1:<base64>`.
    #[must_use]
    pub fn to_file(&self) -> SecretString {
        let lines: String = self
            .keys
            .iter()
            .map(|(version, key)| format!("{version}:{}\n", STANDARD.encode(key.as_slice())))
            .collect();
        SecretString::from(lines)
    }

    /// Reads what [`MasterKey::to_file`] wrote.
    ///
    /// # Errors
    /// [`VaultError::Key`].
    pub fn from_file(text: &SecretString) -> Result<Self, VaultError> {
        let mut keys = BTreeMap::new();
        for line in text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (version, key) = line.split_once(':').ok_or(VaultError::Key)?;
            let version: i32 = version.trim().parse().map_err(|_| VaultError::Key)?;
            let key = Zeroizing::new(STANDARD.decode(key.trim()).map_err(|_| VaultError::Key)?);
            let key: [u8; 32] = key.as_slice().try_into().map_err(|_| VaultError::Key)?;
            if version < 1 || keys.insert(version, Zeroizing::new(key)).is_some() {
                return Err(VaultError::Key);
            }
        }
        if keys.is_empty() { Err(VaultError::Key) } else { Ok(Self { keys }) }
    }

    /// The version that seals.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.keys.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// One key that was derived from another, of version 1.
    #[must_use]
    pub fn derived(key: [u8; 32]) -> Self {
        Self { keys: BTreeMap::from([(1, Zeroizing::new(key))]) }
    }

    /// Seals a secret for one owner and purpose.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the secret is longer than the cipher takes.
    pub fn seal(
        &self,
        owner: impl fmt::Display,
        purpose: impl fmt::Display,
        secret: &SecretString,
    ) -> Result<Sealed, VaultError> {
        let (version, key) = self.keys.last_key_value().ok_or(VaultError::Key)?;
        let nonce = random_bytes::<24>();
        let bound = bound_to(&owner, &purpose, *version);
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), Payload { msg: secret.expose_secret().as_bytes(), aad: &bound })
            .map_err(|_| VaultError::Refused)?;
        Ok(Sealed { key_version: *version, nonce, ciphertext })
    }

    /// Opens what was sealed for this owner and purpose.
    ///
    /// # Errors
    /// [`VaultError::UnknownKey`], or [`VaultError::Refused`] when it was sealed for anything else or changed.
    pub fn open(
        &self,
        owner: impl fmt::Display,
        purpose: impl fmt::Display,
        sealed: &Sealed,
    ) -> Result<SecretString, VaultError> {
        let key = self.keys.get(&sealed.key_version).ok_or(VaultError::UnknownKey(sealed.key_version))?;
        let bound = bound_to(&owner, &purpose, sealed.key_version);
        let plain = cipher(key)
            .decrypt(&XNonce::from(sealed.nonce), Payload { msg: &sealed.ciphertext, aad: &bound })
            .map_err(|_| VaultError::Refused)?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| VaultError::Refused)
    }
}

fn cipher(key: &Zeroizing<[u8; 32]>) -> XChaCha20Poly1305 {
    let key: &[u8; 32] = key;
    XChaCha20Poly1305::new(key.into())
}

/// What a seal is bound to besides its key: it opens nowhere else.
fn bound_to(owner: &dyn fmt::Display, purpose: &dyn fmt::Display, version: i32) -> Vec<u8> {
    format!("freehold\0{owner}\0{purpose}\0{version}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TenantId;

    #[test]
    fn a_secret_opens_for_its_tenant_and_purpose_alone() {
        let key = MasterKey::generate();
        let (tenant, other) = (TenantId::random(), TenantId::random());
        let secret = SecretString::from("s3cret");
        let sealed = key.seal(tenant, SecretPurpose::DatabaseApp, &secret).expect("sealed");
        let opened = key.open(tenant, SecretPurpose::DatabaseApp, &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "s3cret");
        let refused = |tenant, purpose, sealed: &Sealed| {
            assert_eq!(key.open(tenant, purpose, sealed).err(), Some(VaultError::Refused));
        };
        refused(other, SecretPurpose::DatabaseApp, &sealed);
        refused(tenant, SecretPurpose::DatabaseOwner, &sealed);
        let mut changed = sealed.clone();
        changed.ciphertext[0] ^= 1;
        refused(tenant, SecretPurpose::DatabaseApp, &changed);
        let mut changed = sealed.clone();
        changed.nonce[0] ^= 1;
        refused(tenant, SecretPurpose::DatabaseApp, &changed);
        assert_ne!(sealed, key.seal(tenant, SecretPurpose::DatabaseApp, &secret).expect("sealed again"));
        let stranger = MasterKey::generate();
        assert_eq!(
            stranger.open(tenant, SecretPurpose::DatabaseApp, &sealed).err(),
            Some(VaultError::Refused)
        );
    }

    #[test]
    fn a_new_key_seals_and_the_old_one_still_opens() {
        let key = MasterKey::generate();
        let tenant = TenantId::random();
        let secret = SecretString::from("s3cret");
        let old = key.seal(tenant, SecretPurpose::AppKey, &secret).expect("sealed");
        let key = MasterKey::from_file(&key.rotated().to_file()).expect("read back");
        assert_eq!(key.version(), 2);
        assert!(key.open(tenant, SecretPurpose::AppKey, &old).is_ok());
        let mut new = key.seal(tenant, SecretPurpose::AppKey, &secret).expect("sealed");
        assert_eq!(new.key_version, 2);
        new.key_version = 9;
        assert_eq!(key.open(tenant, SecretPurpose::AppKey, &new).err(), Some(VaultError::UnknownKey(9)));
    }

    #[test]
    fn a_key_file_that_is_none_is_refused_and_none_is_shown() {
        for bad in ["", "1", "1:abc", "x:AAAA", "0:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert_eq!(
                MasterKey::from_file(&SecretString::from(bad)).err(),
                Some(VaultError::Key),
                "{bad:?}"
            );
        }
        let key = MasterKey::generate();
        let text = key.to_file();
        let shown = format!("{key:?}");
        assert!(!shown.contains(&text.expose_secret()[2..20]), "{shown}");
    }
}
