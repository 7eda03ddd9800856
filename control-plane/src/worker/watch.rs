//! Listens: to the registry, for houses that became due, and to the engine, for what happens to containers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::Worker;
use super::failure::chain;
use crate::engine::EngineEvent;
use crate::model::ids::HouseId;
use crate::store::{Channel, Listener, Notice, Scope, Store, houses, leases};

/// Between two tries to listen again.
const RETRY: Duration = Duration::from_secs(1);

/// A listener on whose session this worker's presence hangs.
pub(super) async fn listener(store: &Store, key: i64) -> Result<Listener, crate::store::Error> {
    let mut listener = store.listen(&[Channel::HouseDue]).await?;
    leases::be_present(&mut listener, key).await?;
    Ok(listener)
}

/// Wakes the dispatcher when a house became due. A session that is lost took our presence with it, and every lease may
/// be another's by now: what is under way ends, and nothing is begun before we are present again.
pub(super) async fn registry(worker: Arc<Worker>, mut listener: Listener, shutdown: CancellationToken) {
    loop {
        let notice = tokio::select! {
            notice = listener.next() => notice,
            () = shutdown.cancelled() => break,
        };
        match notice {
            Ok(Notice::Lost) => {
                tracing::warn!("the registry's announcements are not heard; listening again");
                worker.presence.lose(&worker);
            }
            Ok(Notice::Reconnected) => {
                tracing::info!("the registry is heard again");
                worker.presence.regain();
                worker.due.notify_one();
            }
            Ok(_) => worker.due.notify_one(),
            Err(error) => {
                tracing::warn!(error = chain(&error), "the registry cannot be listened to; trying on");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    // presence ends with the session, so it must outlive what is still under way
    while !worker.held().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(listener);
}

/// Makes a settled house due when something happened to what it is made of.
pub(super) async fn engine(worker: Arc<Worker>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Ok(mut events) = worker.deps.engine.events().await {
            loop {
                let event = tokio::select! {
                    event = events.next() => event,
                    () = shutdown.cancelled() => return,
                };
                match event {
                    Some(Ok(event)) => happened(&worker, &event).await,
                    Some(Err(_)) | None => break,
                }
            }
        }
        // what happened meanwhile is found by the sweep
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

async fn happened(worker: &Worker, event: &EngineEvent) {
    let matters = ["die", "destroy", "pause", "disconnect", "oom"].contains(&event.action.as_str());
    let Some(house) =
        event.house.as_deref().filter(|_| matters).and_then(|house| house.parse::<HouseId>().ok())
    else {
        return;
    };
    // most of what happens while a house is worked on is our own doing; whether it was is seen by looking again
    worker.disturbed().insert(house.clone());
    if worker.held().contains_key(&house) || worker.settled().remove(&house).is_none() {
        return;
    }
    look_again(worker, &house, &format!("{:?} {}", event.kind, event.action).to_lowercase()).await;
}

/// Makes a house due because something happened to it.
pub(super) async fn look_again(worker: &Worker, house: &HouseId, why: &str) {
    let due = async {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        houses::due_now(&mut tx, house, why).await?;
        tx.commit().await
    };
    if let Err(error) = due.await {
        tracing::warn!(%house, error = chain(&error), "a change was seen but not told; the sweep will find it");
    }
}
