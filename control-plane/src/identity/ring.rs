//! The keys that sign tokens and check them, all together: one signs for each algorithm, more are published. Which does
//! what at a moment follows from their times; what changes those puts another ring in place of the one before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, ThumbprintHash};
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use super::people_key::{PeopleKey, Use};
use super::signing::{SigningKey, generate_id_key, generate_key};
use super::tokens::TokenError;
use super::vault::Sealed;
use crate::model::signing_key::{SigningAlgorithm, Times};

/// What a key's secret part is sealed for.
const SEALED_FOR: &str = "signing_key";

fn no_key(error: impl fmt::Display) -> TokenError {
    TokenError::Key(error.to_string())
}

/// A key, as it is kept by the registry.
#[derive(Debug, Clone)]
pub struct KeptKey {
    /// The thumbprint of its public part.
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// Its public part, as JSON Web Key.
    pub public: String,
    /// What only the api can have written about it.
    pub seal: Vec<u8>,
    /// What it signs with.
    pub sealed: Sealed,
}

impl KeptKey {
    /// A new one, sealed by the api's own secret. One for RSA takes a while to find.
    ///
    /// # Errors
    /// [`TokenError::Key`] when it cannot be written down.
    pub fn generate(algorithm: SigningAlgorithm, by: &PeopleKey) -> Result<Self, TokenError> {
        let pem = match algorithm {
            SigningAlgorithm::Ed25519 => generate_key(),
            SigningAlgorithm::Rsa => generate_id_key(),
        };
        let key = SigningKey::of(algorithm, &pem)?;
        let kid = key.id().to_owned();
        let public = serde_json::to_string(key.public()).map_err(no_key)?;
        let sealed = by.vault().seal(&kid, SEALED_FOR, &pem).map_err(no_key)?;
        Ok(Self { seal: seal(by, algorithm, &kid), kid, algorithm, public, sealed })
    }
}

fn seal(by: &PeopleKey, algorithm: SigningAlgorithm, kid: &str) -> Vec<u8> {
    by.code(Use::SigningKey, &[algorithm.as_str().as_bytes(), kid.as_bytes()]).to_vec()
}

/// What a key does, at whatever time.
struct Parts {
    algorithm: SigningAlgorithm,
    public: Jwk,
    check: DecodingKey,
    /// None when it signs no more.
    sign: Option<SigningKey>,
}

/// One key of a ring, with its times.
#[derive(Clone)]
pub struct RingKey {
    parts: Arc<Parts>,
    times: Times,
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingKey").field("times", &self.times).finish_non_exhaustive()
    }
}

impl RingKey {
    /// A key that signs, of its PEM.
    pub(super) fn signing(
        algorithm: SigningAlgorithm,
        pem: &SecretString,
        times: Times,
    ) -> Result<(String, Self), TokenError> {
        let sign = SigningKey::of(algorithm, pem)?;
        let (kid, public) = (sign.id().to_owned(), sign.public().clone());
        let check = DecodingKey::from_jwk(&public).map_err(no_key)?;
        Ok((kid, Self { parts: Arc::new(Parts { algorithm, public, check, sign: Some(sign) }), times }))
    }

    /// A key as the registry has it. What it signs with is opened, if it is there.
    ///
    /// # Errors
    /// [`TokenError::Key`] for one that is none of ours: whoever can write into the registry cannot put in theirs.
    pub fn kept(
        by: &PeopleKey,
        (algorithm, kid): (SigningAlgorithm, &str),
        (public, sealed_by_us): (&str, &[u8]),
        secret: Option<&Sealed>,
        times: Times,
    ) -> Result<Self, TokenError> {
        if !bool::from(seal(by, algorithm, kid).ct_eq(sealed_by_us)) {
            return Err(no_key("it was not made with this people key"));
        }
        if let Some(secret) = secret {
            let pem = by.vault().open(kid, SEALED_FOR, secret).map_err(no_key)?;
            let (id, key) = Self::signing(algorithm, &pem, times)?;
            return if id == kid { Ok(key) } else { Err(no_key("what it signs with is another's")) };
        }
        let public: Jwk = serde_json::from_str(public).map_err(no_key)?;
        let own = public.thumbprint(ThumbprintHash::SHA256).map_err(no_key)?;
        if own != kid || public.common.key_id.as_deref() != Some(kid) || !is_for(&public, algorithm) {
            return Err(no_key("its public part is another's"));
        }
        let check = DecodingKey::from_jwk(&public).map_err(no_key)?;
        Ok(Self { parts: Arc::new(Parts { algorithm, public, check, sign: None }), times })
    }

    /// The same with other times, and without what it signs with where that is kept no more.
    #[must_use]
    pub fn at(&self, times: Times, has_secret: bool) -> Self {
        let mut parts = Arc::clone(&self.parts);
        if !has_secret && parts.sign.is_some() {
            let Parts { algorithm, public, check, .. } = &*self.parts;
            parts = Arc::new(Parts {
                algorithm: *algorithm,
                public: public.clone(),
                check: check.clone(),
                sign: None,
            });
        }
        Self { parts, times }
    }

    /// Whether it has what it signs with.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.parts.sign.is_some()
    }

    /// What checks its signatures.
    pub(super) fn check(&self) -> &DecodingKey {
        &self.parts.check
    }
}

fn is_for(public: &Jwk, algorithm: SigningAlgorithm) -> bool {
    let named = match algorithm {
        SigningAlgorithm::Ed25519 => KeyAlgorithm::EdDSA,
        SigningAlgorithm::Rsa => KeyAlgorithm::RS256,
    };
    public.common.key_algorithm == Some(named)
}

/// Keys by their names.
#[derive(Debug, Default)]
pub struct Ring(HashMap<String, RingKey>);

impl FromIterator<(String, RingKey)> for Ring {
    fn from_iter<I: IntoIterator<Item = (String, RingKey)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl Ring {
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&RingKey> {
        self.0.get(kid)
    }

    /// The key of this name, if what it signed in this way is taken at that moment.
    pub(super) fn taken(
        &self,
        kid: &str,
        algorithm: SigningAlgorithm,
        now: DateTime<Utc>,
    ) -> Option<&RingKey> {
        self.known(kid, algorithm).filter(|key| key.times.is_published(now))
    }

    /// The same for what has long ended, and says only who somebody was.
    pub(super) fn known(&self, kid: &str, algorithm: SigningAlgorithm) -> Option<&RingKey> {
        self.0.get(kid).filter(|key| key.parts.algorithm == algorithm && key.times.withdrawn_at.is_none())
    }

    /// What signs in this way at that moment.
    pub(super) fn signing(
        &self,
        algorithm: SigningAlgorithm,
        now: DateTime<Utc>,
    ) -> Result<&SigningKey, TokenError> {
        use crate::model::signing_key::SigningKeyState::Signing;
        let signs = |key: &&RingKey| key.parts.algorithm == algorithm && key.times.state(now) == Signing;
        let keys = self.0.values().filter(signs);
        let latest = keys.max_by_key(|key| key.times.signs_from);
        latest.and_then(|key| key.parts.sign.as_ref()).ok_or_else(|| no_key("there is none that signs"))
    }

    /// The public keys, for everybody who checks our tokens.
    pub(super) fn published(&self, now: DateTime<Utc>) -> JwkSet {
        let mut keys: Vec<&RingKey> = self.0.values().filter(|key| key.times.is_published(now)).collect();
        keys.sort_by_key(|key| (key.parts.algorithm, key.times.signs_from));
        JwkSet { keys: keys.into_iter().map(|key| key.parts.public.clone()).collect() }
    }
}

/// The ring of this process: what signs and checks looks at it each time, and whoever follows the registry replaces it.
/// Nobody holds it for longer than it takes to look.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Arc<RwLock<Arc<Ring>>>);

impl Keyring {
    /// With these keys to begin with.
    #[must_use]
    pub fn new(ring: Ring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(ring))))
    }

    /// As it is now.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has these keys count from now on, and no others.
    pub fn replace(&self, ring: Ring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// Whether something signed with this key is taken now.
    pub(super) fn takes(&self, kid: &str, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).taken(kid, algorithm, now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn kept(by: &PeopleKey) -> KeptKey {
        KeptKey::generate(SigningAlgorithm::Ed25519, by).expect("a key")
    }

    fn opened(key: &KeptKey, by: &PeopleKey, secret: bool) -> Result<RingKey, TokenError> {
        let secret = secret.then_some(&key.sealed);
        let times = Times::from(Utc::now());
        RingKey::kept(by, (key.algorithm, &key.kid), (&key.public, &key.seal), secret, times)
    }

    #[test]
    fn a_key_is_read_back_with_and_without_what_it_signs_with() {
        let by = PeopleKey::generate();
        let key = kept(&by);
        assert!(opened(&key, &by, true).expect("whole").can_sign());
        let public = opened(&key, &by, false).expect("the public part");
        assert!(!public.can_sign());
        let whole = opened(&key, &by, true).expect("whole");
        assert!(whole.at(whole.times, true).can_sign() && !whole.at(whole.times, false).can_sign());
        assert!(!format!("{key:?} {whole:?}").contains("PRIVATE"));
        assert!(!key.public.contains("\"d\":"), "{}", key.public);
    }

    #[test]
    fn what_somebody_else_put_into_the_registry_is_no_key() {
        let by = PeopleKey::generate();
        let (ours, theirs) = (kept(&by), kept(&PeopleKey::generate()));
        for secret in [true, false] {
            assert!(opened(&theirs, &by, secret).is_err(), "made with another people key");
            let named = KeptKey { kid: ours.kid.clone(), seal: ours.seal.clone(), ..theirs.clone() };
            assert!(opened(&named, &by, secret).is_err(), "under the name of ours");
            let disguised = theirs.public.replace(&theirs.kid, &ours.kid);
            let named = KeptKey { public: disguised, ..named };
            assert!(opened(&named, &by, secret).is_err(), "and with that name in itself");
            let other = KeptKey { algorithm: SigningAlgorithm::Rsa, ..ours.clone() };
            assert!(opened(&other, &by, secret).is_err(), "for another algorithm");
        }
        let public = ours.public.replace(&ours.kid, "another");
        assert!(opened(&KeptKey { public, ..ours }, &by, false).is_err(), "of another name in itself");
    }

    #[test]
    fn at_each_moment_one_signs_and_those_that_are_published_are_taken() {
        let (by, now) = (PeopleKey::generate(), Utc::now());
        let (old, new) = (kept(&by), kept(&by));
        let turn = now + TimeDelta::minutes(10);
        let end = turn + TimeDelta::minutes(15);
        let before = Times { signs_until: Some(turn), published_until: Some(end), ..Times::from(now) };
        let ring: Ring = [(&old, before), (&new, Times::from(turn))]
            .map(|(key, times)| (key.kid.clone(), opened(key, &by, true).expect("whole").at(times, true)))
            .into_iter()
            .collect();
        let signs = |at| ring.signing(SigningAlgorithm::Ed25519, at).expect("one").id().to_owned();
        let published = |at| ring.published(at).keys.len();
        let just = TimeDelta::microseconds(1);
        assert_eq!(
            (signs(now), signs(turn - just), signs(turn)),
            (old.kid.clone(), old.kid.clone(), new.kid)
        );
        assert_eq!((published(now), published(end - just), published(end)), (2, 2, 1));
        let taken = |at| ring.taken(&old.kid, SigningAlgorithm::Ed25519, at).is_some();
        assert!(taken(end - just) && !taken(end));
        assert!(ring.known(&old.kid, SigningAlgorithm::Ed25519).is_some(), "for hints");
        assert!(ring.taken(&old.kid, SigningAlgorithm::Rsa, now).is_none());
        assert!(ring.signing(SigningAlgorithm::Rsa, now).is_err());
    }
}
