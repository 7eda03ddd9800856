//! The gateway at its socket.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::visit::Visit;
use super::{Doors, GatewaySettings};
use crate::socket::{self, Patience, SocketError};

/// The edge opens a connection for a request that it has; one that says nothing is none of its.
const HEAD: Duration = Duration::from_secs(10);

/// Serves at this unix socket until told to stop, then finishes what is under way, tunnels included, for as long as
/// the settings allow.
///
/// # Errors
/// When the socket cannot be opened.
pub async fn serve(
    path: &Path,
    doors: Arc<dyn Doors>,
    settings: GatewaySettings,
    shutdown: CancellationToken,
) -> Result<(), SocketError> {
    let under_way = TaskTracker::new();
    let visit = Arc::new(Visit::new(doors, settings, under_way.clone()));
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    socket::serve(path, service, Patience { head: HEAD, drain: settings.drain }, under_way, shutdown).await
}
