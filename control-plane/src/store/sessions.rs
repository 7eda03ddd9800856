//! Who is signed in on which device.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Notice, Result, Tx, seconds};
use crate::model::email::Email;
use crate::model::ids::{ProviderId, SessionId, TenantId, UserId};
use crate::model::role::Role;
use crate::model::slug::Slug;

/// A session, as it is kept.
#[derive(Clone, FromRow)]
pub struct SessionRecord {
    pub id: SessionId,
    pub user_id: UserId,
    pub device: String,
    pub address: String,
    pub remembered: bool,
    pub second_factor: bool,
    /// The provider that it came by; none for a password.
    pub provider: Option<ProviderId>,
    /// What that is called.
    pub provider_title: Option<String>,
    /// The one tenant that it is good in; none: all.
    pub only_tenant: Option<TenantId>,
    /// Of the refresh secret that is good.
    pub refresh_hash: Vec<u8>,
    /// Of the one before.
    pub previous_hash: Option<Vec<u8>>,
    pub refreshed_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, user_id, device, address, remembered, second_factor, provider_id as provider, \
                       (select p.title from freehold.providers p where p.id = provider_id) as provider_title, \
                       only_tenant, refresh_hash, previous_hash, \
                       refreshed_at, last_used_at, created_at, expires_at";
/// Neither ended nor revoked.
const LIVE: &str = "revoked_at is null and expires_at > now()";

/// A session that is to be.
#[derive(Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub user: UserId,
    pub device: String,
    pub address: String,
    pub remembered: bool,
    pub second_factor: bool,
    pub refresh_hash: Vec<u8>,
    /// Of the secret in a browser's cookie, where it is held by one.
    pub browser_hash: Option<Vec<u8>>,
    /// The provider that it came by; none for a password.
    pub provider: Option<ProviderId>,
    /// The one tenant that it is good in; none: all.
    pub only_tenant: Option<TenantId>,
    pub expires_at: DateTime<Utc>,
}

/// Begins a session. False when one of this id was begun before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create(tx: &mut Tx, new: &NewSession) -> Result<bool> {
    let done = sqlx::query(
        "insert into freehold.sessions (id, user_id, device, address, remembered, second_factor, refresh_hash,
                                        browser_hash, provider_id, only_tenant, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing",
    )
    .bind(new.id)
    .bind(new.user)
    .bind(&new.device)
    .bind(&new.address)
    .bind(new.remembered)
    .bind(new.second_factor)
    .bind(&new.refresh_hash)
    .bind(&new.browser_hash)
    .bind(new.provider)
    .bind(new.only_tenant)
    .bind(new.expires_at)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A session that a browser holds.
#[derive(Clone, FromRow)]
pub struct BrowserRecord {
    pub user_id: UserId,
    pub browser_hash: Vec<u8>,
    pub remembered: bool,
    /// The provider that it came by; none for a password.
    pub provider: Option<ProviderId>,
    pub last_used_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
}

/// A live session that a browser holds.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_browser(tx: &mut Tx, id: SessionId) -> Result<Option<BrowserRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select user_id, browser_hash, remembered, provider_id as provider, last_used_at, created_at from freehold.sessions
          where id = $1 and browser_hash is not null and {LIVE}"
    )))
    .bind(id)
    .fetch_optional(tx.sql())
    .await?)
}

/// Notes that a live session is in use, and lets it last until then.
///
/// # Errors
/// When the database cannot be reached.
pub async fn prolong(tx: &mut Tx, id: SessionId, expires_at: DateTime<Utc>, address: &str) -> Result<()> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "update freehold.sessions set last_used_at = now(), expires_at = $2, address = $3 where id = $1 and {LIVE}"
    )))
    .bind(id)
    .bind(expires_at)
    .bind(address)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Lets a live session last until then, if it would end before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn last_until(tx: &mut Tx, id: SessionId, expires_at: DateTime<Utc>) -> Result<()> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "update freehold.sessions set last_used_at = now(), expires_at = greatest(expires_at, $2)
          where id = $1 and {LIVE}"
    )))
    .bind(id)
    .bind(expires_at)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// A live session that goes on by refresh tokens, for this transaction alone until its end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock(tx: &mut Tx, id: SessionId) -> Result<Option<SessionRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.sessions where id = $1 and browser_hash is null and {LIVE} for update"
    )))
    .bind(id)
    .fetch_optional(tx.sql())
    .await?)
}

/// A user's live sessions, the last used first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(tx: &mut Tx, user: UserId, limit: u32) -> Result<Vec<SessionRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.sessions where user_id = $1 and {LIVE}
          order by last_used_at desc, id limit $2"
    )))
    .bind(user)
    .bind(i64::from(limit))
    .fetch_all(tx.sql())
    .await?)
}

/// Makes another refresh secret the good one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn rotate(
    tx: &mut Tx,
    session: &SessionRecord,
    next_hash: &[u8],
    expires_at: DateTime<Utc>,
    address: &str,
) -> Result<()> {
    sqlx::query(
        "update freehold.sessions
            set previous_hash = refresh_hash, refresh_hash = $2, refreshed_at = now(), last_used_at = now(),
                expires_at = $3, address = $4
          where id = $1",
    )
    .bind(session.id)
    .bind(next_hash)
    .bind(expires_at)
    .bind(address)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Notes that a session is in use.
///
/// # Errors
/// When the database cannot be reached.
pub async fn touch(tx: &mut Tx, id: SessionId) -> Result<()> {
    sqlx::query("update freehold.sessions set last_used_at = now() where id = $1")
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Ends a user's session. False when there is no such live one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke(tx: &mut Tx, user: UserId, id: SessionId, because: &str) -> Result<bool> {
    let done = sqlx::query(sqlx::AssertSqlSafe(format!(
        "update freehold.sessions set revoked_at = now(), revoked_because = $3
          where id = $1 and user_id = $2 and {LIVE}"
    )))
    .bind(id)
    .bind(user)
    .bind(because)
    .execute(tx.sql())
    .await?;
    tx.tell(Notice::Person(user));
    Ok(done.rows_affected() == 1)
}

/// Ends all of a user's sessions but this one; how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke_all(tx: &mut Tx, user: UserId, except: Option<SessionId>, because: &str) -> Result<u64> {
    let done = sqlx::query(sqlx::AssertSqlSafe(format!(
        "update freehold.sessions set revoked_at = now(), revoked_because = $3
          where user_id = $1 and id is distinct from $2 and {LIVE}"
    )))
    .bind(user)
    .bind(except)
    .bind(because)
    .execute(tx.sql())
    .await?;
    tx.tell(Notice::Person(user));
    Ok(done.rows_affected())
}

/// Ends the sessions that came by a provider, of everybody or of this user; how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke_by_provider(
    tx: &mut Tx,
    provider: ProviderId,
    user: Option<UserId>,
    because: &str,
) -> Result<usize> {
    let users: Vec<UserId> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "update freehold.sessions set revoked_at = now(), revoked_because = $3
          where provider_id = $1 and ($2::uuid is null or user_id = $2) and {LIVE} returning user_id"
    )))
    .bind(provider)
    .bind(user)
    .bind(because)
    .fetch_all(tx.sql())
    .await?;
    users.iter().for_each(|user| tx.tell(Notice::Person(*user)));
    Ok(users.len())
}

/// Forgets sessions that are over for longer than this.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx, kept: Duration) -> Result<()> {
    sqlx::query("delete from freehold.sessions where expires_at < now() - make_interval(secs => $1)")
        .bind(seconds(kept))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Whose a session is.
#[derive(Debug, Clone, FromRow)]
pub struct HolderRecord {
    pub user_id: UserId,
    pub email: Email,
    pub name: String,
    pub verified_at: Option<DateTime<Utc>>,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
    /// Whether they gave it for this session.
    pub second_factor: bool,
    /// The provider that they came by; none for a password.
    pub provider: Option<ProviderId>,
    /// The one tenant that the session is good in; none: all.
    pub only_tenant: Option<TenantId>,
    pub last_used_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// What a user is in one tenant.
#[derive(Debug, Clone, FromRow)]
pub struct BelongingRecord {
    pub tenant_id: TenantId,
    pub slug: Slug,
    pub role: Role,
    pub suspended: bool,
    pub second_factor_required: bool,
    /// The provider by which people must come.
    pub required_provider: Option<ProviderId>,
}

/// Whose this session is, while it lasts: not of one that ended or was revoked or came by a provider that is disabled,
/// nor of a user who is suspended.
///
/// # Errors
/// When the database cannot be reached.
pub async fn holder(tx: &mut Tx, id: SessionId) -> Result<Option<HolderRecord>> {
    Ok(sqlx::query_as(
        "select s.user_id, u.email, u.name, u.verified_at, s.second_factor, s.provider_id as provider, s.only_tenant,
                s.last_used_at, s.created_at, s.expires_at,
                exists (select from freehold.second_factors f
                         where f.user_id = u.id and f.confirmed_at is not null) as has_second_factor
           from freehold.sessions s join freehold.users u on u.id = s.user_id
           left join freehold.providers p on p.id = s.provider_id
          where s.id = $1 and s.revoked_at is null and s.expires_at > now() and u.suspended_at is null
            and (s.provider_id is null or p.enabled)",
    )
    .bind(id)
    .fetch_optional(tx.sql())
    .await?)
}

/// Everything that a user belongs to. A tenant that is deleted is not there.
///
/// # Errors
/// When the database cannot be reached.
pub async fn belongings(tx: &mut Tx, user: UserId) -> Result<Vec<BelongingRecord>> {
    Ok(sqlx::query_as(
        "select m.tenant_id, t.slug, m.role, m.suspended_at is not null as suspended,
                coalesce(p.require_second_factor, false) as second_factor_required, p.required_provider
           from freehold.memberships m
           join freehold.tenants t on t.id = m.tenant_id
           left join freehold.tenant_policies p on p.tenant_id = m.tenant_id
          where m.user_id = $1 and t.desired_state <> 'deleted'
          order by t.slug",
    )
    .bind(user)
    .fetch_all(tx.sql())
    .await?)
}
