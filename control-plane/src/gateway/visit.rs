//! One request, from the edge's word on who it is for to an answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::answer::{Absence, Body};
use super::door::{Door, DoorState, Doors};
use super::holds::{Holds, Visitor};
use super::{GatewaySettings, proxy};
use crate::model::hostname::HostName;

/// How long a house may take to accept a connection before it counts as not there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How long to wait between two looks at a house that should be there and does not accept.
const AGAIN: Duration = Duration::from_millis(100);
/// A notification can get lost, so who waits looks at the registry at least this often.
const LOOK: Duration = Duration::from_secs(1);

/// What the edge hears of an answer that was given for a tenant, so that it counts it.
const TENANT_HEADER: http::HeaderName = http::HeaderName::from_static("x-freehold-tenant");

pub(super) struct Visit {
    doors: Arc<dyn Doors>,
    settings: GatewaySettings,
    holds: Arc<Holds>,
    tunnels: TaskTracker,
}

impl Visit {
    pub(super) fn new(doors: Arc<dyn Doors>, settings: GatewaySettings, tunnels: TaskTracker) -> Self {
        Self { doors, settings, holds: Arc::new(Holds::new(settings)), tunnels }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(host) = host(request.headers()) else {
            return Absence::BadHost.answer(&request, None);
        };
        let door = match self.doors.by_host(&host).await {
            Ok(Some(door)) if door.state != DoorState::Deleted => door,
            Ok(_) => return Absence::Unknown.answer(&request, None),
            Err(error) => {
                tracing::error!(%host, %error, "a request could not be answered");
                return Absence::Broken.answer(&request, None);
            }
        };
        let house = door.house.clone();
        let mut response = match self.house(&host, &door, request.headers()).await {
            Ok(stream) => match proxy::pass(request, stream, &self.tunnels).await {
                Ok(response) => response,
                Err((request, error)) => {
                    tracing::info!(%host, %house, %error, "a house broke off");
                    Absence::BrokenOff.answer(&request, Some(&door.name))
                }
            },
            Err(absence) => absence.answer(&request, Some(&door.name)),
        };
        if let Ok(value) = http::HeaderValue::from_str(house.as_str()) {
            response.headers_mut().insert(TENANT_HEADER, value);
        }
        response
    }

    /// A connection to the house behind this door. Who must wait for it waits here, with the body unread.
    async fn house(&self, host: &HostName, door: &Door, headers: &HeaderMap) -> Result<TcpStream, Absence> {
        if let DoorState::Running { address } = door.state
            && let Some(stream) = dial(address).await
        {
            return Ok(stream);
        }
        if let Some(absence) = Absence::lasting(door.state) {
            return Err(absence);
        }
        let visitor = visitor(headers);
        let Some(_hold) = self.holds.take(visitor, door.tenant) else {
            return Err(Absence::Crowded);
        };
        let deadline = Instant::now() + self.settings.hold;
        let tenant = door.tenant;
        let mut state = door.state;
        let mut asked = false;
        loop {
            let mut look = LOOK;
            match state {
                DoorState::Running { address } => {
                    if let Some(stream) = dial(address).await {
                        return Ok(stream);
                    }
                    look = AGAIN;
                }
                DoorState::Asleep if !asked => {
                    if !self.holds.may_wake(visitor) {
                        return Err(Absence::WokenTooMuch);
                    }
                    asked = true;
                    if let Err(error) = self.doors.wake(tenant).await {
                        tracing::error!(%host, %error, "a tenant could not be woken");
                        return Err(Absence::Broken);
                    }
                }
                _ => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Absence::coming(state));
            }
            self.doors.changed(host, deadline.min(now + look)).await;
            state = match self.doors.by_host(host).await {
                // The name may have gone to somebody else meanwhile; this request was not meant for them.
                Ok(Some(door)) if door.tenant == tenant => door.state,
                Ok(_) => return Err(Absence::Unknown),
                Err(error) => {
                    tracing::error!(%host, %error, "a held request could not be answered");
                    return Err(Absence::Broken);
                }
            };
            if let Some(absence) = Absence::lasting(state) {
                return Err(absence);
            }
        }
    }
}

async fn dial(address: std::net::SocketAddr) -> Option<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await.ok()?.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// The host, if there is exactly one and it is one.
fn host(headers: &HeaderMap) -> Option<HostName> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => HostName::from_header(host.to_str().ok()?).ok(),
        _ => None,
    }
}

/// Who asks, by the edge's word. Without it all count as one.
fn visitor(headers: &HeaderMap) -> Visitor {
    let address = headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse::<IpAddr>().ok())
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Visitor::from(address)
}
