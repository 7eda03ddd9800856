//! The secrets of a tenant: made once, sealed, and opened for the moment they are needed.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Worker;
use super::failure::Failure;
use crate::identity;
use crate::model::ids::TenantId;
use crate::model::secret::{Sealed, SecretPurpose};
use crate::model::stack::SignIn;
use crate::store::{Scope, oauth_clients, secrets};

/// All secrets of one tenant, opened.
pub(super) struct Secrets {
    pub superuser: SecretString,
    pub owner: SecretString,
    pub app: SecretString,
    pub monitor: SecretString,
    pub app_key: SecretString,
    pub client: SecretString,
}

impl Secrets {
    /// Opens the tenant's secrets, making those it does not have yet.
    pub(super) async fn of(worker: &Worker, tenant: TenantId) -> Result<Self, Failure> {
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        let mut known = secrets::all(&mut tx, tenant).await?;
        for purpose in SecretPurpose::ALL {
            if !known.contains_key(purpose) {
                let fresh = worker.deps.vault.seal(tenant, *purpose, &identity::random_secret());
                let fresh = fresh.map_err(|error| sealing(&error))?;
                known.insert(*purpose, secrets::put_if_none(&mut tx, tenant, *purpose, &fresh).await?);
            }
        }
        tx.commit().await?;
        let open = |purpose| open(worker, tenant, purpose, known.get(&purpose));
        Ok(Self {
            superuser: open(SecretPurpose::DatabaseSuperuser)?,
            owner: open(SecretPurpose::DatabaseOwner)?,
            app: open(SecretPurpose::DatabaseApp)?,
            monitor: open(SecretPurpose::DatabaseMonitor)?,
            app_key: open(SecretPurpose::AppKey)?,
            client: open(SecretPurpose::ClientSecret)?,
        })
    }
}

impl Secrets {
    /// Has the api know the tenant's app when it comes to sign people in: by a hash of its secret.
    pub(super) async fn tell_the_api(
        &self,
        worker: &Worker,
        tenant: TenantId,
        paths: &SignIn,
    ) -> Result<(), Failure> {
        let hash = Sha256::digest(self.client.expose_secret().as_bytes()).into();
        let mut tx = worker.deps.store.begin(Scope::System).await?;
        oauth_clients::put(&mut tx, tenant, &hash, paths).await?;
        Ok(tx.commit().await?)
    }
}

fn open(
    worker: &Worker,
    tenant: TenantId,
    purpose: SecretPurpose,
    sealed: Option<&Sealed>,
) -> Result<SecretString, Failure> {
    let sealed = sealed.ok_or_else(|| Failure::fatal(format!("the tenant has no secret for {purpose}")))?;
    worker.deps.vault.open(tenant, purpose, sealed).map_err(|error| sealing(&error))
}

fn sealing(error: &identity::vault::VaultError) -> Failure {
    Failure::fatal(format!(
        "a secret of this tenant cannot be opened: {error}; is the master key the right one?"
    ))
}
