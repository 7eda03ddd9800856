//! Tokens: signed with Ed25519, so that whoever has the public key can check them and nobody else can make them.

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::ids::SessionId;
use crate::model::signing_key::{SigningAlgorithm, Times};

use super::ring::{Keyring, RingKey};
pub use super::signing::{generate_id_key, generate_key};

/// The audience of platform admins' tokens.
pub const ADMIN_AUDIENCE: &str = "freehold-admin";
/// The audience of users' tokens for the platform's API.
pub const USER_AUDIENCE: &str = "freehold";
/// The type of access tokens for tenants' apps.
pub const APP_TOKEN: &str = "at+jwt";
/// The type of ID tokens.
pub const ID_TOKEN: &str = "JWT";

/// By how much clocks may differ, in seconds.
const LEEWAY: u64 = 5;

/// Why a token or key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours, or changed on the way, or for somebody else, or not for this audience.
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token key cannot be used: {0}")]
    Key(String),
}

/// What a token says. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: the public URL of the platform.
    pub iss: String,
    /// Whom it speaks of.
    pub sub: String,
    /// Whom it is for.
    pub aud: String,
    pub iat: i64,
    pub exp: i64,
    /// Its own id.
    pub jti: Uuid,
    /// The email of whom it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the subject may do at the audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The session it was given in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
}

/// Whom a token is to be about.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    pub id: String,
    pub email: Option<String>,
    pub role: Option<String>,
    pub session: Option<SessionId>,
}

/// Signs tokens: the one place where it is done, and that says by which keys they are checked.
#[derive(Debug, Clone)]
pub struct Issuer {
    keys: Keyring,
    issuer: String,
}

impl Issuer {
    /// Signs with whatever key of the ring's turn it is, in the name of `issuer`, the public URL of the platform.
    pub fn new(keys: Keyring, issuer: impl Into<String>) -> Self {
        Self { keys, issuer: issuer.into() }
    }

    /// Signs with the keys of [`generate_key`] and [`generate_id_key`], from the start and without end.
    ///
    /// # Errors
    /// [`TokenError::Key`] when a text is not such a key.
    pub fn from_pems(
        access: &SecretString,
        id: &SecretString,
        issuer: impl Into<String>,
    ) -> Result<Self, TokenError> {
        let times = Times::from(DateTime::UNIX_EPOCH);
        let access = RingKey::signing(SigningAlgorithm::Ed25519, access, times)?;
        let id = RingKey::signing(SigningAlgorithm::Rsa, id, times)?;
        Ok(Self::new(Keyring::new([access, id].into_iter().collect()), issuer))
    }

    /// The keys that it signs with.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// In whose name it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.issuer
    }

    /// An access token for a tenant's app (RFC 9068).
    ///
    /// # Errors
    /// [`TokenError::Key`] when signing fails.
    pub fn sign_access<T: Serialize>(&self, claims: &T) -> Result<String, TokenError> {
        self.sign(SigningAlgorithm::Ed25519, APP_TOKEN, claims)
    }

    /// An ID token for a tenant's app.
    ///
    /// # Errors
    /// [`TokenError::Key`] when signing fails.
    pub fn sign_id<T: Serialize>(&self, claims: &T) -> Result<String, TokenError> {
        self.sign(SigningAlgorithm::Rsa, ID_TOKEN, claims)
    }

    /// A token about `subject` for `audience`, good for `minutes`.
    ///
    /// # Errors
    /// [`TokenError::Key`] when signing fails.
    pub fn issue(&self, subject: Subject, audience: &str, minutes: u32) -> Result<String, TokenError> {
        self.issue_at(Utc::now(), subject, audience, minutes)
    }

    /// The same, as of another moment.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_at(
        &self,
        at: DateTime<Utc>,
        subject: Subject,
        audience: &str,
        minutes: u32,
    ) -> Result<String, TokenError> {
        let now = at.timestamp();
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: subject.id,
            aud: audience.to_owned(),
            iat: now,
            exp: now + i64::from(minutes) * 60,
            jti: Uuid::now_v7(),
            email: subject.email,
            role: subject.role,
            sid: subject.session,
        };
        self.sign(SigningAlgorithm::Ed25519, "JWT", &claims)
    }

    fn sign<T: Serialize>(
        &self,
        algorithm: SigningAlgorithm,
        kind: &str,
        claims: &T,
    ) -> Result<String, TokenError> {
        self.keys.ring().signing(algorithm, Utc::now())?.sign(kind, claims)
    }

    /// The public keys, for everybody who checks our tokens.
    #[must_use]
    pub fn jwks(&self) -> JwkSet {
        self.keys.ring().published(Utc::now())
    }

    /// What checks this issuer's tokens.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier { keys: self.keys.clone(), issuer: self.issuer.clone() }
    }
}

/// Checks tokens by the keys that are published at that moment.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keyring,
    issuer: String,
}

impl Verifier {
    /// What a token says, if it is the issuer's, for one of these audiences, and not past its time.
    ///
    /// # Errors
    /// [`TokenError::Expired`], or [`TokenError::Invalid`] for every other reason.
    pub fn verify(&self, token: &str, audiences: &[&str]) -> Result<Claims, TokenError> {
        self.check(token, audiences).map(|(_, claims)| claims)
    }

    /// The same, with the name of the key that it was signed with.
    pub(super) fn check(&self, token: &str, audiences: &[&str]) -> Result<(String, Claims), TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let id = header.kid.ok_or(TokenError::Invalid)?;
        let ring = self.keys.ring();
        let key = ring.taken(&id, SigningAlgorithm::Ed25519, Utc::now()).ok_or(TokenError::Invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(audiences);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.leeway = LEEWAY;
        decode(token, key.check(), &validation).map(|token| (id, token.claims)).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            }
        })
    }

    /// Whether a token that was good is good still: of all that [`Verifier::check`] looks at, what is other at another
    /// time or for another who asks.
    pub(super) fn still(
        &self,
        key: &str,
        claims: &Claims,
        audiences: &[&str],
        now: DateTime<Utc>,
    ) -> Result<(), TokenError> {
        if !self.keys.takes(key, SigningAlgorithm::Ed25519, now) || !audiences.contains(&claims.aud.as_str())
        {
            return Err(TokenError::Invalid);
        }
        if claims.exp < now.timestamp() - LEEWAY.cast_signed() {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, encode};

    use serde_json::json;

    use super::*;

    const URL: &str = "http://freehold.localhost:8080";

    fn issuer() -> Issuer {
        Issuer::from_pems(&generate_key(), &generate_id_key(), URL).expect("issuer")
    }

    fn admin() -> Subject {
        Subject {
            id: "admin-1".into(),
            email: Some("a@b.c".into()),
            role: Some("admin".into()),
            ..Subject::default()
        }
    }

    #[test]
    fn a_token_says_what_it_was_given() {
        let issuer = issuer();
        let token = issuer.issue(admin(), ADMIN_AUDIENCE, 5).expect("token");
        let claims = issuer.verifier().verify(&token, &[ADMIN_AUDIENCE]).expect("claims");
        assert_eq!((claims.sub.as_str(), claims.iss.as_str()), ("admin-1", URL));
        assert_eq!(claims.role.as_deref(), Some("admin"));
        assert_eq!(claims.exp - claims.iat, 300);
    }

    #[test]
    fn the_published_keys_are_enough_to_check_and_hold_nothing_secret() {
        let issuer = issuer();
        let published = serde_json::to_string(&issuer.jwks()).expect("json");
        assert!(
            published.contains("\"crv\":\"Ed25519\"") && published.contains("\"use\":\"sig\""),
            "{published}"
        );
        let keys = serde_json::to_value(issuer.jwks()).expect("json");
        assert_eq!((&keys["keys"][0]["alg"], &keys["keys"][1]["alg"]), (&"EdDSA".into(), &"RS256".into()));
        for secret in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(!published.contains(&format!("\"{secret}\":")), "{published}");
        }
        let token = issuer.issue(admin(), "app", 5).expect("token");
        let set: JwkSet = serde_json::from_str(&published).expect("keys");
        let named = decode_header(&token).expect("a header").kid.expect("a name");
        let key = DecodingKey::from_jwk(set.find(&named).expect("the key")).expect("a key");
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["app"]);
        assert!(decode::<Claims>(&token, &key, &validation).is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        let ours = issuer();
        let verifier = ours.verifier();
        let token = ours.issue(admin(), ADMIN_AUDIENCE, 5).expect("token");
        assert!(matches!(verifier.verify(&token, &["another"]), Err(TokenError::Invalid)));
        let foreign = issuer().issue(admin(), ADMIN_AUDIENCE, 5).expect("token");
        assert!(matches!(verifier.verify(&foreign, &[ADMIN_AUDIENCE]), Err(TokenError::Invalid)));
        let elsewhere = Issuer::new(ours.keys().clone(), "http://elsewhere").verifier();
        assert!(matches!(elsewhere.verify(&token, &[ADMIN_AUDIENCE]), Err(TokenError::Invalid)));
        let parts: Vec<&str> = token.split('.').collect();
        let unsigned = json!({"alg": "none", "typ": "JWT", "kid": ours.jwks().keys[0].common.key_id});
        let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(unsigned.to_string()), parts[1]);
        let others = Subject { id: "admin-2".into(), ..admin() };
        let others = ours.issue(others, ADMIN_AUDIENCE, 5).expect("token");
        let moved = format!("{}.{}.{}", parts[0], others.split('.').nth(1).expect("claims"), parts[2]);
        for bad in ["", "a.b.c", &token[..token.len() - 4], &format!("{token}x"), &unsigned, &moved] {
            assert!(matches!(verifier.verify(bad, &[ADMIN_AUDIENCE]), Err(TokenError::Invalid)), "{bad}");
        }
        // The public key must not pass as a shared secret.
        let x =
            serde_json::to_value(ours.jwks()).expect("json")["keys"][0]["x"].as_str().expect("x").to_owned();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = ours.jwks().keys[0].common.key_id.clone();
        let claims = verifier.verify(&token, &[ADMIN_AUDIENCE]).expect("claims");
        let forged = encode(
            &header,
            &claims,
            &EncodingKey::from_base64_secret(&x).unwrap_or(EncodingKey::from_secret(x.as_bytes())),
        )
        .expect("token");
        assert!(matches!(verifier.verify(&forged, &[ADMIN_AUDIENCE]), Err(TokenError::Invalid)));
    }

    #[test]
    fn a_token_ends() {
        let issuer = issuer();
        let mut claims = issuer
            .verifier()
            .verify(&issuer.issue(admin(), ADMIN_AUDIENCE, 5).expect("token"), &[ADMIN_AUDIENCE])
            .expect("claims");
        claims.exp = claims.iat - 60;
        let token = issuer.sign(SigningAlgorithm::Ed25519, "JWT", &claims).expect("token");
        assert!(matches!(issuer.verifier().verify(&token, &[ADMIN_AUDIENCE]), Err(TokenError::Expired)));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let none = SecretString::from("no key");
        for (access, id) in [(&none, &generate_id_key()), (&generate_key(), &none)] {
            assert!(matches!(Issuer::from_pems(access, id, URL), Err(TokenError::Key(_))));
        }
        assert!(!format!("{:?}", issuer()).contains("PRIVATE"));
    }
}
