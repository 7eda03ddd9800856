//! Access tokens that programs present (RFC 9068).

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::people::LEEWAY;
use crate::people::person::{NotOurs, Statement};
use crate::settings::SignInSettings;
use crate::tenant::jwks::{KeyError, Keys};

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
    client_id: String,
    validation: Validation,
    keys: Arc<Keys>,
}

impl Verifier {
    #[must_use]
    pub fn new(tenant: Uuid, settings: &SignInSettings, keys: Arc<Keys>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&settings.issuer]);
        // Who it is for is compared below, where it can be told apart from what is wrong otherwise.
        validation.validate_aud = false;
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        // The issuer is compared only when it is there, so it must be.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { tenant, client_id: settings.client_id.clone(), validation, keys }
    }

    /// Checks one token: kind, signature, issuer, time, and that it is for us; gives what it says.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Statement, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        // Before the key set is asked for: a token of another kind must not cost a fetch. The kind is
        // what keeps an ID token from being taken for one of these.
        let kind = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        if header.alg != Algorithm::EdDSA || !matches!(kind.as_str(), "at+jwt" | "application/at+jwt") {
            return Err(TokenError::Invalid);
        }
        let id = header.kid.ok_or(TokenError::Invalid)?;
        let key = self.keys.find(&id, Algorithm::EdDSA).await.map_err(|error| match error {
            KeyError::Unknown => TokenError::Invalid,
            KeyError::Unavailable => TokenError::Unavailable,
        })?;
        let claims = decode::<Map<String, Value>>(token, &key, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.get("aud").and_then(only) != Some(&self.client_id) {
            return Err(TokenError::AnotherTenant);
        }
        Statement::read(&claims, self.tenant, &self.client_id).map_err(|error| match error {
            NotOurs::Form => TokenError::Invalid,
            NotOurs::AnotherClient | NotOurs::AnotherTenant => TokenError::AnotherTenant,
        })
    }
}

/// The one audience: a token for several would be good at each of them.
fn only(audience: &Value) -> Option<&str> {
    match audience {
        Value::Array(list) if list.len() == 1 => list[0].as_str(),
        other => other.as_str(),
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;
    use crate::people::text_of;
    use crate::tenant::jwks::Pace;
    use crate::tenant::samples::{self, token};

    const OURS: &str = "0190a0b0-0000-7000-8000-000000000001";
    const THEIRS: &str = "0190a0b0-0000-7000-8000-000000000002";

    fn verifier() -> Verifier {
        let keys = Keys::with(Pace::default(), || async { Ok(samples::both_kinds("one", "rsa")) });
        Verifier::new(OURS.parse().unwrap(), &samples::settings(OURS), Arc::new(keys))
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
    }

    fn claims() -> Value {
        json!({ "iss": "http://freehold.localhost:8080", "aud": OURS, "client_id": OURS, "sub": "user:7",
                "exp": now() + 600, "tenant_id": OURS, "role": "member", "permissions": ["data.read"] })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[field] = value;
        claims
    }

    #[tokio::test]
    async fn a_good_token_says_who_it_is() {
        let said = verifier().verify(&token("one", "one", &claims())).await.unwrap();
        assert_eq!((said.person.subject.as_str(), said.person.role.as_str()), ("user:7", "member"));
        assert!(verifier().verify(&token("one", "one", &with("aud", json!([OURS])))).await.is_ok());
    }

    #[tokio::test]
    async fn another_tenants_token_is_told_apart() {
        for (field, value) in [
            ("tenant_id", json!(THEIRS)),
            ("tenant_id", Value::Null),
            ("aud", json!(THEIRS)),
            ("aud", json!([OURS, THEIRS])),
            ("aud", json!("freehold")),
            ("client_id", json!(THEIRS)),
        ] {
            let outcome = verifier().verify(&token("one", "one", &with(field, value))).await;
            assert_eq!(outcome, Err(TokenError::AnotherTenant), "{field}");
        }
    }

    #[tokio::test]
    async fn clocks_may_differ_by_a_minute() {
        for (field, at, good) in [
            ("exp", now() - 50, true),
            ("exp", now() - 70, false),
            ("nbf", now() + 50, true),
            ("nbf", now() + 70, false),
        ] {
            let outcome = verifier().verify(&token("one", "one", &with(field, json!(at)))).await;
            assert_eq!(outcome.is_ok(), good, "{field}");
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
            ("exp", json!(now() - 600)),
            ("iss", Value::Null),
            ("sub", Value::Null),
            ("sub", json!("")),
            ("permissions", json!("all")),
            ("tenant_id", json!([THEIRS, OURS])),
        ] {
            wrong.push(token("one", "one", &with(field, value)));
        }
        for field in ["iss", "aud", "exp", "sub"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(field);
            wrong.push(token("one", "one", &claims));
        }
        let signed = |alg, typ: Option<&str>, kid: Option<&str>, key: &EncodingKey| {
            let header =
                Header { kid: kid.map(str::to_owned), typ: typ.map(str::to_owned), ..Header::new(alg) };
            encode(&header, &claims(), key).unwrap()
        };
        let (kind, ed) = (Some("at+jwt"), samples::key("one"));
        let public = serde_json::to_vec(&samples::both_kinds("one", "rsa").keys[0]).unwrap();
        wrong.push(signed(Algorithm::HS256, kind, Some("one"), &EncodingKey::from_secret(&public)));
        wrong.push(signed(Algorithm::RS256, kind, Some("rsa"), &samples::rsa()));
        wrong.push(signed(Algorithm::EdDSA, kind, None, &ed));
        // An ID token, and any other kind, is no access token even if all else fits.
        wrong.push(signed(Algorithm::EdDSA, Some("JWT"), Some("one"), &ed));
        wrong.push(signed(Algorithm::EdDSA, None, Some("one"), &ed));
        let none = text_of(json!({ "alg": "none", "typ": "at+jwt", "kid": "one" }).to_string().as_bytes());
        let good = token("one", "one", &claims());
        wrong.push(format!("{none}.{}.", good.split('.').nth(1).unwrap()));
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
