//! Requests that are made at most once, however often they are sent.

use sqlx::types::Json;

use super::{Conflict, Error, Result, Tx};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It is new: do what is asked and [`finish`] in the same transaction.
    New,
    /// The request was done before; this was answered.
    Replay { status: u16, response: serde_json::Value },
}

/// Takes a caller's key for a request. While another transaction holds the same key this waits for its end. Keys
/// are kept for a day.
///
/// # Errors
/// [`Conflict::IdempotencyKeyReused`] when the key was used for a request with another hash.
pub async fn begin(tx: &mut Tx, key: &str, caller: &str, request_hash: &str) -> Result<Begun> {
    sqlx::query(
        "delete from freehold.idempotency_keys
          where (caller, key) in (select caller, key from freehold.idempotency_keys
                                   where created_at < now() - interval '1 day'
                                   limit 100 for update skip locked)",
    )
    .execute(tx.sql())
    .await?;
    let taken = sqlx::query(
        "insert into freehold.idempotency_keys (key, caller, request_hash) values ($1, $2, $3)
         on conflict (caller, key) do nothing",
    )
    .bind(key)
    .bind(caller)
    .bind(request_hash)
    .execute(tx.sql())
    .await?;
    if taken.rows_affected() > 0 {
        return Ok(Begun::New);
    }
    let (hash, status, response): (String, Option<i32>, Option<Json<serde_json::Value>>) = sqlx::query_as(
        "select request_hash, status, response from freehold.idempotency_keys where caller = $2 and key = $1",
    )
    .bind(key)
    .bind(caller)
    .fetch_one(tx.sql())
    .await?;
    if hash != request_hash {
        return Err(Conflict::IdempotencyKeyReused.into());
    }
    match (status.and_then(|status| u16::try_from(status).ok()), response) {
        (Some(status), Some(Json(response))) => Ok(Begun::Replay { status, response }),
        // Committed without an answer, so without the work: it is done now.
        _ => Ok(Begun::New),
    }
}

/// Keeps what was answered to the key's request.
///
/// # Errors
/// [`Error::NotFound`] when the key was not begun.
pub async fn finish(
    tx: &mut Tx,
    key: &str,
    caller: &str,
    status: u16,
    response: &serde_json::Value,
) -> Result<()> {
    let done = sqlx::query(
        "update freehold.idempotency_keys set status = $3, response = $4 where caller = $2 and key = $1",
    )
    .bind(key)
    .bind(caller)
    .bind(i32::from(status))
    .bind(Json(response))
    .execute(tx.sql())
    .await?;
    if done.rows_affected() == 0 { Err(Error::NotFound) } else { Ok(()) }
}
