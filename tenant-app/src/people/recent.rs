//! Answers that are believed for a few seconds. Whoever asks the same meanwhile gets the same answer, and
//! those who ask at once wait for one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// More than this is not remembered; a tenant's people are fewer.
const MOST: usize = 4096;

type Slot<V> = Arc<tokio::sync::Mutex<Option<(Instant, V)>>>;

pub struct Recent<K, V> {
    fresh: Duration,
    slots: Mutex<HashMap<K, Slot<V>>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    #[must_use]
    pub fn new(fresh: Duration) -> Self {
        Self { fresh, slots: Mutex::default() }
    }

    /// The answer to `key`, at most `fresh` old. `ask` is told the answer before, however old. An error
    /// is not remembered, nor is an answer that `keep` does not want kept.
    ///
    /// # Errors
    /// What `ask` says.
    pub async fn get<E, F: Future<Output = Result<V, E>>>(
        &self,
        key: &K,
        ask: impl FnOnce(Option<V>) -> F,
        keep: impl FnOnce(&V) -> bool,
    ) -> Result<V, E> {
        let slot = self.slot(key);
        let mut held = slot.lock().await;
        if let Some((at, value)) = &*held
            && at.elapsed() < self.fresh
        {
            return Ok(value.clone());
        }
        let before = held.as_ref().map(|(_, value)| value.clone());
        let outcome = ask(before).await;
        match &outcome {
            Ok(value) if keep(value) => *held = Some((Instant::now(), value.clone())),
            Err(_) if held.is_some() => {}
            _ => self.forget(key),
        }
        outcome
    }

    pub fn forget(&self, key: &K) {
        self.all().remove(key);
    }

    fn slot(&self, key: &K) -> Slot<V> {
        let mut slots = self.all();
        if slots.len() >= MOST && !slots.contains_key(key) {
            let old = |slot: &Slot<V>| {
                // One that is held is being asked about.
                slot.try_lock()
                    .is_ok_and(|held| held.as_ref().is_none_or(|(at, _)| at.elapsed() >= self.fresh))
            };
            slots.retain(|_, slot| !old(slot));
            if slots.len() >= MOST {
                slots.clear();
            }
        }
        Arc::clone(slots.entry(key.clone()).or_default())
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<K, Slot<V>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn ask(recent: &Recent<u32, u32>, key: u32, count: &AtomicUsize) -> Result<u32, ()> {
        let asking = |_| async {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::SeqCst);
            Ok(key)
        };
        recent.get(&key, asking, |_| true).await
    }

    #[tokio::test]
    async fn one_asks_for_all_who_wait() {
        let (recent, count) = (Recent::new(Duration::from_secs(3600)), AtomicUsize::new(0));
        let (a, b, c) =
            tokio::join!(ask(&recent, 1, &count), ask(&recent, 1, &count), ask(&recent, 2, &count));
        assert_eq!((a, b, c), (Ok(1), Ok(1), Ok(2)));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        recent.forget(&1);
        ask(&recent, 1, &count).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 3);
        let eager = Recent::new(Duration::ZERO);
        ask(&eager, 1, &count).await.unwrap();
        ask(&eager, 1, &count).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn errors_are_not_remembered_and_do_not_forget() {
        let recent = Recent::<u32, u32>::new(Duration::ZERO);
        assert_eq!(recent.get(&1, |_| async { Err("away") }, |_| true).await, Err("away"));
        assert!(recent.all().is_empty());
        recent.get(&1, |_| async { Ok::<_, ()>(7) }, |_| true).await.unwrap();
        assert_eq!(recent.get(&1, |_| async { Err("away") }, |_| true).await, Err("away"));
        let told = recent.get(&1, |before| async move { Ok::<_, ()>(before.unwrap_or_default()) }, |_| false);
        assert_eq!(told.await, Ok(7));
        assert!(recent.all().is_empty(), "not wanted kept");
    }

    #[tokio::test]
    async fn it_is_bounded() {
        let (recent, count) = (Recent::new(Duration::from_secs(3600)), AtomicUsize::new(0));
        for key in 0..10_000 {
            ask(&recent, key, &count).await.unwrap();
            assert!(recent.all().len() <= MOST);
        }
    }
}
