//! Whom providers outside mean by their subjects.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::ids::{ProviderId, TenantId, UserId};
use crate::model::provider::ProviderName;

/// A user, as one provider knows them.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct IdentityRecord {
    pub provider_id: ProviderId,
    pub subject: String,
    pub user_id: UserId,
    /// As the provider told it last; it proves nothing.
    pub email: Option<String>,
    pub linked_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

/// By which provider a user is known, for the user to read.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LinkRecord {
    pub provider_id: ProviderId,
    pub name: ProviderName,
    pub title: String,
    /// Whose provider it is; none: the platform's.
    pub tenant_id: Option<TenantId>,
    pub email: Option<String>,
    pub linked_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

macro_rules! identity_select {
    () => {
        "select provider_id, subject, user_id, email, linked_at, last_used_at from freehold.identities "
    };
}

/// Whom a provider means by a subject.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(tx: &mut Tx, provider: ProviderId, subject: &str) -> Result<Option<IdentityRecord>> {
    Ok(sqlx::query_as(concat!(identity_select!(), "where provider_id = $1 and subject = $2"))
        .bind(provider)
        .bind(subject)
        .fetch_optional(tx.sql())
        .await?)
}

/// As whom a provider knows a user.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_provider_and_user(
    tx: &mut Tx,
    provider: ProviderId,
    user: UserId,
) -> Result<Option<IdentityRecord>> {
    Ok(sqlx::query_as(concat!(identity_select!(), "where provider_id = $1 and user_id = $2"))
        .bind(provider)
        .bind(user)
        .fetch_optional(tx.sql())
        .await?)
}

/// By which providers a user is known. In a transaction that sees all providers.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_user(tx: &mut Tx, user: UserId) -> Result<Vec<LinkRecord>> {
    Ok(sqlx::query_as(
        "select i.provider_id, p.name, p.title, p.tenant_id, i.email, i.linked_at, i.last_used_at
           from freehold.identities i join freehold.providers p on p.id = i.provider_id
          where i.user_id = $1 order by i.linked_at, i.provider_id",
    )
    .bind(user)
    .fetch_all(tx.sql())
    .await?)
}

/// Links a subject to a user.
///
/// # Errors
/// [`super::Conflict::LinkedAlready`] when either is linked at this provider.
pub async fn link(
    tx: &mut Tx,
    provider: ProviderId,
    subject: &str,
    user: UserId,
    email: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "insert into freehold.identities (provider_id, subject, user_id, email) values ($1, $2, $3, $4)",
    )
    .bind(provider)
    .bind(subject)
    .bind(user)
    .bind(email)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Takes a user's link to a provider away. False when there was none. The sessions that came by it are for the caller to
/// end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn unlink(tx: &mut Tx, provider: ProviderId, user: UserId) -> Result<bool> {
    let done = sqlx::query("delete from freehold.identities where provider_id = $1 and user_id = $2")
        .bind(provider)
        .bind(user)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that somebody came by a provider, and the address that it told. False when it knows them no more. They are not
/// unlinked until the transaction ends.
///
/// # Errors
/// When the database cannot be reached.
pub async fn touch(tx: &mut Tx, provider: ProviderId, subject: &str, email: Option<&str>) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.identities set last_used_at = now(), email = coalesce($3, email)
          where provider_id = $1 and subject = $2",
    )
    .bind(provider)
    .bind(subject)
    .bind(email)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}
