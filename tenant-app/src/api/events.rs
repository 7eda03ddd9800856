//! `/api/events`: changes as they happen, as server-sent events. What this process did not see is not in
//! it: a listener reads the lists first, and again after `missed`. A stream ends with the session or the
//! token that it was opened with.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::people::person::Scope;
use crate::web::problem::Error;
use crate::web::state::Shared;
use crate::web::who::{Known, Who};

async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// What the listener sees now; nothing once their session or token has ended.
async fn scope_now(app: &Shared, known: &Known) -> Option<Scope> {
    let person = app.guests.as_ref()?.who(&known.credential).await.ok()?;
    person.may_read().then(|| person.scope())
}

pub async fn stream(State(app): State<Shared>, Who(known): Who) -> Result<impl IntoResponse, Error> {
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| Error::Crowded)?;
    let mut changes = app.changes.subscribe();
    let mut stopping = app.stopping.clone();
    let (to, from) = mpsc::channel::<Result<Event, Infallible>>(16);
    let pace = app.guests.as_ref().ok_or(Error::NoSignIn)?.settings.believed;
    tokio::spawn(async move {
        let _place = place;
        let mut scope = known.person.scope();
        let mut again = tokio::time::interval(pace);
        // So that a listener knows that nothing is missed from here on.
        let mut event = Some(Event::default().event("listening").data("{}"));
        loop {
            if let Some(event) = event.take()
                && to.send(Ok(event)).await.is_err()
            {
                return;
            }
            event = tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) if !change.projects.iter().any(|project| scope.holds(*project)) => None,
                    Ok(change) => match Event::default().event(change.event).json_data(&change) {
                        Ok(event) => Some(event),
                        Err(_) => return,
                    },
                    Err(RecvError::Lagged(_)) => Some(Event::default().event("missed").data("{}")),
                    Err(RecvError::Closed) => return,
                },
                () = to.closed() => return,
                () = told(&mut stopping) => return,
                _ = again.tick() => match scope_now(&app, &known).await {
                    Some(now) => {
                        scope = now;
                        None
                    }
                    None => return,
                },
            };
        }
    });
    let keep = KeepAlive::new().interval(Duration::from_secs(15));
    // `no-transform`: whoever stands between must not hold events back to pack them.
    Ok(([(CACHE_CONTROL, "no-store, no-transform")], Sse::new(ReceiverStream::new(from)).keep_alive(keep)))
}
