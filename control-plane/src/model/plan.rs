//! Plans: what a tenant may use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::signup::SignupMode;

/// Why a text is not a plan's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a plan's name: 1 to 31 of a-z, 0-9, '-' and '_', beginning with a letter")]
pub struct InvalidPlanName(String);

/// The name of a plan in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlanName(String);

impl PlanName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PlanName {
    type Err = InvalidPlanName;

    fn from_str(text: &str) -> Result<Self, InvalidPlanName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=31).contains(&text.len())
            && text.bytes().all(allowed)
            && text.as_bytes()[0].is_ascii_lowercase()
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPlanName(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for PlanName {
    type Error = InvalidPlanName;

    fn try_from(text: String) -> Result<Self, InvalidPlanName> {
        text.parse()
    }
}

impl From<PlanName> for String {
    fn from(name: PlanName) -> Self {
        name.0
    }
}

/// What each container of a house may use at most. All three can be changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, in MiB; swap is not given on top.
    pub memory_mib: u32,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
}

impl Limits {
    /// The smaller of both, part by part.
    #[must_use]
    pub fn capped_by(self, plan: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.min(plan.memory_mib),
            cpu_millis: self.cpu_millis.min(plan.cpu_millis),
            pids: self.pids.min(plan.pids),
        }
    }
}

/// A plan's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Memory of each container, in MiB.
    pub memory_mib: u32,
    /// Processor time of each container, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads of each container.
    pub pids: u32,
    /// Database connections of the tenant's app; those of owner and monitor come on top.
    pub connections: u32,
    /// Database size in MiB past which the app may only read.
    pub storage_mib: u32,
    /// Members that a tenant may have; any number unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
    /// Whether people may open tenants on it by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signups: Option<SignupMode>,
}

impl Plan {
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { memory_mib: self.memory_mib, cpu_millis: self.cpu_millis, pids: self.pids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!("starter".parse::<PlanName>().is_ok());
        for bad in ["", "1st", "Team", "a b", &"a".repeat(32)] {
            assert!(bad.parse::<PlanName>().is_err(), "{bad:?}");
        }
    }
}
