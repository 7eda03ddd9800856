//! Takes leases of houses that are due and sees to each in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::failure::chain;
use super::{Worker, attend, fault};
use crate::store::leases::{self, Claim};
use crate::store::{Scope, Store};

/// The longest sleep between two looks: a notice that was lost costs no more than this.
const LONGEST_NAP: Duration = Duration::from_secs(5);

/// Runs until `shutdown`, then waits for the houses that are being seen to.
pub(super) async fn run(worker: &Arc<Worker>, shutdown: &CancellationToken) {
    let room = Arc::new(Semaphore::new(usize::from(worker.deps.config.worker.concurrency.max(1))));
    let tasks = TaskTracker::new();
    let mut told = false;
    while !shutdown.is_cancelled() {
        let nap = match round(worker, &room, &tasks).await {
            Ok(nap) => {
                told = false;
                nap
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!(error = chain(&error), "the registry does not answer; trying on");
                }
                Duration::from_millis(500)
            }
        };
        tokio::select! {
            () = worker.due.notified() => {}
            () = tokio::time::sleep(nap) => {}
            () = shutdown.cancelled() => {}
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// Leases as many houses as there is room for; says how long nothing will be due.
async fn round(
    worker: &Arc<Worker>,
    room: &Arc<Semaphore>,
    tasks: &TaskTracker,
) -> Result<Duration, crate::store::Error> {
    let free = room.available_permits();
    if free == 0 || !worker.presence.is_known() {
        return Ok(LONGEST_NAP); // whoever ends wakes us, and so does whoever makes us known again
    }
    worker.presence.tidy(worker).await?;
    let lease = worker.deps.config.worker.lease_seconds;
    let claims = claim(&worker.deps.store, worker.key, lease, i64::try_from(free).unwrap_or(1)).await?;
    for claim in claims {
        fault::place("claimed");
        let Ok(permit) = Arc::clone(room).try_acquire_owned() else { break };
        let (worker, lost) = (Arc::clone(worker), CancellationToken::new());
        worker.held().insert(claim.house.clone(), lost.clone());
        tasks.spawn(async move {
            attend::house(&worker, claim, lost).await;
            drop(permit);
            worker.due.notify_one();
        });
    }
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    let next = leases::next_due(&mut tx).await?;
    tx.commit().await?;
    // what is due now but not given to us is held by somebody: look again soon, not at once
    Ok(next.map_or(LONGEST_NAP, |wait| wait.clamp(Duration::from_millis(50), LONGEST_NAP)))
}

async fn claim(store: &Store, key: i64, lease: u32, limit: i64) -> Result<Vec<Claim>, crate::store::Error> {
    let mut tx = store.begin(Scope::System).await?;
    let claims = leases::claim(&mut tx, key, lease, limit).await?;
    tx.commit().await?;
    Ok(claims)
}
