//! Who belongs to which tenant, as what.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{Result, Tx};
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
    Ok(())
}
