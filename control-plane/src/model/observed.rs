//! What the engine, the database and the edge say is there, for one house.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::desired::SpecHash;
use super::hostname::HostName;
use super::plan::Limits;
use super::stack::ServiceName;

/// An observed value. That nothing was learned is a value of its own: it is never taken for absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    Known(T),
    Unknown,
}

impl<T> Fact<T> {
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }
}

/// The state of a container, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// Made, perhaps without its secrets yet, and never started.
    Created,
    Running,
    /// Ended by itself or stopped.
    Exited,
    /// Anything that neither starts nor stops as it should (dead, paused, being removed).
    Broken,
}

/// A container of the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenContainer {
    /// The engine's own id.
    pub id: String,
    pub service: ServiceName,
    /// The spec it was made from.
    pub hash: SpecHash,
    pub state: ContainerState,
    /// What it was last given; `None` when nobody recorded it.
    pub limits: Option<Limits>,
    /// Whether it hangs in the house's network as it is now.
    pub attached: bool,
    /// Whether it answered when it was last asked; `None` when it was not asked.
    pub healthy: Option<bool>,
}

/// What is known of the tenant's database, from the records made when it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeenDatabase {
    /// Roles, grants and passwords are as they should be, for this preparation's number.
    pub prepared: Option<i32>,
    /// The schema version that was reached.
    pub schema: Option<i64>,
    /// Whether the app is kept from writing.
    pub read_only: bool,
    /// The connection limit the app's role was given.
    pub connections: Option<u32>,
}

/// Everything known of one house at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Ids of the networks that carry the house's label; more than one only after an accident.
    pub networks: Fact<Vec<String>>,
    /// Names of the volumes that carry the house's label.
    pub volumes: Fact<BTreeSet<String>>,
    pub containers: Fact<Vec<SeenContainer>>,
    /// Live routes of the edge for this house's host names or into its containers.
    pub routes: Fact<BTreeMap<HostName, SocketAddr>>,
    pub database: SeenDatabase,
    /// Where each running container of the web service listens, by container id.
    pub addresses: BTreeMap<String, SocketAddr>,
}
