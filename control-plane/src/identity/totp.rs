//! One-time codes by the clock (RFC 6238, as every authenticator app makes them), and codes for when it is lost.

use chrono::{DateTime, Utc};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};
use uuid::Uuid;

use super::people_key::{PeopleKey, Use};
use super::random_bytes;

/// Codes for when the app is lost.
const RECOVERY_CODES: usize = 10;
/// Letters and digits that cannot be mistaken for one another.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Letters of a recovery code, in two halves.
const RECOVERY_LETTERS: usize = 12;

/// What an authenticator app and the platform have in common.
#[derive(Clone)]
pub struct Totp(totp_rs::Totp);

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Totp")
    }
}

/// A new secret of 160 random bits, in base 32 as apps take it.
#[must_use]
pub fn new_secret() -> SecretString {
    Secret::from(random_bytes::<20>().to_vec()).to_base32().into()
}

impl Totp {
    /// With a secret of [`new_secret`], shown in the app as `issuer` and `account`. None when it is no such secret.
    #[must_use]
    pub fn new(secret: &SecretString, issuer: &str, account: &str) -> Option<Self> {
        let secret = Secret::try_from_base32(secret.expose_secret()).ok()?;
        // No colon stands in a host name; one in an address would end the issuer's part early.
        let builder = Builder::new().with_secret(secret).with_skew(1).with_step_duration(30);
        builder
            .with_issuer(Some(issuer.replace(':', "")))
            .with_account_name(account.replace(':', ""))
            .build()
            .ok()
            .map(Self)
    }

    /// What the app reads from a QR code.
    #[must_use]
    pub fn uri(&self) -> Option<SecretString> {
        self.0.to_url().ok().map(SecretString::from)
    }

    /// The time step that a code is of: now's, the one before or the one after. Many apps show it with a space in the
    /// middle, and some people type that.
    #[must_use]
    pub fn step(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let code = &code.replace(' ', "");
        let digits = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
        let seconds = u64::try_from(now.timestamp()).ok()?;
        digits.then(|| self.0.check(code, seconds)).flatten().and_then(|step| i64::try_from(step).ok())
    }
}

/// New codes, each good once in place of one by the clock.
#[must_use]
pub fn recovery_codes() -> Vec<SecretString> {
    let mut rng = rand::rng();
    let code = |_| {
        let letters: Vec<char> = (0..RECOVERY_LETTERS)
            .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
            .collect();
        let (one, other) = letters.split_at(RECOVERY_LETTERS / 2);
        let text: String = one.iter().chain(&['-']).chain(other).collect();
        SecretString::from(text)
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// What is kept of a recovery code: it is short enough that a plain hash could be guessed. None when it cannot be one.
#[must_use]
pub fn recovery_hash(key: &PeopleKey, owner: Uuid, code: &str) -> Option<[u8; 32]> {
    // As people type it.
    let letters: String = code.trim().to_lowercase().chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let plain = letters.len() == RECOVERY_LETTERS && letters.bytes().all(|b| ALPHABET.contains(&b));
    plain.then(|| key.code(Use::RecoveryCode, &[owner.as_bytes(), letters.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("a moment")
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits.
        let secret = SecretString::from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let totp = Totp::new(&secret, "freehold.localhost", "ada@example.com").expect("a secret");
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(totp.step(code, at(seconds)), Some(seconds / 30));
        }
        let step = Some(1_111_111_109 / 30);
        for (off, found) in [(-30, step), (30, step), (-60, None), (60, None)] {
            let now = at(1_111_111_109) + TimeDelta::seconds(off);
            for code in ["081804", "081 804"] {
                assert_eq!(totp.step(code, now), found, "{code} {off}");
            }
        }
        for bad in ["", "81804", "0818040", "08180a", "081-804", "٠٨١٨٠٤"] {
            assert_eq!(totp.step(bad, at(1_111_111_109)), None, "{bad:?}");
        }
    }

    #[test]
    fn apps_are_told_all_they_need() {
        let secret = new_secret();
        assert_ne!(secret.expose_secret(), new_secret().expose_secret());
        let totp = Totp::new(&secret, "freehold.localhost", "ada@example.com").expect("a secret");
        let uri = totp.uri().expect("a uri");
        let uri = uri.expose_secret();
        assert!(uri.starts_with("otpauth://totp/freehold.localhost:ada%40example.com?"), "{uri}");
        assert!(uri.contains(secret.expose_secret()) && uri.contains("issuer=freehold.localhost"), "{uri}");
        assert!(Totp::new(&SecretString::from("not base 32!"), "a", "b").is_none());
        assert!(!format!("{totp:?}").contains(secret.expose_secret()));
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let (key, user) = (PeopleKey::generate(), Uuid::new_v4());
        let codes = recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let hash = |code: &str| recovery_hash(&key, user, code);
        let code = codes[0].expose_secret();
        assert!(hash(code).is_some());
        assert_eq!(hash(code), hash(&format!(" {} ", code.to_uppercase().replace('-', " "))));
        assert_ne!(hash(code), hash(codes[1].expose_secret()));
        assert_ne!(hash(code), recovery_hash(&key, Uuid::new_v4(), code));
        for bad in ["", "123456", "abcdef-abcde", "abcdef-abcde1"] {
            assert_eq!(hash(bad), None, "{bad:?}");
        }
    }
}
