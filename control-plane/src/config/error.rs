//! What can be wrong with settings, in words that name the key, where it was set and what to do.

use std::path::PathBuf;

use super::load::Origin;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Syntax { path: PathBuf, line: Option<usize>, message: String },
    #[error("{origin}: there is no setting {key:?}{}", nearest.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    UnknownKey { key: String, origin: Origin, nearest: Option<String> },
    #[error("{key}: {message} ({origin})")]
    Invalid { key: String, origin: Origin, message: String },
    #[error("{0:?} is not of the form key=value, such as edge.port=9090")]
    NotAPair(String),
    #[error("the settings cannot be written: {0}")]
    Write(String),
}
