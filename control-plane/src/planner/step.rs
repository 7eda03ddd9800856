//! The words of a plan.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::hostname::HostName;
use crate::model::observed::{Observed, SeenContainer};
use crate::model::stack::ServiceName;

/// One idempotent effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    EnsureNetwork,
    EnsureVolume {
        service: ServiceName,
    },
    /// Makes the container of the desired spec, with its secrets, without starting it.
    EnsureContainer {
        service: ServiceName,
    },
    StartContainer {
        service: ServiceName,
    },
    AwaitHealthy {
        service: ServiceName,
    },
    /// Gives a container the desired limits.
    SetLimits {
        service: ServiceName,
        container: String,
    },
    /// Roles, grants and passwords.
    PrepareDatabase,
    Migrate,
    SetReadOnly {
        read_only: bool,
    },
    /// Points every host name at the web service's container and proves each by a request through the edge.
    SetRoutes,
    WithdrawRoutes {
        hosts: BTreeSet<HostName>,
    },
    /// Waits, for a bounded time, until the requests have ended that are under way to what is about to stop.
    Drain,
    StopContainer {
        service: ServiceName,
        container: String,
    },
    RemoveContainer {
        service: ServiceName,
        container: String,
    },
    RemoveNetwork {
        network: String,
    },
    /// Drops what is in it for good.
    DropVolume {
        name: String,
    },
}

impl Step {
    /// The step's name in the journal, in fault points and in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::EnsureNetwork => "ensure_network",
            Self::EnsureVolume { .. } => "ensure_volume",
            Self::EnsureContainer { .. } => "ensure_container",
            Self::StartContainer { .. } => "start_container",
            Self::AwaitHealthy { .. } => "await_healthy",
            Self::SetLimits { .. } => "set_limits",
            Self::PrepareDatabase => "prepare_database",
            Self::Migrate => "migrate",
            Self::SetReadOnly { .. } => "set_read_only",
            Self::SetRoutes => "set_routes",
            Self::WithdrawRoutes { .. } => "withdraw_routes",
            Self::Drain => "drain",
            Self::StopContainer { .. } => "stop_container",
            Self::RemoveContainer { .. } => "remove_container",
            Self::RemoveNetwork { .. } => "remove_network",
            Self::DropVolume { .. } => "drop_volume",
        }
    }

    /// All names, in the order of a life.
    pub const NAMES: &[&str] = &[
        "ensure_network",
        "ensure_volume",
        "ensure_container",
        "start_container",
        "await_healthy",
        "set_limits",
        "prepare_database",
        "migrate",
        "set_read_only",
        "set_routes",
        "withdraw_routes",
        "drain",
        "stop_container",
        "remove_container",
        "remove_network",
        "drop_volume",
    ];

    /// The service it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::EnsureVolume { service }
            | Self::EnsureContainer { service }
            | Self::StartContainer { service }
            | Self::AwaitHealthy { service }
            | Self::SetLimits { service, .. }
            | Self::StopContainer { service, .. }
            | Self::RemoveContainer { service, .. } => Some(service),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    /// What people read in the progress of an operation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureNetwork => f.write_str("make the network"),
            Self::EnsureVolume { service } => write!(f, "make the volume of {service}"),
            Self::EnsureContainer { service } => write!(f, "make the container of {service}"),
            Self::StartContainer { service } => write!(f, "start {service}"),
            Self::AwaitHealthy { service } => write!(f, "wait until {service} answers"),
            Self::SetLimits { service, .. } => write!(f, "set the limits of {service}"),
            Self::PrepareDatabase => f.write_str("prepare the database's roles"),
            Self::Migrate => f.write_str("migrate the database"),
            Self::SetReadOnly { read_only: true } => f.write_str("make the database read-only"),
            Self::SetReadOnly { read_only: false } => f.write_str("make the database writable"),
            Self::SetRoutes => f.write_str("set the routes"),
            Self::WithdrawRoutes { .. } => f.write_str("withdraw the routes"),
            Self::Drain => f.write_str("let requests end"),
            Self::StopContainer { service, .. } => write!(f, "stop {service}"),
            Self::RemoveContainer { service, .. } => write!(f, "remove a container of {service}"),
            Self::RemoveNetwork { .. } => f.write_str("remove the network"),
            Self::DropVolume { name } => write!(f, "drop volume {name}"),
        }
    }
}

/// A step and the steps that must have succeeded before it, by their place in the plan; always earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub step: Step,
    pub after: Vec<usize>,
}

/// Collects steps in an order in which each stands behind those it waits for.
#[derive(Default)]
pub(super) struct Steps(Vec<Planned>);

impl Steps {
    /// Adds a step behind those that are there, and says where it stands.
    pub(super) fn add(&mut self, step: Step, after: impl IntoIterator<Item = usize>) -> usize {
        let mut after: Vec<usize> = after.into_iter().collect();
        after.sort_unstable();
        after.dedup();
        self.0.push(Planned { step, after });
        self.0.len() - 1
    }

    pub(super) fn done(self) -> Vec<Planned> {
        self.0
    }
}

/// What the engine told, once it is known that it told.
pub(super) struct Seen<'a> {
    pub(super) networks: &'a [String],
    pub(super) volumes: &'a BTreeSet<String>,
    pub(super) containers: &'a [SeenContainer],
}

impl<'a> Seen<'a> {
    /// `None` when any part is unknown: what the engine did not tell is never taken for absent.
    pub(super) fn of(observed: &'a Observed) -> Option<Self> {
        Some(Self {
            networks: observed.networks.known()?,
            volumes: observed.volumes.known()?,
            containers: observed.containers.known()?,
        })
    }
}
