//! Slowing down whoever guesses passwords.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sign-ins that may fail for one email from one address within [`WINDOW`].
const ALLOWED: u32 = 5;
/// Counted from the first failure.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Pairs remembered at the same time, so that nobody can fill the memory by inventing emails.
const REMEMBERED: usize = 10_000;

type Pair = (String, String);

#[derive(Debug, Clone, Copy)]
struct Record {
    attempts: u32,
    since: Instant,
}

/// Attempts to sign in that were not (yet) crowned by success, by email and address. It lives in memory: it is
/// there to make guessing slow, and a restart costs an attacker more than it gives.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<Pair, Record>>);

impl Failures {
    /// Counts an attempt before its password is looked at, so that many at the same time count as many.
    ///
    /// # Errors
    /// How long to wait, when there were too many already.
    pub(super) fn attempt(&self, email: &str, address: &str, now: Instant) -> Result<(), Duration> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (email.to_owned(), address.to_owned());
        if !records.contains_key(&pair) && records.len() >= REMEMBERED {
            make_room(&mut records, now);
        }
        let record = records.entry(pair).or_insert(Record { attempts: 0, since: now });
        let passed = now.saturating_duration_since(record.since);
        if passed >= WINDOW {
            *record = Record { attempts: 0, since: now };
        } else if record.attempts >= ALLOWED {
            return Err(WINDOW - passed);
        }
        record.attempts += 1;
        Ok(())
    }

    /// Forgets the attempts of a pair: it has signed in.
    pub(super) fn forget(&self, email: &str, address: &str) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.remove(&(email.to_owned(), address.to_owned()));
    }

    /// Takes one attempt back: it was the platform that failed.
    pub(super) fn excuse(&self, email: &str, address: &str) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = records.get_mut(&(email.to_owned(), address.to_owned())) {
            record.attempts = record.attempts.saturating_sub(1);
        }
    }
}

fn make_room(records: &mut HashMap<Pair, Record>, now: Instant) {
    records.retain(|_, record| now.saturating_duration_since(record.since) < WINDOW);
    if records.len() >= REMEMBERED {
        let oldest = records.iter().min_by_key(|(_, record)| record.since).map(|(pair, _)| pair.clone());
        if let Some(pair) = oldest {
            records.remove(&pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_failures_one_waits_for_the_window_to_pass() {
        let (failures, start) = (Failures::default(), Instant::now());
        for _ in 0..ALLOWED {
            assert_eq!(failures.attempt("a@b", "1", start), Ok(()));
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(failures.attempt("a@b", "1", later), Err(WINDOW - Duration::from_secs(60)));
        assert_eq!(failures.attempt("a@b", "2", later), Ok(()), "another address is another pair");
        assert_eq!(failures.attempt("c@d", "1", later), Ok(()), "another email is another pair");
        assert_eq!(failures.attempt("a@b", "1", start + WINDOW), Ok(()));
    }

    #[test]
    fn success_forgets_and_our_own_failure_is_excused() {
        let (failures, now) = (Failures::default(), Instant::now());
        for _ in 0..ALLOWED {
            failures.attempt("a@b", "1", now).expect("allowed");
        }
        failures.excuse("a@b", "1");
        failures.attempt("a@b", "1", now).expect("one was taken back");
        failures.forget("a@b", "1");
        for _ in 0..ALLOWED {
            failures.attempt("a@b", "1", now).expect("all were forgotten");
        }
        assert!(failures.attempt("a@b", "1", now).is_err());
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let (failures, start) = (Failures::default(), Instant::now());
        for number in 0..REMEMBERED + 50 {
            let at = start + Duration::from_millis(number as u64);
            failures.attempt(&format!("{number}@b"), "1", at).expect("allowed");
        }
        let records = failures.0.lock().expect("lock");
        assert_eq!(records.len(), REMEMBERED);
        assert!(!records.contains_key(&("0@b".to_owned(), "1".to_owned())));
    }
}
