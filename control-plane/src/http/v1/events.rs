//! An operation's events as they happen (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::convert;
use crate::app::operations::{Follower, Progress};
use crate::app::{App, Error};
use crate::http::AppState;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Path;
use crate::model::operation::OperationState;

/// How often a comment says that the stream still lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Follow an operation.
///
/// `step` events carry what happened, `state` events the operation whenever its state or what it waits for is another;
/// the last one is the end. A stream that broke off is resumed by `Last-Event-ID`; when nothing is left to tell the answer is 204,
/// which keeps a browser from asking again.
#[utoipa::path(
    get, path = "/operations/{operation}/events", tag = "operations", operation_id = "follow_operation",
    params(
        ("operation" = Uuid, Path, description = "Its id."),
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that was seen."),
    ),
    responses(
        (status = 200, description = "Events: `step` with an OperationEvent, `state` with an Operation.", body = String, content_type = "text/event-stream"),
        (status = 204, description = "It is over, and everything was seen."),
        super::answers::Guarded, super::answers::Named, super::answers::Read,
    )
)]
pub(super) async fn stream(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seen = last_event(&headers)?;
    let mut follower = state.app.follow(&caller, &id, seen.unwrap_or(0)).await?;
    let first = follower.next(&state.app).await?;
    if seen.is_some() && first.over {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = events(state.app.clone(), state.closing.clone(), follower, first);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().unwrap_or_default().parse::<i64>() {
        Ok(id) if id >= 0 => Ok(Some(id)),
        _ => Err(Error::wrong("Last-Event-ID", "the id of an event is expected")),
    }
}

struct Stand {
    app: Arc<App>,
    closing: CancellationToken,
    follower: Follower,
    /// What is to be sent before anything else is asked for.
    waiting: VecDeque<Event>,
    told: Option<(OperationState, Option<String>)>,
    over: bool,
}

impl Stand {
    fn take(&mut self, progress: &Progress) {
        for record in &progress.events {
            let event = Event::default().event("step").id(record.number.to_string());
            self.waiting.extend(event.json_data(convert::event(record)).ok());
        }
        // The end is told only after everything that led to it.
        let told = if progress.operation.state.is_over() { progress.over } else { true };
        let now = (progress.operation.state, progress.operation.reason.clone());
        if told && self.told.as_ref() != Some(&now) {
            self.told = Some(now);
            let event = Event::default().event("state");
            self.waiting.extend(event.json_data(convert::operation(&progress.operation)).ok());
        }
        self.over = progress.over;
    }
}

fn events(
    app: Arc<App>,
    closing: CancellationToken,
    follower: Follower,
    first: Progress,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let mut stand = Stand { app, closing, follower, waiting: VecDeque::new(), told: None, over: false };
    stand.take(&first);
    futures_util::stream::unfold(stand, async |mut stand| {
        loop {
            if let Some(event) = stand.waiting.pop_front() {
                return Some((Ok(event), stand));
            }
            if stand.over {
                return None;
            }
            let progress = tokio::select! {
                // A client asks again, and finds the process that took over.
                () = stand.closing.cancelled() => return None,
                progress = stand.follower.next(&stand.app) => progress,
            };
            match progress {
                Ok(progress) => stand.take(&progress),
                Err(error) => {
                    tracing::warn!(%error, "an operation cannot be followed any longer");
                    return None;
                }
            }
        }
    })
}
