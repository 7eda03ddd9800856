//! What `scripts/bench` cannot measure from outside: the check of a token by itself, a server that does nothing, and
//! a load that asks as fast as it is answered over a unix socket. Each prints JSON.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use clap::Parser;
use control_plane::http;
use control_plane::identity::tokens::{Issuer, Subject, USER_AUDIENCE, Verifier, generate_key};
use control_plane::model::ids::{SessionId, UserId};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

const ISSUER: &str = "http://freehold.localhost";

#[derive(Parser)]
enum Measure {
    /// Microseconds for a token's check, ours and a bare decoding, by round.
    Tokens {
        #[arg(long, default_value_t = 12)]
        rounds: usize,
        #[arg(long, default_value_t = 2000)]
        checks: usize,
    },
    /// Serves an empty answer at a socket until it is told to stop.
    Serve { socket: PathBuf },
    /// Asks at a socket, each connection as fast as it is answered: milliseconds of each answer, and how long in all.
    Load(Load),
    /// Everybody signs in, reads and refreshes, again and again: milliseconds by what they did.
    Crowd(Crowd),
}

#[derive(Parser, Clone)]
struct Crowd {
    socket: PathBuf,
    /// A file with an address and a password on each line.
    people: PathBuf,
    #[arg(long, default_value = "freehold.localhost")]
    host: String,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
}

#[derive(Parser, Clone)]
struct Load {
    socket: PathBuf,
    path: String,
    #[arg(long, default_value = "freehold.localhost")]
    host: String,
    /// Sent by POST, as JSON.
    #[arg(long)]
    body: Option<String>,
    /// A file with a token on each line; each connection takes one.
    #[arg(long)]
    tokens: Option<PathBuf>,
    #[arg(long, default_value_t = 10)]
    connections: usize,
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Measure::parse() {
        Measure::Tokens { rounds, checks } => tokens(rounds, checks),
        Measure::Serve { socket } => runtime.block_on(serve(&socket)),
        Measure::Load(load) => runtime.block_on(under_load(load)),
        Measure::Crowd(crowd) => runtime.block_on(crowded(crowd)),
    }
}

fn tokens(rounds: usize, checks: usize) -> Result<(), Failure> {
    let issuer = Issuer::from_pem(&generate_key(), ISSUER)?;
    let subject = Subject {
        id: UserId::random().to_string(),
        session: Some(SessionId::random()),
        ..Subject::default()
    };
    let token = issuer.issue(subject, USER_AUDIENCE, 15)?;
    let verifier = issuer.verifier();
    let keys = issuer.jwks();
    let key = DecodingKey::from_jwk(&keys.keys[0])?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[USER_AUDIENCE]);
    let ours = || verified(&verifier, &token);
    let bare = || decode::<serde_json::Value>(&token, &key, &validation).is_ok();
    let (mut of_ours, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..=rounds {
        of_ours.push(timed(checks, ours)?);
        of_bare.push(timed(checks, bare)?);
    }
    // the first round was to warm up
    println!("{}", serde_json::json!({ "ours": of_ours[1..], "bare": of_bare[1..] }));
    Ok(())
}

fn verified(verifier: &Verifier, token: &str) -> bool {
    verifier.verify(token, &[USER_AUDIENCE]).is_ok()
}

/// Microseconds for one of so many.
fn timed(checks: usize, check: impl Fn() -> bool) -> Result<f64, Failure> {
    let begun = Instant::now();
    for _ in 0..checks {
        if !std::hint::black_box(check()) {
            return Err("the token was refused".into());
        }
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / checks as f64)
}

async fn serve(socket: &Path) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        told.cancel();
    });
    let router = Router::new().fallback(get(async || ()));
    Ok(http::serve(socket, router, shutdown).await?)
}

async fn under_load(load: Load) -> Result<(), Failure> {
    let tokens: Vec<String> = match &load.tokens {
        Some(file) => std::fs::read_to_string(file)?.lines().map(str::to_owned).collect(),
        None => Vec::new(),
    };
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(load.seconds);
    let callers: Vec<_> = (0..load.connections)
        .map(|number| {
            let token = (!tokens.is_empty()).then(|| tokens[number % tokens.len()].clone());
            tokio::spawn(ask_until(load.clone(), token, end))
        })
        .collect();
    let (mut took, mut refused) = (Vec::new(), std::collections::BTreeMap::<u16, usize>::new());
    for caller in callers {
        for (status, milliseconds) in caller.await?? {
            if (200..300).contains(&status) {
                took.push(milliseconds);
            } else {
                *refused.entry(status).or_default() += 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)));
    println!(
        "{}",
        serde_json::json!({
            "answered": took.len(),
            "per_second": took.len() as f64 / seconds,
            "p50": at(0.5),
            "p95": at(0.95),
            "refused": refused,
        })
    );
    Ok(())
}

/// Status and milliseconds of each answer.
async fn ask_until(load: Load, token: Option<String>, end: Instant) -> Result<Vec<(u16, f64)>, Failure> {
    let mut answers = Vec::new();
    let mut caller = Caller::connect(&load.socket, &load.host).await?;
    while Instant::now() < end {
        let answer = caller.ask(&load.path, token.as_deref(), load.body.as_deref()).await?;
        answers.push((answer.status, answer.milliseconds));
    }
    Ok(answers)
}

/// Reads between two refreshes.
const READS: usize = 5;
/// How long somebody waits who was told to come back later.
const LATER: Duration = Duration::from_millis(500);

/// Milliseconds of what was answered well, by what was asked, and how often each other status came.
#[derive(Default)]
struct Tally {
    took: std::collections::BTreeMap<&'static str, Vec<f64>>,
    others: std::collections::BTreeMap<String, usize>,
}

impl Tally {
    /// The answer, if it is a good one.
    fn count(&mut self, what: &'static str, answer: Answer) -> Option<serde_json::Value> {
        if (200..300).contains(&answer.status) {
            self.took.entry(what).or_default().push(answer.milliseconds);
            return Some(answer.body);
        }
        *self.others.entry(format!("{what} {}", answer.status)).or_default() += 1;
        None
    }

    fn add(&mut self, other: Self) {
        for (what, took) in other.took {
            self.took.entry(what).or_default().extend(took);
        }
        for (what, count) in other.others {
            *self.others.entry(what).or_default() += count;
        }
    }
}

async fn crowded(crowd: Crowd) -> Result<(), Failure> {
    let people = std::fs::read_to_string(&crowd.people)?;
    let end = Instant::now() + Duration::from_secs_f64(crowd.seconds);
    let visits: Vec<_> = people
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(email, password)| {
            let body = serde_json::json!({ "email": email, "password": password }).to_string();
            tokio::spawn(visit(crowd.clone(), body, end))
        })
        .collect();
    let mut all = Tally::default();
    for visit in visits {
        all.add(visit.await??);
    }
    let told: serde_json::Map<String, serde_json::Value> = all
        .took
        .into_iter()
        .map(|(what, mut took)| {
            took.sort_by(f64::total_cmp);
            let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
            let of = serde_json::json!({ "answered": took.len(), "p50": at(0.5), "p95": at(0.95) });
            (what.to_owned(), of)
        })
        .collect();
    println!("{}", serde_json::json!({ "by": told, "others": all.others }));
    Ok(())
}

/// One person's visit: in, then reading and refreshing until the end.
async fn visit(crowd: Crowd, credentials: String, end: Instant) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut caller = Caller::connect(&crowd.socket, &crowd.host).await?;
    let mut tokens = None;
    while Instant::now() < end {
        let Some(held) = tokens.clone() else {
            let answer = caller.ask("/api/v1/auth/login", None, Some(&credentials)).await?;
            tokens = tally.count("login", answer);
            if tokens.is_none() {
                tokio::time::sleep(LATER).await;
            }
            continue;
        };
        for _ in 0..READS {
            let answer = caller.ask("/api/v1/me", held["access_token"].as_str(), None).await?;
            tally.count("me", answer);
        }
        let body = serde_json::json!({ "refresh_token": held["refresh_token"] }).to_string();
        let answer = caller.ask("/api/v1/auth/refresh", None, Some(&body)).await?;
        match tally.count("refresh", answer) {
            Some(next) => tokens = Some(next),
            None => tokio::time::sleep(LATER).await,
        }
    }
    Ok(tally)
}

/// An answer, and how long it took.
struct Answer {
    status: u16,
    milliseconds: f64,
    body: serde_json::Value,
}

/// Somebody with a connection.
struct Caller {
    socket: PathBuf,
    host: String,
    connection: SendRequest<Full<Bytes>>,
}

impl Caller {
    async fn connect(socket: &Path, host: &str) -> Result<Self, Failure> {
        let connection = connect(socket).await?;
        Ok(Self { socket: socket.to_owned(), host: host.to_owned(), connection })
    }

    /// By POST with a body, by GET without one.
    async fn ask(&mut self, path: &str, token: Option<&str>, body: Option<&str>) -> Result<Answer, Failure> {
        if self.connection.ready().await.is_err() {
            self.connection = connect(&self.socket).await?;
        }
        let mut request = Request::builder().uri(path).header("Host", &self.host);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request
                .method(Method::POST)
                .header("Content-Type", "application/json")
                .body(Full::new(Bytes::from(body.to_owned()))),
            None => request.body(Full::new(Bytes::new())),
        };
        let begun = Instant::now();
        let answer = self.connection.send_request(request?).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
        Ok(Answer { status, milliseconds, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

async fn connect(socket: &Path) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let (sender, connection) = handshake(TokioIo::new(UnixStream::connect(socket).await?)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
