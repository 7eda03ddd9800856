//! Hearing of changes, and being known to live.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, OperationId};

use super::Result;

/// What can be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A house is due.
    HouseDue,
    /// Something happened to an operation.
    Operation,
    /// What stands behind a host name changed.
    Doors,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::HouseDue => "house_due",
            Self::Operation => "operation",
            Self::Doors => "doors",
        }
    }
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    HouseDue(HouseId),
    Operation(OperationId),
    Door(HostName),
    /// The connection was lost and is back: anything may have been missed, so look at everything once.
    Reconnected,
}

/// A connection of its own that hears announcements, and by a lock it holds says that its worker lives.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
    present_as: Option<i64>,
}

impl Listener {
    pub(super) async fn connect(options: PgConnectOptions, channels: &[Channel]) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(Duration::from_secs(10))
            // Never used again: closing it at once also gives up the presence.
            .after_release(|_, _| Box::pin(async { Ok(false) }))
            .connect_with(options)
            .await?;
        let mut inner = PgListener::connect_with(&pool).await?;
        inner.ignore_pool_close_event(true);
        inner.listen_all(channels.iter().map(|channel| channel.name())).await?;
        Ok(Self { inner, present_as: None })
    }

    pub(super) async fn be_present(&mut self, key: i64) -> Result<()> {
        // Shared, so that a lingering session of our own from before a lost connection does not keep us waiting.
        sqlx::query("select pg_advisory_lock_shared($1)").bind(key).execute(&mut self.inner).await?;
        self.present_as = Some(key);
        Ok(())
    }

    /// Waits for the next notice. After a lost connection the presence is taken up again.
    ///
    /// # Errors
    /// When the server cannot be reached again; calling it once more tries again.
    pub async fn next(&mut self) -> Result<Notice> {
        loop {
            let Some(notification) = self.inner.try_recv().await? else {
                if let Some(key) = self.present_as {
                    self.be_present(key).await?;
                }
                return Ok(Notice::Reconnected);
            };
            let payload = notification.payload();
            let notice = match notification.channel() {
                "house_due" => payload.parse().map(Notice::HouseDue).ok(),
                "operation" => payload.parse().map(Notice::Operation).ok(),
                "doors" => payload.parse().map(Notice::Door).ok(),
                _ => None,
            };
            match notice {
                Some(notice) => return Ok(notice),
                None => {
                    tracing::debug!(channel = notification.channel(), "an announcement that says nothing");
                }
            }
        }
    }
}
