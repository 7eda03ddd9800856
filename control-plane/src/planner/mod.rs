//! The planner: what is desired and what is observed of one house, turned into steps. Pure: no input or output, no
//! clock, no chance. All decisions live here.
//!
//! Steps name what they are about by service and desired spec, never by an address or a fresh id, so that one plan
//! carries a house from nothing to its first page: what a step needs from an earlier one, the runner hands on.

mod down;
#[cfg(test)]
mod simulation;
mod step;
#[cfg(test)]
mod tests;
mod up;

use std::fmt;

pub use step::{Planned, Step};

use crate::model::desired::Desired;
use crate::model::observed::Observed;
use crate::model::tenant::DesiredState;

/// What to do about a house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is as it should be.
    Converged,
    /// Run these, each after those it names, then look again.
    Steps(Vec<Planned>),
    /// Too little is known; look again later.
    Blind(&'static str),
    /// No step helps; a person must look.
    Blocked(Blocked),
}

/// Why no step helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// A volume that held data is not there any more.
    VolumeLost(String),
    /// The database is at a later schema version than the release brings.
    SchemaAhead { database: i64, release: i64 },
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VolumeLost(name) => write!(
                f,
                "volume {name} held this tenant's data and is gone; restore it under that name, or delete the tenant"
            ),
            Self::SchemaAhead { database, release } => write!(
                f,
                "the database is at schema version {database}, the release brings only {release}; \
                 choose a release that brings {database} or more"
            ),
        }
    }
}

/// Decides what brings the house from what is observed nearer to what is desired.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Decision {
    let Some(seen) = step::Seen::of(observed) else {
        return Decision::Blind("the engine did not tell what is there");
    };
    let planned = match desired.state {
        DesiredState::Running => up::steps(desired, observed, &seen),
        DesiredState::Asleep | DesiredState::Suspended | DesiredState::Deleted => {
            Ok(down::steps(desired, observed, &seen))
        }
    };
    match planned {
        Err(blocked) => Decision::Blocked(blocked),
        Ok(steps) if steps.is_empty() => Decision::Converged,
        Ok(steps) => Decision::Steps(steps),
    }
}
