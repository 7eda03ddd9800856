//! Who belongs to which tenant, as what.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::pages::{self, Cursor, Page};
use super::{Error, Notice, Result, Tx};
use crate::model::email::Email;
use crate::model::ids::{TenantId, UserId};
use crate::model::role::Role;

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MemberRecord {
    pub user_id: UserId,
    pub email: Email,
    pub name: String,
    pub role: Role,
    pub suspended_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Which members to list.
#[derive(Debug, Clone, Default)]
pub struct MemberFilter {
    /// Text that the address or the name holds; upper and lower case are the same.
    pub search: Option<String>,
    /// Empty: all.
    pub roles: Vec<Role>,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

/// How many there are in a tenant beside one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct OthersRecord {
    pub members: i64,
    /// Owners who are suspended neither here nor everywhere.
    pub owners: i64,
}

macro_rules! member_select {
    () => {
        "select user_id, email, name, role, suspended_at, created_at from freehold.members "
    };
}

/// What a list of members is ordered by, as its cursors say.
const ORDER: &str = "members";

/// Makes a user a member.
///
/// # Errors
/// [`super::Conflict::MemberAlready`].
pub async fn add(tx: &mut Tx, tenant: TenantId, user: UserId, role: Role) -> Result<()> {
    sqlx::query("insert into freehold.memberships (tenant_id, user_id, role) values ($1, $2, $3)")
        .bind(tenant)
        .bind(user)
        .bind(role)
        .execute(tx.sql())
        .await?;
    tx.tell(Notice::Person(user));
    Ok(())
}

/// A page of a tenant's members, by their addresses.
///
/// # Errors
/// [`Error::InvalidCursor`] when the cursor was made for another list.
pub async fn list(tx: &mut Tx, tenant: TenantId, filter: &MemberFilter) -> Result<Page<MemberRecord>> {
    if filter.cursor.as_ref().is_some_and(|cursor| cursor.order != ORDER) {
        return Err(Error::InvalidCursor);
    }
    let limit = pages::clamp(filter.limit);
    let roles: Vec<&str> = filter.roles.iter().map(|role| role.as_str()).collect();
    let rows = sqlx::query_as(concat!(
        member_select!(),
        "where tenant_id = $1
           and ($2::text is null or email ilike $2 or name ilike $2)
           and ($3::text[] is null or role = any ($3))
           and ($4::text is null or email collate \"C\" > $4)
         order by email collate \"C\" limit $5"
    ))
    .persistent(false)
    .bind(tenant)
    .bind(filter.search.as_deref().map(pages::contains))
    .bind(if roles.is_empty() { None } else { Some(roles) })
    .bind(filter.cursor.as_ref().map(|cursor| cursor.value.clone()))
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last: &MemberRecord| Cursor {
        order: ORDER.to_owned(),
        value: last.email.to_string(),
        id: last.user_id.0,
    }))
}

/// One member of a tenant.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<MemberRecord> {
    Ok(sqlx::query_as(concat!(member_select!(), "where tenant_id = $1 and user_id = $2"))
        .bind(tenant)
        .bind(user)
        .fetch_one(tx.sql())
        .await?)
}

/// The member of a tenant who has this address.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_email(tx: &mut Tx, tenant: TenantId, email: &Email) -> Result<MemberRecord> {
    Ok(sqlx::query_as(concat!(member_select!(), "where tenant_id = $1 and email = $2"))
        .bind(tenant)
        .bind(email)
        .fetch_one(tx.sql())
        .await?)
}

/// Who else there is in a tenant. It holds for as long as the tenant is held.
///
/// # Errors
/// When the database cannot be reached.
pub async fn others(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<OthersRecord> {
    Ok(sqlx::query_as(
        "select count(*) as members,
                count(*) filter (where role = 'owner' and suspended_at is null and user_suspended_at is null)
                    as owners
           from freehold.members where tenant_id = $1 and user_id <> $2",
    )
    .bind(tenant)
    .bind(user)
    .fetch_one(tx.sql())
    .await?)
}

/// How many members a tenant has.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count(tx: &mut Tx, tenant: TenantId) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from freehold.memberships where tenant_id = $1")
        .bind(tenant)
        .fetch_one(tx.sql())
        .await?)
}

/// Makes a member what they are to be.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set(tx: &mut Tx, tenant: TenantId, user: UserId, role: Role, suspended: bool) -> Result<()> {
    sqlx::query(
        "update freehold.memberships
            set role = $3, suspended_at = case when $4 then coalesce(suspended_at, now()) end
          where tenant_id = $1 and user_id = $2",
    )
    .bind(tenant)
    .bind(user)
    .bind(role)
    .bind(suspended)
    .execute(tx.sql())
    .await?;
    tx.tell(Notice::Person(user));
    Ok(())
}

/// Ends a membership, and those in the tenant's projects with it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn remove(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<()> {
    sqlx::query("delete from freehold.memberships where tenant_id = $1 and user_id = $2")
        .bind(tenant)
        .bind(user)
        .execute(tx.sql())
        .await?;
    tx.tell(Notice::Person(user));
    Ok(())
}
