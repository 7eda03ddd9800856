//! Keys and tokens for tests. Ed25519 keys are made from fixed seeds, the RSA key anew for each run.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

use crate::settings::SignInSettings;

/// PKCS#8 v1 of an Ed25519 key: a fixed prefix and the seed.
pub fn key(id: &str) -> EncodingKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend((0..32).map(|n| id.as_bytes()[n % id.len()]));
    EncodingKey::from_ed_der(&der)
}

pub fn rsa() -> EncodingKey {
    static KEY: OnceLock<EncodingKey> = OnceLock::new();
    let make = || {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
    };
    KEY.get_or_init(make).clone()
}

fn named(id: &str, key: &EncodingKey, algorithm: Algorithm) -> Jwk {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    jwk
}

pub fn key_set(ids: &[&str]) -> JwkSet {
    JwkSet { keys: ids.iter().map(|id| named(id, &key(id), Algorithm::EdDSA)).collect() }
}

/// As the platform publishes them: one for access tokens, one for ID tokens.
pub fn both_kinds(ed: &str, rsa_id: &str) -> JwkSet {
    JwkSet { keys: vec![named(ed, &key(ed), Algorithm::EdDSA), named(rsa_id, &rsa(), Algorithm::RS256)] }
}

/// An access token whose header names the key `said` and that is signed with the key `used`.
pub fn token(said: &str, used: &str, claims: &Value) -> String {
    let header = Header {
        kid: Some(said.to_owned()),
        typ: Some("at+jwt".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    encode(&header, claims, &key(used)).unwrap()
}

pub fn settings(client_id: &str) -> SignInSettings {
    let uri = axum::http::Uri::from_static("http://platform.internal/");
    SignInSettings {
        client_id: client_id.to_owned(),
        client_secret: "secret".to_owned().into(),
        issuer: "http://freehold.localhost:8080".to_owned(),
        issuer_origin: "http://freehold.localhost:8080".to_owned(),
        discovery_url: uri.clone(),
        jwks_url: uri,
        app_key: "key".to_owned().into(),
        believed: std::time::Duration::from_secs(5),
    }
}
