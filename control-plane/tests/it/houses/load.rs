//! Steady load: visitors who ask again and again, each at a pace of its own, and tell what they did not get.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::wait;

/// Between two requests of one visitor.
const PACE: Duration = Duration::from_millis(40);
/// The longest that a single request may take under load.
const LIMIT: Duration = Duration::from_secs(20);

/// What one visitor asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub host: String,
    /// Of a session of theirs, where they need one.
    pub cookie: String,
    pub path: &'static str,
    /// Sent by POST; without one it is a GET.
    pub body: Option<&'static str>,
    /// One connection for as long as the edge keeps it, or a new one for each request.
    pub kept: bool,
}

/// Visitors at work.
pub struct Load {
    port: u16,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    visitors: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// One visitor for each wish, from now on.
    pub fn begin(port: u16, wishes: impl IntoIterator<Item = Wish>) -> Self {
        let mut load = Self { port, stop: Arc::default(), answered: Arc::default(), visitors: Vec::new() };
        for wish in wishes {
            let (stop, answered) = (Arc::clone(&load.stop), Arc::clone(&load.answered));
            load.visitors.push(tokio::spawn(visit(load.port, wish, stop, answered)));
        }
        load
    }

    /// Waits until so many more requests were answered.
    pub async fn goes_on(&self, more: usize) {
        let until = self.answered.load(Ordering::Relaxed) + more;
        wait::until("requests are answered", || async {
            let now = self.answered.load(Ordering::Relaxed);
            if now >= until { Ok(()) } else { Err(format!("{now} of {until}")) }
        })
        .await;
    }

    /// Ends the load. Every request must have been answered, and well.
    pub async fn end_without_loss(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut lost = Vec::new();
        for visitor in self.visitors {
            lost.extend(visitor.await.expect("a visitor"));
        }
        let answered = self.answered.load(Ordering::Relaxed);
        assert!(lost.is_empty(), "{} lost, {answered} answered: {lost:#?}", lost.len());
    }
}

async fn visit(port: u16, wish: Wish, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) -> Vec<String> {
    let mut lost = Vec::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection = None;
    let began = std::time::Instant::now();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let asked = tokio::time::timeout(LIMIT, ask(port, &wish, &mut connection)).await;
        match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(()) => {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(reason) => {
                connection = None;
                lost.push(format!("{:.3} s: {wish:?}: {reason}", began.elapsed().as_secs_f64()));
            }
        }
        if !wish.kept {
            connection = None;
        }
    }
    lost
}

type Connection = SendRequest<Full<Bytes>>;

async fn connect(port: u16) -> Result<Connection, String> {
    let stream =
        TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| format!("connect: {error}"))?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// One request. Nothing is ever sent twice: a connection that the edge has announced to close, or has closed, is not
/// used again, and that is all.
async fn ask(port: u16, wish: &Wish, connection: &mut Option<Connection>) -> Result<(), String> {
    let ready = match connection.take() {
        Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
        None => None,
    };
    let mut sender = match ready {
        Some(kept) => kept,
        None => connect(port).await?,
    };
    let method = if wish.body.is_some() { Method::POST } else { Method::GET };
    let request = Request::builder()
        .method(method)
        .uri(wish.path)
        .header(HOST, &wish.host)
        .header(CONTENT_TYPE, "application/json")
        .header(COOKIE, &wish.cookie)
        .header("sec-fetch-site", "same-origin")
        .body(Full::new(Bytes::from(wish.body.unwrap_or_default())))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
    *connection = Some(sender);
    if parts.status.is_success() {
        Ok(())
    } else {
        Err(format!("{} {}", parts.status, String::from_utf8_lossy(&body)))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
