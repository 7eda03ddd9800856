//! Keys that sign tokens. Ed25519 signs what the platform's own API and tenants' apps are shown; RSA signs ID tokens,
//! because that is what every OpenID client can check.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::random_bytes;
use super::tokens::TokenError;
use crate::model::signing_key::SigningAlgorithm;

/// Characters in a line of PEM (RFC 7468).
const LINE: usize = 64;

/// A new key for what the platform's API and tenants' apps are shown, as PEM.
#[must_use]
pub fn generate_key() -> SecretString {
    // PKCS#8, version 1: the fixed head of an Ed25519 private key, then its 32 random bytes.
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut der = Zeroizing::new(HEAD.to_vec());
    der.extend_from_slice(&random_bytes::<32>());
    pem(&der)
}

/// A new key for ID tokens, as PEM: RSA with 2048 bits.
///
/// # Panics
/// When the system has no randomness to give.
#[must_use]
pub fn generate_id_key() -> SecretString {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness for an RSA key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("a new key can be written down");
    pem(der.as_ref())
}

fn pem(der: &[u8]) -> SecretString {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (index, character) in body.chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    SecretString::from(text)
}

/// A key that signs in one way and no other.
#[derive(Clone)]
pub(super) struct SigningKey {
    key: EncodingKey,
    public: Jwk,
    id: String,
    algorithm: Algorithm,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Of the PEM that [`generate_key`] made, or [`generate_id_key`] for RSA.
    pub(super) fn of(algorithm: SigningAlgorithm, pem: &SecretString) -> Result<Self, TokenError> {
        let pem = pem.expose_secret().as_bytes();
        match algorithm {
            SigningAlgorithm::Ed25519 => Self::new(EncodingKey::from_ed_pem(pem), Algorithm::EdDSA),
            SigningAlgorithm::Rsa => Self::new(EncodingKey::from_rsa_pem(pem), Algorithm::RS256),
        }
    }

    fn new(
        key: Result<EncodingKey, jsonwebtoken::errors::Error>,
        algorithm: Algorithm,
    ) -> Result<Self, TokenError> {
        let bad = |error: jsonwebtoken::errors::Error| TokenError::Key(error.to_string());
        let key = key.map_err(bad)?;
        let mut public = Jwk::from_encoding_key(&key, algorithm).map_err(bad)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(bad)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { key, public, id, algorithm })
    }

    /// Its thumbprint, by which tokens name it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What it says of itself to whoever checks.
    pub(super) fn public(&self) -> &Jwk {
        &self.public
    }

    /// A token of this type with these claims.
    pub(super) fn sign<T: Serialize>(&self, kind: &str, claims: &T) -> Result<String, TokenError> {
        let mut header = Header::new(self.algorithm);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.key).map_err(|error| TokenError::Key(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_each_is_for_its_own_algorithm() {
        let (ed, rsa) = (generate_key(), generate_id_key());
        for pem in [&ed, &rsa] {
            let lines: Vec<&str> = pem.expose_secret().lines().collect();
            assert!(lines.iter().all(|line| line.len() <= LINE), "a line is too long");
            assert_eq!(lines.first(), Some(&"-----BEGIN PRIVATE KEY-----"));
        }
        let of = SigningKey::of;
        assert!(of(SigningAlgorithm::Ed25519, &ed).is_ok() && of(SigningAlgorithm::Rsa, &rsa).is_ok());
        assert!(of(SigningAlgorithm::Ed25519, &rsa).is_err() && of(SigningAlgorithm::Rsa, &ed).is_err());
        let id = || of(SigningAlgorithm::Rsa, &rsa).expect("read").id;
        assert_eq!(id(), id());
        assert_ne!(ed.expose_secret(), generate_key().expose_secret());
    }
}
