//! API keys: how they look, so that people and secret scanners know one when they see it, and what is kept of them.
//!
//! `fhk_<prefix>_<secret><checksum>`: the prefix is public and names the key; the secret has 256 random bits; the
//! checksum tells a key from what only looks like one, without asking anybody.

use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::ids::KeyPrefix;

/// What every key begins with.
pub const MARK: &str = "fhk_";
/// A key that was found somewhere looks like this; its checksum says whether it is one.
pub const PATTERN: &str = r"\bfhk_[a-z0-9]{10}_[0-9A-Za-z]{49}\b";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: usize = 10;
/// 62^43 is the first power of 62 beyond 2^256.
const SECRET: usize = 43;
/// 62^6 is the first power of 62 beyond 2^32.
const CHECKSUM: usize = 6;
const LENGTH: usize = MARK.len() + PREFIX + 1 + SECRET + CHECKSUM;

/// A key that is whole and right in itself. Whether anybody made it is not known by that.
#[derive(Debug)]
pub struct ApiKey {
    pub prefix: KeyPrefix,
    /// All of it, as it is sent.
    pub text: SecretString,
}

impl ApiKey {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        let prefix = KeyPrefix::random();
        let mut rng = rand::rng();
        let secret: String =
            (0..SECRET).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())])).collect();
        let body = format!("{MARK}{prefix}_{secret}");
        let checksum = checksum(body.as_bytes());
        Self { prefix, text: SecretString::from(format!("{body}{checksum}")) }
    }

    /// Reads one, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MARK)?;
        if text.len() != LENGTH || !text.is_ascii() {
            return None;
        }
        let (prefix, secret) = rest.split_once('_')?;
        let (body, sum) = text.split_at(LENGTH - CHECKSUM);
        let whole =
            secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) && checksum(body.as_bytes()) == sum;
        let prefix = prefix.parse().ok()?;
        whole.then(|| Self { prefix, text: SecretString::from(text.to_owned()) })
    }

    /// What is kept of it: SHA-256. Nobody guesses 256 random bits, so it need not be slow.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.expose_secret().as_bytes()).into()
    }

    /// Whether this is the key that the hash is of, in a time that does not tell how much of it was right.
    #[must_use]
    pub fn is_of(&self, hash: &[u8]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

/// Whether a text claims to be a key, so that it is taken for nothing else.
#[must_use]
pub fn looks_like_one(text: &str) -> bool {
    text.starts_with(MARK)
}

/// What four bits do to a checksum, by the polynomial of CRC-32.
const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        let (mut crc, mut shifts): (u32, u32) = (bits, 0);
        while shifts < 4 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            shifts += 1;
        }
        table[bits as usize] = crc;
        bits += 1;
    }
    table
};

/// CRC-32 (ISO-HDLC, as in zlib) in base 62.
fn checksum(bytes: &[u8]) -> String {
    let mut rest = crc32(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, bits: u32| (crc >> 4) ^ NIBBLES[((crc ^ bits) & 15) as usize];
    !bytes.iter().fold(!0, |crc, byte| step(step(crc, u32::from(*byte)), u32::from(*byte >> 4)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_everybody_else() {
        // The check value of the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b"").len(), CHECKSUM);
        assert_eq!(checksum(b""), "000000");
    }

    #[test]
    fn a_new_key_is_read_back_and_no_two_are_the_same() {
        let (one, other) = (ApiKey::generate(), ApiKey::generate());
        let text = one.text.expose_secret();
        let read = ApiKey::parse(text).expect("a key");
        assert_eq!((read.prefix.clone(), read.hash()), (one.prefix.clone(), one.hash()));
        assert!(read.is_of(&one.hash()) && !other.is_of(&one.hash()) && !one.is_of(&one.hash()[..31]));
        assert!(text.starts_with(&format!("fhk_{}_", one.prefix)) && text.len() == LENGTH, "{}", text.len());
        assert!(!format!("{one:?}").contains(text));
    }

    #[test]
    fn the_pattern_for_scanners_says_what_a_key_looks_like() {
        // No engine of regular expressions is at hand here; the parts are what the constants say.
        assert_eq!(PATTERN, format!(r"\b{MARK}[a-z0-9]{{{PREFIX}}}_[0-9A-Za-z]{{{}}}\b", SECRET + CHECKSUM));
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api-keys.md"));
        assert!(page.contains(PATTERN), "docs/api-keys.md tells another pattern");
    }

    proptest! {
        #[test]
        fn whatever_is_changed_about_a_key_it_is_none(at in 0..LENGTH, with in "[0-9A-Za-z_]") {
            let key = ApiKey::generate();
            let text = key.text.expose_secret();
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, &with);
            prop_assert_eq!(ApiKey::parse(&changed).is_some(), changed == text);
        }

        #[test]
        fn whatever_is_sent_is_read_or_refused(text in "(fhk_)?(\\PC|_){0,80}") {
            prop_assert!(ApiKey::parse(&text).is_none());
        }
    }
}
