//! Runs the steps of a plan, independent ones at the same time.

use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::failure::Failure;
use crate::planner::Planned;

/// Runs every step as soon as those it waits for have succeeded. After a failure nothing new begins, what runs is
/// let finish, and the gravest failure is told.
pub async fn run<F>(plan: &[Planned], step: impl Fn(usize) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let mut started = vec![false; plan.len()];
    let mut done = vec![false; plan.len()];
    let mut running = FuturesUnordered::new();
    let mut failure: Option<Failure> = None;
    loop {
        if failure.is_none() {
            for (index, planned) in plan.iter().enumerate() {
                if !started[index] && planned.after.iter().all(|earlier| done[*earlier]) {
                    started[index] = true;
                    let future = step(index);
                    running.push(async move { (index, future.await) });
                }
            }
        }
        match running.next().await {
            None => break,
            Some((index, Ok(()))) => done[index] = true,
            Some((_, Err(next))) => {
                if failure.as_ref().is_none_or(|known| next.kind > known.kind) {
                    failure = Some(next);
                }
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::planner::Step;
    use crate::worker::failure::Kind;

    fn plan(after: &[&[usize]]) -> Vec<Planned> {
        after.iter().map(|after| Planned { step: Step::Drain, after: after.to_vec() }).collect()
    }

    #[tokio::test]
    async fn steps_wait_for_what_they_need() {
        let order = Mutex::new(Vec::new());
        let plan = plan(&[&[], &[0], &[0], &[1, 2]]);
        run(&plan, |index| {
            order.lock().expect("lock").push(index);
            async { Ok(()) }
        })
        .await
        .expect("all succeed");
        let order = order.into_inner().expect("lock");
        assert_eq!((order[0], order[3], order.len()), (0, 3, 4));
    }

    #[tokio::test]
    async fn nothing_begins_after_a_failure_and_the_gravest_is_told() {
        let begun = Mutex::new(Vec::new());
        let plan = plan(&[&[], &[], &[0], &[1]]);
        let failure = run(&plan, |index| {
            begun.lock().expect("lock").push(index);
            async move {
                match index {
                    0 => Err(Failure::retry("passes")),
                    _ => {
                        tokio::task::yield_now().await;
                        Err(Failure::fatal("stays"))
                    }
                }
            }
        })
        .await
        .expect_err("both fail");
        assert_eq!(failure.kind, Kind::Fatal);
        assert_eq!(*begun.lock().expect("lock"), [0, 1]);
    }
}
