//! Reports: says in the registry that this worker lives and how it finds the engine, for those who face people and may
//! not ask the engine themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Worker;
use super::failure::chain;
use crate::engine::{Engine, Error, Result};
use crate::store::{Scope, workers};

/// Between two reports.
const EVERY: Duration = Duration::from_secs(5);
/// How long the engine may take to say how it is before it counts as one that does not answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Reports until `shutdown`. It waits for nothing else: while everything that needs the engine hangs, this is how people
/// hear of it.
pub(super) async fn run(worker: Arc<Worker>, shutdown: CancellationToken) {
    let mut lost: Option<Instant> = None;
    loop {
        let engine = how(worker.deps.engine.as_ref()).await;
        lost = match &engine {
            Err(Error::Unreachable(_)) => lost.or_else(|| Some(Instant::now())),
            _ => None,
        };
        report(&worker, &engine).await;
        if let (Some(since), Some(limit), Err(error)) = (lost, worker.deps.engine_lost, &engine)
            && since.elapsed() >= limit
        {
            tracing::error!(
                error = chain(error),
                "ending, to be started again with the socket that the engine has now"
            );
            shutdown.cancel();
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => {
                leave(&worker).await;
                return;
            }
        }
    }
}

async fn how(engine: &dyn Engine) -> Result<()> {
    let asked = tokio::time::timeout(ANSWER, engine.info()).await;
    asked.unwrap_or(Err(Error::Timeout { what: "tell how it is", within: ANSWER })).map(drop)
}

async fn report(worker: &Worker, engine: &Result<()>) {
    let message = engine.as_ref().err().map(|error| chain(error));
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "worker".to_owned());
    let told = async {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        workers::report(&mut tx, worker.key, &host, message.as_deref().map_or(Ok(()), Err)).await?;
        tx.commit().await
    };
    if let Err(error) = told.await {
        tracing::debug!(error = chain(&error), "this worker could not report itself");
    }
}

async fn leave(worker: &Worker) {
    let left = async {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        workers::leave(&mut tx, worker.key).await?;
        tx.commit().await
    };
    if let Err(error) = left.await {
        tracing::debug!(error = chain(&error), "this worker could not take its leave");
    }
}
