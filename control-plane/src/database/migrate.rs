//! The one adapter between refinery and sqlx, for the platform's database and for every tenant's.
//!
//! What refinery leaves out is done here: a lock per database, so that two runners never meet; a check of names,
//! versions and transaction control before anything is run; and errors that say which file is at fault.

use std::time::Duration;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration as Unit, Runner, Target, error::Kind};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::release::Migration;

/// The key of the advisory lock that a runner holds: "freehold" in ASCII. Advisory locks are per database.
const LOCK: i64 = 0x6672_6565_686f_6c64;
/// How often the lock is tried, with a growing pause between, before it counts as held for good: about 6 s.
const TRIES: u32 = 12;
/// How often the server looks whether the runner of a statement is still there.
const WHO_IS_THERE: &str = "1s";
/// How long one statement of a migration may wait for a lock before it gives way to the app.
const LOCK_WAIT: &str = "10s";

/// Why a database is not at the version it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("migration {file}: {reason}")]
    Unusable { file: String, reason: String },
    #[error("another runner is migrating this database and did not finish")]
    Locked,
    #[error(
        "migration {0} was applied with another text than it has now; an applied migration is never edited: \
         restore its text and add a new one"
    )]
    Divergent(String),
    #[error(
        "migration {0} is missing: it was applied before, or it is older than what was applied; \
         a release carries every migration, and new ones have the highest numbers"
    )]
    Missing(String),
    /// The server's own words are all in the message: its error would say them again, and lines of its own source.
    #[error("migration {file}{}: {message}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Failed { file: String, line: Option<usize>, message: String, refusal: sqlx::Error },
    #[error("the migration history cannot be read: {0}")]
    History(String),
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

impl MigrateError {
    /// Whether another try, with nothing changed, may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked => true,
            Self::Failed { refusal, .. } | Self::Database(refusal) => super::is_transient(refusal),
            Self::Unusable { .. } | Self::Divergent(_) | Self::Missing(_) | Self::History(_) => false,
        }
    }
}

/// Brings the database behind `connection` to version `to`, or to the last one there is, and says which that is.
///
/// `history` is the qualified name of the table that remembers what was applied; its schema must exist.
///
/// # Errors
/// See [`MigrateError`]; whatever it was, the failing migration left nothing behind.
pub async fn run(
    connection: &mut PgConnection,
    history: &str,
    migrations: &[Migration],
    to: Option<i64>,
) -> Result<i64, MigrateError> {
    check(migrations)?;
    let units = migrations.iter().map(unit).collect::<Result<Vec<_>, _>>()?;
    lock(connection).await?;
    let result = run_locked(connection, history, &units, to).await;
    // a session that is about to close gives the lock back by itself, so a failure here harms nobody
    let _ = sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(&mut *connection).await;
    result
}

/// Brings a tenant's database to the last of `migrations` and says which version that is.
///
/// `limit` is the longest that one statement may take: it is the server's own limit, so that a runner that went away
/// leaves no statement running.
///
/// # Errors
/// When the server cannot be reached or refuses, and see [`MigrateError`].
pub async fn run_tenant(
    access: &super::Access<'_>,
    migrations: &[Migration],
    limit: Duration,
) -> Result<i64, super::Error> {
    let mut connection = access.connect(super::DATABASE, Duration::from_secs(20)).await?;
    // a runner that dies leaves its statement behind, and with it the lock: the server must look who is still there
    let session = format!(
        "set statement_timeout = {}; set client_connection_check_interval = '{WHO_IS_THERE}'",
        limit.as_millis()
    );
    let result = match sqlx::raw_sql(AssertSqlSafe(session)).execute(&mut connection).await {
        Ok(_) => {
            run(&mut connection, super::roles::HISTORY, migrations, None).await.map_err(super::Error::from)
        }
        Err(error) => Err(error.into()),
    };
    super::close(connection).await;
    result
}

async fn run_locked(
    connection: &mut PgConnection,
    history: &str,
    units: &[Unit],
    to: Option<i64>,
) -> Result<i64, MigrateError> {
    sqlx::raw_sql(AssertSqlSafe(format!("set lock_timeout = '{LOCK_WAIT}'")))
        .execute(&mut *connection)
        .await?;
    let mut runner = Runner::new(units);
    if let Some(version) = to {
        runner = runner.set_target(Target::Version(version));
    }
    runner.set_migration_table_name(history);
    let mut session = Session { connection: &mut *connection, cause: None };
    if let Err(error) = runner.run_async(&mut session).await {
        return Err(translate(&error, session.cause, units));
    }
    let version: Option<i64> =
        sqlx::query_scalar(AssertSqlSafe(format!("select max(version) from {history}")))
            .fetch_one(connection)
            .await?;
    Ok(version.unwrap_or(0))
}

/// Refuses what refinery would skip, mix up or leave half done.
///
/// # Errors
/// `Unusable` for the first file that cannot be run safely.
pub fn check(migrations: &[Migration]) -> Result<(), MigrateError> {
    let mut last = 0;
    for migration in migrations {
        let wrong = |reason: &str| {
            Err(MigrateError::Unusable { file: file_name(migration), reason: reason.to_owned() })
        };
        if migration.version <= last {
            return wrong("versions must be positive, ascending and each used once");
        }
        last = migration.version;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if migration.name.is_empty() || !migration.name.bytes().all(plain) {
            return wrong("the name after the two underscores holds only a-z, 0-9 and '_'");
        }
        if let Some(word) = transaction_control(&migration.sql) {
            return wrong(&format!(
                "{word} is not allowed: every migration runs in a transaction of its own, with its history row"
            ));
        }
    }
    Ok(())
}

fn file_name(migration: &Migration) -> String {
    format!("V{}__{}.sql", migration.version, migration.name)
}

/// The first statement that would begin or end a transaction, outside of comments, strings and function bodies.
fn transaction_control(sql: &str) -> Option<&'static str> {
    let words = ["BEGIN", "COMMIT", "ROLLBACK", "START", "END", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"];
    statements(sql).into_iter().find_map(|statement| {
        let mut parts = statement.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        let first = parts.next()?.to_ascii_uppercase();
        let second = parts.next().unwrap_or_default().to_ascii_uppercase();
        let word = words.iter().find(|word| **word == first)?;
        // PREPARE of a plain statement and START of anything but a transaction are other commands
        (!matches!(*word, "PREPARE" | "START") || second == "TRANSACTION").then_some(*word)
    })
}

/// The statements of a script, with comments, strings, quoted names and dollar-quoted bodies blanked out.
fn statements(sql: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if first == '\'' || first == '"' {
            quoted(rest, first, bare.ends_with(['e', 'E']))
        } else if let Some(tag) = dollar_tag(rest) {
            rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
        } else {
            bare.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        bare.push(' ');
        rest = &rest[skipped..];
    }
    bare.split(';').map(str::to_owned).collect()
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && escapes {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => _ = characters.next(),
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

fn dollar_tag(text: &str) -> Option<&str> {
    let end = text.strip_prefix('$')?.find('$')? + 2;
    let tag = &text[..end];
    let name = &tag[1..end - 1];
    let valid = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then_some(tag)
}

fn unit(migration: &Migration) -> Result<Unit, MigrateError> {
    let file = file_name(migration);
    Unit::unapplied(&file, &migration.sql)
        .map_err(|error| MigrateError::Unusable { file, reason: error.to_string() })
}

async fn lock(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let mut pause = Duration::from_millis(20);
    for _ in 0..TRIES {
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if taken {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    Err(MigrateError::Locked)
}

/// Says in our words what refinery reports of `units`; `cause` is what the session last met.
fn translate(error: &refinery_core::Error, cause: Option<sqlx::Error>, units: &[Unit]) -> MigrateError {
    match (error.kind(), cause) {
        (Kind::DivergentVersion(was, _), _) => MigrateError::Divergent(was.to_string()),
        (Kind::MissingVersion(missing), _) => MigrateError::Missing(missing.to_string()),
        (Kind::Connection(what, _), Some(refusal)) => match what.strip_prefix("error applying migration ") {
            Some(name) => {
                let sql = units.iter().find(|unit| unit.to_string() == name).and_then(Unit::sql);
                MigrateError::Failed {
                    file: format!("{name}.sql"),
                    line: sql.and_then(|sql| line(sql, &refusal)),
                    message: describe(&refusal),
                    refusal,
                }
            }
            None => MigrateError::Database(refusal),
        },
        (Kind::Connection(what, source), None) => MigrateError::History(format!("{what}: {source}")),
        (other, _) => MigrateError::History(other.to_string()),
    }
}

/// The server's own words, with the detail and the hint where it gives them.
fn describe(error: &sqlx::Error) -> String {
    let Some(refusal) = refusal(error) else { return error.to_string() };
    let detail = refusal.detail().map(|text| format!(" ({text})")).unwrap_or_default();
    let hint = refusal.hint().map(|text| format!("; hint: {text}")).unwrap_or_default();
    format!("{}{detail}{hint}, SQLSTATE {}", refusal.message(), refusal.code())
}

/// The line of the script that the server did not understand, where it tells one.
fn line(sql: &str, error: &sqlx::Error) -> Option<usize> {
    match refusal(error)?.position()? {
        PgErrorPosition::Original(place) => {
            Some(1 + sql.chars().take(place.saturating_sub(1)).filter(|c| *c == '\n').count())
        }
        // in the body of a function, which is a script of its own
        PgErrorPosition::Internal { .. } => None,
    }
}

fn refusal(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// A session as refinery wants to see one. It keeps the cause of a failure, which refinery would only lend.
struct Session<'c> {
    connection: &'c mut PgConnection,
    cause: Option<sqlx::Error>,
}

/// What refinery is told of a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SessionError(String);

impl Session<'_> {
    async fn in_transaction(&mut self, statements: Vec<String>) -> Result<usize, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        let count = statements.len();
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(count)
    }

    async fn rows(&mut self, query: String) -> Result<Vec<Unit>, RowError> {
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut *self.connection).await?;
        rows.iter()
            .map(|row| {
                let applied: String = row.try_get("applied_on")?;
                let checksum: String = row.try_get("checksum")?;
                let applied = OffsetDateTime::parse(&applied, &Rfc3339)
                    .map_err(|_| RowError::Malformed(format!("applied_on is {applied:?}")))?;
                let checksum =
                    checksum.parse().map_err(|_| RowError::Malformed(format!("checksum is {checksum:?}")))?;
                Ok(Unit::applied(row.try_get("version")?, row.try_get("name")?, applied, checksum))
            })
            .collect()
    }
}

#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("a row of it is malformed: {0}")]
    Malformed(String),
}

impl AsyncTransaction for Session<'_> {
    type Error = SessionError;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, SessionError> {
        let statements: Vec<String> = queries.map(str::to_owned).collect();
        self.in_transaction(statements).await.map_err(|error| {
            let told = SessionError(error.to_string());
            self.cause = Some(error);
            told
        })
    }
}

impl AsyncQuery<Vec<Unit>> for Session<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Unit>, SessionError> {
        self.rows(query.to_owned()).await.map_err(|error| {
            let told = SessionError(error.to_string());
            if let RowError::Database(cause) = error {
                self.cause = Some(cause);
            }
            told
        })
    }
}

impl AsyncMigrate for Session<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: i64, name: &str, sql: &str) -> Migration {
        Migration { version, name: name.into(), sql: sql.into() }
    }

    #[test]
    fn transaction_control_is_found_where_it_is_a_statement() {
        for bad in [
            "commit;",
            "create table a(); COMMIT; create table b();",
            "/* x */ begin;",
            "start transaction",
            "-- a\n rollback",
            "select 'x'; end",
        ] {
            let error = check(&[migration(1, "a", bad)]).expect_err(bad).to_string();
            assert!(error.contains("V1__a.sql"), "{error}");
        }
    }

    #[test]
    fn words_inside_of_text_are_no_statements() {
        for good in [
            "create table a(commit int);",
            "select 'a; commit;'",
            "select \"a; commit\"",
            "-- x; commit;\nselect 1",
            "/* ; commit /* nested */ ; rollback */ select 1",
            "create function f() returns int language plpgsql as $$ begin; return 1; end; $$;",
            "do $body$ begin commit; end $body$",
            "select E'it\\'; commit; '",
            "prepare x as select 1",
        ] {
            check(&[migration(1, "a", good)]).expect(good);
        }
    }

    #[test]
    fn names_and_versions_are_checked() {
        for (version, name) in [(0, "a"), (-1, "a"), (1, ""), (1, "A"), (1, "it's")] {
            assert!(check(&[migration(version, name, "select 1")]).is_err(), "{version} {name}");
        }
        let one = migration(1, "a", "select 1");
        assert!(check(&[one.clone(), one.clone()]).is_err());
        assert!(check(&[migration(2, "b", ""), one]).is_err());
    }
}
