//! Workers, as they report themselves.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};

/// What a worker last said of itself.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct WorkerRecord {
    /// The key under which its presence is locked.
    pub key: i64,
    /// The host it runs on.
    pub host: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    /// Whether it lives and has reported itself within the last minute.
    pub present: bool,
    /// Whether it reaches the engine.
    pub engine_ok: bool,
    /// What the engine said when it was not well; empty when it is.
    pub engine_message: String,
}

/// A worker reports itself and how it finds the engine: `Err` says what is the matter with it. Workers that have
/// not been heard of for an hour are forgotten.
///
/// # Errors
/// When the database cannot be reached.
pub async fn report(tx: &mut Tx, worker_key: i64, host: &str, engine: Result<(), &str>) -> Result<()> {
    sqlx::query(
        "insert into freehold.workers (key, host, engine_ok, engine_message) values ($1, $2, $3, $4)
         on conflict (key) do update
            set host = excluded.host, seen_at = now(), engine_ok = excluded.engine_ok,
                engine_message = excluded.engine_message",
    )
    .bind(worker_key)
    .bind(host)
    .bind(engine.is_ok())
    .bind(engine.err().unwrap_or_default().replace('\0', ""))
    .execute(tx.sql())
    .await?;
    sqlx::query("delete from freehold.workers where seen_at < now() - interval '1 hour'")
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// A worker that ends says so, so that nobody counts on it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn leave(tx: &mut Tx, worker_key: i64) -> Result<()> {
    sqlx::query("delete from freehold.workers where key = $1").bind(worker_key).execute(tx.sql()).await?;
    Ok(())
}

/// All workers that were heard of lately, the latest started first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx) -> Result<Vec<WorkerRecord>> {
    Ok(sqlx::query_as(
        "select w.key, w.host, w.started_at, w.seen_at, w.engine_ok, w.engine_message,
                w.seen_at > now() - interval '1 minute' and exists (
                    select from pg_locks l
                     where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
                       and l.database = (select d.oid from pg_database d where d.datname = current_database())
                       and ((l.classid::bigint << 32) | l.objid::bigint) = w.key) as present
           from freehold.workers w
          order by w.started_at desc, w.key",
    )
    .fetch_all(tx.sql())
    .await?)
}
