//! The api's own secret: from it comes what it derives, and what only it can have written.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::random_bytes;
use super::vault::MasterKey;

/// The file does not hold 32 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the people key is not 32 bytes in base64")]
pub struct InvalidKey;

/// What a code is made for: one made for another is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The refresh token that follows another.
    Refresh,
    /// What shows that a refresh token was issued.
    RefreshSeal,
    /// An entry of the audit log.
    AuditSeal,
    /// An entry's place in the audit log's chain.
    AuditLink,
    /// The key that users' second factors are sealed with, and what signs.
    Vault,
    /// A code for when a second factor is lost.
    RecoveryCode,
    /// What says that a password was right, while a second factor is waited for.
    SignInTicket,
    /// What a browser keeps while its person is at a provider, and what is asked of the provider with it.
    Errand,
    /// The id of the session of a token that a provider outside gave.
    ForeignToken,
    /// A key that signs tokens, as one of ours.
    SigningKey,
}

impl Use {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Refresh => b"refresh",
            Self::RefreshSeal => b"refresh seal",
            Self::AuditSeal => b"audit seal",
            Self::AuditLink => b"audit link",
            Self::Vault => b"vault",
            Self::RecoveryCode => b"recovery code",
            Self::SignInTicket => b"sign-in ticket",
            Self::Errand => b"errand",
            Self::ForeignToken => b"foreign token",
            Self::SigningKey => b"signing key",
        }
    }
}

/// 32 random bytes that never leave the api and the operator's directory.
#[derive(Clone)]
pub struct PeopleKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for PeopleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeopleKey")
    }
}

impl PeopleKey {
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// As it stands in its file.
    #[must_use]
    pub fn to_file(&self) -> SecretString {
        SecretString::from(format!("{}\n", STANDARD.encode(self.0.as_slice())))
    }

    /// Reads what [`PeopleKey::to_file`] wrote.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn from_file(text: &SecretString) -> Result<Self, InvalidKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text.expose_secret().trim()).map_err(|_| InvalidKey)?);
        Ok(Self(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| InvalidKey)?)))
    }

    /// The code of these parts for this use (HMAC-SHA-256). Each part is preceded by its length: what moves from one
    /// to the next makes another code.
    #[must_use]
    pub fn code(&self, of: Use, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("a key of any length will do");
        for part in std::iter::once(&of.label()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What the api seals users' secrets with, and its own.
    #[must_use]
    pub fn vault(&self) -> MasterKey {
        MasterKey::derived(self.code(Use::Vault, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_part_and_key_makes_another_code() {
        let key = PeopleKey::generate();
        let codes = [
            key.code(Use::Refresh, &[b"ab", b"c"]),
            key.code(Use::Refresh, &[b"a", b"bc"]),
            key.code(Use::Refresh, &[b"ab", b"c", b""]),
            key.code(Use::AuditSeal, &[b"ab", b"c"]),
            PeopleKey::generate().code(Use::Refresh, &[b"ab", b"c"]),
        ];
        for (index, code) in codes.iter().enumerate() {
            assert!(!codes[..index].contains(code), "{index}");
        }
        let again = PeopleKey::from_file(&key.to_file()).expect("read back");
        assert_eq!(again.code(Use::Refresh, &[b"ab", b"c"]), codes[0]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "AAAA", "no base64!"] {
            assert_eq!(PeopleKey::from_file(&SecretString::from(bad)).err(), Some(InvalidKey), "{bad:?}");
        }
    }
}
