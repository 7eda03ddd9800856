//! Secrets that were sent by mail and are good once. Only their hashes are kept.

use std::time::Duration;

use sqlx::FromRow;

use super::{Result, Tx, seconds};
use crate::model::email::Email;
use crate::model::ids::UserId;
use crate::model::tenant::words;

words!(
    /// What a mailed secret is good for.
    Purpose {
        Verify = "verify",
        Reset = "reset",
    }
);

/// Whom a mailed secret was sent to.
#[derive(Debug, Clone, FromRow)]
pub struct MailedRecord {
    pub user_id: UserId,
    /// The address it was sent to: it proves nothing of another one.
    pub email: Email,
}

/// Keeps the hash of a secret that is about to be mailed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create(
    tx: &mut Tx,
    user: UserId,
    email: &Email,
    purpose: Purpose,
    hash: &[u8],
    good_for: Duration,
) -> Result<()> {
    sqlx::query(
        "insert into freehold.mailed_tokens (hash, user_id, purpose, email, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))",
    )
    .bind(hash)
    .bind(user)
    .bind(purpose.as_str())
    .bind(email)
    .bind(seconds(good_for))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Whom the secret of this hash was sent to, while it is good.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(tx: &mut Tx, purpose: Purpose, hash: &[u8]) -> Result<Option<MailedRecord>> {
    Ok(sqlx::query_as(
        "select m.user_id, m.email from freehold.mailed_tokens m join freehold.users u on u.id = m.user_id
          where m.hash = $1 and m.purpose = $2 and m.expires_at > now() and u.email = m.email",
    )
    .bind(hash)
    .bind(purpose.as_str())
    .fetch_optional(tx.sql())
    .await?)
}

/// Takes the secret of this hash, and with it all that were sent to the same user for the same. False when it is not
/// good any more: of two who come with one, one is told so.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take(tx: &mut Tx, user: UserId, purpose: Purpose, hash: &[u8]) -> Result<bool> {
    let taken = sqlx::query(
        "delete from freehold.mailed_tokens where hash = $1 and user_id = $2 and purpose = $3 and expires_at > now()",
    )
    .bind(hash)
    .bind(user)
    .bind(purpose.as_str())
    .execute(tx.sql())
    .await?;
    withdraw(tx, user, purpose).await?;
    Ok(taken.rows_affected() == 1)
}

/// Makes all that were sent to a user for this good for nothing.
///
/// # Errors
/// When the database cannot be reached.
pub async fn withdraw(tx: &mut Tx, user: UserId, purpose: Purpose) -> Result<()> {
    sqlx::query("delete from freehold.mailed_tokens where user_id = $1 and purpose = $2")
        .bind(user)
        .bind(purpose.as_str())
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// How many letters of a kind were queued for an address within this time.
///
/// # Errors
/// When the database cannot be reached.
pub async fn letters_lately(tx: &mut Tx, to: &Email, kind: &str, within: Duration) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from freehold.mails
          where recipient = $1 and kind = $2 and created_at > now() - make_interval(secs => $3)",
    )
    .bind(to)
    .bind(kind)
    .bind(seconds(within))
    .fetch_one(tx.sql())
    .await?)
}

/// Forgets those that are past their time.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx) -> Result<()> {
    sqlx::query("delete from freehold.mailed_tokens where expires_at < now()").execute(tx.sql()).await?;
    Ok(())
}
