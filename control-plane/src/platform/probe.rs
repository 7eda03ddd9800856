//! One plain request, to see whether a service of ours answers.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const DEADLINE: Duration = Duration::from_secs(5);

/// Asks a service at its unix socket.
///
/// # Errors
/// Why there was no answer, for people.
pub async fn socket(path: &Path, host: &str, target: &str) -> Result<StatusCode, String> {
    within(async {
        let stream =
            UnixStream::connect(path).await.map_err(|error| format!("{}: {error}", path.display()))?;
        ask(stream, host, target).await
    })
    .await
}

/// Asks over TCP, whatever address the host's name may stand for.
///
/// # Errors
/// Why there was no answer, for people.
pub async fn tcp(address: SocketAddr, host: &str, target: &str) -> Result<StatusCode, String> {
    within(async {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
        ask(stream, host, target).await
    })
    .await
}

async fn within(answer: impl Future<Output = Result<StatusCode, String>>) -> Result<StatusCode, String> {
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
    }
}

async fn ask<S>(stream: S, host: &str, target: &str) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let request = Request::get(target)
        .header(HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map(|response| response.status());
    driver.abort();
    answer.map_err(|error| error.to_string())
}
