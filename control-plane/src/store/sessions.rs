//! Who is signed in on which device.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::email::Email;
use crate::model::ids::{SessionId, TenantId, UserId};
use crate::model::role::Role;
use crate::model::slug::Slug;

/// Whose a session is.
#[derive(Debug, Clone, FromRow)]
pub struct HolderRecord {
    pub user_id: UserId,
    pub email: Email,
    pub second_factor: bool,
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
}

/// Whose this session is, while it lasts: not of one that ended or was revoked, nor of a user who is suspended.
///
/// # Errors
/// When the database cannot be reached.
pub async fn holder(tx: &mut Tx, id: SessionId) -> Result<Option<HolderRecord>> {
    Ok(sqlx::query_as(
        "select s.user_id, u.email, s.second_factor, s.expires_at
           from freehold.sessions s join freehold.users u on u.id = s.user_id
          where s.id = $1 and s.revoked_at is null and s.expires_at > now() and u.suspended_at is null",
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
                coalesce(p.require_second_factor, false) as second_factor_required
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
