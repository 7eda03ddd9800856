//! Asks a service whether it answers, the way its stack says.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::model::stack::Health;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(2);
/// How long a connection may take to open: it is on this machine.
const OPEN: Duration = Duration::from_millis(500);

/// Whether the service answers, and if not, why not.
pub(super) async fn answers(health: &Health, address: SocketAddr) -> Result<(), String> {
    let asked = async {
        match health {
            Health::None => Ok(()),
            Health::Tcp => connect(address).await.map(drop),
            Health::Http(path) => http(address, path).await,
        }
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer from {address} within {} s", LIMIT.as_secs())),
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    match tokio::time::timeout(OPEN, TcpStream::connect(address)).await {
        Ok(stream) => stream.map_err(|error| format!("{address}: {error}")),
        Err(_) => Err(format!("{address} takes no connection")),
    }
}

async fn http(address: SocketAddr, path: &str) -> Result<(), String> {
    let stream = connect(address).await?;
    let told = |error: &dyn std::error::Error| format!("{address}{path}: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, "health.internal")
        .header(hyper::header::USER_AGENT, "freehold-probe")
        .body(Empty::<Bytes>::new())
        .map_err(|error| told(&error))?;
    let answer = sender.send_request(request).await;
    connection.abort();
    match answer {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("{address}{path} answered {}", response.status())),
        Err(error) => Err(told(&error)),
    }
}
