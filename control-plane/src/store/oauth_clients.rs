//! Tenants' apps as clients of the platform's sign-in.

use std::fmt;

use sqlx::FromRow;

use super::{Result, Tx};
use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::model::slug::Slug;
use crate::model::stack::SignIn;

/// A tenant's app, as it is known.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct ClientRecord {
    pub tenant_id: TenantId,
    pub slug: Slug,
    /// SHA-256 of its secret.
    pub secret_hash: Vec<u8>,
    /// Where people are sent back to, on any of its hosts.
    pub callback_path: String,
    /// Where people who signed out are sent, likewise.
    pub signed_out_path: String,
    /// All host names of the tenant's.
    pub hosts: Vec<HostName>,
}

impl fmt::Debug for ClientRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRecord").field("tenant_id", &self.tenant_id).finish_non_exhaustive()
    }
}

/// The client that a tenant is, unless the tenant is deleted or its house was never seen to.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(tx: &mut Tx, tenant: TenantId) -> Result<Option<ClientRecord>> {
    Ok(sqlx::query_as(
        "select c.tenant_id, t.slug, c.secret_hash, c.callback_path, c.signed_out_path,
                array(select n.name from freehold.host_names n where n.tenant_id = t.id order by n.name) as hosts
           from freehold.oauth_clients c join freehold.tenants t on t.id = c.tenant_id
          where c.tenant_id = $1 and t.desired_state <> 'deleted'",
    )
    .bind(tenant)
    .fetch_optional(tx.sql())
    .await?)
}

/// Keeps what a tenant's app is known by. Nothing is written when it is so already.
///
/// # Errors
/// When the database cannot be reached.
pub async fn put(tx: &mut Tx, tenant: TenantId, secret_hash: &[u8; 32], paths: &SignIn) -> Result<()> {
    sqlx::query(
        "insert into freehold.oauth_clients as c (tenant_id, secret_hash, callback_path, signed_out_path)
         select $1, $2, $3, $4
          where not exists (select from freehold.oauth_clients k
                             where k.tenant_id = $1 and k.secret_hash = $2 and k.callback_path = $3
                               and k.signed_out_path = $4)
         on conflict (tenant_id) do update
            set secret_hash = $2, callback_path = $3, signed_out_path = $4, updated_at = now()",
    )
    .bind(tenant)
    .bind(secret_hash.as_slice())
    .bind(&paths.callback)
    .bind(&paths.signed_out)
    .execute(tx.sql())
    .await?;
    Ok(())
}
