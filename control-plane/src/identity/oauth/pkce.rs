//! PKCE (RFC 7636): only whoever asked for a code can exchange it. `S256` and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What the client keeps the answer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Reads the SHA-256 hash of a verifier, in base64url without padding.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether this verifier is the answer to a challenge.
#[must_use]
pub fn answers(verifier: &str, challenge: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(allowed)
        && bool::from(hash.as_bytes().ct_eq(challenge.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_verifier_answers_and_nothing_else_does() {
        let challenge = Challenge::read(CHALLENGE).expect("a challenge");
        assert!(answers(VERIFIER, challenge.as_str()));
        for wrong in ["", CHALLENGE, &VERIFIER[1..], &format!("{VERIFIER}a"), &VERIFIER.to_lowercase()] {
            assert!(!answers(wrong, challenge.as_str()), "{wrong}");
        }
        // One that is too short to be none that was guessed, though its hash is the right one.
        let short = URL_SAFE_NO_PAD.encode(Sha256::digest(b"short"));
        assert!(!answers("short", &short));
    }

    #[test]
    fn what_is_no_hash_is_no_challenge() {
        for bad in ["", "short", &CHALLENGE[1..], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert!(Challenge::read(bad).is_none(), "{bad}");
        }
    }
}
