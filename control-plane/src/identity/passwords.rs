//! Passwords: argon2id, a few at a time, never on the threads that serve.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many hashes are computed at once: each takes 19 MiB and a core, so a crowd at the sign-in waits in line
/// instead of taking the machine.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The longest password that is looked at, in bytes.
pub const MAX_LENGTH: usize = 1024;
/// The shortest password that may be set, in characters.
pub const MIN_LENGTH: usize = 12;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {MIN_LENGTH} characters")]
    TooShort,
    #[error("a password has at most {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the password could not be hashed")]
    Failed,
}

/// A password's hash as a PHC string, with a salt of its own.
///
/// # Errors
/// When the password is too short or too long, or the program is about to end.
pub async fn hash(password: SecretString) -> Result<String, PasswordError> {
    if password.expose_secret().chars().count() < MIN_LENGTH {
        return Err(PasswordError::TooShort);
    }
    if password.expose_secret().len() > MAX_LENGTH {
        return Err(PasswordError::TooLong);
    }
    let _turn = AT_ONCE.acquire().await.map_err(|_| PasswordError::Failed)?;
    spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|_| PasswordError::Failed)
    })
    .await
    .map_err(|_| PasswordError::Failed)?
}

/// Whether a password is the one that was hashed. Without a hash, because nobody is known by that name, it takes
/// as long and says no: the time tells nothing of who is known.
pub async fn verify(password: SecretString, hash: Option<String>) -> bool {
    if password.expose_secret().len() > MAX_LENGTH {
        return false;
    }
    let Ok(_turn) = AT_ONCE.acquire().await else { return false };
    spawn_blocking(move || {
        let password = password.expose_secret().as_bytes();
        match hash.as_deref().map(PasswordHash::new) {
            Some(Ok(hash)) => Argon2::default().verify_password(password, &hash).is_ok(),
            Some(Err(_)) | None => {
                let mut nobody = [0; 32];
                let _ = Argon2::default().hash_password_into(password, b"nobody has this salt", &mut nobody);
                false
            }
        }
    })
    .await
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let password = || SecretString::from("correct horse battery");
        let hashed = hash(password()).await.expect("hash");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, hash(password()).await.expect("hash"), "salted");
        assert!(verify(password(), Some(hashed.clone())).await);
        assert!(!verify(SecretString::from("correct horse batterz"), Some(hashed)).await);
        assert!(!verify(password(), Some("no hash at all".into())).await);
        assert!(!verify(password(), None).await);
    }

    #[tokio::test]
    async fn what_is_too_short_or_too_long_is_refused() {
        assert!(matches!(hash(SecretString::from("eleven char")).await, Err(PasswordError::TooShort)));
        assert!(matches!(hash(SecretString::from("x".repeat(1025))).await, Err(PasswordError::TooLong)));
        assert!(!verify(SecretString::from("x".repeat(1025)), None).await);
    }
}
