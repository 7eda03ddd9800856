//! A provider's keys: which of them are for signatures that we take, and how one is chosen.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::token::{Head, LONGEST_ID};

/// Keys of one provider that are kept.
const MOST: usize = 32;
/// Longest number of a key that is kept, in characters of base64: the modulus of an RSA key of 8,192 bits, the most that
/// signatures are checked by, with a zero before it.
const LONGEST: usize = 1_367;
/// Longest public exponent: eight bytes.
const LONGEST_EXPONENT: usize = 11;
/// Longest coordinate of a curve's point, by 48 bytes those of P-384, with a zero before it.
const LONGEST_COORDINATE: usize = 66;

/// The algorithms that a key of each kind can have signed with.
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    /// The one that it says it is for, if it does.
    only: Option<KeyAlgorithm>,
    key: Arc<DecodingKey>,
}

impl Key {
    /// None where it is no public key for signatures of ours.
    fn read(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        if !is_of_a_size(&jwk.algorithm) || jwk.common.key_id.as_ref().is_some_and(|id| id.len() > LONGEST_ID)
        {
            return None;
        }
        let algorithms: &'static [Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                &[Algorithm::EdDSA]
            }
            _ => return None,
        };
        let key = Arc::new(DecodingKey::from_jwk(jwk).ok()?);
        Some(Self { id: jwk.common.key_id.clone(), algorithms, only: jwk.common.key_algorithm, key })
    }

    fn fits(&self, head: &Head) -> bool {
        self.algorithms.contains(&head.algorithm)
            && self.only.is_none_or(|only| only == head.algorithm.into())
            && head.key.as_ref().is_none_or(|id| self.id.as_ref() == Some(id))
    }
}

/// Whether a key is no larger than one that could be of use: all keys are kept, also those of whoever means harm.
fn is_of_a_size(algorithm: &AlgorithmParameters) -> bool {
    match algorithm {
        AlgorithmParameters::RSA(key) => key.n.len() <= LONGEST && key.e.len() <= LONGEST_EXPONENT,
        AlgorithmParameters::EllipticCurve(key) => {
            key.x.len() <= LONGEST_COORDINATE && key.y.len() <= LONGEST_COORDINATE
        }
        AlgorithmParameters::OctetKeyPair(key) => key.x.len() <= LONGEST_COORDINATE,
        _ => false,
    }
}

/// The keys of one provider that can have signed what we take.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a key set. A key that is not for us, or that cannot be read, is left out; none where it is no key set.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text).ok()?;
        let keys = set.keys.into_iter().filter_map(|key| Key::read(&serde_json::from_value(key).ok()?));
        Some(Self(keys.take(MOST).collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token was signed with, by what its head says. A head that names none means the one key that
    /// fits, if there is one alone.
    pub(super) fn find(&self, head: &Head) -> Option<Arc<DecodingKey>> {
        let mut fitting = self.0.iter().filter(|key| key.fits(head));
        let first = fitting.next()?;
        if head.key.is_none() && fitting.next().is_some() {
            return None;
        }
        Some(Arc::clone(&first.key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: &Value) -> KeySet {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).expect("a key set")
    }

    fn head(algorithm: Algorithm, key: Option<&str>) -> Head {
        Head { algorithm, key: key.map(ToOwned::to_owned) }
    }

    #[test]
    fn a_key_is_for_its_own_algorithms_and_its_own_use() {
        let rsa = |more: Value| {
            let mut key = json!({"kty": "RSA", "kid": "r", "n": "sXch", "e": "AQAB"});
            key.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
            set(&json!([key]))
        };
        let plain = rsa(json!({}));
        for algorithm in RSA {
            assert!(plain.find(&head(*algorithm, Some("r"))).is_some(), "{algorithm:?}");
            assert!(plain.find(&head(*algorithm, Some("s"))).is_none(), "{algorithm:?}");
        }
        for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(plain.find(&head(algorithm, Some("r"))).is_none(), "{algorithm:?}");
        }
        let only = rsa(json!({"alg": "RS256", "use": "sig", "key_ops": ["verify"]}));
        assert!(only.find(&head(Algorithm::RS256, Some("r"))).is_some());
        assert!(only.find(&head(Algorithm::PS256, Some("r"))).is_none());
        for other in [json!({"use": "enc"}), json!({"key_ops": ["encrypt"]}), json!({"alg": "RSA-OAEP"})] {
            assert!(rsa(other.clone()).find(&head(Algorithm::RS256, Some("r"))).is_none(), "{other}");
        }
        let others = set(&json!([
            {"kty": "oct", "kid": "o", "k": "c2VjcmV0"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": X},
            {"kty": "new", "kid": "n"},
            "nonsense",
        ]));
        assert_eq!(others.len(), 1);
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert!(
                others.find(&head(algorithm, Some("o"))).is_none()
                    && others.find(&head(algorithm, None)).is_none()
            );
        }
        assert!(others.find(&head(Algorithm::EdDSA, Some("e"))).is_some());
    }

    #[test]
    fn without_a_name_there_must_be_no_doubt() {
        let one = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": X});
        let two = json!({"kty": "OKP", "crv": "Ed25519", "kid": "b", "x": X});
        assert!(set(&json!([one])).find(&head(Algorithm::EdDSA, None)).is_some());
        assert!(set(&json!([one, two])).find(&head(Algorithm::EdDSA, None)).is_none());
        assert!(set(&json!([one, two])).find(&head(Algorithm::EdDSA, Some("b"))).is_some());
    }

    #[test]
    fn what_is_outsized_is_not_kept() {
        let rsa = |n: usize, e: &str, kid: usize| json!({"kty": "RSA", "kid": "k".repeat(kid), "n": "A".repeat(n), "e": e});
        let (x, long) = ("A".repeat(43), "A".repeat(68));
        for (key, kept) in [
            (rsa(1_366, "AQAB", 255), true),
            (rsa(1_367, "AQAB", 1), true),
            (rsa(1_368, "AQAB", 1), false),
            (rsa(100_000, "AQAB", 1), false),
            (rsa(342, &"A".repeat(12), 1), false),
            (rsa(342, "AQAB", 256), false),
            (json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}), true),
            (json!({"kty": "EC", "crv": "P-256", "x": long, "y": x}), false),
            (json!({"kty": "EC", "crv": "P-256", "x": x, "y": long}), false),
            (json!({"kty": "OKP", "crv": "Ed25519", "x": long}), false),
        ] {
            assert_eq!(set(&json!([key])).len(), usize::from(kept), "{key}");
        }
        // Those of no use take no place of the others.
        let mut many = vec![json!({"kty": "oct", "k": "c2VjcmV0"}); 100];
        many.extend(
            (0..100).map(|number| json!({"kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "x": X})),
        );
        let many = set(&json!(many));
        assert_eq!(many.len(), MOST);
        assert!(many.find(&head(Algorithm::EdDSA, Some("31"))).is_some());
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        for text in ["", "[]", "{}", r#"{"keys": {}}"#, "<html>"] {
            assert!(KeySet::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
