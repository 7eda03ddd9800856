//! Signed requests: HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), as much of them as an API key
//! needs. The key itself is never sent; who listens learns nothing that is good for another request.
//!
//! Covered are always `@method`, `@path`, `@query` and `content-digest`, each once and in any order; the parameters
//! are `created`, `nonce`, `keyid` and, if named, `alg="hmac-sha256"`. Whatever else is there is refused rather than
//! passed over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::api_keys::MARK;
use crate::model::ids::KeyPrefix;

/// How far the sender's clock may be off, in either direction. As wide as what others allow (AWS takes 15 minutes,
/// Stripe 5), and no wider, because every nonce is kept for as long.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);
/// What a signature covers.
const COVERED: [&str; 4] = ["@method", "@path", "@query", "content-digest"];
/// A nonce has 128 random bits or more if it is made as told: 16 characters at least, 64 at most.
const NONCE: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Signature-Input and Signature name one signature each, by the same label")]
    Form,
    #[error("the signature covers exactly (\"@method\" \"@path\" \"@query\" \"content-digest\")")]
    Covered,
    #[error(
        "the signature has the parameters created, nonce (16 to 64 letters, digits, - or _) and keyid, and no others \
         but alg=\"hmac-sha256\""
    )]
    Parameters,
    #[error("created is more than 5 minutes from the server's time; is the clock right?")]
    Time,
    #[error("Content-Digest is not the SHA-256 of the body: sha-256=:<base64>:")]
    Body,
    #[error("the key is not known, or the signature is not right")]
    Wrong,
    #[error("this nonce was used before; every request has its own")]
    Replay,
}

/// A signature as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub key: KeyPrefix,
    pub nonce: String,
    pub created: DateTime<Utc>,
    /// What is covered, in the order of the signature.
    covered: Vec<String>,
    /// Covered components and parameters, to the letter.
    parameters: String,
    code: Vec<u8>,
}

/// What a signature is over.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub method: &'a str,
    /// As it stands in the request line, up to the question mark.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
    /// The header `Content-Digest`.
    pub digest: &'a str,
}

impl Signed {
    /// Reads what the headers `Signature-Input` and `Signature` say.
    ///
    /// # Errors
    /// [`Refusal`] of everything that is not exactly as it must be.
    pub fn parse(input: &str, signature: &str, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let (label, parameters) = input.trim().split_once('=').ok_or(Refusal::Form)?;
        let code = signature
            .trim()
            .strip_prefix(label)
            .and_then(|rest| rest.strip_prefix("=:")?.strip_suffix(':'))
            .ok_or(Refusal::Form)?;
        if label.is_empty() || !label.bytes().all(is_word) {
            return Err(Refusal::Form);
        }
        let code = STANDARD.decode(code).map_err(|_| Refusal::Form)?;
        let (list, rest) =
            parameters.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or(Refusal::Form)?;
        let covered: Vec<String> = list
            .split(' ')
            .map(|item| Some(item.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
            .collect::<Option<_>>()
            .ok_or(Refusal::Covered)?;
        if covered.len() != COVERED.len()
            || COVERED.iter().any(|component| !covered.iter().any(|one| one == component))
        {
            return Err(Refusal::Covered);
        }
        let (mut key, mut nonce, mut created, mut alg) = (None, None, None, None);
        for parameter in rest.strip_prefix(';').ok_or(Refusal::Parameters)?.split(';') {
            let (name, value) = parameter.split_once('=').ok_or(Refusal::Parameters)?;
            let place = match name {
                "created" => &mut created,
                "nonce" => &mut nonce,
                "keyid" => &mut key,
                "alg" => &mut alg,
                _ => return Err(Refusal::Parameters),
            };
            if place.replace(value).is_some() {
                return Err(Refusal::Parameters);
            }
        }
        let text = |value: &str| {
            let text = value.strip_prefix('"')?.strip_suffix('"')?;
            text.bytes().all(is_word).then(|| text.to_owned())
        };
        let text = |value: Option<&str>| value.and_then(text).ok_or(Refusal::Parameters);
        if alg.is_some_and(|alg| alg != "\"hmac-sha256\"") {
            return Err(Refusal::Parameters);
        }
        let nonce = text(nonce)?;
        if !NONCE.contains(&nonce.len()) {
            return Err(Refusal::Parameters);
        }
        let key = text(key)?.strip_prefix(MARK).and_then(|key| key.parse().ok()).ok_or(Refusal::Wrong)?;
        let created = created
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| DateTime::from_timestamp(text.parse().ok()?, 0))
            .ok_or(Refusal::Parameters)?;
        if (now - created).abs() > SKEW {
            return Err(Refusal::Time);
        }
        Ok(Self { key, nonce, created, covered, parameters: parameters.to_owned(), code })
    }

    /// Whether whoever has this key signed this message.
    ///
    /// # Errors
    /// [`Refusal::Wrong`].
    pub fn verify(&self, key: &SecretString, message: Message<'_>) -> Result<(), Refusal> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes())
            .expect("a key of any length will do");
        mac.update(self.base(message).as_bytes());
        mac.verify_slice(&self.code).map_err(|_| Refusal::Wrong)
    }

    /// The text that is signed (RFC 9421, section 2.5).
    fn base(&self, message: Message<'_>) -> String {
        let mut base = String::new();
        for component in &self.covered {
            let (mark, value) = match component.as_str() {
                "@method" => ("", message.method),
                "@path" => ("", message.path),
                "@query" => ("?", message.query),
                _ => ("", message.digest),
            };
            base.push_str(&format!("\"{component}\": {mark}{value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {}", self.parameters));
        base
    }
}

/// Whether a `Content-Digest` is of this body: SHA-256 alone is taken.
///
/// # Errors
/// [`Refusal::Body`].
pub fn check_body(digest: &str, body: &[u8]) -> Result<(), Refusal> {
    let right = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
    if digest == right { Ok(()) } else { Err(Refusal::Body) }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: i64 = 1_800_000_000;
    const DIGEST: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    const MESSAGE: Message<'_> =
        Message { method: "GET", path: "/api/v1/tenants/acme", query: "", digest: DIGEST };

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(AT, 0).expect("a moment")
    }

    fn key() -> SecretString {
        SecretString::from("fhk_abcdefghjk_secret")
    }

    fn parameters(covered: &str, rest: &str) -> String {
        format!("({covered}){rest}")
    }

    fn usual() -> String {
        parameters(
            r#""@method" "@path" "@query" "content-digest""#,
            &format!(r#";created={AT};nonce="0123456789abcdef";keyid="fhk_abcdefghjk""#),
        )
    }

    fn read(parameters: &str, code: &[u8]) -> Result<Signed, Refusal> {
        Signed::parse(&format!("sig={parameters}"), &format!("sig=:{}:", STANDARD.encode(code)), now())
    }

    /// Signed as whoever has the key does it, written out by hand.
    fn signed(message: Message<'_>) -> Signed {
        let parameters = usual();
        let base = format!(
            "\"@method\": {}\n\"@path\": {}\n\"@query\": ?{}\n\"content-digest\": {}\n\
             \"@signature-params\": {parameters}",
            message.method, message.path, message.query, message.digest
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(key().expose_secret().as_bytes()).expect("a key");
        mac.update(base.as_bytes());
        read(&parameters, &mac.finalize().into_bytes()).expect("it reads")
    }

    #[test]
    fn whoever_has_the_key_signs_what_is_sent_and_nothing_else() {
        let signature = signed(MESSAGE);
        assert_eq!(signature.verify(&key(), MESSAGE), Ok(()));
        for other in [
            Message { method: "DELETE", ..MESSAGE },
            Message { path: "/api/v1/tenants/acme2", ..MESSAGE },
            Message { query: "a", ..MESSAGE },
            Message { digest: "sha-256=:x:", ..MESSAGE },
            // what moves from one part to the next is another message
            Message { path: "/api/v1/tenants/acme\n\"@query\": ?", query: "", ..MESSAGE },
        ] {
            assert_eq!(signature.verify(&key(), other), Err(Refusal::Wrong), "{other:?}");
        }
        let stranger = SecretString::from("fhk_abcdefghjk_secreT");
        assert_eq!(signature.verify(&stranger, MESSAGE), Err(Refusal::Wrong));
        // the time and the nonce are signed too
        for (from, to) in [("1800000000", "1800000001"), ("0123456789", "1123456789")] {
            let parameters = usual().replace(from, to);
            let other = Signed { parameters, ..signature.clone() };
            assert_eq!(other.verify(&key(), MESSAGE), Err(Refusal::Wrong), "{to}");
        }
    }

    #[test]
    fn what_is_not_exactly_as_it_must_be_is_refused() {
        let covered = r#""@method" "@path" "@query" "content-digest""#;
        let rest = |nonce: &str, key: &str, more: &str| {
            format!(r#";created={AT};nonce="{nonce}";keyid="{key}"{more}"#)
        };
        let (nonce, key) = ("0123456789abcdef", "fhk_abcdefghjk");
        assert!(read(&parameters(covered, &rest(nonce, key, ";alg=\"hmac-sha256\"")), b"x").is_ok());
        let turned = r#""content-digest" "@query" "@path" "@method""#;
        assert!(read(&parameters(turned, &rest(nonce, key, "")), b"x").is_ok());
        for (parameters, refusal) in [
            (parameters(r#""@method" "@path" "@query""#, &rest(nonce, key, "")), Refusal::Covered),
            (
                parameters(r#""@method" "@path" "@path" "content-digest""#, &rest(nonce, key, "")),
                Refusal::Covered,
            ),
            (parameters("", &rest(nonce, key, "")), Refusal::Covered),
            (parameters(covered, ""), Refusal::Parameters),
            (parameters(covered, &rest("short", key, "")), Refusal::Parameters),
            (parameters(covered, &rest(&"x".repeat(65), key, "")), Refusal::Parameters),
            (parameters(covered, &rest(nonce, key, ";alg=\"none\"")), Refusal::Parameters),
            (parameters(covered, &rest(nonce, key, ";expires=9")), Refusal::Parameters),
            (parameters(covered, &rest(nonce, key, &format!(";created={AT}"))), Refusal::Parameters),
            (parameters(covered, &rest(nonce, "abcdefghjk", "")), Refusal::Wrong),
            (parameters(covered, &rest(nonce, key, "").replace(&AT.to_string(), "-1")), Refusal::Parameters),
        ] {
            assert_eq!(read(&parameters, b"x").err(), Some(refusal), "{parameters}");
        }
        let two = format!("a={}, b={}", usual(), usual());
        for (input, signature) in [
            (usual().as_str(), "sig=:eA==:"),
            (&format!("sig={}", usual()), "gis=:eA==:"),
            (&two, "a=:eA==:"),
        ] {
            assert!(Signed::parse(input, signature, now()).is_err(), "{input}");
        }
    }

    #[test]
    fn a_clock_may_be_off_by_five_minutes_and_no_second_more() {
        let at = |seconds: i64| {
            let now = now() + TimeDelta::seconds(seconds);
            Signed::parse(&format!("sig={}", usual()), "sig=:eA==:", now).err()
        };
        assert_eq!((at(300), at(-300)), (None, None));
        assert_eq!((at(301), at(-301)), (Some(Refusal::Time), Some(Refusal::Time)));
    }

    #[test]
    fn a_body_is_known_by_its_digest() {
        assert_eq!(check_body(DIGEST, b""), Ok(()));
        assert_eq!(check_body(DIGEST, b" "), Err(Refusal::Body));
        assert_eq!(check_body("", b""), Err(Refusal::Body));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_or_refused(input in "\\PC{0,120}", signature in "\\PC{0,60}") {
            let _ = Signed::parse(&input, &signature, now());
            let _ = Signed::parse(&format!("sig=({input}"), "sig=:eA==:", now());
        }

        #[test]
        fn no_two_messages_have_the_same_text(
            one in ("[A-Z]{3,6}", "/[a-z/]{0,9}", "[a-z=&]{0,9}"),
            other in ("[A-Z]{3,6}", "/[a-z/]{0,9}", "[a-z=&]{0,9}"),
        ) {
            fn message(of: &(String, String, String)) -> Message<'_> {
                Message { method: &of.0, path: &of.1, query: &of.2, digest: DIGEST }
            }
            let signature = signed(message(&one));
            prop_assert_eq!(signature.verify(&key(), message(&other)).is_ok(), one == other);
        }
    }
}
