//! The registry: all SQL of the platform's own database, one file per group of tables.
//!
//! Every function takes a transaction that was begun for a scope. Whatever a function changes is announced in the
//! same transaction, so nobody hears of a change that was not made. Rows are locked in the order tenants, houses,
//! operations; no transaction may be open while anything but this database is talked to.

pub mod admins;
pub mod api_keys;
pub mod audit;
pub mod bootstrap;
pub mod changes;
mod columns;
pub mod doors;
pub mod error;
pub mod failures;
pub mod houses;
pub mod idempotency;
pub mod identities;
pub mod invitations;
pub mod leases;
pub mod listener;
pub mod mailed_tokens;
pub mod mails;
pub mod memberships;
pub mod oauth_clients;
pub mod oauth_grants;
pub mod operations;
pub mod pages;
pub mod policies;
pub mod projects;
pub mod providers;
pub mod records;
pub mod releases;
pub mod second_factors;
pub mod secrets;
pub mod sessions;
pub mod signing_keys;
pub mod signups;
pub mod subnets;
pub mod sweeps;
pub mod tenants;
pub mod unproven_signups;
pub mod users;
pub mod volumes;
pub mod workers;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

pub use error::{Conflict, Error, Result};
pub use listener::{Channel, Listener, Notice};

use crate::model::ids::{TenantId, UserId};
use crate::model::release::Migration;

/// The platform's database.
pub const DATABASE: &str = "freehold";
/// Owns the tables and runs migrations; no role that serves is it.
pub const OWNER_ROLE: &str = "freehold_owner";
pub const API_ROLE: &str = "freehold_api";
pub const GATEWAY_ROLE: &str = "freehold_gateway";
pub const WORKER_ROLE: &str = "freehold_worker";
/// What the api becomes in a transaction that sees every tenant.
const PLATFORM_ROLE: &str = "freehold_platform";
/// How long a caller waits for a connection: longer than the server needs to start again, shorter than people wait for
/// an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where the history of the registry's own migrations is kept.
pub const HISTORY: &str = "freehold.schema_history";

/// On whose behalf a transaction is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A platform admin, who may see every tenant.
    Platform,
    /// One tenant, and nothing of another.
    Tenant(TenantId),
    /// One person: what is theirs, and where they belong.
    Person(UserId),
    /// The platform itself: workers, the gateway, bring-up.
    System,
}

/// The registry as one database role sees it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
    login: String,
    told: Told,
}

/// Who is told of what this process itself changes, before it goes on: announcements take their time.
#[derive(Clone, Default)]
struct Told(Option<Arc<Tell>>);

type Tell = dyn Fn(&Notice) + Send + Sync;

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// A transaction for one scope. Dropped without [`Tx::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    told: Told,
    changed: Vec<Notice>,
}

impl Tx {
    /// Makes everything done in it lasting, and heard of.
    ///
    /// # Errors
    /// When the database cannot be reached; whether it was committed is not known then.
    pub async fn commit(self) -> Result<()> {
        let committed = self.inner.commit().await;
        // Also when it is not known whether it was.
        if let Told(Some(told)) = &self.told {
            self.changed.iter().for_each(|notice| told(notice));
        }
        Ok(committed?)
    }

    /// Has this process told of a change when it is committed; the registry announces it to all others.
    fn tell(&mut self, notice: Notice) {
        self.changed.push(notice);
    }

    fn sql(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

/// How to reach a database of the platform's server by its socket directory, without regard to the environment's
/// own settings for PostgreSQL clients.
#[must_use]
pub fn connect_options(
    socket_dir: &Path,
    database: &str,
    role: &str,
    password: &SecretString,
) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(5432)
        .database(database)
        .username(role)
        .password(password.expose_secret())
        .ssl_mode(PgSslMode::Disable)
}

impl Store {
    /// Connects as one role over the server's socket.
    ///
    /// # Errors
    /// When the server cannot be reached within 5 seconds or refuses the role.
    pub async fn connect(
        socket_dir: &Path,
        database: &str,
        role: &str,
        password: &SecretString,
    ) -> Result<Self> {
        Self::connect_with(connect_options(socket_dir, database, role, password)).await
    }

    /// Connects with options of the caller's own.
    ///
    /// # Errors
    /// As [`Store::connect`].
    pub async fn connect_with(options: PgConnectOptions) -> Result<Self> {
        let options = options.application_name("freehold").options([
            ("statement_timeout", "20s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(PATIENCE)
            // A begin() whose caller went away leaves the session inside a transaction, and sqlx 0.9.0 gives it
            // back to the pool as it is: the next user would work inside a stranger's transaction. A rollback alone
            // would be warned of, in the server's log too, wherever there is nothing to roll back.
            .after_release(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql("begin; rollback").execute(connection).await?;
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await?;
        let login = options.get_username().to_owned();
        Ok(Self { pool, options, login, told: Told::default() })
    }

    /// The same, telling `told` of changes to people at the end of each commit.
    #[must_use]
    pub fn telling(self, told: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self { told: Told(Some(Arc::new(told))), ..self }
    }

    /// Begins a transaction on behalf of `scope`.
    ///
    /// # Errors
    /// When no connection is to be had within 5 seconds.
    pub async fn begin(&self, scope: Scope) -> Result<Tx> {
        let (tenant, person) = match scope {
            Scope::Tenant(id) => (id.to_string(), String::new()),
            Scope::Person(id) => (String::new(), id.to_string()),
            Scope::Platform | Scope::System => (String::new(), String::new()),
        };
        // The other roles have no other to become: what they see is the same in every scope.
        let wide = matches!(scope, Scope::Platform | Scope::System) && self.login == API_ROLE;
        let mut inner = self.pool.begin().await?;
        sqlx::query(
            "select set_config('freehold.tenant', $1, true), set_config('freehold.person', $2, true),
                    set_config('role', $3, true)",
        )
        .bind(tenant)
        .bind(person)
        .bind(if wide { PLATFORM_ROLE } else { "none" })
        .execute(&mut *inner)
        .await?;
        Ok(Tx { inner, told: self.told.clone(), changed: Vec::new() })
    }

    /// Hears what is announced on `channels`, over a connection of its own.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn listen(&self, channels: &[Channel]) -> Result<Listener> {
        Listener::connect(self.options.clone(), channels).await
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The migrations of the registry itself, ascending.
#[must_use]
pub fn migrations() -> Vec<Migration> {
    let file = |version: i64, name: &str, sql: &str| Migration {
        version,
        name: name.to_owned(),
        sql: sql.to_owned(),
    };
    vec![
        file(1, "registry", include_str!("../../../migrations/platform/V1__registry.sql")),
        file(2, "changes", include_str!("../../../migrations/platform/V2__changes.sql")),
        file(3, "rights", include_str!("../../../migrations/platform/V3__rights.sql")),
        file(4, "workers", include_str!("../../../migrations/platform/V4__workers.sql")),
        file(5, "search", include_str!("../../../migrations/platform/V5__search.sql")),
        file(6, "people", include_str!("../../../migrations/platform/V6__people.sql")),
        file(7, "audit", include_str!("../../../migrations/platform/V7__audit.sql")),
        file(8, "scopes", include_str!("../../../migrations/platform/V8__scopes.sql")),
        file(9, "members", include_str!("../../../migrations/platform/V9__members.sql")),
        file(10, "unproven_signups", include_str!("../../../migrations/platform/V10__unproven_signups.sql")),
        file(11, "api_keys", include_str!("../../../migrations/platform/V11__api_keys.sql")),
        file(12, "oauth", include_str!("../../../migrations/platform/V12__oauth.sql")),
        file(13, "browser_sessions", include_str!("../../../migrations/platform/V13__browser_sessions.sql")),
        file(
            14,
            "admin_second_factors",
            include_str!("../../../migrations/platform/V14__admin_second_factors.sql"),
        ),
        file(15, "signing_keys", include_str!("../../../migrations/platform/V15__signing_keys.sql")),
        file(16, "providers", include_str!("../../../migrations/platform/V16__providers.sql")),
    ]
}

/// Seconds as PostgreSQL's intervals take them.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
