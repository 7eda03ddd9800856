//! Projects of a tenant, and who is in them.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::pages::{self, Cursor, Page};
use super::{Error, Result, Tx};
use crate::model::email::Email;
use crate::model::ids::{ProjectId, TenantId, UserId};
use crate::model::role::ProjectRole;
use crate::model::slug::Slug;

/// A project, as one user sees it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProjectRecord {
    pub id: ProjectId,
    pub slug: Slug,
    pub name: String,
    /// What that user is in it; none for whoever is not in it.
    pub role: Option<ProjectRole>,
    pub created_at: DateTime<Utc>,
}

/// A member of a project.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProjectMemberRecord {
    pub user_id: UserId,
    pub email: Email,
    pub name: String,
    pub role: ProjectRole,
    pub created_at: DateTime<Utc>,
}

/// Which projects to list.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// Text that the slug or the name holds; upper and lower case are the same.
    pub search: Option<String>,
    /// Whether only those that the user is in.
    pub own: bool,
    pub cursor: Option<Cursor>,
    /// Rows of a page, between 1 and [`pages::MAX_LIMIT`].
    pub limit: u32,
}

const PROJECTS: &str = "projects";
const MEMBERS: &str = "project members";

macro_rules! project_select {
    ($user:literal) => {
        concat!(
            "select p.id, p.slug, p.name, m.role, p.created_at from freehold.projects p
               left join freehold.project_members m on m.project_id = p.id and m.user_id = ",
            $user,
            " "
        )
    };
}

fn checked<'a>(cursor: Option<&'a Cursor>, order: &str) -> Result<Option<&'a Cursor>> {
    if cursor.is_some_and(|cursor| cursor.order != order) { Err(Error::InvalidCursor) } else { Ok(cursor) }
}

/// A page of a tenant's projects, by their slugs.
///
/// # Errors
/// [`Error::InvalidCursor`] when the cursor was made for another list.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    user: Option<UserId>,
    filter: &ProjectFilter,
) -> Result<Page<ProjectRecord>> {
    let cursor = checked(filter.cursor.as_ref(), PROJECTS)?;
    let limit = pages::clamp(filter.limit);
    let rows = sqlx::query_as(concat!(
        project_select!("$2"),
        "where p.tenant_id = $1 and (not $3 or m.role is not null)
           and ($4::text is null or p.slug ilike $4 or p.name ilike $4)
           and ($5::text is null or p.slug collate \"C\" > $5)
         order by p.slug collate \"C\" limit $6"
    ))
    .persistent(false)
    .bind(tenant)
    .bind(user)
    .bind(filter.own)
    .bind(filter.search.as_deref().map(pages::contains))
    .bind(cursor.map(|cursor| cursor.value.clone()))
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last: &ProjectRecord| Cursor {
        order: PROJECTS.to_owned(),
        value: last.slug.to_string(),
        id: last.id.0,
    }))
}

/// The project with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn get(
    tx: &mut Tx,
    tenant: TenantId,
    id: ProjectId,
    user: Option<UserId>,
) -> Result<ProjectRecord> {
    Ok(sqlx::query_as(concat!(project_select!("$3"), "where p.tenant_id = $1 and p.id = $2"))
        .bind(tenant)
        .bind(id)
        .bind(user)
        .fetch_one(tx.sql())
        .await?)
}

/// The project with this slug.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_slug(
    tx: &mut Tx,
    tenant: TenantId,
    slug: &Slug,
    user: Option<UserId>,
) -> Result<ProjectRecord> {
    Ok(sqlx::query_as(concat!(project_select!("$3"), "where p.tenant_id = $1 and p.slug = $2"))
        .bind(tenant)
        .bind(slug)
        .bind(user)
        .fetch_one(tx.sql())
        .await?)
}

/// How many projects a tenant has.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count(tx: &mut Tx, tenant: TenantId) -> Result<i64> {
    let sql = "select count(*) from freehold.projects where tenant_id = $1";
    Ok(sqlx::query_scalar(sql).bind(tenant).fetch_one(tx.sql()).await?)
}

/// Makes a project.
///
/// # Errors
/// [`super::Conflict::ProjectTaken`].
pub async fn create(tx: &mut Tx, tenant: TenantId, slug: &Slug, name: &str) -> Result<ProjectId> {
    let id = ProjectId::random();
    sqlx::query("insert into freehold.projects (id, tenant_id, slug, name) values ($1, $2, $3, $4)")
        .bind(id)
        .bind(tenant)
        .bind(slug)
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(id)
}

/// Gives a project another name.
///
/// # Errors
/// When the database cannot be reached.
pub async fn rename(tx: &mut Tx, tenant: TenantId, id: ProjectId, name: &str) -> Result<()> {
    sqlx::query("update freehold.projects set name = $3 where tenant_id = $1 and id = $2")
        .bind(tenant)
        .bind(id)
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Ends a project. Whether there was one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: ProjectId) -> Result<bool> {
    let deleted = sqlx::query("delete from freehold.projects where tenant_id = $1 and id = $2")
        .bind(tenant)
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// A page of a project's members, by their addresses.
///
/// # Errors
/// [`Error::InvalidCursor`] when the cursor was made for another list.
pub async fn members(
    tx: &mut Tx,
    project: ProjectId,
    cursor: Option<&Cursor>,
    limit: u32,
) -> Result<Page<ProjectMemberRecord>> {
    let cursor = checked(cursor, MEMBERS)?;
    let limit = pages::clamp(limit);
    let rows = sqlx::query_as(
        "select m.user_id, u.email, u.name, m.role, m.created_at
           from freehold.project_members m
           join freehold.members u on u.tenant_id = m.tenant_id and u.user_id = m.user_id
          where m.project_id = $1 and ($2::text is null or u.email collate \"C\" > $2)
          order by u.email collate \"C\" limit $3",
    )
    .bind(project)
    .bind(cursor.map(|cursor| cursor.value.clone()))
    .bind(i64::from(limit) + 1)
    .fetch_all(tx.sql())
    .await?;
    Ok(Page::cut(rows, limit, |last: &ProjectMemberRecord| Cursor {
        order: MEMBERS.to_owned(),
        value: last.email.to_string(),
        id: last.user_id.0,
    }))
}

/// A member of a project, locked until the transaction ends; none who is not in it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn member(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<Option<ProjectMemberRecord>> {
    Ok(sqlx::query_as(
        "select m.user_id, u.email, u.name, m.role, m.created_at
           from freehold.project_members m
           join freehold.members u on u.tenant_id = m.tenant_id and u.user_id = m.user_id
          where m.project_id = $1 and m.user_id = $2 for update of m",
    )
    .bind(project)
    .bind(user)
    .fetch_optional(tx.sql())
    .await?)
}

/// Puts a member of the tenant into a project, or gives them another role in it.
///
/// # Errors
/// [`super::Conflict::NoMember`].
pub async fn put_member(
    tx: &mut Tx,
    tenant: TenantId,
    project: ProjectId,
    user: UserId,
    role: ProjectRole,
) -> Result<()> {
    sqlx::query(
        "insert into freehold.project_members (tenant_id, project_id, user_id, role) values ($1, $2, $3, $4)
         on conflict on constraint project_members_key do update set role = excluded.role",
    )
    .bind(tenant)
    .bind(project)
    .bind(user)
    .bind(role)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Takes a member out of a project.
///
/// # Errors
/// When the database cannot be reached.
pub async fn remove_member(tx: &mut Tx, project: ProjectId, user: UserId) -> Result<()> {
    sqlx::query("delete from freehold.project_members where project_id = $1 and user_id = $2")
        .bind(project)
        .bind(user)
        .execute(tx.sql())
        .await?;
    Ok(())
}
