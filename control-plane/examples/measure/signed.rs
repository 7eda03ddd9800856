//! A request that an API key signs, as `docs/api-keys.md` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::client::Failure;

/// Characters of a key that name it.
const NAME: usize = 14;

/// Adds the headers that make a request count once.
pub fn sign(
    headers: &mut HeaderMap,
    key: &str,
    (method, path, query): (&str, &str, &str),
    body: &[u8],
) -> Result<(), Failure> {
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
    let name = key.get(..NAME).ok_or("a key is longer than its name")?;
    let parameters = format!(
        "(\"@method\" \"@path\" \"@query\" \"content-digest\");created={};nonce=\"{}\";keyid=\"{name}\"",
        Utc::now().timestamp(),
        uuid::Uuid::new_v4().simple(),
    );
    let base = format!(
        "\"@method\": {method}\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {digest}\n\
         \"@signature-params\": {parameters}"
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
    mac.update(base.as_bytes());
    let code = STANDARD.encode(mac.finalize().into_bytes());
    for (name, value) in [
        ("content-digest", digest),
        ("signature-input", format!("sig={parameters}")),
        ("signature", format!("sig=:{code}:")),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value)?);
    }
    Ok(())
}
