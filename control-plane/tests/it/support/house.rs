//! A house as small as can be: an HTTP server that tells what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

type Body = BoxBody<Bytes, Infallible>;

/// One request as the house saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }
}

struct State {
    name: String,
    seen: Mutex<Vec<Seen>>,
    /// Lets what waits at `/slow` and `/events` go on by one.
    go_on: Notify,
    /// What has arrived so far of a body at `/upload`.
    arrived: Mutex<usize>,
    /// Every connection so far, and whether it is open.
    connections: Mutex<Vec<bool>>,
}

pub struct House {
    state: Arc<State>,
    address: Option<SocketAddr>,
    _stop: DropGuard,
}

impl House {
    pub async fn open(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::open_at(name, listener)
    }

    pub fn open_at(name: &str, listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let (state, stop) = (Self::state(name), CancellationToken::new());
        let (accepting, stopped) = (Arc::clone(&state), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(TokioIo::new(stream), Arc::clone(&accepting)));
            }
        }));
        Self { state, address: Some(address), _stop: stop.drop_guard() }
    }

    /// At a unix socket that everybody may connect to.
    pub fn open_socket(name: &str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).expect("permissions");
        let (state, stop) = (Self::state(name), CancellationToken::new());
        let (accepting, stopped) = (Arc::clone(&state), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(TokioIo::new(stream), Arc::clone(&accepting)));
            }
        }));
        Self { state, address: None, _stop: stop.drop_guard() }
    }

    fn state(name: &str) -> Arc<State> {
        Arc::new(State {
            name: name.to_owned(),
            seen: Mutex::default(),
            go_on: Notify::new(),
            arrived: Mutex::default(),
            connections: Mutex::default(),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("a house at an address")
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no panic").clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a request")
    }

    pub fn go_on(&self) {
        self.state.go_on.notify_one();
    }

    pub fn arrived(&self) -> usize {
        *self.state.arrived.lock().expect("no panic")
    }

    /// Whether each connection that was made so far is still open.
    pub fn connections(&self) -> Vec<bool> {
        self.state.connections.lock().expect("no panic").clone()
    }
}

async fn talk<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: TokioIo<I>, state: Arc<State>) {
    let number = {
        let mut connections = state.connections.lock().expect("no panic");
        connections.push(true);
        connections.len() - 1
    };
    let serving = Arc::clone(&state);
    let service = service_fn(move |request| answer(request, Arc::clone(&serving)));
    // How a visit ends is told by what the test asserts.
    let _ =
        hyper::server::conn::http1::Builder::new().serve_connection(stream, service).with_upgrades().await;
    state.connections.lock().expect("no panic")[number] = false;
}

#[derive(Debug, thiserror::Error)]
#[error("the house breaks off")]
struct BreaksOff;

async fn answer(mut request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, BreaksOff> {
    let path = request.uri().path().to_owned();
    let upgrade = request.headers().get(header::UPGRADE).cloned();
    let on_upgrade = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let (parts, mut body) = request.into_parts();
    let mut content = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            *state.arrived.lock().expect("no panic") += data.len();
            content.extend_from_slice(&data);
        }
    }
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&content).into_owned(),
    };
    state.seen.lock().expect("no panic").push(seen.clone());

    let mut response = Response::builder().header("x-house", state.name.as_str());
    if let (Some(upgrade), Some(on_upgrade)) = (upgrade, on_upgrade) {
        tokio::spawn(async move {
            let mut stream = TokioIo::new(on_upgrade.await.expect("an upgrade"));
            stream.write_all(b"hello\n").await.expect("a greeting");
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
        return Ok(response
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, upgrade)
            .body(Empty::new().boxed())
            .expect("a response"));
    }
    match path.as_str() {
        "/break-off" => return Err(BreaksOff),
        "/slow" => state.go_on.notified().await,
        path if path.strip_prefix("/break-off-at-") == Some(&state.name) => {
            state.go_on.notified().await;
            return Err(BreaksOff);
        }
        "/accel" => {
            for (name, value) in [
                ("x-accel-redirect", "/.freehold/error"),
                ("x-accel-limit-rate", "1"),
                ("x-accel-buffering", "yes"),
                ("x-freehold-way", "platform"),
                ("x-request-id", "mine"),
            ] {
                response = response.header(name, value);
            }
        }
        "/events" => {
            let events = futures_util::stream::unfold((state, 0), |(state, n)| async move {
                if n > 0 {
                    state.go_on.notified().await;
                }
                let event = Frame::data(Bytes::from(format!("data: {n}\n\n")));
                Some((Ok(event), (state, n + 1)))
            });
            return Ok(response
                .header(header::CONTENT_TYPE, "text/event-stream")
                .body(BodyExt::boxed(StreamBody::new(events.take(3))))
                .expect("a response"));
        }
        _ => {}
    }
    if seen.header("host").iter().any(|host| host.starts_with("known.")) {
        response = response.header("x-freehold-tenant", "abcdefghij");
    }
    let text = format!("{} {} {} {}\n", state.name, seen.method, seen.target, seen.body.len());
    Ok(response.body(Full::new(Bytes::from(text)).boxed()).expect("a response"))
}

/// Waits until this holds, for as long as a slow machine may need.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), waited).await.is_ok(), "waited in vain: {what}");
}
