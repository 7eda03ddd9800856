//! What people asked for whose address is yet to be proven. One wish each: the one of whoever registered last.

use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::ids::{TenantId, UserId};
use crate::model::plan::PlanName;
use crate::model::slug::Slug;

/// A wish that becomes a signup with the proof of an address.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct UnprovenSignup {
    /// The tenant to join; none where one is to be opened.
    pub tenant_id: Option<TenantId>,
    pub tenant_name: String,
    pub slug: Slug,
    /// Of the tenant to open.
    pub plan: Option<PlanName>,
    pub message: String,
}

/// Keeps a person's wish in place of the one before, or takes that back.
///
/// # Errors
/// When the database cannot be reached.
pub async fn put(tx: &mut Tx, user: UserId, wish: Option<&UnprovenSignup>) -> Result<()> {
    sqlx::query("delete from freehold.unproven_signups where user_id = $1")
        .bind(user)
        .execute(tx.sql())
        .await?;
    if let Some(wish) = wish {
        sqlx::query(
            "insert into freehold.unproven_signups (user_id, tenant_id, tenant_name, slug, plan, message)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(user)
        .bind(wish.tenant_id)
        .bind(&wish.tenant_name)
        .bind(&wish.slug)
        .bind(&wish.plan)
        .bind(&wish.message)
        .execute(tx.sql())
        .await?;
    }
    Ok(())
}

/// A person's wish.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(tx: &mut Tx, user: UserId) -> Result<Option<UnprovenSignup>> {
    Ok(sqlx::query_as(
        "select tenant_id, tenant_name, slug, plan, message from freehold.unproven_signups where user_id = $1",
    )
    .bind(user)
    .fetch_optional(tx.sql())
    .await?)
}

/// Forgets wishes that no mailed secret can prove any more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tidy(tx: &mut Tx) -> Result<()> {
    sqlx::query(
        "delete from freehold.unproven_signups s
          where not exists (select from freehold.mailed_tokens m
                             where m.user_id = s.user_id and m.purpose = 'verify' and m.expires_at > now())",
    )
    .execute(tx.sql())
    .await?;
    Ok(())
}
