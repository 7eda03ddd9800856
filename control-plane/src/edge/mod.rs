//! The edge: live routes of nginx, set and read back over its control door, and proven from outside.
//!
//! nginx is never reloaded for a tenant. What it serves lives in its shared memory; [`write_start_file`] keeps
//! the file it fills that memory from when it starts.

mod door;
mod prove;
mod start_file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::model::hostname::HostName;
use crate::model::ids::HouseId;

pub use start_file::write_start_file;

/// How long the door may take to answer: it only reads and writes memory.
const DOOR_DEADLINE: Duration = Duration::from_secs(5);
/// How long a proof may take: a request that is answered at all is answered within this time, the gateway's
/// holding excepted, and a held request proves nothing.
const PROOF_DEADLINE: Duration = Duration::from_secs(10);

/// The header that asks nginx which way a request went, and proves that the asker may know.
pub const PROBE_HEADER: &str = "x-freehold-probe";
/// The header nginx answers the prober with.
pub const WAY_HEADER: &str = "x-freehold-way";

/// A host that nginx sends straight to a house, without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub host: HostName,
    pub house: HouseId,
    pub address: SocketAddr,
}

/// What the edge has counted for one host since it started. What is open is told at once, the rest within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Counts {
    /// Requests that have ended.
    pub requests: u64,
    /// Bytes of requests that have ended, as they came over the wire.
    pub bytes_in: u64,
    /// Bytes sent to visitors, by requests that have ended.
    pub bytes_out: u64,
    /// Requests and upgraded connections under way.
    pub open: u64,
    /// When a request last began or ended.
    #[serde(default, deserialize_with = "door::milliseconds")]
    pub last_at: Option<DateTime<Utc>>,
}

/// How the edge is: a new `started` means that its counts began anew.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// The fingerprint of the base configuration that is in force.
    #[serde(default)]
    pub configuration: String,
    #[serde(deserialize_with = "door::milliseconds")]
    pub started: Option<DateTime<Utc>>,
    /// Live routes.
    pub routes: u64,
    /// Whether nginx could read the prober's secret; without it nothing can be proven.
    pub prober: bool,
}

/// By which way nginx sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Straight to a house.
    Direct { house: HouseId, address: SocketAddr },
    /// To the gateway: no live route, or one that could not be connected to.
    Gateway,
    /// To Freehold's own API and pages.
    Platform,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct { house, address } => write!(f, "direct {house} {address}"),
            Self::Gateway => f.write_str("gateway"),
            Self::Platform => f.write_str("platform"),
        }
    }
}

/// What a real request through the public address showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub way: Way,
    pub status: u16,
}

/// Why the edge did not do or say what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers at the door or at the public address.
    #[error("the edge does not answer at {at}: {source}")]
    Unreachable { at: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the edge did not answer at {at} in time")]
    Timeout { at: String },
    /// The edge refused what was asked of it.
    #[error("the edge refused, with status {status}: {message}")]
    Refused { status: u16, message: String },
    /// The edge answered something that cannot be understood or does not fit what was asked.
    #[error("the edge answered unexpectedly: {0}")]
    Unexpected(String),
    #[error("cannot write the edge's start file {path}: {source}", path = path.display())]
    StartFile { path: PathBuf, source: std::io::Error },
}

impl Error {
    /// Whether the same may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Where the edge is found.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// The control door, a unix socket.
    pub door: PathBuf,
    /// The file nginx starts from.
    pub routes_file: PathBuf,
    /// Where visitors connect.
    pub public: SocketAddr,
    /// What nginx knows the prober by.
    pub prober_secret: SecretString,
}

/// The edge, as the worker sees it. Cheap to clone; every call opens its own connection and has a deadline.
#[derive(Debug, Clone)]
pub struct Edge {
    settings: EdgeSettings,
}

impl Edge {
    #[must_use]
    pub fn new(settings: EdgeSettings) -> Self {
        Self { settings }
    }

    /// The live routes, ordered by host.
    ///
    /// # Errors
    /// When the door does not answer, or not understandably.
    pub async fn routes(&self) -> Result<Vec<Route>> {
        self.door().routes().await
    }

    /// The live routes into this house, and those of these hosts into whichever.
    ///
    /// # Errors
    /// When the door does not answer, or not understandably.
    pub async fn routes_of(&self, house: &HouseId, hosts: &BTreeSet<HostName>) -> Result<Vec<Route>> {
        self.door().routes_of(house, hosts).await
    }

    /// Makes these routes live, besides those that are, and checks that the edge has them.
    ///
    /// # Errors
    /// When the door does not answer, or the edge has no room for more routes.
    pub async fn set(&self, routes: &[Route]) -> Result<()> {
        self.door().set(routes).await
    }

    /// Withdraws the live routes of these hosts: the gateway answers for them from now on. Requests that are
    /// under way go on. A host without a route is no error.
    ///
    /// # Errors
    /// When the door does not answer.
    pub async fn withdraw(&self, hosts: &[HostName]) -> Result<()> {
        self.door().withdraw(hosts).await
    }

    /// Makes exactly these routes live. No host that is in both sets is without a route meanwhile.
    ///
    /// # Errors
    /// When the door does not answer, or the edge has no room for the routes.
    pub async fn replace_all(&self, routes: &[Route]) -> Result<()> {
        self.door().replace_all(routes).await
    }

    /// Sends one real request for this host and path through the public address and tells which way it went.
    ///
    /// # Errors
    /// When the edge does not answer in time, or does not know the prober's secret.
    pub async fn prove(&self, host: &HostName, path: &str) -> Result<Proof> {
        prove::prove(&self.settings, host, path, PROOF_DEADLINE).await
    }

    /// Requests and upgraded connections of this host that are under way, without those that went to the house at
    /// this address.
    ///
    /// # Errors
    /// When the door does not answer.
    pub async fn open_requests(&self, host: &HostName, but: Option<SocketAddr>) -> Result<u64> {
        self.door().open(host, but).await
    }

    /// What was counted for every host that was served since the edge started.
    ///
    /// # Errors
    /// When the door does not answer.
    pub async fn counts(&self) -> Result<BTreeMap<HostName, Counts>> {
        self.door().counts().await
    }

    /// Whether nginx runs and answers at its door.
    ///
    /// # Errors
    /// When it does not.
    pub async fn healthy(&self) -> Result<Health> {
        self.door().health().await
    }

    /// Has every answer from now on end its connection, for some seconds or until another configuration is in
    /// force; answers how many connections are kept that nobody asks anything on.
    ///
    /// # Errors
    /// When the door does not answer.
    pub async fn close_connections(&self) -> Result<u64> {
        self.door().close_connections().await
    }

    /// Writes the file that nginx starts from; see [`write_start_file`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn remember(&self, routes: &[Route]) -> Result<()> {
        write_start_file(&self.settings.routes_file, routes).await
    }

    fn door(&self) -> door::Door<'_> {
        door::Door::new(&self.settings.door, DOOR_DEADLINE)
    }
}
