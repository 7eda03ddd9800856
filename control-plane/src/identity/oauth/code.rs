//! Codes and refresh tokens: secrets that are told once and kept as hashes.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::identity::random_secret;
use crate::model::ids::GrantId;

/// What a secret is kept as.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether a secret is the one that was kept, in a time that tells nothing.
#[must_use]
pub fn is(secret: &str, kept: &[u8]) -> bool {
    bool::from(hash(secret).as_slice().ct_eq(kept))
}

/// A refresh token for a tenant's app: `<grant>.<secret>`.
pub struct RefreshToken {
    pub grant: GrantId,
    secret: SecretString,
}

impl RefreshToken {
    /// A new one.
    #[must_use]
    pub fn new(grant: GrantId) -> Self {
        Self { grant, secret: random_secret() }
    }

    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (grant, secret) = text.split_once('.')?;
        (secret.len() == 43).then_some(())?;
        Some(Self { grant: grant.parse().ok()?, secret: secret.into() })
    }

    #[must_use]
    pub fn text(&self) -> String {
        format!("{}.{}", self.grant, self.secret.expose_secret())
    }

    /// What it is kept as.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(self.secret.expose_secret())
    }

    /// Whether it is the one that was kept.
    #[must_use]
    pub fn is(&self, kept: Option<&[u8]>) -> bool {
        kept.is_some_and(|kept| is(self.secret.expose_secret(), kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_read_back_and_anything_else_is_none() {
        let token = RefreshToken::new(GrantId::random());
        let read = RefreshToken::read(&token.text()).expect("read back");
        assert!(read.grant == token.grant && read.is(Some(&token.hash())));
        assert!(!read.is(None) && !read.is(Some(&[])) && !read.is(Some(&hash("x"))));
        for bad in ["", ".", "x.y", &format!("{}.short", token.grant), &token.text()[1..]] {
            assert!(RefreshToken::read(bad).is_none(), "{bad}");
        }
    }
}
