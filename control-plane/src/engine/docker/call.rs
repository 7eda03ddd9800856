//! One call of Docker: its deadline, and its failures in our words.

use std::future::Future;
use std::time::Duration;

use bollard::errors::Error as Failure;
use tokio::time;

use crate::engine::{Error, Result};

/// For what only reads.
pub(super) const READ: Duration = Duration::from_secs(10);
/// For what makes, starts or removes: an engine under load takes seconds for what else takes 0.1.
pub(super) const CHANGE: Duration = Duration::from_secs(30);
/// What the engine gets on top of the time a container has for stopping.
pub(super) const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Runs one call with a deadline; `what` completes "the engine did not …".
pub(super) async fn call<T>(
    what: &'static str,
    within: Duration,
    future: impl Future<Output = std::result::Result<T, Failure>>,
) -> Result<T> {
    match time::timeout(within, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(in_our_words(what, within, failure)),
        Err(_) => Err(Error::Timeout { what, within }),
    }
}

/// Runs several calls with one deadline for all.
pub(super) async fn steps<T>(
    what: &'static str,
    within: Duration,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    time::timeout(within, future).await.unwrap_or(Err(Error::Timeout { what, within }))
}

/// What is gone is gone: an answer of "not found" to a removal is success.
pub(super) fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::NotFound(_)) => Ok(()),
        other => other,
    }
}

pub(super) fn in_our_words(what: &'static str, within: Duration, failure: Failure) -> Error {
    match failure {
        Failure::DockerResponseServerError { status_code, message } => by_status(status_code, message),
        Failure::RequestTimeoutError => Error::Timeout { what, within },
        Failure::DockerStreamError { error } => Error::Refused { status: 0, message: error },
        Failure::SocketNotFoundError(path) => Error::Unreachable(format!("there is no socket at {path}")),
        Failure::IOError { err } => Error::Unreachable(chain(&err)),
        Failure::HyperResponseError { err } => Error::Unreachable(chain(&err)),
        Failure::HyperLegacyError { err } => Error::Unreachable(chain(&err)),
        other => Error::Refused { status: 0, message: chain(&other) },
    }
}

fn by_status(status: u16, message: String) -> Error {
    // Docker 20.10 answers a clash of address blocks with 403 or 500, and a network in use with 403.
    let clash =
        ["overlaps with other", "has active endpoints", "volume is in use", "is already in use by container"];
    if status == 409 || clash.iter().any(|words| message.contains(words)) {
        Error::Conflict(message)
    } else if status == 404 {
        Error::NotFound(message)
    } else {
        Error::Refused { status, message }
    }
}

/// An error with what caused it: the outer ones of the HTTP client say nothing by themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert!(matches!(by_status(404, String::new()), Error::NotFound(_)));
        assert!(matches!(by_status(409, String::new()), Error::Conflict(_)));
        let overlap = "Pool overlaps with other one on this address space".to_owned();
        assert!(matches!(by_status(403, overlap), Error::Conflict(_)));
        assert!(by_status(500, "boom".into()).is_transient());
        assert!(!by_status(400, "bad".into()).is_transient());
    }

    #[tokio::test]
    async fn a_silent_engine_is_a_timeout() {
        let within = Duration::from_millis(20);
        let result = call("answer", within, std::future::pending::<std::result::Result<(), Failure>>()).await;
        assert_eq!(result, Err(Error::Timeout { what: "answer", within }));
    }
}
