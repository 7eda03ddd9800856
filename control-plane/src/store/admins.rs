//! Platform admins.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::model::ids::AdminId;

use super::{Result, Tx};

/// A platform admin.
#[derive(Clone, FromRow)]
pub struct AdminRecord {
    pub id: AdminId,
    /// In lower case.
    pub email: String,
    /// As a PHC string.
    pub password_hash: String,
    pub created_at: DateTime<Utc>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when they sign in with a second factor, if they do.
    pub second_factor_since: Option<DateTime<Utc>>,
}

impl fmt::Debug for AdminRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminRecord")
            .field("id", &self.id)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

macro_rules! admin_select {
    () => {
        "select a.id, a.email, a.password_hash, a.created_at, a.disabled_at, f.confirmed_at as second_factor_since \
           from freehold.admins a left join freehold.admin_second_factors f on f.admin_id = a.id "
    };
}

/// The admin with this email, in any case of its letters.
///
/// # Errors
/// When the database cannot be reached.
pub async fn by_email(tx: &mut Tx, email: &str) -> Result<Option<AdminRecord>> {
    Ok(sqlx::query_as(concat!(admin_select!(), "where a.email = lower($1)"))
        .bind(email)
        .fetch_optional(tx.sql())
        .await?)
}

/// The admin with this id.
///
/// # Errors
/// [`super::Error::NotFound`] when there is none.
pub async fn by_id(tx: &mut Tx, id: AdminId) -> Result<AdminRecord> {
    Ok(sqlx::query_as(concat!(admin_select!(), "where a.id = $1")).bind(id).fetch_one(tx.sql()).await?)
}

/// Makes the first admin. `None` when there is one already, and nothing was made.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create_if_none(tx: &mut Tx, email: &str, password_hash: &str) -> Result<Option<AdminId>> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(tx.sql()).await?;
    Ok(sqlx::query_scalar(
        "insert into freehold.admins (id, email, password_hash)
         select $1, lower($2), $3 where not exists (select from freehold.admins)
         returning id",
    )
    .bind(AdminId::random())
    .bind(email)
    .bind(password_hash)
    .fetch_optional(tx.sql())
    .await?)
}

/// Lets one bring-up at a time make the first admin.
const LOCK: i64 = 0x6672_6565_6164_6d6e;
