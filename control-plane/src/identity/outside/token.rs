//! What a provider signed, checked: who signed it, for whom, when, and for which sign-in.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::error::TokenFault;

/// By how much clocks may differ, in seconds.
const LEEWAY: u64 = 60;
/// Longest token, in bytes.
const LONGEST: usize = 16 * 1024;
/// How long a token for our API may be good for from now on, in seconds. That its session was revoked is remembered for
/// longer, so that it never comes back; Auth0 gives a day, and others less.
const LONGEST_LIFE: i64 = 24 * 3_600;
/// Longest name of a key, and of a subject, in bytes.
pub(super) const LONGEST_ID: usize = 255;

/// What a checked token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Whom it speaks of, at this provider.
    pub subject: String,
    /// Everything that it says.
    pub all: Map<String, Value>,
    pub expires_at: DateTime<Utc>,
}

impl Claims {
    /// Whether they signed in no earlier than that, in seconds since 1970, as far as it tells.
    #[must_use]
    pub fn is_since(&self, moment: i64) -> bool {
        let at = time(&self.all, "auth_time");
        at.is_ok_and(|at| at.is_none_or(|at| at.timestamp() >= moment.saturating_sub(LEEWAY.cast_signed())))
    }
}

/// How a token says it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) algorithm: Algorithm,
    /// The key's name.
    pub(super) key: Option<String>,
}

/// What a token is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Of a sign-in that we began with this nonce, beside this access token.
    Id { nonce: &'a str, access_token: Option<&'a str> },
    /// For our API.
    Bearer,
}

/// Reads the head of a token. Nothing of it is proven yet.
pub(super) fn head(token: &str, kind: Kind<'_>) -> Result<Head, TokenFault> {
    if token.len() > LONGEST {
        return Err(TokenFault::Malformed);
    }
    let header = decode_header(token).map_err(|error| match error.kind() {
        // An algorithm that is not known, `none` among them, is of no name that can be read.
        ErrorKind::Json(error) if error.is_data() => TokenFault::Algorithm,
        _ => TokenFault::Malformed,
    })?;
    if matches!(header.alg, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) {
        return Err(TokenFault::Algorithm);
    }
    // RFC 8725, 3.11: one kind of token is not taken for another.
    let typed = header.typ.map(|typed| typed.to_ascii_lowercase());
    let typed = typed.as_deref().map(|typed| typed.strip_prefix("application/").unwrap_or(typed));
    let fits = match kind {
        Kind::Id { .. } => matches!(typed, None | Some("jwt")),
        Kind::Bearer => matches!(typed, None | Some("jwt" | "at+jwt")),
    };
    if !fits || header.crit.is_some() || header.enc.is_some() {
        return Err(TokenFault::Kind);
    }
    if header.kid.as_ref().is_some_and(|key| key.len() > LONGEST_ID) {
        return Err(TokenFault::UnknownKey);
    }
    Ok(Head { algorithm: header.alg, key: header.kid })
}

/// Checks a token by the key that its head named.
pub(super) fn check(
    token: &str,
    head: &Head,
    key: &DecodingKey,
    issuer: &str,
    audience: &str,
    kind: Kind<'_>,
) -> Result<Claims, TokenFault> {
    let mut validation = Validation::new(head.algorithm);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    let decoded = decode::<Map<String, Value>>(token, key, &validation);
    let all = decoded.map_err(|error| fault(error.kind()))?.claims;
    // One issuer, and not a list that holds it.
    if all.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(TokenFault::Issuer);
    }
    let subject = all.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject.is_empty() || subject.len() > LONGEST_ID || subject.chars().any(char::is_control) {
        return Err(TokenFault::Subject);
    }
    let expires_at = time(&all, "exp")?.ok_or(TokenFault::Malformed)?;
    let issued_at = time(&all, "iat")?;
    let latest = Utc::now() + TimeDelta::seconds(LEEWAY.cast_signed());
    if issued_at.is_some_and(|issued_at| issued_at > latest) {
        return Err(TokenFault::NotYet);
    }
    match kind {
        Kind::Id { nonce, access_token } => {
            if issued_at.is_none() {
                return Err(TokenFault::Malformed);
            }
            party(&all, audience)?;
            if all.get("nonce").and_then(Value::as_str) != Some(nonce) {
                return Err(TokenFault::Nonce);
            }
            beside(&all, head.algorithm, access_token)?;
        }
        Kind::Bearer => {
            if expires_at > latest + TimeDelta::seconds(LONGEST_LIFE) {
                return Err(TokenFault::Endless);
            }
            access(&all)?;
        }
    }
    Ok(Claims { subject: subject.to_owned(), expires_at, all })
}

fn fault(kind: &ErrorKind) -> TokenFault {
    match kind {
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::NotYet,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidAlgorithm => TokenFault::Algorithm,
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "aud" => TokenFault::Audience,
            "iss" => TokenFault::Issuer,
            "sub" => TokenFault::Subject,
            _ => TokenFault::Malformed,
        },
        _ => TokenFault::Malformed,
    }
}

/// A time in seconds since 1970, whole or not.
fn time(all: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, TokenFault> {
    let Some(value) = all.get(name) else { return Ok(None) };
    // What is too large for a time is none after it is cut, too.
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    let at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.map(Some).ok_or(TokenFault::Malformed)
}

/// Whom an ID token was given to (OpenID Connect Core, 3.1.3.7): us, where it says so or is for several.
fn party(all: &Map<String, Value>, client: &str) -> Result<(), TokenFault> {
    let several = all.get("aud").and_then(Value::as_array).is_some_and(|aud| aud.len() > 1);
    match all.get("azp") {
        None if several => Err(TokenFault::Audience),
        None => Ok(()),
        Some(party) if party.as_str() == Some(client) => Ok(()),
        Some(_) => Err(TokenFault::Audience),
    }
}

/// That an ID token belongs to the access token beside it, if it says to which it does: `at_hash` is the first half of
/// its hash by the signature's own size.
fn beside(
    all: &Map<String, Value>,
    algorithm: Algorithm,
    access_token: Option<&str>,
) -> Result<(), TokenFault> {
    let Some(expected) = all.get("at_hash") else { return Ok(()) };
    let by = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &digest::SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &digest::SHA384,
        _ => &digest::SHA512,
    };
    let access_token = access_token.ok_or(TokenFault::AccessToken)?;
    let hash = digest::digest(by, access_token.as_bytes());
    let half = &hash.as_ref()[..hash.as_ref().len() / 2];
    if expected.as_str() == Some(&URL_SAFE_NO_PAD.encode(half)) {
        return Ok(());
    }
    Err(TokenFault::AccessToken)
}

/// That it is an access token, where it tells: no access token holds the hash of another, and Keycloak says what each
/// of its tokens is.
fn access(all: &Map<String, Value>) -> Result<(), TokenFault> {
    let typed = all.get("typ").and_then(Value::as_str);
    let other = typed.is_some_and(|typed| !typed.eq_ignore_ascii_case("bearer"));
    if other || ["at_hash", "c_hash", "events"].iter().any(|claim| all.contains_key(*claim)) {
        return Err(TokenFault::Kind);
    }
    Ok(())
}

/// Who says that they signed a token, and for whom. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    pub issuer: String,
    pub audiences: Vec<String>,
}

impl Unchecked {
    /// What a token says; none where it is none that can be checked.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let claims = token.split('.').nth(1)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let audiences = match claims.get("aud")? {
            Value::String(audience) => vec![audience.clone()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
            _ => return None,
        };
        Some(Self { issuer: claims.get("iss")?.as_str()?.to_owned(), audiences })
    }
}
