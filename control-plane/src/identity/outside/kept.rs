//! What a provider said, kept for a while: asked for by one at a time, and believed on while the provider is away.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::OutsideError;
use super::settings::Pace;

#[derive(Debug)]
struct Said<T> {
    value: Arc<T>,
    at: Instant,
}

#[derive(Debug, Default)]
struct Asked {
    last: Option<Instant>,
    failure: Option<OutsideError>,
}

/// One thing that a provider says. Who finds it current waits for nobody, also not for those who ask anew.
#[derive(Debug)]
pub(super) struct Kept<T> {
    said: RwLock<Option<Said<T>>>,
    /// Held by whoever asks.
    asked: Arc<Mutex<Asked>>,
    pace: Pace,
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(super) fn new(pace: Pace) -> Arc<Self> {
        Arc::new(Self { said: RwLock::new(None), asked: Arc::default(), pace })
    }

    /// What is kept, if it is not too old to be believed.
    pub(super) fn kept(&self) -> Option<Arc<T>> {
        self.younger_than(self.pace.stale)
    }

    /// What the provider says: what is kept if that is fresh and `enough`, or what it answers now. When it does not
    /// answer, or was asked just now, what is kept, enough or not. What is `enough` and no longer fresh is waited for no
    /// longer than for a connection, and by one alone of all who come meanwhile.
    ///
    /// # Errors
    /// What went wrong, now or just before, when nothing is kept.
    pub(super) async fn get<F>(
        self: &Arc<Self>,
        enough: impl Fn(&T) -> bool,
        ask: impl FnOnce() -> F,
    ) -> Result<Arc<T>, OutsideError>
    where
        F: Future<Output = Result<T, OutsideError>> + Send + 'static,
    {
        if let Some(value) = self.kept().filter(|value| enough(value)) {
            if self.younger_than(self.pace.fresh).is_none()
                && let Ok(asked) = Arc::clone(&self.asked).try_lock_owned()
                && !self.lately(&asked)
            {
                // Whether it was answered in time or not: the newest is what there is.
                let _ = timeout(self.pace.connect, self.start(asked, ask())).await;
                return Ok(self.kept().unwrap_or(value));
            }
            return Ok(value);
        }
        let asked = Arc::clone(&self.asked).lock_owned().await;
        let lately = self.lately(&asked);
        let kept = self.kept();
        match kept {
            // What somebody else asked for, while we waited for our turn.
            Some(value) if lately || (self.younger_than(self.pace.fresh).is_some() && enough(&value)) => {
                return Ok(value);
            }
            None if lately => {
                let unknown = OutsideError::Unasked("it was asked just now");
                return Err(asked.failure.clone().unwrap_or(unknown));
            }
            _ => {}
        }
        let failed = self.start(asked, ask()).await;
        match (self.kept(), failed) {
            (Some(value), _) => Ok(value),
            (None, Ok(Some(error))) => Err(error),
            (None, _) => Err(OutsideError::Unasked("the question came to no end")),
        }
    }

    /// Keeps what it said to somebody who asked by themselves.
    pub(super) fn put(&self, value: T) {
        let said = Said { value: Arc::new(value), at: Instant::now() };
        *self.said.write().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }

    fn lately(&self, asked: &Asked) -> bool {
        asked.last.is_some_and(|last| last.elapsed() < self.pace.between)
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<T>> {
        let said = self.said.read().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().filter(|said| said.at.elapsed() < age).map(|said| Arc::clone(&said.value))
    }

    /// Asks on, whether anybody waits for it or not: who leaves early does not make the next one ask again.
    fn start(
        self: &Arc<Self>,
        mut asked: OwnedMutexGuard<Asked>,
        answer: impl Future<Output = Result<T, OutsideError>> + Send + 'static,
    ) -> JoinHandle<Option<OutsideError>> {
        let kept = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = answer.await;
            asked.last = Some(Instant::now());
            asked.failure = match outcome {
                Ok(value) => {
                    kept.put(value);
                    None
                }
                Err(error) => Some(error),
            };
            asked.failure.clone()
        })
    }
}
