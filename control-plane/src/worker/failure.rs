//! Why a house is not yet as it should be, and what that means for the next try.

use std::time::Duration;

/// How often one generation may fail by itself before a person must look.
pub const MAX_ATTEMPTS: i32 = 5;

/// What kind of failure it was; the greater one is told when several happened at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something the house depends on is away: engine, edge, registry. That is nobody's fault here, so it is tried
    /// until it is back.
    Away,
    /// It may work next time. Counted.
    Retry,
    /// It will not work until somebody changes something.
    Fatal,
}

/// A failure, in words for the person who will look.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    pub kind: Kind,
    pub reason: String,
}

impl Failure {
    pub fn away(reason: impl Into<String>) -> Self {
        Self { kind: Kind::Away, reason: reason.into() }
    }

    pub fn retry(reason: impl Into<String>) -> Self {
        Self { kind: Kind::Retry, reason: reason.into() }
    }

    pub fn fatal(reason: impl Into<String>) -> Self {
        Self { kind: Kind::Fatal, reason: reason.into() }
    }

    /// Says first what was being done.
    #[must_use]
    pub fn during(self, what: &str) -> Self {
        Self { reason: format!("{what}: {}", self.reason), ..self }
    }
}

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Self::away(format!("registry: {}", chain(&error)))
    }
}

impl From<crate::engine::Error> for Failure {
    fn from(error: crate::engine::Error) -> Self {
        let reason = format!("engine: {}", chain(&error));
        match error {
            // an engine that hangs is away as well: no house is to blame
            crate::engine::Error::Unreachable(_) | crate::engine::Error::Timeout { .. } => Self::away(reason),
            _ => Self::retry(reason),
        }
    }
}

impl From<crate::database::Error> for Failure {
    fn from(error: crate::database::Error) -> Self {
        let reason = chain(&error);
        if error.is_transient() { Self::retry(reason) } else { Self::fatal(reason) }
    }
}

impl From<crate::edge::Error> for Failure {
    fn from(error: crate::edge::Error) -> Self {
        Self::away(format!("edge: {}", chain(&error)))
    }
}

/// How long to wait before the next try: 0.5 s, doubling up to 15 s.
#[must_use]
pub fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.max(0)).unwrap_or(0).min(5);
    Duration::from_millis(500 * (1 << doublings)).min(Duration::from_secs(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<_> = (-1..40).map(pause).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses[0], Duration::from_millis(500));
        assert_eq!(pauses[40], Duration::from_secs(15));
    }

    #[test]
    fn the_cause_is_told_once() {
        let error = crate::database::Error::from(sqlx_error());
        assert_eq!(chain(&error).matches("closed").count(), 1);
    }

    fn sqlx_error() -> sqlx::Error {
        sqlx::Error::Protocol("closed".into())
    }
}
