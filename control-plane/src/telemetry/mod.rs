//! What the processes say about themselves: log lines on standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    #[error("logging was begun before: {0}")]
    Twice(String),
}

/// Sends all log lines of this process to standard error. Standard output is left to what a command prints.
///
/// # Errors
/// A filter that cannot be parsed, or a second call.
pub fn begin(config: &LogConfig) -> Result<(), Error> {
    let filter: EnvFilter = config.filter.parse()?;
    let lines =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let begun = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| Error::Twice(error.to_string()))
}
