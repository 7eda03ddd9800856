//! Hearing of changes, and being known to live.

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, OperationId, TenantId, UserId};

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
    /// Somebody is signed in no more, or belongs somewhere else or as something else.
    People,
    /// The keys that sign tokens are others, or stand otherwise.
    SigningKeys,
}

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::HouseDue => "house_due",
            Self::Operation => "operation",
            Self::Doors => "doors",
            Self::People => "people",
            Self::SigningKeys => "signing_keys",
        }
    }
}

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    HouseDue(HouseId),
    Operation(OperationId),
    Door(HostName),
    /// Something changed about a user: their sessions, their name, where they belong.
    Person(UserId),
    /// Something changed about a tenant for all who belong to it.
    Belonging(TenantId),
    /// Something changed about the keys that sign tokens.
    SigningKeys,
    /// The connection is lost, and the presence with it.
    Lost,
    /// The connection is back, and the presence: anything may have been missed, so look at everything once.
    Reconnected,
}

/// A connection of its own that hears announcements, and by a lock it holds says that its worker lives.
#[derive(Debug)]
pub struct Listener {
    options: PgConnectOptions,
    channels: Vec<Channel>,
    /// `None` while the connection is lost.
    session: Option<PgListener>,
    present_as: Option<i64>,
}

impl Listener {
    pub(super) async fn connect(options: PgConnectOptions, channels: &[Channel]) -> Result<Self> {
        let mut listener = Self { options, channels: channels.to_vec(), session: None, present_as: None };
        listener.session = Some(listener.open().await?);
        Ok(listener)
    }

    async fn open(&self) -> Result<PgListener> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(super::PATIENCE)
            // Never used again: closing it at once also gives up the presence.
            .after_release(|_, _| Box::pin(async { Ok(false) }))
            .connect_with(self.options.clone())
            .await?;
        let mut session = PgListener::connect_with(&pool).await?;
        session.ignore_pool_close_event(true);
        // It would come back without its presence, and after a long outage without a word.
        session.eager_reconnect(false);
        session.listen_all(self.channels.iter().map(|channel| channel.name())).await?;
        Ok(session)
    }

    pub(super) async fn be_present(&mut self, key: i64) -> Result<()> {
        self.present_as = Some(key);
        if let Some(session) = &mut self.session {
            lock(session, key).await?;
        }
        Ok(())
    }

    /// Waits for the next notice. A lost connection is told at once, and the call after that opens another and takes
    /// the presence up again.
    ///
    /// # Errors
    /// When the server cannot be reached again; calling it once more tries again.
    pub async fn next(&mut self) -> Result<Notice> {
        loop {
            let Some(session) = &mut self.session else {
                let mut session = self.open().await?;
                if let Some(key) = self.present_as {
                    lock(&mut session, key).await?;
                }
                self.session = Some(session);
                return Ok(Notice::Reconnected);
            };
            let notification = match session.try_recv().await {
                Ok(Some(notification)) => notification,
                Ok(None) | Err(_) => {
                    self.session = None;
                    return Ok(Notice::Lost);
                }
            };
            let payload = notification.payload();
            let notice = match notification.channel() {
                "house_due" => payload.parse().map(Notice::HouseDue).ok(),
                "operation" => payload.parse().map(Notice::Operation).ok(),
                "doors" => payload.parse().map(Notice::Door).ok(),
                "people" => match payload.split_once(' ') {
                    Some(("user", id)) => id.parse().map(Notice::Person).ok(),
                    Some(("tenant", id)) => id.parse().map(Notice::Belonging).ok(),
                    _ => None,
                },
                "signing_keys" => Some(Notice::SigningKeys),
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

/// Shared, so that a lingering session of our own from before a lost connection does not keep us waiting.
async fn lock(session: &mut PgListener, key: i64) -> Result<()> {
    sqlx::query("select pg_advisory_lock_shared($1)").bind(key).execute(session).await?;
    Ok(())
}
