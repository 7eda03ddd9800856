//! Serving on a unix socket that a new process can take over without a lost request.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// How long requests under way may take once the end has been asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a connection may take for a request's head. Longer than the edge keeps an idle connection, so that it
/// is always the edge that closes one and no request is sent into a closing connection.
const HEAD: Duration = Duration::from_secs(90);
/// How long to wait after a failed accept: out of file descriptors does not get better by hurrying.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the socket {path}: {source}")]
pub struct ServeError {
    path: PathBuf,
    source: io::Error,
}

/// Serves `router` on the unix socket `path` until `shutdown`, then lets requests under way end, for ten seconds at
/// the most. The socket is made beside the old one and renamed over it, with mode 0660: a process that served
/// there before loses no connection it has, and gets no new ones.
///
/// # Errors
/// When the socket cannot be opened. Nothing that happens later ends it.
pub async fn serve(path: &Path, router: Router, shutdown: CancellationToken) -> Result<(), ServeError> {
    let listener = open(path).map_err(|source| ServeError { path: path.to_owned(), source })?;
    tracing::info!(socket = %path.display(), "serving");
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(64);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain");
    }
    Ok(())
}

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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    async fn ask(stream: &mut UnixStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("write");
        let mut text = String::new();
        let mut buffer = [0; 1024];
        while !text.contains("\r\n\r\n") || !text.contains("I am") {
            let read = stream.read(&mut buffer).await.expect("read");
            assert!(read > 0, "closed after {text:?}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        text
    }

    async fn connect(path: &Path) -> UnixStream {
        loop {
            if let Ok(stream) = UnixStream::connect(path).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_new_process_takes_the_socket_over_and_the_old_one_drains() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("api.sock");
        let start = |name: &'static str| {
            let (path, shutdown) = (path.clone(), CancellationToken::new());
            let router = Router::new().route("/", get(async move || format!("I am {name}")));
            let token = shutdown.clone();
            (shutdown, tokio::spawn(async move { serve(&path, router, token).await }))
        };
        let (stop_first, first) = start("first");
        let mut kept = connect(&path).await;
        assert!(ask(&mut kept).await.contains("I am first"));

        // Both would run in one process here; the second one's fresh name is the same and is free again.
        let (stop_second, second) = start("second");
        loop {
            if ask(&mut connect(&path).await).await.contains("I am second") {
                break;
            }
        }
        assert!(ask(&mut kept).await.contains("I am first"), "an open connection stays with the old one");
        let mode = std::fs::metadata(&path).expect("socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);

        stop_first.cancel();
        first.await.expect("task").expect("served");
        assert!(ask(&mut connect(&path).await).await.contains("I am second"));
        stop_second.cancel();
        second.await.expect("task").expect("served");
    }
}
