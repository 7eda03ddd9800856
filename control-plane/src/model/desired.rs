//! What the registry says one house must be: everything the planner needs to decide, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::hostname::HostName;
use super::plan::Limits;
use super::stack::ServiceName;
use super::tenant::DesiredState;

/// The hash of everything a container is made from that cannot be changed while it runs: 12 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SpecHash(pub String);

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A volume as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredVolume {
    pub name: String,
    /// Whether it was there before. One that was and is missing is lost, not yet to be made.
    pub made: bool,
}

/// A service as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    pub hash: SpecHash,
    pub limits: Limits,
    /// The volume it runs on.
    pub volume: Option<DesiredVolume>,
    /// Services that must be healthy before it is started.
    pub after: Vec<ServiceName>,
    /// Started at the same time as what it comes after, since it bears that those are not ready yet.
    pub patient: bool,
}

/// A house as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub state: DesiredState,
    pub services: BTreeMap<ServiceName, DesiredService>,
    pub database: ServiceName,
    pub web: ServiceName,
    /// Names the house is reached by. Each gets a route while it runs.
    pub hosts: BTreeSet<HostName>,
    /// The number of the preparation (roles, grants, passwords) the database must have had.
    pub preparation: i32,
    /// Connections that the app's role may hold.
    pub connections: u32,
    /// The schema version the release brings.
    pub schema: i64,
    /// Whether the app must be kept from writing, because its storage is used up.
    pub read_only: bool,
    /// Volumes that may be dropped now: their retention has passed or their erasure was asked for by name.
    pub droppable: BTreeSet<String>,
}
