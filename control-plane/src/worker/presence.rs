//! Whether the registry knows that this worker lives, and what becomes of its leases when it did not for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Worker;
use crate::model::ids::HouseId;
use crate::store::{Scope, leases};

/// Between two looks at whether those have ended whose leases were lost: they end at their next step.
const LOOK: Duration = Duration::from_millis(10);

/// A worker that is not known to live holds nothing: whatever it claimed would be anybody's, its own once more among
/// them.
#[derive(Debug)]
pub(super) struct Presence {
    known: AtomicBool,
    /// It was lost since leases were last tidied up: some may stand under our key that nobody works under.
    was_lost: AtomicBool,
}

impl Presence {
    /// Of a worker whose presence was just taken up.
    pub(super) fn begin() -> Self {
        Self { known: AtomicBool::new(true), was_lost: AtomicBool::new(false) }
    }

    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::SeqCst)
    }

    /// Nobody knows any longer that we live: what is under way ends.
    pub(super) fn lose(&self, worker: &Worker) {
        self.known.store(false, Ordering::SeqCst);
        self.was_lost.store(true, Ordering::SeqCst);
        for lease in worker.held().values() {
            lease.cancel();
        }
    }

    pub(super) fn regain(&self) {
        self.known.store(true, Ordering::SeqCst);
    }

    /// Gives leases back that were lost with the presence: being present again under the same key, we would keep
    /// everybody from those houses until they run out.
    pub(super) async fn tidy(&self, worker: &Worker) -> Result<(), crate::store::Error> {
        if !self.was_lost.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        while worker.held().values().any(tokio_util::sync::CancellationToken::is_cancelled) {
            tokio::time::sleep(LOOK).await;
        }
        let held: Vec<HouseId> = worker.held().keys().cloned().collect();
        let tidied = async {
            let mut tx = worker.deps.store.begin(Scope::System).await?;
            leases::abandon(&mut tx, worker.key, &held).await?;
            tx.commit().await
        };
        tidied.await.inspect_err(|_| self.was_lost.store(true, Ordering::SeqCst))
    }
}
