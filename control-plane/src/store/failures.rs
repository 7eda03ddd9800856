//! Sign-ins that failed: how often, for whom and from where.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx, seconds};

/// What failed so far of one subject: an account, an address, or an account from an address.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FailureRecord {
    pub subject: String,
    pub failures: i32,
    pub last_at: DateTime<Utc>,
    /// Nobody is let try before.
    pub until: DateTime<Utc>,
    /// When it last went well; of accounts from an address alone.
    pub good_at: Option<DateTime<Utc>>,
}

/// What is known of these subjects; nothing of those that never failed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read(tx: &mut Tx, subjects: &[String]) -> Result<Vec<FailureRecord>> {
    Ok(sqlx::query_as("select * from freehold.sign_in_failures where subject = any($1)")
        .bind(subjects)
        .fetch_all(tx.sql())
        .await?)
}

/// The same for this transaction alone until its end. Always in one order, so that no two wait for each other.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock(tx: &mut Tx, subjects: &[String]) -> Result<Vec<FailureRecord>> {
    sqlx::query(
        "insert into freehold.sign_in_failures (subject, failures, last_at, until)
         select subject, 0, now(), now() from unnest($1::text[]) subject order by subject
         on conflict (subject) do nothing",
    )
    .bind(subjects)
    .execute(tx.sql())
    .await?;
    Ok(sqlx::query_as(
        "select * from freehold.sign_in_failures where subject = any($1) order by subject for update",
    )
    .bind(subjects)
    .fetch_all(tx.sql())
    .await?)
}

/// Keeps what failed of a subject that was locked.
///
/// # Errors
/// When the database cannot be reached.
pub async fn keep(tx: &mut Tx, record: &FailureRecord) -> Result<()> {
    sqlx::query(
        "update freehold.sign_in_failures set failures = $2, last_at = $3, until = $4 where subject = $1",
    )
    .bind(&record.subject)
    .bind(record.failures)
    .bind(record.last_at)
    .bind(record.until)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes that an account was signed in to from an address, and forgets what failed of it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn went_well(tx: &mut Tx, account: &str, pair: &str) -> Result<()> {
    sqlx::query("delete from freehold.sign_in_failures where subject = $1")
        .bind(account)
        .execute(tx.sql())
        .await?;
    sqlx::query(
        "insert into freehold.sign_in_failures (subject, failures, last_at, until, good_at)
         values ($1, 0, now(), now(), now())
         on conflict (subject) do update set failures = 0, last_at = now(), until = now(), good_at = now()",
    )
    .bind(pair)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Forgets what did not fail for the first time, and did not go well for the second.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx, failed: Duration, went_well: Duration) -> Result<()> {
    sqlx::query(
        "delete from freehold.sign_in_failures
          where last_at < now() - make_interval(secs => $1)
            and (good_at is null or good_at < now() - make_interval(secs => $2))",
    )
    .bind(seconds(failed))
    .bind(seconds(went_well))
    .execute(tx.sql())
    .await?;
    Ok(())
}
