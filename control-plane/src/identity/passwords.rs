//! Passwords: argon2id, a few at a time, never on the threads that serve.

use std::sync::Arc;
use std::thread::available_parallelism;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::hashing::Hashing;
use super::strength::{self, TooWeak};
use crate::config::Argon2Config;

/// How many may wait for their turn. Whoever comes on top is told to come again: at some 12 ms each, they would have
/// given up before it was theirs.
const WAITING: usize = 256;

/// The longest password that is looked at, in bytes.
pub const MAX_LENGTH: usize = 1024;
/// The shortest password that may be set, in characters.
pub const MIN_LENGTH: usize = 10;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {MIN_LENGTH} characters")]
    TooShort,
    #[error("a password has at most {MAX_LENGTH} bytes")]
    TooLong,
    #[error(transparent)]
    TooWeak(#[from] TooWeak),
    /// Too many wait already.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    #[error("the password could not be hashed")]
    Failed,
}

/// How a password compares to what was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Right, and hashed at another cost than it would be now.
    Outdated,
    Wrong,
}

/// Hashes at one cost. Each hash takes its memory and a core, so as many are computed at once as there are cores, and
/// a crowd at the sign-in waits in line instead of taking the machine.
#[derive(Debug, Clone)]
pub struct Hasher {
    hashing: Arc<Hashing>,
    strength: u8,
    turns: Arc<Semaphore>,
    /// Those whose turn it is, and those who wait.
    places: Arc<Semaphore>,
}

impl Hasher {
    /// At this cost, for passwords of at least this strength.
    #[must_use]
    pub fn new(cost: Argon2Config, strength: u8) -> Self {
        let turns = available_parallelism().map_or(2, usize::from);
        Self {
            hashing: Arc::new(Hashing::new(cost)),
            strength,
            turns: Arc::new(Semaphore::new(turns)),
            places: Arc::new(Semaphore::new(turns + WAITING)),
        }
    }

    /// A new password's hash as a PHC string, with a salt of its own. What is known of its owner makes it no stronger.
    ///
    /// # Errors
    /// When the password is too short, too long or too easy to guess, when too many wait, or the program is about to
    /// end.
    pub async fn hash(&self, password: SecretString, known: &[&str]) -> Result<String, PasswordError> {
        if password.expose_secret().chars().count() < MIN_LENGTH {
            return Err(PasswordError::TooShort);
        }
        if password.expose_secret().len() > MAX_LENGTH {
            return Err(PasswordError::TooLong);
        }
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let (hashing, least) = (Arc::clone(&self.hashing), self.strength);
        self.in_turn(move || {
            strength::judge(password.expose_secret(), &known, least)?;
            hashed(&hashing, &password)
        })
        .await?
    }

    /// The hash at today's cost of a password that was set before.
    ///
    /// # Errors
    /// When too many wait, or the program is about to end.
    pub async fn hash_again(&self, password: SecretString) -> Result<String, PasswordError> {
        let hashing = Arc::clone(&self.hashing);
        self.in_turn(move || hashed(&hashing, &password)).await?
    }

    /// Whether a password is the one that was hashed. Without a hash, because nobody is known by that name, it takes
    /// as long and says no: the time tells nothing of who is known.
    ///
    /// # Errors
    /// When too many wait, or the program is about to end.
    pub async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<Verdict, PasswordError> {
        if password.expose_secret().len() > MAX_LENGTH {
            return Ok(Verdict::Wrong);
        }
        let hashing = Arc::clone(&self.hashing);
        self.in_turn(move || hashing.compare(password.expose_secret().as_bytes(), hash.as_deref())).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place: OwnedSemaphorePermit =
            Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        // The turn ends with the work, also when nobody waits for it any more.
        spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)
    }
}

fn hashed(hashing: &Hashing, password: &SecretString) -> Result<String, PasswordError> {
    hashing.hash(password.expose_secret().as_bytes()).ok_or(PasswordError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap, because most of these tests are of something else.
    const CHEAP: Argon2Config = Argon2Config { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn password() -> SecretString {
        SecretString::from("correct horse battery")
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let hasher = Hasher::new(Argon2Config::default(), 3);
        let hashed = hasher.hash(password(), &[]).await.expect("hash");
        assert!(hashed.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{hashed}");
        assert_ne!(hashed, hasher.hash(password(), &[]).await.expect("hash"), "salted");
        let compare = async |text: &str, hash: Option<&str>| {
            hasher.verify(SecretString::from(text), hash.map(str::to_owned)).await.expect("compared")
        };
        assert_eq!(compare("correct horse battery", Some(&hashed)).await, Verdict::Right);
        assert_eq!(compare("correct horse batterz", Some(&hashed)).await, Verdict::Wrong);
        assert_eq!(compare("correct horse battery", Some("no hash at all")).await, Verdict::Wrong);
        assert_eq!(compare("correct horse battery", None).await, Verdict::Wrong);
        assert_eq!(compare(&"x".repeat(MAX_LENGTH + 1), None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn what_was_hashed_at_another_cost_is_right_and_outdated() {
        let (then, now) = (Hasher::new(CHEAP, 0), Hasher::new(Argon2Config { iterations: 2, ..CHEAP }, 0));
        let old = then.hash(password(), &[]).await.expect("hash");
        assert_eq!(now.verify(password(), Some(old)).await.expect("compared"), Verdict::Outdated);
        let new = now.hash_again(password()).await.expect("hash");
        assert_eq!(now.verify(password(), Some(new)).await.expect("compared"), Verdict::Right);
    }

    #[tokio::test]
    async fn what_is_too_short_too_long_or_too_easy_is_refused() {
        let hasher = Hasher::new(CHEAP, 3);
        let refused = async |text: &str, known: &[&str]| hasher.hash(text.into(), known).await.err();
        assert!(matches!(refused("nine char", &[]).await, Some(PasswordError::TooShort)));
        assert!(matches!(refused(&"x".repeat(MAX_LENGTH + 1), &[]).await, Some(PasswordError::TooLong)));
        assert!(matches!(refused("password1234", &[]).await, Some(PasswordError::TooWeak(_))));
        let name = "wolkenkuckucksheim";
        assert!(refused(name, &[]).await.is_none());
        assert!(matches!(refused(name, &[name]).await, Some(PasswordError::TooWeak(_))));
    }

    #[tokio::test]
    async fn who_comes_on_top_of_those_who_wait_is_sent_away() {
        let hasher = Hasher::new(CHEAP, 0);
        let all = u32::try_from(hasher.places.available_permits()).expect("few");
        let taken = hasher.places.acquire_many(all).await.expect("all places");
        assert!(matches!(hasher.verify(password(), None).await, Err(PasswordError::Busy)));
        drop(taken);
        assert!(hasher.verify(password(), None).await.is_ok());
    }
}
