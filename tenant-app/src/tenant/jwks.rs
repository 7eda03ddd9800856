//! The platform's public keys, fetched through the back door and kept for a while.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::Uri;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use crate::people::back_door::{BackDoor, Error as FetchError};

/// How long keys are believed, and how often the platform may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Keys younger than this are used without asking again.
    pub fresh: Duration,
    /// Keys older than this are not used even when the platform does not answer.
    pub stale: Duration,
    /// At the most one fetch in this time, whatever visitors send us.
    pub between: Duration,
    /// A key id that was not there is not asked for again in this time.
    pub missing: Duration,
    /// Deadline of one fetch.
    pub deadline: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(300),
            stale: Duration::from_secs(3600),
            between: Duration::from_secs(5),
            missing: Duration::from_secs(60),
            deadline: Duration::from_secs(2),
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("the platform has no such key")]
    Unknown,
    #[error("the platform's keys cannot be had at the moment")]
    Unavailable,
}

type Fetch = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<JwkSet, FetchError>> + Send>> + Send + Sync>;

/// A key is for one algorithm: what is signed with another is not found.
type KeyId = (String, Algorithm);

#[derive(Default)]
struct Snapshot {
    keys: HashMap<KeyId, Arc<DecodingKey>>,
    fetched: Option<Instant>,
}

#[derive(Default)]
struct Asked {
    last: Option<Instant>,
    missing: HashMap<KeyId, Instant>,
}

/// A cache of the key set. Whoever finds it current never waits for those who refresh it.
pub struct Keys {
    fetch: Fetch,
    pace: Pace,
    snapshot: RwLock<Arc<Snapshot>>,
    asked: Mutex<Asked>,
}

/// More ids than this are not remembered as missing: visitors choose them.
const REMEMBERED: usize = 256;
const LONGEST_ID: usize = 128;

impl Keys {
    /// Keys from `url`, through the back door.
    #[must_use]
    pub fn at(door: BackDoor, url: Uri) -> Self {
        Self::with(Pace::default(), move || {
            let (door, url) = (door.clone(), url.clone());
            async move { door.get(url).await }
        })
    }

    /// Keys from anywhere.
    pub fn with<F>(pace: Pace, fetch: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<JwkSet, FetchError>> + Send + 'static,
    {
        Self {
            fetch: Box::new(move || Box::pin(fetch())),
            pace,
            snapshot: RwLock::default(),
            asked: Mutex::default(),
        }
    }

    /// The key with this id, for this algorithm.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] when the platform's keys do not hold it, [`KeyError::Unavailable`] when
    /// they cannot be asked for and what we have is too old to be believed.
    pub async fn find(&self, id: &str, algorithm: Algorithm) -> Result<Arc<DecodingKey>, KeyError> {
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(KeyError::Unknown);
        }
        let id = &(id.to_owned(), algorithm);
        let snapshot = self.snapshot();
        if younger(snapshot.fetched, self.pace.fresh)
            && let Some(key) = snapshot.keys.get(id)
        {
            return Ok(Arc::clone(key));
        }
        self.refresh_for(id).await;
        let snapshot = self.snapshot();
        if !younger(snapshot.fetched, self.pace.stale) {
            return Err(KeyError::Unavailable);
        }
        snapshot.keys.get(id).cloned().ok_or(KeyError::Unknown)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One fetch at a time; those who waited for it find what it brought.
    async fn refresh_for(&self, id: &KeyId) {
        let mut asked = self.asked.lock().await;
        let snapshot = self.snapshot();
        if younger(snapshot.fetched, self.pace.fresh)
            && (snapshot.keys.contains_key(id) || younger(asked.missing.get(id).copied(), self.pace.missing))
        {
            return;
        }
        if younger(asked.last, self.pace.between) {
            return;
        }
        let outcome = match tokio::time::timeout(self.pace.deadline, (self.fetch)()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Late),
        };
        asked.last = Some(Instant::now());
        match outcome {
            Ok(set) => {
                let keys = usable(&set);
                if !keys.contains_key(id) {
                    let keep = self.pace.missing;
                    asked.missing.retain(|_, since| since.elapsed() < keep);
                    if asked.missing.len() < REMEMBERED {
                        asked.missing.insert(id.clone(), Instant::now());
                    }
                }
                let fresh = Arc::new(Snapshot { keys, fetched: Some(Instant::now()) });
                *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            }
            Err(error) => tracing::warn!(%error, "the platform's keys could not be fetched"),
        }
    }
}

fn younger(since: Option<Instant>, than: Duration) -> bool {
    since.is_some_and(|since| since.elapsed() < than)
}

/// Keys with an id: Ed25519 for access tokens, RSA for ID tokens. A set may hold others, which are not for us.
fn usable(set: &JwkSet) -> HashMap<KeyId, Arc<DecodingKey>> {
    let signs = |jwk: &&Jwk| !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    set.keys
        .iter()
        .filter(signs)
        .filter_map(|jwk| {
            let algorithm = match &jwk.algorithm {
                AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                    Algorithm::EdDSA
                }
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                _ => return None,
            };
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some(((jwk.common.key_id.clone()?, algorithm), Arc::new(key)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::tenant::samples;

    const ALG: Algorithm = Algorithm::EdDSA;
    const LARGE: usize = 1024 * 1024 + 1;

    fn slow() -> Pace {
        Pace { between: Duration::from_secs(3600), ..Pace::default() }
    }

    fn counted(pace: Pace, ids: &'static [&'static str]) -> (Keys, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&count);
        let keys = Keys::with(pace, move || {
            inside.fetch_add(1, Ordering::SeqCst);
            async move { Ok(samples::key_set(ids)) }
        });
        (keys, count)
    }

    #[tokio::test]
    async fn a_known_key_is_fetched_once() {
        let (keys, count) = counted(slow(), &["one"]);
        for _ in 0..5 {
            assert!(keys.find("one", ALG).await.is_ok());
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn many_at_once_fetch_once() {
        let (keys, count) = counted(slow(), &["one"]);
        let (a, b, c) = tokio::join!(keys.find("one", ALG), keys.find("one", ALG), keys.find("two", ALG));
        assert!(a.is_ok() && b.is_ok());
        assert_eq!(c.err(), Some(KeyError::Unknown));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn made_up_ids_do_not_reach_the_platform_each_time() {
        let (keys, count) = counted(slow(), &["one"]);
        for n in 0..50 {
            assert_eq!(keys.find(&format!("made-up-{n}"), ALG).await.err(), Some(KeyError::Unknown));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let (keys, count) = counted(Pace { between: Duration::ZERO, ..Pace::default() }, &["one"]);
        for _ in 0..50 {
            assert_eq!(keys.find("missing", ALG).await.err(), Some(KeyError::Unknown));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(keys.find(&"x".repeat(1000), ALG).await.err(), Some(KeyError::Unknown));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn keys_come_over_http() {
        let body = serde_json::to_string(&samples::key_set(&["one"])).unwrap();
        let answers = axum::Router::new()
            .route("/keys", axum::routing::get(move || async move { body }))
            .route("/large", axum::routing::get(|| async { "x".repeat(LARGE) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, answers).await });
        let at = |path: &str| Keys::at(BackDoor::default(), format!("{base}{path}").parse().unwrap());
        assert!(at("/keys").find("one", ALG).await.is_ok());
        // A key of another kind under that name is another key.
        assert_eq!(at("/keys").find("one", Algorithm::RS256).await.err(), Some(KeyError::Unknown));
        assert_eq!(at("/keys").find("two", ALG).await.err(), Some(KeyError::Unknown));
        assert_eq!(at("/large").find("one", ALG).await.err(), Some(KeyError::Unavailable));
        assert_eq!(at("/none").find("one", ALG).await.err(), Some(KeyError::Unavailable));
    }

    #[tokio::test]
    async fn old_keys_serve_while_the_platform_is_away_but_not_for_ever() {
        let up = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&up);
        let fetch = move || {
            let first = inside.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { Ok(samples::key_set(&["one"])) } else { Err(FetchError::Status(502)) } }
        };
        let pace = Pace { fresh: Duration::ZERO, between: Duration::ZERO, ..Pace::default() };
        let keys = Keys::with(pace, fetch);
        assert!(keys.find("one", ALG).await.is_ok());
        assert!(keys.find("one", ALG).await.is_ok());
        assert!(up.load(Ordering::SeqCst) > 1);

        let keys = Keys::with(Pace { stale: Duration::ZERO, between: Duration::ZERO, ..pace }, || async {
            Err(FetchError::Status(502))
        });
        assert_eq!(keys.find("one", ALG).await.err(), Some(KeyError::Unavailable));
        let never = Keys::with(Pace::default(), || async { Err(FetchError::Late) });
        assert_eq!(never.find("one", ALG).await.err(), Some(KeyError::Unavailable));
    }
}
