//! The tenant's PostgreSQL: its roles and grants, its migrations, and facts about it.
//!
//! Every function connects, does one thing and closes: at any moment far more tenants exist than are worked on,
//! so no connection is kept. `migrate` alone is shared with the platform's own database.

pub mod facts;
pub mod migrate;
pub mod quote;
pub mod roles;

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

/// The database of a tenant, in every house.
pub const DATABASE: &str = "app";
/// The superuser that the image makes; used to prepare the other roles, for nothing else.
pub const SUPERUSER: &str = "postgres";

/// What went wrong in a tenant's database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the database at {address} cannot be reached")]
    Unreachable { address: SocketAddr, source: sqlx::Error },
    #[error("the database refused")]
    Refused(#[from] sqlx::Error),
    #[error(transparent)]
    Migrate(#[from] migrate::MigrateError),
}

impl Error {
    /// Whether the same call may well succeed later, with nothing changed by a person.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Unreachable { .. } => true,
            Self::Refused(source) => is_transient(source),
            Self::Migrate(error) => error.is_transient(),
        }
    }
}

/// Between two tries to open a session on a server that is starting.
const STARTING: Duration = Duration::from_millis(20);

impl Error {
    /// Whether the server is there and will take sessions soon (`cannot_connect_now`).
    fn is_starting(&self) -> bool {
        match self {
            Self::Refused(source) => {
                source.as_database_error().and_then(|refusal| refusal.code()).as_deref() == Some("57P03")
            }
            _ => false,
        }
    }
}

/// Whether PostgreSQL said no for a reason that passes: it is starting or stopping, or out of something.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    match error.as_database_error().and_then(|refusal| refusal.code()) {
        // connection exceptions, rollback (deadlock, serialisation), resources, operator intervention, lock timeout
        Some(code) => {
            ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "55P03"
        }
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)),
    }
}

/// A way into one tenant's database, as one role.
pub struct Access<'a> {
    pub address: SocketAddr,
    pub role: &'a str,
    pub password: &'a SecretString,
}

impl Access<'_> {
    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.address.ip().to_string())
            .port(self.address.port())
            .username(self.role)
            .password(self.password.expose_secret())
            .database(database)
            // the wire is a bridge of this machine that nobody else hangs on
            .ssl_mode(PgSslMode::Disable)
            .application_name("freehold")
            .log_statements(tracing::log::LevelFilter::Trace)
    }

    /// Opens one connection, waiting up to `limit` for a server that is just starting.
    ///
    /// # Errors
    /// `Unreachable` while nothing answers there, `Refused` when the server says no, `TimedOut` after `limit`.
    pub async fn connect(&self, database: &str, limit: Duration) -> Result<PgConnection, Error> {
        let until = tokio::time::Instant::now() + limit;
        loop {
            let error = match tokio::time::timeout_at(until, self.options(database).connect()).await {
                Err(_) => return Err(Error::TimedOut(limit)),
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(source)) if source.as_database_error().is_none() => {
                    Error::Unreachable { address: self.address, source }
                }
                Ok(Err(source)) => Error::Refused(source),
            };
            // the port takes connections a little before the server takes sessions
            if !error.is_starting() || tokio::time::Instant::now() + STARTING >= until {
                return Err(error);
            }
            tokio::time::sleep(STARTING).await;
        }
    }
}

/// Ends a session politely; what goes wrong there changes nothing any more.
async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
}
