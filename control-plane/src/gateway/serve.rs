//! The gateway's socket: taken over from the process before, drained at the end.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::visit::Visit;
use super::{Doors, GatewaySettings};

/// The edge opens a connection for a request that it has; one that says nothing is none of its.
const HEADERS_DEADLINE: Duration = Duration::from_secs(10);
/// Whoever has connected by the end has this long to begin its request.
const MOMENT: Duration = Duration::from_millis(100);
/// After a failed accept (no file descriptors left, mostly) there is no use in trying again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves at this unix socket until told to stop, then finishes what is under way, for as long as the settings
/// allow. The socket replaces one that is there already: whoever listens on that one gets no new connections,
/// and nobody is turned away meanwhile.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(
    socket: PathBuf,
    doors: Arc<dyn Doors>,
    settings: GatewaySettings,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = listen(&socket)?;
    let under_way = TaskTracker::new();
    let visit = Arc::new(Visit::new(doors, settings, under_way.clone()));
    tracing::info!(socket = %socket.display(), "the gateway listens");

    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                under_way.spawn(talk(stream, Arc::clone(&visit), shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    // The socket's file may be another process's by now: it is left where it is.
    for stream in waiting(listener) {
        under_way.spawn(talk(stream, Arc::clone(&visit), shutdown.clone()));
    }
    under_way.close();
    if tokio::time::timeout(settings.drain, under_way.wait()).await.is_err() {
        tracing::warn!("some requests were still under way when the gateway stopped");
    }
    Ok(())
}

/// Connections that were made before the listener ends here: nobody else has let them in.
fn waiting(listener: UnixListener) -> Vec<UnixStream> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let mut streams = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        let ready = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
        streams.extend(ready.inspect_err(|error| tracing::warn!(%error, "a connection is lost")));
    }
    streams
}

/// Whether a request has begun to come in. Who has connected is heard out for a moment even at the end.
async fn asks(stream: &UnixStream, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        ready = stream.readable() => ready.is_ok(),
        () = async { shutdown.cancelled().await; tokio::time::sleep(MOMENT).await } => false,
        () = tokio::time::sleep(HEADERS_DEADLINE) => false,
    }
}

async fn talk(stream: UnixStream, visit: Arc<Visit>, shutdown: CancellationToken) {
    if !asks(&stream, &shutdown).await {
        return;
    }
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_DEADLINE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        // the request that is there is taken in before the end is looked at
        biased;
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection from the edge ended early");
    }
}

/// Binds beside the socket and renames over it. Its directory decides who may connect; the edge is another user.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    let mut next = socket.as_os_str().to_owned();
    next.push(format!(".{}", std::process::id()));
    let next = PathBuf::from(next);
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&next)?;
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o660))?;
    std::fs::rename(&next, socket)?;
    Ok(listener)
}
