//! `/api/events`: changes as they happen, as server-sent events. What this process did not see is not in
//! it: a listener reads the lists first, and again after `missed`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::web::problem::Error;
use crate::web::state::Shared;

pub async fn stream(State(app): State<Shared>) -> Result<impl IntoResponse, Error> {
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| Error::Crowded)?;
    let mut changes = app.changes.subscribe();
    let mut stopping = app.stopping.clone();
    let (to, from) = mpsc::channel::<Result<Event, Infallible>>(16);
    tokio::spawn(async move {
        let _place = place;
        // So that a listener knows that nothing is missed from here on.
        let mut event = Event::default().event("listening").data("{}");
        loop {
            if to.send(Ok(event)).await.is_err() {
                return;
            }
            event = tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) => match Event::default().event(change.event).json_data(&change) {
                        Ok(event) => event,
                        Err(_) => return,
                    },
                    Err(RecvError::Lagged(_)) => Event::default().event("missed").data("{}"),
                    Err(RecvError::Closed) => return,
                },
                () = to.closed() => return,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
        }
    });
    let keep = KeepAlive::new().interval(Duration::from_secs(15));
    // `no-transform`: whoever stands between must not hold events back to pack them.
    Ok(([(CACHE_CONTROL, "no-store, no-transform")], Sse::new(ReceiverStream::new(from)).keep_alive(keep)))
}
