//! Users: one identity each, in however many tenants.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::email::Email;
use crate::model::ids::UserId;

/// A user.
#[derive(Clone, FromRow)]
pub struct UserRecord {
    pub id: UserId,
    pub email: Email,
    pub name: String,
    /// As a PHC string; none until one was set.
    pub password_hash: Option<String>,
    pub verified_at: Option<DateTime<Utc>>,
    pub suspended_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRecord").field("id", &self.id).field("email", &self.email).finish_non_exhaustive()
    }
}

/// A user who is to be.
#[derive(Clone)]
pub struct NewUser {
    pub email: Email,
    pub name: String,
    pub password_hash: Option<String>,
    /// Whether it is proven that the address is theirs.
    pub verified: bool,
    /// The version of the terms that they accepted just now.
    pub terms: Option<String>,
}

const COLUMNS: &str = "id, email, name, password_hash, verified_at, suspended_at, created_at";

/// Makes a user.
///
/// # Errors
/// [`super::Conflict::EmailTaken`].
pub async fn create(tx: &mut Tx, new: &NewUser) -> Result<UserRecord> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into freehold.users (id, email, name, password_hash, verified_at, terms_version, terms_accepted_at)
         values ($1, $2, $3, $4, case when $5 then now() end, $6, case when $6::text is not null then now() end)
         returning {COLUMNS}"
    )))
    .bind(UserId::random())
    .bind(&new.email)
    .bind(&new.name)
    .bind(&new.password_hash)
    .bind(new.verified)
    .bind(&new.terms)
    .fetch_one(tx.sql())
    .await?)
}

/// The user with this address.
///
/// # Errors
/// When the database cannot be reached.
pub async fn by_email(tx: &mut Tx, email: &Email) -> Result<Option<UserRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from freehold.users where email = $1")))
        .bind(email)
        .fetch_optional(tx.sql())
        .await?)
}

/// The user with this id.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn get(tx: &mut Tx, id: UserId) -> Result<UserRecord> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from freehold.users where id = $1")))
        .bind(id)
        .fetch_one(tx.sql())
        .await?)
}

/// Gives an address that was registered and not yet proven another name and password: whoever registers it last is
/// the one whose mail is to be answered.
///
/// # Errors
/// [`super::Error::NotFound`] when it was proven meanwhile.
pub async fn register_again(tx: &mut Tx, id: UserId, new: &NewUser) -> Result<UserRecord> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update freehold.users set name = $2, password_hash = $3, terms_version = $4,
                terms_accepted_at = case when $4::text is not null then now() end, updated_at = now()
          where id = $1 and verified_at is null returning {COLUMNS}"
    )))
    .bind(id)
    .bind(&new.name)
    .bind(&new.password_hash)
    .bind(&new.terms)
    .fetch_one(tx.sql())
    .await?)
}

/// Has a user's address proven.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set_verified(tx: &mut Tx, id: UserId) -> Result<()> {
    sqlx::query(
        "update freehold.users set verified_at = now(), updated_at = now() where id = $1 and verified_at is null",
    )
    .bind(id)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Keeps another hash of a user's password, if it is still the one that was `before`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set_password(tx: &mut Tx, id: UserId, before: Option<&str>, hash: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.users set password_hash = $3, updated_at = now()
          where id = $1 and password_hash is not distinct from $2",
    )
    .bind(id)
    .bind(before)
    .bind(hash)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}
