//! The API at its socket.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::socket::{self, Patience, SocketError};

const PATIENCE: Patience = Patience {
    // Longer than the edge keeps an idle connection, so that it is always the edge that closes one and no request
    // is sent into a closing connection.
    head: Duration::from_secs(90),
    drain: Duration::from_secs(10),
};

/// Serves `router` at this unix socket until `shutdown`, then lets requests under way end, for ten seconds at the
/// most.
///
/// # Errors
/// When the socket cannot be opened.
pub async fn serve(path: &Path, router: Router, shutdown: CancellationToken) -> Result<(), SocketError> {
    socket::serve(path, TowerToHyperService::new(router), PATIENCE, TaskTracker::new(), shutdown).await
}
