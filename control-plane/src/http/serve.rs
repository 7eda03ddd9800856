//! Serving on a unix socket that a new process can take over without a lost request.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long requests under way may take once the end has been asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a connection may take for a request's head. Longer than the edge keeps an idle connection, so that it
/// is always the edge that closes one and no request is sent into a closing connection.
const HEAD: Duration = Duration::from_secs(90);
/// Whoever has connected by the end has this long to begin its request.
const MOMENT: Duration = Duration::from_millis(100);
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
    let under_way = TaskTracker::new();
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
        under_way.spawn(talk(stream, router.clone(), shutdown.clone()));
    }
    for stream in waiting(listener) {
        under_way.spawn(talk(stream, router.clone(), shutdown.clone()));
    }
    under_way.close();
    if tokio::time::timeout(DRAIN, under_way.wait()).await.is_err() {
        tracing::warn!("requests were still under way at the end of the drain");
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
        () = tokio::time::sleep(HEAD) => false,
    }
}

async fn talk(stream: UnixStream, router: Router, shutdown: CancellationToken) {
    if !asks(&stream, &shutdown).await {
        return;
    }
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(64);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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

        // Who had connected and asked is answered, taken in or not. Nothing is awaited here, so nobody is taken in.
        let late: Vec<_> = std::iter::repeat_with(|| {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("connected");
            let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            std::io::Write::write_all(&mut stream, request).expect("write");
            stream.set_nonblocking(true).expect("a mode");
            UnixStream::from_std(stream).expect("a stream")
        })
        .take(20)
        .collect();
        stop_second.cancel();
        for mut stream in late {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("read");
            assert!(answer.contains("I am second"), "{answer:?}");
        }
        second.await.expect("task").expect("served");

        stop_first.cancel();
        first.await.expect("task").expect("served");
    }
}
