//! Users: one identity each, in however many tenants.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::pages::{Cursor, Page, behind, clamp, contains};
use super::{Notice, Result, Tx};
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

/// The user with this id, whom nobody else changes until the transaction ends.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn hold(tx: &mut Tx, id: UserId) -> Result<UserRecord> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.users where id = $1 for no key update"
    )))
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

/// Takes a user's password away.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_password(tx: &mut Tx, id: UserId) -> Result<()> {
    sqlx::query("update freehold.users set password_hash = null, updated_at = now() where id = $1")
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Which users to read. What is not given is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Part of the address or name.
    pub search: Option<String>,
    pub cursor: Option<Cursor>,
    pub limit: u32,
}

const ORDER: &str = "users";

/// A page of users, the newest first.
///
/// # Errors
/// [`super::Error::InvalidCursor`], or when the database cannot be reached.
pub async fn list(tx: &mut Tx, filter: &UserFilter) -> Result<Page<UserRecord>> {
    let limit = clamp(filter.limit);
    let (before, before_id) = behind(filter.cursor.as_ref(), ORDER)?;
    let rows: Vec<UserRecord> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.users
          where ($1::text is null or email ilike $1 or name ilike $1)
            and ($2::timestamptz is null or (created_at, id) < ($2, $3))
          order by created_at desc, id desc limit $4"
    )))
    .bind(filter.search.as_deref().map(contains))
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |row| Cursor::of_time(ORDER, row.created_at, row.id.0)))
}

/// Lets a user in nowhere, or in again. False when it was so already.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set_suspended(tx: &mut Tx, id: UserId, suspended: bool) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.users set suspended_at = case when $2 then now() end, updated_at = now()
          where id = $1 and (suspended_at is not null) <> $2",
    )
    .bind(id)
    .bind(suspended)
    .execute(tx.sql())
    .await?;
    tx.tell(Notice::Person(id));
    Ok(done.rows_affected() == 1)
}
