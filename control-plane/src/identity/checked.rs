//! Tokens that were checked lately. A signature stays as it is and is checked once; what becomes other is looked at each
//! time: the hour, the audience, and whether the key is still one of ours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::tokens::{Claims, TokenError, Verifier};

/// Tokens in each of the two halves that are remembered; one takes less than a kilobyte.
const HALF: usize = 10_000;

/// A whole token's hash: one that differs in anything is another.
pub type Fingerprint = [u8; 32];

/// What a token said that was good.
#[derive(Debug, Clone)]
struct Checked {
    /// The key that it was signed with.
    key: Arc<str>,
    claims: Arc<Claims>,
}

/// Those that came lately, and those before them. When a half is full the older one is forgotten as a whole: who still
/// comes has moved on by then.
#[derive(Debug)]
pub struct Memory<T> {
    late: HashMap<Fingerprint, T>,
    before: HashMap<Fingerprint, T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { late: HashMap::new(), before: HashMap::new() }
    }
}

impl<T: Clone> Memory<T> {
    /// What is remembered of a token.
    pub fn recall(&mut self, token: &Fingerprint) -> Option<T> {
        if let Some(known) = self.late.get(token) {
            return Some(known.clone());
        }
        let known = self.before.remove(token)?;
        self.keep(*token, known.clone());
        Some(known)
    }

    /// Remembers a token.
    pub fn keep(&mut self, token: Fingerprint, checked: T) {
        if self.late.len() >= HALF {
            self.before = std::mem::take(&mut self.late);
        }
        self.late.insert(token, checked);
    }
}

/// A verifier that remembers. Only what it has found good: nobody can put anything into its memory without a key of ours,
/// and what is bad is found so anew each time.
#[derive(Debug)]
pub struct Remembering {
    verifier: Verifier,
    memory: Mutex<Memory<Checked>>,
}

impl From<Verifier> for Remembering {
    fn from(verifier: Verifier) -> Self {
        Self { verifier, memory: Mutex::default() }
    }
}

impl Remembering {
    /// As [`Verifier::verify`].
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    pub fn verify(&self, token: &str, audiences: &[&str]) -> Result<Arc<Claims>, TokenError> {
        self.verify_at(Utc::now(), token, audiences)
    }

    fn verify_at(
        &self,
        now: DateTime<Utc>,
        token: &str,
        audiences: &[&str],
    ) -> Result<Arc<Claims>, TokenError> {
        let fingerprint = Sha256::digest(token.as_bytes()).into();
        let known = self.memory().recall(&fingerprint);
        if let Some(Checked { key, claims }) = known {
            self.verifier.still(&key, &claims, audiences, now)?;
            return Ok(claims);
        }
        let (key, claims) = self.verifier.check(token, audiences)?;
        let claims = Arc::new(claims);
        self.memory().keep(fingerprint, Checked { key: key.into(), claims: Arc::clone(&claims) });
        Ok(claims)
    }

    fn memory(&self) -> MutexGuard<'_, Memory<Checked>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::ring::Ring;
    use super::super::tokens::{
        ADMIN_AUDIENCE, Issuer, Subject, USER_AUDIENCE, generate_id_key, generate_key,
    };
    use super::*;

    const URL: &str = "http://freehold.localhost:8080";
    const BOTH: [&str; 2] = [USER_AUDIENCE, ADMIN_AUDIENCE];

    fn issuer() -> Issuer {
        Issuer::from_pems(&generate_key(), &generate_id_key(), URL).expect("issuer")
    }

    fn token(issuer: &Issuer) -> String {
        let subject = Subject { id: "somebody".into(), ..Subject::default() };
        issuer.issue(subject, USER_AUDIENCE, 5).expect("token")
    }

    fn remembered(tokens: &Remembering) -> usize {
        let memory = tokens.memory();
        memory.late.len() + memory.before.len()
    }

    #[test]
    fn a_token_that_is_known_says_the_same_again() {
        let issuer = issuer();
        let (tokens, token) = (Remembering::from(issuer.verifier()), token(&issuer));
        let first = tokens.verify(&token, &BOTH).expect("claims");
        assert_eq!(remembered(&tokens), 1);
        let again = tokens.verify(&token, &BOTH).expect("claims");
        assert!(Arc::ptr_eq(&first, &again), "it was checked again");
        assert_eq!(*again, issuer.verifier().verify(&token, &BOTH).expect("claims"));
    }

    #[test]
    fn a_known_token_ends_at_its_time_and_is_for_its_audience_alone() {
        let issuer = issuer();
        let (tokens, token) = (Remembering::from(issuer.verifier()), token(&issuer));
        let claims = tokens.verify(&token, &BOTH).expect("claims");
        assert!(matches!(tokens.verify(&token, &[ADMIN_AUDIENCE]), Err(TokenError::Invalid)));
        let end = DateTime::from_timestamp(claims.exp, 0).expect("a time");
        let at = |seconds| tokens.verify_at(end + TimeDelta::seconds(seconds), &token, &BOTH);
        assert!(at(5).is_ok(), "clocks may differ a little");
        assert!(matches!(at(6), Err(TokenError::Expired)));
    }

    #[test]
    fn a_known_token_ends_with_its_key() {
        let ours = issuer();
        let tokens = Remembering::from(ours.verifier());
        let token = token(&ours);
        assert!(tokens.verify(&token, &BOTH).is_ok());
        ours.keys().replace(Ring::default());
        assert!(matches!(tokens.verify(&token, &BOTH), Err(TokenError::Invalid)));
    }

    #[test]
    fn what_was_changed_on_the_way_is_not_what_was_known() {
        let issuer = issuer();
        let (tokens, token) = (Remembering::from(issuer.verifier()), token(&issuer));
        assert!(tokens.verify(&token, &BOTH).is_ok());
        let (claims, signature) = token.rsplit_once('.').expect("parts");
        let foreign = self::token(&self::issuer());
        let (foreign_claims, foreign_signature) = foreign.rsplit_once('.').expect("parts");
        for bad in [
            format!("{claims}.{foreign_signature}"),
            format!("{foreign_claims}.{signature}"),
            format!("{claims}."),
            foreign.clone(),
        ] {
            for _ in 0..2 {
                assert!(matches!(tokens.verify(&bad, &BOTH), Err(TokenError::Invalid)), "{bad}");
            }
        }
        assert_eq!(remembered(&tokens), 1, "what is bad is not remembered");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_who_still_comes_stays() {
        let issuer = issuer();
        let claims = Arc::new(issuer.verifier().verify(&token(&issuer), &BOTH).expect("claims"));
        let checked = Checked { key: "key".into(), claims };
        let mut memory = Memory::default();
        let of = |number: usize| -> Fingerprint { Sha256::digest(number.to_le_bytes()).into() };
        for number in 0..5 * HALF {
            memory.keep(of(number), checked.clone());
            assert!(memory.recall(&of(0)).is_some(), "forgotten at {number}");
            assert!(memory.late.len() <= HALF && memory.before.len() <= HALF);
        }
        assert!(memory.recall(&of(1)).is_none());
    }
}
