//! How long whoever fails to sign in must wait. Never for good: a delay ends, and what failed fades.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// What failures are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An account, wherever it was tried from.
    Account,
    /// An address, whichever accounts were tried from it.
    Address,
    /// An account from an address that it was signed in to from.
    Pair,
}

/// The longest delay.
pub(super) const LONGEST: Duration = Duration::from_secs(15 * 60);
/// What failed counts half after each of these without another failure.
const FADES: TimeDelta = TimeDelta::hours(1);
/// More are not counted: the delay is the longest by then.
const MOST: u32 = 40;

impl Kind {
    /// Failures that cost nothing. Many people may share an address.
    const fn free(self) -> u32 {
        match self {
            Self::Account | Self::Pair => 5,
            Self::Address => 20,
        }
    }
}

/// What failed so far of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub failures: u32,
    pub last_at: DateTime<Utc>,
    /// Nobody is let try before.
    pub until: DateTime<Utc>,
}

impl Count {
    /// How long to wait from now.
    pub(super) fn wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        let left = self.until.signed_duration_since(now).to_std().ok()?;
        // Whatever the clock did meanwhile.
        (!left.is_zero()).then(|| left.min(LONGEST))
    }

    /// The count with one more.
    pub(super) fn failed(self, kind: Kind, now: DateTime<Utc>) -> Self {
        let quiet = now.signed_duration_since(self.last_at).max(TimeDelta::zero());
        let halvings = u32::try_from(quiet.num_seconds() / FADES.num_seconds()).unwrap_or(u32::MAX);
        let failures = (self.failures.checked_shr(halvings).unwrap_or(0) + 1).min(MOST);
        Self { failures, last_at: now, until: now + delay(kind, failures) }
    }
}

/// Nothing at first; then a second, doubled by each further failure.
fn delay(kind: Kind, failures: u32) -> Duration {
    match failures.checked_sub(kind.free()) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1u64.checked_shl(over).unwrap_or(u64::MAX)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fresh(now: DateTime<Utc>) -> Count {
        Count { failures: 0, last_at: now, until: now }
    }

    #[test]
    fn after_five_failures_the_delay_doubles_up_to_a_quarter_of_an_hour() {
        let now = Utc::now();
        let mut count = fresh(now);
        let waits: Vec<u64> = (0..20)
            .map(|_| {
                count = count.failed(Kind::Account, now);
                count.wait(now).map_or(0, |wait| wait.as_secs())
            })
            .collect();
        assert_eq!(waits[..10], [0, 0, 0, 0, 1, 2, 4, 8, 16, 32]);
        assert_eq!(waits[19], 900);
        assert_eq!(count.wait(count.until), None);
    }

    #[test]
    fn what_failed_fades() {
        let now = Utc::now();
        let worst = (0..100).fold(fresh(now), |count, _| count.failed(Kind::Account, now));
        let tomorrow = now + TimeDelta::hours(24);
        assert_eq!(worst.wait(tomorrow), None);
        assert_eq!(worst.failed(Kind::Account, tomorrow).failures, 1);
        assert_eq!(worst.failed(Kind::Account, now + TimeDelta::hours(1)).failures, MOST / 2 + 1);
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_the_longest_delay_and_a_failure_never_shortens_it(
            steps in prop::collection::vec((0i64..10_000, 0u8..3), 1..60)
        ) {
            let mut now = Utc::now();
            let mut count = fresh(now);
            for (seconds, kind) in steps {
                now += TimeDelta::seconds(seconds);
                let kind = [Kind::Account, Kind::Address, Kind::Pair][usize::from(kind)];
                let next = count.failed(kind, now);
                prop_assert!(next.wait(now).unwrap_or_default() <= LONGEST);
                prop_assert!(next.failures <= MOST && next.failures >= 1);
                // Within the hour it only grows, up to its most.
                if seconds < 3600 {
                    prop_assert!(next.failures >= count.failures);
                }
                prop_assert_eq!(next.wait(now + LONGEST), None);
                count = next;
            }
        }

        #[test]
        fn a_clock_that_goes_back_locks_nobody_out(back in 0i64..1_000_000) {
            let now = Utc::now();
            let worst = (0..50).fold(fresh(now), |count, _| count.failed(Kind::Account, now));
            prop_assert!(worst.wait(now - TimeDelta::seconds(back)).unwrap_or_default() <= LONGEST);
        }
    }
}
