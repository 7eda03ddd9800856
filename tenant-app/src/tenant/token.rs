//! Tokens that a caller presents. None is asked for yet, but one that is shown must be good.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::settings::TokenSettings;
use crate::tenant::jwks::{KeyError, Keys};

/// Who a valid token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub subject: String,
}

/// Why a token was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not a token, or not one that the platform gave for apps, or no longer good.
    #[error("the token is not valid")]
    Invalid,
    /// A good token, for other tenants than this one.
    #[error("the token is not for this tenant")]
    AnotherTenant,
    #[error("tokens cannot be checked at the moment")]
    Unavailable,
}

/// Checks tokens for one tenant.
pub struct Verifier {
    tenant: Uuid,
    tenant_claim: String,
    validation: Validation,
    keys: Keys,
}

impl Verifier {
    #[must_use]
    pub fn new(tenant: Uuid, settings: &TokenSettings, keys: Keys) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        // Issuer and audience are compared only when they are there, so they must be.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { tenant, tenant_claim: settings.tenant_claim.clone(), validation, keys }
    }

    /// Checks one token: signature, issuer, audience, time, and that its tenants include ours.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        // Before the key set is asked for: a token of another kind must not cost a fetch.
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::Invalid);
        }
        let id = header.kid.ok_or(TokenError::Invalid)?;
        let key = self.keys.find(&id).await.map_err(|error| match error {
            KeyError::Unknown => TokenError::Invalid,
            KeyError::Unavailable => TokenError::Unavailable,
        })?;
        let claims = decode::<Map<String, Value>>(token, &key, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let subject = claims.get("sub").and_then(Value::as_str).ok_or(TokenError::Invalid)?;
        if self.is_ours(claims.get(&self.tenant_claim)) {
            Ok(Caller { subject: subject.to_owned() })
        } else {
            Err(TokenError::AnotherTenant)
        }
    }

    /// One tenant's id or a list of them; compared as ids, not as text.
    fn is_ours(&self, claim: Option<&Value>) -> bool {
        let same = |value: &Value| value.as_str().and_then(|s| Uuid::parse_str(s).ok()) == Some(self.tenant);
        match claim {
            Some(Value::Array(list)) => list.iter().any(same),
            Some(value) => same(value),
            None => false,
        }
    }
}

/// The bearer token of a request, if it presents any credentials.
///
/// # Errors
/// [`TokenError::Invalid`] for credentials that are not one bearer token.
pub fn presented(headers: &HeaderMap) -> Result<Option<&str>, TokenError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(TokenError::Invalid);
    }
    let text = value.to_str().map_err(|_| TokenError::Invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(TokenError::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(TokenError::Invalid) }
}

/// Keys and tokens for tests, made from fixed seeds.
#[cfg(test)]
pub mod samples {
    use jsonwebtoken::jwk::{Jwk, JwkSet};
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::Value;

    /// PKCS#8 v1 of an Ed25519 key: a fixed prefix and the seed.
    pub fn key(id: &str) -> EncodingKey {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend((0..32).map(|n| id.as_bytes()[n % id.len()]));
        EncodingKey::from_ed_der(&der)
    }

    pub fn key_set(ids: &[&str]) -> JwkSet {
        let keys = ids.iter().map(|id| {
            let mut jwk = Jwk::from_encoding_key(&key(id), Algorithm::EdDSA).unwrap();
            jwk.common.key_id = Some((*id).to_owned());
            jwk
        });
        JwkSet { keys: keys.collect() }
    }

    /// A token whose header names the key `said` and that is signed with the key `used`.
    pub fn token(said: &str, used: &str, claims: &Value) -> String {
        let header = Header { kid: Some(said.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &key(used)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::samples::{key_set, token};
    use super::*;
    use crate::tenant::jwks::Pace;

    const OURS: &str = "0190a0b0-0000-7000-8000-000000000001";
    const THEIRS: &str = "0190a0b0-0000-7000-8000-000000000002";

    fn verifier() -> Verifier {
        let settings = TokenSettings {
            issuer: "http://freehold.localhost:8080".into(),
            audience: "freehold-tenant".into(),
            tenant_claim: "tenant_id".into(),
            jwks_url: axum::http::Uri::from_static("http://platform.internal/"),
        };
        let keys = Keys::with(Pace::default(), || async { Ok(key_set(&["one"])) });
        Verifier::new(OURS.parse().unwrap(), &settings, keys)
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
    }

    fn claims() -> Value {
        json!({ "iss": "http://freehold.localhost:8080", "aud": "freehold-tenant", "sub": "user:7",
                "exp": now() + 600, "tenant_id": OURS })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    #[tokio::test]
    async fn a_good_token_names_its_caller() {
        let caller = verifier().verify(&token("one", "one", &claims())).await.unwrap();
        assert_eq!(caller.subject, "user:7");
        let several = with("tenant_id", json!([THEIRS, OURS.to_uppercase()]));
        assert!(verifier().verify(&token("one", "one", &several)).await.is_ok());
    }

    #[tokio::test]
    async fn another_tenants_token_is_told_apart() {
        for tenants in [json!(THEIRS), json!([THEIRS]), json!([]), json!("acme"), Value::Null, json!(7)] {
            let outcome = verifier().verify(&token("one", "one", &with("tenant_id", tenants))).await;
            assert_eq!(outcome, Err(TokenError::AnotherTenant));
        }
    }

    #[tokio::test]
    async fn whatever_else_is_wrong_is_invalid() {
        let mut wrong = vec![
            token("one", "other", &claims()),
            token("unknown", "unknown", &claims()),
            String::new(),
            "a.b.c".into(),
        ];
        for (field, value) in [
            ("iss", json!("http://elsewhere")),
            ("aud", json!("freehold")),
            ("exp", json!(now() - 600)),
            ("nbf", json!(now() + 600)),
            ("iss", Value::Null),
            ("aud", Value::Null),
            ("sub", Value::Null),
        ] {
            wrong.push(token("one", "one", &with(field, value)));
        }
        for field in ["iss", "aud", "exp", "sub"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(field);
            wrong.push(token("one", "one", &claims));
        }
        let shared = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
        wrong.push(encode(&shared, &claims(), &EncodingKey::from_secret(b"one")).unwrap());
        wrong.push(encode(&Header::new(Algorithm::EdDSA), &claims(), &super::samples::key("one")).unwrap());
        for token in wrong {
            assert_eq!(verifier().verify(&token).await, Err(TokenError::Invalid), "{token}");
        }
    }

    #[test]
    fn only_one_bearer_token_is_credentials() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, axum::http::HeaderValue::from_static(value));
            }
            presented(&headers).map(|t| t.map(str::to_owned))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Bearer abc"]), Ok(Some("abc".into())));
        assert_eq!(read(&["bearer abc"]), Ok(Some("abc".into())));
        for wrong in [&["Basic abc"][..], &["abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(read(wrong), Err(TokenError::Invalid));
        }
    }
}
