//! What can go wrong with the engine.

use std::time::Duration;

/// The answer of an engine's call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call of the engine failed. The text is the engine's own: it names objects, never secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A thing named in the call does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// The name, address block or object is taken, in use, or not ours.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Nobody answers at the engine's socket, or the connection broke.
    #[error("the engine cannot be reached: {0}")]
    Unreachable(String),
    /// The engine answered that it will not, or could not.
    #[error("the engine refused ({status}): {message}")]
    Refused {
        /// The HTTP status; 0 for a failure inside an answer that began well, such as a build.
        status: u16,
        message: String,
    },
    /// No answer in time; whether the effect took place is unknown.
    #[error("the engine did not {what} within {within:?}")]
    Timeout { what: &'static str, within: Duration },
}

impl Error {
    /// Whether the same call may succeed a little later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::NotFound(_) | Self::Conflict(_) => false,
        }
    }
}
