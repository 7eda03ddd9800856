//! Checks the tokens that tenants' apps were given, when they come back to us.

use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::de::DeserializeOwned;

use super::claims::{AccessClaims, IdClaims};
use crate::identity::ring::{Keyring, RingKey};
use crate::identity::tokens::{APP_TOKEN, ID_TOKEN, Issuer, TokenError};
use crate::model::signing_key::SigningAlgorithm;

/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;

/// One kind of token: what signs it, and what it calls itself. Neither is ever taken from the token.
struct Kind {
    algorithm: Algorithm,
    signs: SigningAlgorithm,
    name: &'static str,
    validation: Validation,
}

/// Checks tokens by the public keys alone.
#[derive(Clone)]
pub struct AppVerifier {
    keys: Keyring,
    access: Arc<Kind>,
    id: Arc<Kind>,
}

impl fmt::Debug for AppVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppVerifier")
    }
}

impl Kind {
    fn new(issuer: &str, algorithm: (Algorithm, SigningAlgorithm), name: &'static str) -> Self {
        let (algorithm, signs) = algorithm;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // For whom it is, is compared by whoever asks: they know which client they are.
        validation.validate_aud = false;
        validation.leeway = LEEWAY;
        Self { algorithm, signs, name, validation }
    }

    /// What a token of this kind says that was signed with the key that is `found` by its name.
    fn read<'k, T: DeserializeOwned>(
        &self,
        token: &str,
        validation: &Validation,
        found: impl FnOnce(&str, SigningAlgorithm) -> Option<&'k RingKey>,
    ) -> Result<T, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let named = header.typ.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(self.name));
        if !named || header.alg != self.algorithm {
            return Err(TokenError::Invalid);
        }
        let key = header.kid.as_deref().and_then(|id| found(id, self.signs)).ok_or(TokenError::Invalid)?;
        decode(token, key.check(), validation).map(|token| token.claims).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })
    }
}

impl AppVerifier {
    /// With the keys of whoever issues them.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        let access = Kind::new(issuer.name(), (Algorithm::EdDSA, SigningAlgorithm::Ed25519), APP_TOKEN);
        let id = Kind::new(issuer.name(), (Algorithm::RS256, SigningAlgorithm::Rsa), ID_TOKEN);
        Self { keys: issuer.keys().clone(), access: Arc::new(access), id: Arc::new(id) }
    }

    /// What an access token of a tenant's app says, if it is ours and not past its time.
    ///
    /// # Errors
    /// [`TokenError::Expired`], or [`TokenError::Invalid`] for every other reason.
    pub fn access(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let (ring, now) = (self.keys.ring(), Utc::now());
        let claims: AccessClaims =
            self.access.read(token, &self.access.validation, |id, signs| ring.taken(id, signs, now))?;
        if claims.client_id != claims.aud || claims.place.tenant_id != claims.aud {
            return Err(TokenError::Invalid);
        }
        Ok(claims)
    }

    /// What an ID token says that is shown as a hint: it may be long past its time, and its key gone. One of a key that
    /// was withdrawn is none.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn hint(&self, token: &str) -> Result<IdClaims, TokenError> {
        let mut validation = self.id.validation.clone();
        validation.validate_exp = false;
        let ring = self.keys.ring();
        self.id.read(token, &validation, |id, signs| ring.known(id, signs))
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::identity::tokens::{Issuer, Subject, USER_AUDIENCE, generate_id_key, generate_key};

    const URL: &str = "http://freehold.localhost:8080";

    fn issuer() -> Issuer {
        Issuer::from_pems(&generate_key(), &generate_id_key(), URL).expect("an issuer")
    }

    fn claims() -> Value {
        let tenant = Uuid::now_v7();
        let now = Utc::now().timestamp();
        json!({
            "iss": URL, "sub": Uuid::now_v7(), "aud": tenant, "azp": tenant, "client_id": tenant, "tenant_id": tenant,
            "iat": now, "exp": now + 900, "auth_time": now, "jti": Uuid::now_v7(), "sid": Uuid::now_v7(),
            "grant_id": Uuid::now_v7(), "scope": "openid", "amr": ["pwd"], "tenant": "acme", "role": "member",
            "permissions": ["data.read"], "projects": [],
        })
    }

    fn with(change: &[(&str, Value)]) -> Value {
        let mut claims = claims();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_token_that_calls_itself_something_else_is_no_access_token() {
        let access = generate_key();
        let issuer = Issuer::from_pems(&access, &generate_id_key(), URL).expect("an issuer");
        let key = EncodingKey::from_ed_pem(access.expose_secret().as_bytes()).expect("a key");
        let verifier = AppVerifier::new(&issuer);
        for (name, good) in
            [(Some(APP_TOKEN), true), (Some("AT+JWT"), true), (Some(ID_TOKEN), false), (None, false)]
        {
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = name.map(str::to_owned);
            header.kid = issuer.jwks().keys[0].common.key_id.clone();
            let token = encode(&header, &claims(), &key).expect("a token");
            assert_eq!(verifier.access(&token).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn each_kind_is_taken_for_itself_and_nothing_else() {
        let issuer = issuer();
        let verifier = AppVerifier::new(&issuer);
        let (access, id) =
            (issuer.sign_access(&claims()).expect("one"), issuer.sign_id(&claims()).expect("one"));
        assert!(verifier.access(&access).is_ok() && verifier.hint(&id).is_ok());
        assert!(matches!(verifier.access(&id), Err(TokenError::Invalid)), "an ID token opens nothing");
        assert!(matches!(verifier.hint(&access), Err(TokenError::Invalid)));
        let own = Subject { id: Uuid::now_v7().to_string(), ..Subject::default() };
        let own = issuer.issue(own, USER_AUDIENCE, 15).expect("a token");
        assert!(verifier.access(&own).is_err() && verifier.hint(&own).is_err());
        for audience in [USER_AUDIENCE, claims()["aud"].as_str().expect("an id")] {
            assert!(issuer.verifier().verify(&id, &[audience]).is_err(), "nor at the platform's own API");
            assert!(issuer.verifier().verify(&access, &[USER_AUDIENCE]).is_err());
        }
    }

    fn signed(algorithm: Algorithm, name: &str, kid: &Value, key: &EncodingKey) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.as_str().map(str::to_owned);
        header.typ = Some(name.to_owned());
        encode(&header, &claims(), key).expect("a token")
    }

    #[test]
    fn what_was_not_signed_by_the_right_key_in_the_right_way_is_nothing() {
        let issuer = issuer();
        let verifier = AppVerifier::new(&issuer);
        let keys = serde_json::to_value(issuer.jwks()).expect("json");
        let token = issuer.sign_access(&claims()).expect("a token");
        let (_, rest) = token.split_once('.').expect("parts");
        let plain = |header: Value| {
            use base64::Engine;
            let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header.to_string());
            [format!("{header}.{rest}"), format!("{header}.{}.", rest.split('.').next().expect("claims"))]
        };
        let mut forged = Vec::new();
        for key in [0, 1] {
            let kid = keys["keys"][key]["kid"].clone();
            for name in [APP_TOKEN, ID_TOKEN] {
                for alg in ["none", "None", "HS256", "RS256", "ES256", "PS256", "EdDSA"] {
                    forged.extend(plain(json!({"alg": alg, "typ": name, "kid": kid})));
                }
                // A public key is no shared secret.
                for part in ["x", "n"] {
                    let Some(public) = keys["keys"][key][part].as_str() else { continue };
                    let secret = EncodingKey::from_secret(public.as_bytes());
                    forged.push(signed(Algorithm::HS256, name, &kid, &secret));
                }
            }
        }
        // With our own header but for the signature: of other claims, and by other keys.
        let id = issuer.sign_id(&claims()).expect("a token");
        for good in [&token, &id] {
            let other = issuer.sign_access(&claims()).expect("a token");
            let parts: Vec<&str> = good.split('.').collect();
            let claims = other.split('.').nth(1).expect("claims");
            forged.push(format!("{}.{claims}.{}", parts[0], parts[2]));
        }
        let (ed, rsa) = (generate_key(), generate_id_key());
        let ed = EncodingKey::from_ed_pem(ed.expose_secret().as_bytes()).expect("a key");
        let rsa = EncodingKey::from_rsa_pem(rsa.expose_secret().as_bytes()).expect("a key");
        forged.push(signed(Algorithm::EdDSA, APP_TOKEN, &keys["keys"][0]["kid"], &ed));
        forged.push(signed(Algorithm::RS256, ID_TOKEN, &keys["keys"][1]["kid"], &rsa));
        forged.push(super::tests::issuer().sign_access(&claims()).expect("somebody else's"));
        forged.push(super::tests::issuer().sign_id(&claims()).expect("somebody else's"));
        for token in forged {
            assert!(verifier.access(&token).is_err() && verifier.hint(&token).is_err(), "{token}");
        }
    }

    #[test]
    fn times_audiences_and_issuers_are_looked_at() {
        let issuer = issuer();
        let verifier = AppVerifier::new(&issuer);
        let now = Utc::now().timestamp();
        let sign = |change: &[(&str, Value)]| issuer.sign_access(&with(change)).expect("a token");
        assert!(matches!(verifier.access(&sign(&[("exp", json!(now - 6))])), Err(TokenError::Expired)));
        assert!(verifier.access(&sign(&[("exp", json!(now - 3))])).is_ok(), "within the leeway");
        for change in [
            ("iss", json!("http://elsewhere")),
            ("aud", json!(Uuid::now_v7())),
            ("client_id", json!(Uuid::now_v7())),
            ("aud", json!("freehold")),
            ("role", json!("god")),
        ] {
            assert!(
                matches!(verifier.access(&sign(std::slice::from_ref(&change))), Err(TokenError::Invalid)),
                "{change:?}"
            );
        }
        let old = issuer.sign_id(&with(&[("exp", json!(now - 86_400))])).expect("a token");
        assert!(verifier.hint(&old).is_ok(), "a hint may be old");
    }
}
