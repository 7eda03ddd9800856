//! The edge's control door: JSON over HTTP over a unix socket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::net::UnixStream;

use super::{Counts, Error, Health, Result, Route};
use crate::model::hostname::HostName;
use crate::model::ids::HouseId;

/// The most the door may answer: some hundred thousand routes.
const ANSWER_LIMIT: usize = 64 << 20;
/// Routes in one request, so that no body grows past what nginx keeps in memory.
const BATCH: usize = 10_000;

#[derive(Debug, Serialize, Deserialize)]
struct Routes {
    routes: Vec<Route>,
}

#[derive(Debug, Serialize)]
struct Replacement<'a> {
    routes: &'a [Route],
}

#[derive(Debug, Serialize)]
struct Hosts<'a> {
    hosts: &'a [HostName],
}

#[derive(Debug, Deserialize)]
struct Left {
    left: Vec<HostName>,
}

#[derive(Debug, Deserialize)]
struct Total {
    total: usize,
}

#[derive(Debug, Deserialize)]
struct AllCounts {
    hosts: BTreeMap<HostName, Counts>,
}

#[derive(Debug, Deserialize)]
struct Open {
    open: u64,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    waiting: u64,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

pub(super) struct Door<'a> {
    socket: &'a Path,
    deadline: Duration,
}

impl<'a> Door<'a> {
    pub(super) fn new(socket: &'a Path, deadline: Duration) -> Self {
        Self { socket, deadline }
    }

    pub(super) async fn routes(&self) -> Result<Vec<Route>> {
        let Routes { mut routes } = self.ask(Method::GET, "/routes", None::<&()>).await?;
        routes.sort();
        Ok(routes)
    }

    pub(super) async fn routes_of(&self, house: &HouseId, hosts: &BTreeSet<HostName>) -> Result<Vec<Route>> {
        let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
        let path = format!("/routes?house={house}&hosts={}", hosts.join(","));
        Ok(self.ask::<_, Routes>(Method::GET, &path, None::<&()>).await?.routes)
    }

    pub(super) async fn set(&self, routes: &[Route]) -> Result<()> {
        for batch in routes.chunks(BATCH) {
            let answer: Routes =
                self.ask(Method::PUT, "/routes", Some(&Replacement { routes: batch })).await?;
            same(batch, &answer.routes)?;
        }
        Ok(())
    }

    pub(super) async fn withdraw(&self, hosts: &[HostName]) -> Result<()> {
        for batch in hosts.chunks(BATCH) {
            let Left { left } = self.ask(Method::DELETE, "/routes", Some(&Hosts { hosts: batch })).await?;
            if let Some(host) = left.first() {
                return Err(Error::Unexpected(format!("{host} still has a route after its withdrawal")));
            }
        }
        Ok(())
    }

    pub(super) async fn replace_all(&self, routes: &[Route]) -> Result<()> {
        let Total { total } = self.ask(Method::PUT, "/all", Some(&Replacement { routes })).await?;
        let wanted = routes.iter().map(|route| &route.host).collect::<BTreeSet<_>>().len();
        if total == wanted {
            Ok(())
        } else {
            Err(Error::Unexpected(format!("{total} routes are live instead of {wanted}")))
        }
    }

    pub(super) async fn counts(&self) -> Result<BTreeMap<HostName, Counts>> {
        Ok(self.ask::<_, AllCounts>(Method::GET, "/counts", None::<&()>).await?.hosts)
    }

    pub(super) async fn open(&self, host: &HostName, but: Option<SocketAddr>) -> Result<u64> {
        let but = but.map(|address| format!("&but={address}")).unwrap_or_default();
        Ok(self.ask::<_, Open>(Method::GET, &format!("/open?host={host}{but}"), None::<&()>).await?.open)
    }

    pub(super) async fn close_connections(&self) -> Result<u64> {
        Ok(self.ask::<_, Waiting>(Method::PUT, "/closing", None::<&()>).await?.waiting)
    }

    pub(super) async fn health(&self) -> Result<Health> {
        self.ask(Method::GET, "/health", None::<&()>).await
    }

    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Q>,
    ) -> Result<A> {
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| Error::Unexpected(error.to_string()))?,
            None => Vec::new(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "door")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Error::Unexpected(error.to_string()))?;
        let at = || format!("its door {}", self.socket.display());
        let (status, answer) = tokio::time::timeout(self.deadline, send(self.socket, request))
            .await
            .map_err(|_| Error::Timeout { at: at() })?
            .map_err(|source| Error::Unreachable { at: at(), source })?;
        if !status.is_success() {
            let message = serde_json::from_slice::<Refusal>(&answer)
                .map_or_else(|_| "no reason given".to_owned(), |refusal| refusal.error);
            return Err(Error::Refused { status: status.as_u16(), message });
        }
        serde_json::from_slice(&answer).map_err(|error| Error::Unexpected(error.to_string()))
    }
}

async fn send(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> std::result::Result<(http::StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await?.to_bytes();
        Ok((status, body))
    }
    .await;
    driver.abort();
    answer
}

/// That the edge has what it was given. The last of two routes for one host is the one that counts.
fn same(wanted: &[Route], found: &[Route]) -> Result<()> {
    let found: BTreeMap<_, _> = found.iter().map(|route| (&route.host, route)).collect();
    let wanted: BTreeMap<_, _> = wanted.iter().map(|route| (&route.host, route)).collect();
    match wanted.iter().find(|(host, route)| found.get(*host) != Some(*route)) {
        None => Ok(()),
        Some((host, _)) => Err(Error::Unexpected(format!("the route of {host} was not read back as set"))),
    }
}

pub(super) fn milliseconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<DateTime<Utc>>, D::Error> {
    let value = Option::<i64>::deserialize(deserializer)?;
    Ok(value.and_then(DateTime::from_timestamp_millis))
}
