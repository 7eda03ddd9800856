//! What people's sign-ins gave to tenants' apps: codes, and what they were exchanged for.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::ids::{GrantId, ProjectId, SessionId, TenantId, UserId};
use crate::model::role::ProjectRole;
use crate::model::slug::Slug;

/// A grant, as it is kept.
#[derive(Clone, FromRow)]
pub struct GrantRecord {
    pub id: GrantId,
    pub tenant_id: TenantId,
    pub session_id: SessionId,
    pub user_id: UserId,
    pub scope: String,
    pub nonce: Option<String>,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub code_expires_at: DateTime<Utc>,
    /// When the code was exchanged.
    pub redeemed_at: Option<DateTime<Utc>>,
    pub refresh_hash: Option<Vec<u8>>,
    pub auth_time: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for GrantRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantRecord")
            .field("id", &self.id)
            .field("tenant_id", &self.tenant_id)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, tenant_id, session_id, user_id, scope, nonce, redirect_uri, code_challenge, \
                       code_expires_at, redeemed_at, refresh_hash, auth_time, revoked_at";

/// A grant that is to be.
#[derive(Clone)]
pub struct NewGrant {
    pub id: GrantId,
    pub tenant: TenantId,
    pub session: SessionId,
    pub user: UserId,
    pub scope: String,
    pub nonce: Option<String>,
    pub redirect_uri: String,
    pub code_hash: [u8; 32],
    pub code_challenge: String,
    pub code_expires_at: DateTime<Utc>,
    pub auth_time: DateTime<Utc>,
}

/// Keeps a grant.
///
/// # Errors
/// When the database cannot be reached.
pub async fn create(tx: &mut Tx, new: &NewGrant) -> Result<()> {
    sqlx::query(
        "insert into freehold.oauth_grants (id, tenant_id, session_id, user_id, scope, nonce, redirect_uri,
                                            code_hash, code_challenge, code_expires_at, auth_time)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(new.id)
    .bind(new.tenant)
    .bind(new.session)
    .bind(new.user)
    .bind(&new.scope)
    .bind(&new.nonce)
    .bind(&new.redirect_uri)
    .bind(new.code_hash.as_slice())
    .bind(&new.code_challenge)
    .bind(new.code_expires_at)
    .bind(new.auth_time)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// The grant of a tenant's that a code belongs to, for this transaction alone until its end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lock_by_code(
    tx: &mut Tx,
    tenant: TenantId,
    code_hash: &[u8; 32],
) -> Result<Option<GrantRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.oauth_grants where code_hash = $2 and tenant_id = $1 for update"
    )))
    .bind(tenant)
    .bind(code_hash.as_slice())
    .fetch_optional(tx.sql())
    .await?)
}

/// A grant of a tenant's.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(tx: &mut Tx, tenant: TenantId, id: GrantId) -> Result<Option<GrantRecord>> {
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from freehold.oauth_grants where id = $2 and tenant_id = $1"
    )))
    .bind(tenant)
    .bind(id)
    .fetch_optional(tx.sql())
    .await?)
}

/// Notes that a code was exchanged, and for which refresh token.
///
/// # Errors
/// When the database cannot be reached.
pub async fn redeem(
    tx: &mut Tx,
    tenant: TenantId,
    id: GrantId,
    refresh_hash: Option<&[u8; 32]>,
) -> Result<()> {
    sqlx::query(
        "update freehold.oauth_grants set redeemed_at = now(), refresh_hash = $3
          where id = $2 and tenant_id = $1",
    )
    .bind(tenant)
    .bind(id)
    .bind(refresh_hash.map(<[u8; 32]>::as_slice))
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Ends a grant with all that it gave. False when it was over already.
///
/// # Errors
/// When the database cannot be reached.
pub async fn revoke(tx: &mut Tx, tenant: TenantId, id: GrantId, because: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.oauth_grants set revoked_at = now(), revoked_because = $3
          where id = $2 and tenant_id = $1 and revoked_at is null",
    )
    .bind(tenant)
    .bind(id)
    .bind(because)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A project that somebody is in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProjectRecord {
    pub id: ProjectId,
    pub slug: Slug,
    pub role: ProjectRole,
}

/// A tenant's projects that somebody is in, by their slugs.
///
/// # Errors
/// When the database cannot be reached.
pub async fn projects(tx: &mut Tx, tenant: TenantId, user: UserId) -> Result<Vec<ProjectRecord>> {
    Ok(sqlx::query_as(
        "select p.id, p.slug, m.role
           from freehold.project_members m join freehold.projects p on p.id = m.project_id
          where m.tenant_id = $1 and m.user_id = $2 order by p.slug collate \"C\"",
    )
    .bind(tenant)
    .bind(user)
    .fetch_all(tx.sql())
    .await?)
}

/// Forgets codes that nobody came with, and grants that give nothing any more: those that were revoked, and those
/// without a refresh token. Each is kept for a day, so that a code that is used again is known.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx) -> Result<()> {
    sqlx::query(
        "delete from freehold.oauth_grants
          where created_at < now() - interval '1 day'
            and (redeemed_at is null or refresh_hash is null or revoked_at < now() - interval '1 day')",
    )
    .execute(tx.sql())
    .await?;
    Ok(())
}
