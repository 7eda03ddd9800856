//! Wishes to join a tenant, or to open one.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::pages::{self, Cursor, Page};
use super::{Result, Tx};
use crate::model::email::Email;
use crate::model::ids::{SignupId, TenantId, UserId};
use crate::model::plan::PlanName;
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupMode, SignupState};
use crate::model::slug::Slug;

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SignupRecord {
    pub id: SignupId,
    /// Of the tenant to join, or that was opened.
    pub tenant_id: Option<TenantId>,
    pub user_id: UserId,
    pub email: Email,
    pub name: String,
    pub kind: SignupKind,
    pub slug: Slug,
    pub tenant_name: String,
    /// None for a wish to join.
    pub plan: Option<PlanName>,
    pub message: String,
    pub state: SignupState,
    pub reason: Option<String>,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// A wish that is to be.
#[derive(Debug, Clone)]
pub struct NewSignup {
    pub tenant: Option<TenantId>,
    pub user: UserId,
    pub kind: SignupKind,
    pub slug: Slug,
    pub tenant_name: String,
    pub plan: Option<PlanName>,
    pub message: String,
}

/// Whose wishes to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's.
    All,
    /// Of those who want to join this tenant.
    Tenant(TenantId),
    /// One person's.
    Person(UserId),
}

/// Which wishes to list.
#[derive(Debug, Clone, Default)]
pub struct SignupFilter {
    /// Empty: all.
    pub states: Vec<SignupState>,
    /// Empty: all.
    pub kinds: Vec<SignupKind>,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

const ORDER: &str = "signups";
/// Whoever opens a tenant by signing up waits here for others who do, so that limits are kept.
const LOCK: i64 = 0x6672_6565_7369_676e;

macro_rules! signup_select {
    () => {
        "select s.id, s.tenant_id, s.user_id, u.email, u.name, s.kind, s.slug, s.tenant_name, s.plan, s.message, \
                s.state, s.reason, s.decided_by, s.decided_at, s.created_at \
           from freehold.signups s join freehold.users u on u.id = s.user_id "
    };
}

/// Writes a wish down.
///
/// # Errors
/// [`super::Conflict::PendingAlready`].
pub async fn create(tx: &mut Tx, new: &NewSignup) -> Result<SignupId> {
    let id = SignupId::random();
    sqlx::query(
        "insert into freehold.signups (id, tenant_id, user_id, kind, slug, tenant_name, plan, message, state)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending')",
    )
    .bind(id)
    .bind(new.tenant)
    .bind(new.user)
    .bind(new.kind)
    .bind(&new.slug)
    .bind(&new.tenant_name)
    .bind(&new.plan)
    .bind(&new.message)
    .execute(tx.sql())
    .await?;
    Ok(id)
}

/// The wish with this id.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn get(tx: &mut Tx, id: SignupId) -> Result<SignupRecord> {
    Ok(sqlx::query_as(concat!(signup_select!(), "where s.id = $1")).bind(id).fetch_one(tx.sql()).await?)
}

/// The wish with this id, which nobody else decides until the transaction ends.
///
/// # Errors
/// [`super::Error::NotFound`].
pub async fn hold(tx: &mut Tx, id: SignupId) -> Result<SignupRecord> {
    Ok(sqlx::query_as(concat!(signup_select!(), "where s.id = $1 for update of s"))
        .bind(id)
        .fetch_one(tx.sql())
        .await?)
}

/// A page of wishes, the newest first.
///
/// # Errors
/// [`super::Error::InvalidCursor`] when the cursor was made for another list.
pub async fn list(tx: &mut Tx, whose: Whose, filter: &SignupFilter) -> Result<Page<SignupRecord>> {
    let (before, before_id) = pages::behind(filter.cursor.as_ref(), ORDER)?;
    let limit = pages::clamp(filter.limit);
    let (tenant, person) = match whose {
        Whose::All => (None, None),
        Whose::Tenant(tenant) => (Some(tenant), None),
        Whose::Person(person) => (None, Some(person)),
    };
    let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
    let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let rows = sqlx::query_as(concat!(
        signup_select!(),
        "where ($1::uuid is null or s.tenant_id = $1 and s.kind = 'join') and ($2::uuid is null or s.user_id = $2)
           and ($3::text[] is null or s.state = any ($3)) and ($4::text[] is null or s.kind = any ($4))
           and ($5::timestamptz is null or (s.created_at, s.id) < ($5::timestamptz, $6))
         order by s.created_at desc, s.id desc limit $7"
    ))
    .persistent(false)
    .bind(tenant)
    .bind(person)
    .bind(if states.is_empty() { None } else { Some(states) })
    .bind(if kinds.is_empty() { None } else { Some(kinds) })
    .bind(before)
    .bind(before_id)
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last: &SignupRecord| Cursor::of_time(ORDER, last.created_at, last.id.0)))
}

/// Writes down how a wish was decided, and the tenant it came to.
///
/// # Errors
/// When the database cannot be reached.
pub async fn decide(
    tx: &mut Tx,
    id: SignupId,
    state: SignupState,
    tenant: Option<TenantId>,
    reason: Option<&str>,
    by: &str,
) -> Result<SignupRecord> {
    sqlx::query(
        "update freehold.signups
            set state = $2, tenant_id = coalesce($3, tenant_id), reason = $4, decided_by = $5, decided_at = now()
          where id = $1",
    )
    .bind(id)
    .bind(state)
    .bind(tenant)
    .bind(reason)
    .bind(by)
    .execute(tx.sql())
    .await?;
    get(tx, id).await
}

/// When a tenant last declined a person who had asked to join it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn declined_at(tx: &mut Tx, tenant: TenantId, person: UserId) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "select max(decided_at) from freehold.signups
          where user_id = $1 and tenant_id = $2 and kind = 'join' and state = 'rejected'",
    )
    .bind(person)
    .bind(tenant)
    .fetch_one(tx.sql())
    .await?)
}

/// Whether people may ask to join a tenant, and who answers.
///
/// # Errors
/// When the database cannot be reached.
pub async fn mode(tx: &mut Tx, tenant: TenantId) -> Result<SignupMode> {
    let mode = sqlx::query_scalar("select signups from freehold.tenant_policies where tenant_id = $1")
        .bind(tenant)
        .fetch_optional(tx.sql())
        .await?;
    Ok(mode.unwrap_or(SignupMode::Manual))
}

/// Keeps others from opening tenants by signing up until the transaction ends.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock_opening(tx: &mut Tx) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(tx.sql()).await?;
    Ok(())
}

/// How many tenants there are, those that are deleted not counted.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tenants(tx: &mut Tx) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from freehold.tenants where desired_state <> 'deleted'")
        .fetch_one(tx.sql())
        .await?)
}

/// How many tenants a person owns, and how many more they wait for beside one wish.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tenants_of(tx: &mut Tx, person: UserId, beside: Option<SignupId>) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select (select count(*) from freehold.memberships m join freehold.tenants t on t.id = m.tenant_id
                  where m.user_id = $1 and m.role = 'owner' and t.desired_state <> 'deleted')
              + (select count(*) from freehold.signups s
                  where s.user_id = $1 and s.kind = 'open' and s.state = 'pending' and s.id is distinct from $2)",
    )
    .bind(person)
    .bind(beside)
    .fetch_one(tx.sql())
    .await?)
}

/// Addresses of those of a tenant who decide, the highest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn deciders(tx: &mut Tx, tenant: TenantId, roles: &[Role], most: i64) -> Result<Vec<Email>> {
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Ok(sqlx::query_scalar(
        "select email from freehold.members
          where tenant_id = $1 and role = any ($2) and suspended_at is null and user_suspended_at is null
          order by role desc, created_at, user_id limit $3",
    )
    .bind(tenant)
    .bind(roles)
    .bind(most)
    .fetch_all(tx.sql())
    .await?)
}

/// Addresses of platform admins, as they were written.
///
/// # Errors
/// When the database cannot be reached.
pub async fn platform_deciders(tx: &mut Tx, most: i64) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "select email from freehold.admins where disabled_at is null order by created_at, id limit $1",
    )
    .bind(most)
    .fetch_all(tx.sql())
    .await?)
}
