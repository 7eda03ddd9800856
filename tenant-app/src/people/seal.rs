//! What is secret of a session is sealed before it is kept: the key is the app's own, and in no backup.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};

use super::{digest, random};

const NONCE: usize = 24;

pub struct Seal(XChaCha20Poly1305);

impl Seal {
    /// The app's key is for more than this, so this has a key of its own made from it.
    #[must_use]
    pub fn new(app_key: &SecretString) -> Self {
        let key = digest(&[b"tenant-app sessions\0", app_key.expose_secret().as_bytes()]);
        Self(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// Closes `text` for `owner`; nothing comes back only when memory ends.
    #[must_use]
    pub fn close(&self, owner: &[u8], text: &str) -> Option<Vec<u8>> {
        let nonce = random();
        let nonce: [u8; NONCE] = nonce[..NONCE].try_into().ok()?;
        let payload = Payload { msg: text.as_bytes(), aad: owner };
        let mut sealed = self.0.encrypt(&XNonce::from(nonce), payload).ok()?;
        sealed.splice(0..0, nonce);
        Some(sealed)
    }

    /// Opens what was closed with this key for this owner, and nothing else.
    #[must_use]
    pub fn open(&self, owner: &[u8], sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let opened = self.0.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: owner }).ok()?;
        String::from_utf8(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_owner_and_key_alone() {
        let seal = Seal::new(&"key".to_owned().into());
        let sealed = seal.close(b"one", "refresh me").unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"refresh"));
        assert_eq!(seal.open(b"one", &sealed).as_deref(), Some("refresh me"));
        assert_eq!(seal.open(b"two", &sealed), None);
        assert_eq!(Seal::new(&"other".to_owned().into()).open(b"one", &sealed), None);
        for place in [0, NONCE, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(seal.open(b"one", &changed), None, "{place}");
        }
        assert_eq!(seal.open(b"one", &[]), None);
    }
}
