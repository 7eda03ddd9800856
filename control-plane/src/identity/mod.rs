//! Who somebody is and what only they may read: passwords, tokens, the vault for tenants' secrets, and what providers
//! outside say of people.

pub mod api_keys;
pub mod chain;
pub mod checked;
mod hashing;
pub mod oauth;
pub mod outside;
pub mod passwords;
pub mod people_key;
pub mod permissions;
pub mod ring;
pub mod signatures;
mod signing;
pub mod strength;
pub mod tokens;
pub mod totp;
pub mod vault;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng;
use secrecy::SecretString;

/// A new secret of 256 random bits: 43 characters of `A-Z a-z 0-9 - _`, so that it needs no quoting anywhere.
#[must_use]
pub fn random_secret() -> SecretString {
    SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// Bytes that nobody can guess.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn secrets_differ_and_need_no_quoting() {
        let secret = random_secret();
        assert_eq!(secret.expose_secret().len(), 43);
        assert!(
            secret.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        );
        assert_ne!(secret.expose_secret(), random_secret().expose_secret());
    }
}
