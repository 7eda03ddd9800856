//! The secrets of a tenant: made once, sealed, and opened for the moment they are needed.

use secrecy::SecretString;

use super::Worker;
use super::failure::Failure;
use crate::identity;
use crate::model::ids::TenantId;
use crate::model::secret::SecretPurpose;
use crate::store::{Scope, secrets};

/// All secrets of one tenant, opened.
pub(super) struct Secrets {
    pub superuser: SecretString,
    pub owner: SecretString,
    pub app: SecretString,
    pub monitor: SecretString,
    pub app_key: SecretString,
}

impl Secrets {
    /// Opens the tenant's secrets, making those it does not have yet.
    pub(super) async fn of(worker: &Worker, tenant: TenantId) -> Result<Self, Failure> {
        let one = |purpose| secret(worker, tenant, purpose);
        Ok(Self {
            superuser: one(SecretPurpose::DatabaseSuperuser).await?,
            owner: one(SecretPurpose::DatabaseOwner).await?,
            app: one(SecretPurpose::DatabaseApp).await?,
            monitor: one(SecretPurpose::DatabaseMonitor).await?,
            app_key: one(SecretPurpose::AppKey).await?,
        })
    }
}

/// One secret of the tenant.
pub(super) async fn secret(
    worker: &Worker,
    tenant: TenantId,
    purpose: SecretPurpose,
) -> Result<SecretString, Failure> {
    let vault = &worker.deps.vault;
    let mut tx = worker.deps.store.begin(Scope::System).await?;
    let sealed = match secrets::get(&mut tx, tenant, purpose).await? {
        Some(sealed) => sealed,
        None => {
            let fresh =
                vault.seal(tenant, purpose, &identity::random_secret()).map_err(|error| sealing(&error))?;
            secrets::put_if_none(&mut tx, tenant, purpose, &fresh).await?
        }
    };
    tx.commit().await?;
    vault.open(tenant, purpose, &sealed).map_err(|error| sealing(&error))
}

fn sealing(error: &identity::vault::VaultError) -> Failure {
    Failure::fatal(format!(
        "a secret of this tenant cannot be opened: {error}; is the master key the right one?"
    ))
}
