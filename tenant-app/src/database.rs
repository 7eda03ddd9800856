//! The tenant's database as this app sees it: a small pool, and a schema of a version it knows.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::Mutex;

/// Schema versions this build works with. A migration raises the end; the start rises when the code
/// stops coping with an older schema.
pub const KNOWN: RangeInclusive<i64> = 4..=4;

const CHECK_DEADLINE: Duration = Duration::from_secs(1);
/// How long the gate believes that a known schema still is one, and that an unknown one is not.
const BELIEVE_KNOWN: Duration = Duration::from_secs(10);
const BELIEVE_UNKNOWN: Duration = Duration::from_millis(500);

/// The database's address is not one. The address itself is a secret and stays out of this.
#[derive(Debug, thiserror::Error)]
#[error("the database's address is not a postgres URL")]
pub struct BadAddress;

/// Why the app does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    #[error("the database does not answer")]
    NoAnswer,
    #[error("the database has no schema yet")]
    NoSchema,
    #[error("the schema is version {0}, which this build does not know")]
    UnknownSchema(i64),
}

/// What a health check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Schema {
    pub version: i64,
    /// The schema moved on under us: a newer release is on its way in, and we serve until it has come.
    pub ahead: bool,
}

struct Seen {
    at: Instant,
    verdict: Result<Schema, NotReady>,
}

/// Pools and the verdict on the schema.
pub struct Database {
    pool: PgPool,
    /// One connection of its own where there is more than one, so that a crowd waiting for the others
    /// does not make the app look dead.
    checks: PgPool,
    served: AtomicBool,
    seen: Mutex<Option<Seen>>,
}

impl Database {
    /// Connects when the first request needs it: the app starts while its database still does.
    ///
    /// # Errors
    /// [`BadAddress`] when `url` cannot be read.
    pub fn new(url: &SecretString, connections: u32, application: &str) -> Result<Self, BadAddress> {
        let url = url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(BadAddress);
        }
        let options =
            PgConnectOptions::from_str(url).map_err(|_| BadAddress)?.application_name(application).options([
                ("statement_timeout", "5s"),
                ("lock_timeout", "3s"),
                ("idle_in_transaction_session_timeout", "10s"),
            ]);
        let pool = pool(connections.saturating_sub(1).max(1), options.clone());
        let checks = if connections > 1 { self::pool(1, options) } else { pool.clone() };
        Ok(Self { pool, checks, served: AtomicBool::new(false), seen: Mutex::new(None) })
    }

    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Asks the database now, within a second. Also what the gate believes from then on.
    ///
    /// # Errors
    /// Why the app must not serve.
    pub async fn check(&self) -> Result<Schema, NotReady> {
        let verdict = self.judge(self.version().await);
        *self.seen.lock().await = Some(Seen { at: Instant::now(), verdict });
        verdict
    }

    /// May a request be served? Asks the database only now and then, once for all who wait. A database
    /// that is away for a moment does not close the gate: its errors say so by themselves.
    ///
    /// # Errors
    /// Why the app must not serve.
    pub async fn gate(&self) -> Result<(), NotReady> {
        let mut seen = self.seen.lock().await;
        if let Some(Seen { at, verdict }) = &*seen {
            let believe = if verdict.is_ok() { BELIEVE_KNOWN } else { BELIEVE_UNKNOWN };
            if at.elapsed() < believe {
                return self.passes(*verdict);
            }
        }
        let verdict = self.judge(self.version().await);
        *seen = Some(Seen { at: Instant::now(), verdict });
        self.passes(verdict)
    }

    /// Ends all connections, those in use once they are given back.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.checks.close());
    }

    fn passes(&self, verdict: Result<Schema, NotReady>) -> Result<(), NotReady> {
        match verdict {
            Err(NotReady::NoAnswer) if self.served.load(Ordering::Relaxed) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn version(&self) -> Result<Option<i64>, NotReady> {
        let query =
            sqlx::query_scalar("SELECT max(version) FROM freehold.schema_history").fetch_one(&self.checks);
        match tokio::time::timeout(CHECK_DEADLINE, query).await {
            Ok(Ok(version)) => Ok(version),
            // No such schema, no such table: the migrations have not run yet.
            Ok(Err(sqlx::Error::Database(e))) if matches!(e.code().as_deref(), Some("42P01" | "3F000")) => {
                Ok(None)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database could not be asked for its schema");
                Err(NotReady::NoAnswer)
            }
            Err(_) => {
                tracing::warn!("the database did not tell its schema in time");
                Err(NotReady::NoAnswer)
            }
        }
    }

    /// A newer schema is for us only when we were serving before it came: a migration must leave the
    /// release before it working, but one that starts on a schema it has never heard of knows nothing.
    fn judge(&self, version: Result<Option<i64>, NotReady>) -> Result<Schema, NotReady> {
        let version = version?.ok_or(NotReady::NoSchema)?;
        if KNOWN.contains(&version) {
            self.served.store(true, Ordering::Relaxed);
            return Ok(Schema { version, ahead: false });
        }
        if version > *KNOWN.end() && self.served.load(Ordering::Relaxed) {
            return Ok(Schema { version, ahead: true });
        }
        Err(NotReady::UnknownSchema(version))
    }
}

fn pool(connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(3))
        // An idle tenant holds no connection, and none lives so long that it misses a change of its
        // role's settings (read-only, limits).
        .idle_timeout(Duration::from_secs(60))
        .max_lifetime(Duration::from_secs(300))
        // A request that is dropped while BEGIN is on its way leaves its session inside a transaction
        // (sqlx 0.9.0, transact-rs/sqlx#4393). A rollback alone would fill the server's log with warnings.
        .after_release(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        Database::new(&"postgres://nobody@127.0.0.1:1/none".to_owned().into(), 5, "test").unwrap()
    }

    #[tokio::test]
    async fn a_schema_from_the_future_is_for_those_who_were_there_before_it() {
        let database = database();
        let newer = KNOWN.end() + 1;
        assert_eq!(database.judge(Ok(Some(newer))), Err(NotReady::UnknownSchema(newer)));
        assert_eq!(database.judge(Ok(None)), Err(NotReady::NoSchema));
        assert!(database.judge(Ok(Some(*KNOWN.end()))).is_ok());
        assert_eq!(database.judge(Ok(Some(newer))), Ok(Schema { version: newer, ahead: true }));
        assert_eq!(database.judge(Ok(Some(1))), Err(NotReady::UnknownSchema(1)));
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_not_shown() {
        for url in ["postgres://app:secret@db:port/app", "mysql://secret@db/app", "secret"] {
            let error = Database::new(&url.to_owned().into(), 5, "test").err().unwrap();
            assert!(!error.to_string().contains("secret"), "{url}");
        }
    }
}
