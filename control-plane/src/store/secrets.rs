//! Secrets of tenants, sealed.

use std::collections::BTreeMap;

use crate::model::ids::TenantId;
use crate::model::secret::{Sealed, SecretPurpose};

use super::columns::sealed;
use super::{Error, Result, Tx};

type Row = (SecretPurpose, i32, Vec<u8>, Vec<u8>);

fn secret((purpose, key_version, nonce, ciphertext): Row) -> Result<(SecretPurpose, Sealed)> {
    Ok((purpose, sealed(key_version, nonce, ciphertext)?))
}

/// The tenant's secrets, as far as they were made.
///
/// # Errors
/// When the database cannot be reached.
pub async fn all(tx: &mut Tx, tenant: TenantId) -> Result<BTreeMap<SecretPurpose, Sealed>> {
    let rows: Vec<Row> = sqlx::query_as(
        "select purpose, key_version, nonce, sealed from freehold.tenant_secrets where tenant_id = $1",
    )
    .bind(tenant)
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter().map(secret).collect()
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
    all(tx, tenant).await?.remove(&purpose).ok_or(Error::NotFound)
}
