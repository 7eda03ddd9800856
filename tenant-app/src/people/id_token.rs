//! Checks what the platform says of a sign-in: the ID token of OpenID Connect Core 1.0, 3.1.3.7.

use chrono::Utc;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::{LEEWAY, digest, text_of};
use crate::tenant::jwks::{KeyError, Keys};

/// What must be in it.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    /// Of the trip that ends here. One that comes with other tokens of the same sign-in has none (12.2).
    pub nonce: Option<&'a str>,
    /// That came with it.
    pub access_token: &'a str,
}

/// Why it was not taken; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the ID token is not signed with RS256 by one of the platform's keys")]
    Signature,
    #[error("the platform's keys cannot be had at the moment")]
    NoKeys,
    #[error("the ID token is not of this issuer, for this client and within its time, or claims are missing")]
    Claims,
    #[error("the ID token is for several, and not issued to this client")]
    Party,
    #[error("the ID token was made for another sign-in")]
    Nonce,
    #[error("the ID token belongs to another access token")]
    AccessToken,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    azp: Option<String>,
    iat: i64,
    nonce: Option<String>,
    at_hash: Option<String>,
}

/// Whose sign-in it was.
///
/// # Errors
/// [`Refused`].
pub async fn check(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<String, Refused> {
    let header = decode_header(token).map_err(|_| Refused::Signature)?;
    if header.alg != Algorithm::RS256 {
        return Err(Refused::Signature);
    }
    let id = header.kid.ok_or(Refused::Signature)?;
    let key = keys.find(&id, Algorithm::RS256).await.map_err(|error| match error {
        KeyError::Unknown => Refused::Signature,
        KeyError::Unavailable => Refused::NoKeys,
    })?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key, &validation)
        .map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Refused::Signature,
            _ => Refused::Claims,
        })?
        .claims;
    if claims.iat > Utc::now().timestamp() + LEEWAY.cast_signed() {
        return Err(Refused::Claims);
    }
    let several = claims.aud.as_array().is_some_and(|list| list.len() > 1);
    match claims.azp.as_deref() {
        Some(party) if party != expected.client_id => return Err(Refused::Party),
        None if several => return Err(Refused::Party),
        _ => {}
    }
    if claims.nonce.as_deref() != expected.nonce {
        return Err(Refused::Nonce);
    }
    // Left half of the hash of the ID token's algorithm: SHA-256.
    let hash = text_of(&digest(&[expected.access_token.as_bytes()])[..16]);
    if claims.at_hash.is_some_and(|said| said != hash) {
        return Err(Refused::AccessToken);
    }
    Ok(claims.sub)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;
    use crate::tenant::jwks::Pace;
    use crate::tenant::samples;

    const EXPECTED: Expected<'static> = Expected {
        issuer: "http://issuer.test",
        client_id: "us",
        nonce: Some("once"),
        access_token: "opaque",
    };

    fn keys() -> Keys {
        Keys::with(Pace::default(), || async { Ok(samples::both_kinds("one", "rsa")) })
    }

    fn claims() -> Value {
        let now = Utc::now().timestamp();
        json!({ "iss": "http://issuer.test", "aud": "us", "azp": "us", "sub": "u", "nonce": "once", "iat": now,
                "exp": now + 300, "at_hash": text_of(&digest(&[b"opaque"])[..16]) })
    }

    fn signed(claims: &Value) -> String {
        let header = Header { kid: Some("rsa".into()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &samples::rsa()).unwrap()
    }

    async fn outcome(token: &str) -> Result<String, Refused> {
        check(token, &keys(), &EXPECTED).await
    }

    #[tokio::test]
    async fn a_good_one_names_its_subject() {
        assert_eq!(outcome(&signed(&claims())).await.as_deref(), Ok("u"));
        for (field, value) in [
            ("aud", json!(["us"])),
            ("aud", json!(["us", "others"])),
            ("azp", Value::Null),
            ("at_hash", Value::Null),
        ] {
            let mut good = claims();
            good[field] = value;
            assert_eq!(outcome(&signed(&good)).await.as_deref(), Ok("u"), "{field}");
        }
    }

    #[tokio::test]
    async fn clocks_may_differ_by_a_minute() {
        let now = Utc::now().timestamp();
        for (field, by, good) in [
            ("exp", -50, true),
            ("exp", -70, false),
            ("iat", 50, true),
            ("iat", 70, false),
            ("nbf", 50, true),
            ("nbf", 70, false),
        ] {
            let mut claims = claims();
            claims[field] = json!(now + by);
            assert_eq!(outcome(&signed(&claims)).await.is_ok(), good, "{field} {by}");
        }
    }

    #[tokio::test]
    async fn whatever_is_wrong_with_it_is_found() {
        for (field, value, why) in [
            ("iss", json!("http://elsewhere"), Refused::Claims),
            ("iss", Value::Null, Refused::Claims),
            ("aud", json!("others"), Refused::Claims),
            ("aud", json!([]), Refused::Claims),
            ("aud", Value::Null, Refused::Claims),
            ("sub", Value::Null, Refused::Claims),
            ("exp", Value::Null, Refused::Claims),
            ("iat", Value::Null, Refused::Claims),
            ("azp", json!("others"), Refused::Party),
            ("nonce", json!("another"), Refused::Nonce),
            ("nonce", Value::Null, Refused::Nonce),
            ("at_hash", json!(text_of(&[0; 16])), Refused::AccessToken),
        ] {
            let mut wrong = claims();
            wrong[field] = value;
            assert_eq!(outcome(&signed(&wrong)).await, Err(why), "{field}");
        }
        let mut several = claims();
        several["aud"] = json!(["us", "others"]);
        several["azp"] = Value::Null;
        assert_eq!(outcome(&signed(&several)).await, Err(Refused::Party));
        // With a nonce, it is of a sign-in and not of what follows one.
        let later = Expected { nonce: None, ..EXPECTED };
        assert_eq!(check(&signed(&claims()), &keys(), &later).await, Err(Refused::Nonce));
    }

    #[tokio::test]
    async fn only_the_platforms_rsa_keys_sign_it() {
        let with = |alg, kid: Option<&str>, key: &EncodingKey| {
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(alg) };
            encode(&header, &claims(), key).unwrap()
        };
        // Signed with the public key as if it were a shared secret.
        let public = serde_json::to_vec(&samples::both_kinds("one", "rsa").keys[1]).unwrap();
        let good = signed(&claims());
        let (body, signature) = good.rsplit_once('.').unwrap();
        let none = json!({ "alg": "none", "typ": "JWT", "kid": "rsa" }).to_string();
        let payload = good.split('.').nth(1).unwrap();
        let other = signed(&json!({ "sub": "admin" }));
        for token in [
            with(Algorithm::HS256, Some("rsa"), &EncodingKey::from_secret(&public)),
            with(Algorithm::EdDSA, Some("one"), &samples::key("one")),
            with(Algorithm::EdDSA, Some("rsa"), &samples::key("one")),
            with(Algorithm::RS256, Some("one"), &samples::rsa()),
            with(Algorithm::RS256, Some("unknown"), &samples::rsa()),
            with(Algorithm::RS256, None, &samples::rsa()),
            with(Algorithm::RS512, Some("rsa"), &samples::rsa()),
            format!("{}.{payload}.", text_of(none.as_bytes())),
            format!("{}.{payload}.{signature}", text_of(none.as_bytes())),
            format!("{body}."),
            format!("{}.{}.{signature}", body.split('.').next().unwrap(), other.split('.').nth(1).unwrap()),
            String::new(),
            "a.b.c".into(),
        ] {
            assert_eq!(outcome(&token).await, Err(Refused::Signature), "{token}");
        }
        let away = Keys::with(Pace::default(), || async { Err(crate::people::back_door::Error::Late) });
        assert_eq!(check(&good, &away, &EXPECTED).await, Err(Refused::NoKeys));
    }
}
