//! Answers that take the same time whether or not somebody is known. What is done for the one and not for the other, a
//! letter that is queued, a hash of another cost, cannot be made to take equally long; so what is done shows only at the
//! next beat since it was begun. It is committed by then: nothing is left to be done after the answer.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// Between two beats. Several times as long as a hash and its transactions take: what is known of the first beat tells
/// nothing, and people hardly notice it.
const BEAT: Duration = Duration::from_millis(200);

/// The outcome of this work, at the next beat.
pub(super) async fn at_the_beat<T>(work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let outcome = Box::pin(work).await;
    tokio::time::sleep_until(begun + next(begun.elapsed())).await;
    outcome
}

/// The same; what went well is told at once, as it is no secret then who is known.
pub(super) async fn unless_well<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let begun = Instant::now();
    let outcome = Box::pin(work).await;
    if outcome.is_err() {
        tokio::time::sleep_until(begun + next(begun.elapsed())).await;
    }
    outcome
}

/// The first beat that is not before this.
fn next(took: Duration) -> Duration {
    let beats = took.as_nanos().div_ceil(BEAT.as_nanos()).max(1);
    BEAT.saturating_mul(u32::try_from(beats).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_in_less_than_a_beat_takes_one() {
        let beats = |milliseconds| next(Duration::from_millis(milliseconds)).as_millis();
        assert_eq!([0, 1, 199, 200].map(beats), [200; 4]);
        assert_eq!([201, 399, 400].map(beats), [400; 3]);
    }
}
