//! Keeps the file that the edge starts from the same as what is live in it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::failure::chain;

/// Changes within this time are written once.
const COALESCE: Duration = Duration::from_millis(100);

pub(super) async fn run(worker: Arc<Worker>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = worker.routes_changed.notified() => {}
            () = shutdown.cancelled() => return,
        }
        tokio::time::sleep(COALESCE).await;
        let written = async {
            let routes = worker.deps.edge.routes().await?;
            worker.deps.edge.remember(&routes).await
        };
        if let Err(error) = written.await {
            // the sweep tries again; until then the edge would start with what was live before
            tracing::warn!(error = chain(&error), "the edge's start file is not up to date");
        }
    }
}
