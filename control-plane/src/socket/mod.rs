//! HTTP on a unix socket that a new process can take over without a lost request.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[cfg(test)]
mod tests;

/// Whoever has connected by the end has this long to begin its request.
const MOMENT: Duration = Duration::from_millis(100);
/// After a failed accept (no file descriptors left, mostly) there is no use in trying again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How patient a socket's server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection may take for a request's head, the time between two requests included.
    pub head: Duration,
    /// How long requests under way may take once the end has been asked for.
    pub drain: Duration,
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the socket {path}: {source}")]
pub struct SocketError {
    path: PathBuf,
    source: io::Error,
}

/// Serves at the unix socket `path` until `shutdown`, then lets what is under way end. The socket is made beside the
/// old one and renamed over it, with mode 0660: a process that served there before loses no connection it has, and
/// gets no new ones. `under_way` holds a task for each connection; what outlives one, such as a tunnel, may be put
/// there too and is waited for.
///
/// # Errors
/// When the socket cannot be opened. Nothing that happens later ends it.
pub async fn serve<S, B>(
    path: &Path,
    service: S,
    patience: Patience,
    under_way: TaskTracker,
    shutdown: CancellationToken,
) -> Result<(), SocketError>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let listener = open(path).map_err(|source| SocketError { path: path.to_owned(), source })?;
    tracing::info!(socket = %path.display(), "serving");
    let talk = |stream| talk(stream, service.clone(), patience.head, shutdown.clone());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                under_way.spawn(talk(stream));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    // The socket's file may be another process's by now: it is left where it is.
    for stream in waiting(listener) {
        under_way.spawn(talk(stream));
    }
    under_way.close();
    if tokio::time::timeout(patience.drain, under_way.wait()).await.is_err() {
        tracing::warn!(socket = %path.display(), "some requests were still under way at the end");
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
async fn asks(stream: &UnixStream, head: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        ready = stream.readable() => ready.is_ok(),
        () = async { shutdown.cancelled().await; tokio::time::sleep(MOMENT).await } => false,
        () = tokio::time::sleep(head) => false,
    }
}

async fn talk<S, B>(stream: UnixStream, service: S, head: Duration, shutdown: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    if !asks(&stream, head, &shutdown).await {
        return;
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
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
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Binds beside the socket and renames over it. Its directory decides who may connect; the edge is another user.
fn open(path: &Path) -> io::Result<UnixListener> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o660))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}
