//! What tenants ask of those who sign in to them or want to join.

use super::{Notice, Result, Tx};
use crate::model::ids::{ProviderId, TenantId};
use crate::model::signup::SignupMode;

/// A tenant's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Whether nobody is let in without a second factor.
    pub require_second_factor: bool,
    /// The provider by which people must come; none: as they like.
    pub required_provider: Option<ProviderId>,
    /// How people join who were not invited.
    pub signups: SignupMode,
}

impl Default for PolicyRecord {
    /// Of a tenant that never said anything.
    fn default() -> Self {
        Self { require_second_factor: false, required_provider: None, signups: SignupMode::Manual }
    }
}

/// A tenant's rules.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(tx: &mut Tx, tenant: TenantId) -> Result<PolicyRecord> {
    let row: Option<(bool, Option<ProviderId>, String)> = sqlx::query_as(
        "select require_second_factor, required_provider, signups
           from freehold.tenant_policies where tenant_id = $1",
    )
    .bind(tenant)
    .fetch_optional(tx.sql())
    .await?;
    Ok(row.map_or_else(PolicyRecord::default, |(require_second_factor, required_provider, signups)| {
        PolicyRecord {
            require_second_factor,
            required_provider,
            signups: signups.parse().unwrap_or(SignupMode::Manual),
        }
    }))
}

/// Keeps a tenant's rules.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set(tx: &mut Tx, tenant: TenantId, policy: PolicyRecord) -> Result<()> {
    sqlx::query(
        "insert into freehold.tenant_policies (tenant_id, require_second_factor, required_provider, signups)
         values ($1, $2, $3, $4)
         on conflict (tenant_id) do update
            set require_second_factor = $2, required_provider = $3, signups = $4, updated_at = now()",
    )
    .bind(tenant)
    .bind(policy.require_second_factor)
    .bind(policy.required_provider)
    .bind(policy.signups.as_str())
    .execute(tx.sql())
    .await?;
    tx.tell(Notice::Belonging(tenant));
    Ok(())
}
