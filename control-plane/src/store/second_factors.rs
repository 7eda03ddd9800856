//! Second factors, and the codes for when they are lost.

use sqlx::FromRow;

use super::{Error, Notice, Result, Tx};
use crate::model::ids::{SessionId, UserId};
use crate::model::secret::Sealed;

/// A user's second factor, as it is kept.
#[derive(Debug, Clone)]
pub struct SecondFactorRecord {
    pub sealed: Sealed,
    /// Whether it counts: once a code of it was given.
    pub confirmed: bool,
    /// The time step of the last code that was taken.
    pub last_step: i64,
}

#[derive(FromRow)]
struct Row {
    key_version: i32,
    nonce: Vec<u8>,
    sealed: Vec<u8>,
    confirmed: bool,
    last_step: i64,
}

/// A user's second factor, for this transaction alone until its end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock(tx: &mut Tx, user: UserId) -> Result<Option<SecondFactorRecord>> {
    let row: Option<Row> = sqlx::query_as(
        "select key_version, nonce, sealed, confirmed_at is not null as confirmed, last_step
           from freehold.second_factors where user_id = $1 for update",
    )
    .bind(user)
    .fetch_optional(tx.sql())
    .await?;
    row.map(|row| {
        let nonce = row
            .nonce
            .try_into()
            .map_err(|_| Error::Database(sqlx::Error::Decode("a nonce of another length than 24".into())))?;
        let sealed = Sealed { key_version: row.key_version, nonce, ciphertext: row.sealed };
        Ok(SecondFactorRecord { sealed, confirmed: row.confirmed, last_step: row.last_step })
    })
    .transpose()
}

/// Keeps a second factor that is yet to be confirmed, in place of one that never was. False when there is one that
/// counts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn begin(tx: &mut Tx, user: UserId, sealed: &Sealed) -> Result<bool> {
    let done = sqlx::query(
        "insert into freehold.second_factors (user_id, key_version, nonce, sealed) values ($1, $2, $3, $4)
         on conflict (user_id) do update
            set key_version = $2, nonce = $3, sealed = $4, last_step = 0, created_at = now()
          where second_factors.confirmed_at is null",
    )
    .bind(user)
    .bind(sealed.key_version)
    .bind(sealed.nonce.as_slice())
    .bind(&sealed.ciphertext)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the code of a time step: none is taken twice. The first one confirms the second factor.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_step(tx: &mut Tx, user: UserId, step: i64) -> Result<()> {
    sqlx::query(
        "update freehold.second_factors set last_step = $2, confirmed_at = coalesce(confirmed_at, now())
          where user_id = $1",
    )
    .bind(user)
    .bind(step)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes that a session has the second factor from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn given_in(tx: &mut Tx, user: UserId, session: SessionId) -> Result<()> {
    sqlx::query("update freehold.sessions set second_factor = true where id = $1 and user_id = $2")
        .bind(session)
        .bind(user)
        .execute(tx.sql())
        .await?;
    tx.tell(Notice::Person(user));
    Ok(())
}

/// Takes a user's second factor away, with its recovery codes. Their sessions have none from now on.
///
/// # Errors
/// When the database cannot be reached.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<()> {
    for statement in [
        "delete from freehold.second_factors where user_id = $1",
        "delete from freehold.recovery_codes where user_id = $1",
        "update freehold.sessions set second_factor = false where user_id = $1 and second_factor",
    ] {
        sqlx::query(statement).bind(user).execute(tx.sql()).await?;
    }
    tx.tell(Notice::Person(user));
    Ok(())
}

/// Keeps new recovery codes in place of all there were.
///
/// # Errors
/// When the database cannot be reached.
pub async fn replace_codes(tx: &mut Tx, user: UserId, hashes: &[[u8; 32]]) -> Result<()> {
    sqlx::query("delete from freehold.recovery_codes where user_id = $1")
        .bind(user)
        .execute(tx.sql())
        .await?;
    let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
    sqlx::query("insert into freehold.recovery_codes (user_id, hash) select $1, unnest($2::bytea[])")
        .bind(user)
        .bind(hashes)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Takes a recovery code. False when it is none, or was taken before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_code(tx: &mut Tx, user: UserId, hash: &[u8]) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.recovery_codes set used_at = now() where user_id = $1 and hash = $2 and used_at is null",
    )
    .bind(user)
    .bind(hash)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}
