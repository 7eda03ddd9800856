//! Hearing of changes in the registry, for everybody in this process over one connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::store::{Channel, Notice, Store};

/// Notices that one slow listener may lag behind before it is told to look for itself.
const BACKLOG: usize = 1024;
/// Between attempts to reach the registry again.
const PAUSE: Duration = Duration::from_secs(1);

/// What the registry announces. Whoever waits for a change takes an [`Ear`] first, looks, and then listens, so that
/// nothing that happens in between is missed.
#[derive(Debug, Clone)]
pub struct News {
    sender: broadcast::Sender<Notice>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl News {
    /// Follows these channels until the last clone is dropped. While the registry cannot be reached it is tried
    /// again, and what was missed is made up for by [`Notice::Reconnected`].
    #[must_use]
    pub fn follow(store: Store, channels: &'static [Channel]) -> Self {
        Self::follow_from_the_start(store, channels).0
    }

    /// The same, with an ear that misses nothing, not even the beginning.
    #[must_use]
    pub fn follow_from_the_start(store: Store, channels: &'static [Channel]) -> (Self, Ear) {
        let (sender, first) = broadcast::channel(BACKLOG);
        let task = tokio::spawn(listen(store, channels, sender.clone()));
        (Self { sender, _task: Arc::new(AbortOnDropHandle::new(task)) }, Ear(first))
    }

    /// Hears everything from now on.
    #[must_use]
    pub fn ear(&self) -> Ear {
        Ear(self.sender.subscribe())
    }
}

async fn listen(store: Store, channels: &'static [Channel], sender: broadcast::Sender<Notice>) {
    loop {
        match store.listen(channels).await {
            Ok(mut listener) => {
                // Nobody listening is no error.
                let _ = sender.send(Notice::Reconnected);
                loop {
                    match listener.next().await {
                        Ok(notice) => {
                            let _ = sender.send(notice);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "the registry's announcements are lost");
                            let _ = sender.send(Notice::Lost);
                            break;
                        }
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the registry's announcements cannot be heard"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One listener of [`News`].
#[derive(Debug)]
pub struct Ear(broadcast::Receiver<Notice>);

impl Ear {
    /// The next that is heard. Whoever lags behind is told to look for themselves.
    pub async fn next(&mut self) -> Notice {
        match self.0.recv().await {
            Ok(notice) => notice,
            Err(RecvError::Lagged(_)) => Notice::Reconnected,
            // The news have ended with the process.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Returns when something was heard that `matters`, when something may have been missed, and at the deadline at
    /// the latest.
    pub async fn heard(&mut self, matters: impl Fn(&Notice) -> bool, deadline: Instant) {
        let relevant = async {
            loop {
                match self.0.recv().await {
                    Ok(Notice::Reconnected) | Err(RecvError::Lagged(_)) => return,
                    Ok(notice) if matters(&notice) => return,
                    Ok(_) => {}
                    // The news have ended with the process; the deadline ends the waiting.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout_at(deadline, relevant).await;
    }
}
