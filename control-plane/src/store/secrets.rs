//! Secrets of tenants, sealed.

use crate::model::ids::TenantId;
use crate::model::secret::{Sealed, SecretPurpose};

use super::{Error, Result, Tx};

/// The tenant's secret for a purpose, if it was made.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(tx: &mut Tx, tenant: TenantId, purpose: SecretPurpose) -> Result<Option<Sealed>> {
    let row: Option<(i32, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "select key_version, nonce, sealed from freehold.tenant_secrets where tenant_id = $1 and purpose = $2",
    )
    .bind(tenant)
    .bind(purpose)
    .fetch_optional(tx.sql())
    .await?;
    row.map(|(key_version, nonce, ciphertext)| {
        let nonce = nonce
            .try_into()
            .map_err(|_| Error::Database(sqlx::Error::Decode("a nonce of 24 bytes was expected".into())))?;
        Ok(Sealed { key_version, nonce, ciphertext })
    })
    .transpose()
}

/// Keeps a secret for a purpose, in place of the one before.
///
/// # Errors
/// When the database cannot be reached.
pub async fn put(tx: &mut Tx, tenant: TenantId, purpose: SecretPurpose, sealed: &Sealed) -> Result<()> {
    sqlx::query(
        "insert into freehold.tenant_secrets (tenant_id, purpose, key_version, nonce, sealed)
         values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, purpose) do update
            set key_version = excluded.key_version, nonce = excluded.nonce, sealed = excluded.sealed,
                updated_at = now()",
    )
    .bind(tenant)
    .bind(purpose)
    .bind(sealed.key_version)
    .bind(sealed.nonce.as_slice())
    .bind(sealed.ciphertext.as_slice())
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Keeps a secret unless there is one, and says which one is kept: two who make it at once agree on one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn put_if_none(
    tx: &mut Tx,
    tenant: TenantId,
    purpose: SecretPurpose,
    sealed: &Sealed,
) -> Result<Sealed> {
    sqlx::query(
        "insert into freehold.tenant_secrets (tenant_id, purpose, key_version, nonce, sealed)
         values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, purpose) do nothing",
    )
    .bind(tenant)
    .bind(purpose)
    .bind(sealed.key_version)
    .bind(sealed.nonce.as_slice())
    .bind(sealed.ciphertext.as_slice())
    .execute(tx.sql())
    .await?;
    get(tx, tenant, purpose).await?.ok_or(Error::NotFound)
}
