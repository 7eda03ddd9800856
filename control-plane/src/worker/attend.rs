//! Sees to one house under a lease: look, plan, run, and again, until it is as it should be or cannot be.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::failure::{Failure, Kind, MAX_ATTEMPTS, chain, pause};
use super::house::House;
use super::journal::Journal;
use super::{Worker, fault, gather, runner, steps, watch};
use crate::planner::{Decision, plan};
use crate::store::leases::{self, Claim, Outcome};
use crate::store::{Scope, houses};

/// Rounds of looking and running within one lease. Two are the rule; more mean that somebody works against us, and
/// others shall have their turn.
const ROUNDS: usize = 10;

/// How long what every house needs is left alone when it was away.
const AWAY: Duration = Duration::from_secs(2);

/// What came of it.
struct End {
    generation: i64,
    outcome: Outcome,
}

/// Sees to the house and gives the lease back, unless it is `lost` meanwhile.
pub(super) async fn house(worker: &Arc<Worker>, claim: Claim, lost: CancellationToken) {
    let end = tokio::select! {
        end = converge(worker, &claim) => Some(end),
        () = keep(worker, &claim) => None,
        () = lost.cancelled() => None,
    };
    worker.held().remove(&claim.house);
    let Some(end) = end else {
        // another worker has the house, or soon will: nothing may be written any more
        tracing::warn!(house = %claim.house, "the lease was lost");
        return;
    };
    if let Some(end) = end {
        give_back(worker, &claim, end).await;
        if worker.disturbed().remove(&claim.house) {
            watch::look_again(worker, &claim.house, "it changed while it was worked on").await;
        }
    }
    fault::place("given_back");
}

/// Prolongs the lease while the house is seen to; returns when it is lost.
async fn keep(worker: &Worker, claim: &Claim) {
    let seconds = worker.deps.config.worker.lease_seconds;
    let mut failures = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(u64::from(seconds.max(3) / 3))).await;
        match extend(worker, claim, seconds).await {
            Ok(true) => failures = 0,
            Ok(false) => return,
            // a registry that is away for a moment takes the lease from nobody; three times is the whole lease
            Err(_) if failures < 2 => failures += 1,
            Err(_) => return,
        }
    }
}

async fn extend(worker: &Worker, claim: &Claim, seconds: u32) -> Result<bool, crate::store::Error> {
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    let held = leases::extend(&mut tx, claim, seconds).await?;
    tx.commit().await?;
    Ok(held)
}

/// `None`: the house is gone, and the lease with it.
async fn converge(worker: &Arc<Worker>, claim: &Claim) -> Option<End> {
    let mut generation = 0;
    let mut attempts = 0;
    let mut journal = None;
    let end = rounds(worker, claim, &mut journal, &mut generation, &mut attempts).await;
    if let Some(journal) = journal {
        journal.close().await;
    }
    match end {
        Ok(Some(outcome)) => Some(End { generation, outcome }),
        Ok(None) => None,
        Err(failure) => {
            tracing::warn!(house = %claim.house, attempts, reason = failure.reason, kind = ?failure.kind, "not yet");
            let outcome = match failure.kind {
                Kind::Fatal => Outcome::Stuck { reason: failure.reason },
                Kind::Retry if attempts + 1 >= MAX_ATTEMPTS => Outcome::Stuck { reason: failure.reason },
                Kind::Retry => Outcome::Again { after: pause(attempts), reason: failure.reason },
                Kind::Away => Outcome::Wait { after: AWAY, reason: failure.reason },
            };
            Some(End { generation, outcome })
        }
    }
}

async fn rounds(
    worker: &Arc<Worker>,
    claim: &Claim,
    journal: &mut Option<Journal>,
    generation: &mut i64,
    attempts: &mut i32,
) -> Result<Option<Outcome>, Failure> {
    for _ in 0..ROUNDS {
        let house = House::resolve(worker, claim).await?;
        *generation = house.record.tenant.generation;
        *attempts = house.record.attempts;
        fault::place("resolved");
        worker.disturbed().remove(&claim.house);
        let seen = gather::house(worker, &house).await?;
        fault::place("observed");
        match plan(&house.desired, &seen.observed) {
            Decision::Converged => {
                worker.settled().insert(claim.house.clone(), seen.print(house.record.tenant.generation));
                fault::place("converged");
                if house.may_be_forgotten() {
                    return forget(worker, claim).await.map(|gone| (!gone).then_some(Outcome::Converged));
                }
                return Ok(Some(Outcome::Converged));
            }
            Decision::Blind(what) => return Err(Failure::away(what)),
            Decision::Blocked(blocked) => return Err(Failure::fatal(blocked.to_string())),
            Decision::Steps(steps) => {
                worker.settled().remove(&claim.house);
                if journal.is_none() {
                    *journal = Some(Journal::open(worker, &house).await?);
                }
                if let Some(journal) = journal {
                    let scene = steps::Scene::new(worker, &house, &seen, journal);
                    runner::run(&steps, |index| scene.step(&steps[index].step)).await?;
                }
            }
        }
    }
    Ok(Some(Outcome::Superseded))
}

/// The last act of a deletion. `false`: the tenant is to be kept after all, or the lease is lost.
async fn forget(worker: &Worker, claim: &Claim) -> Result<bool, Failure> {
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    let gone = houses::forget(&mut tx, claim).await?;
    tx.commit().await?;
    if gone {
        worker.settled().remove(&claim.house);
        tracing::info!(house = %claim.house, tenant = %claim.tenant, "the tenant is gone");
    }
    Ok(gone)
}

async fn give_back(worker: &Worker, claim: &Claim, end: End) {
    let stuck = match &end.outcome {
        Outcome::Stuck { reason } => Some(reason.clone()),
        _ => None,
    };
    let given = async {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let held = leases::give_back(&mut tx, claim, end.generation, end.outcome).await?;
        tx.commit().await?;
        Ok::<_, crate::store::Error>(held)
    };
    match given.await {
        Ok(true) => {
            if let Some(reason) = stuck {
                tracing::error!(house = %claim.house, tenant = %claim.tenant, reason, "stuck: a person must look");
            }
        }
        Ok(false) => tracing::warn!(house = %claim.house, "the lease was lost before it could be given back"),
        // it runs out by itself, and the house is looked at again
        Err(error) => {
            tracing::warn!(house = %claim.house, error = chain(&error), "the lease could not be given back");
        }
    }
}
