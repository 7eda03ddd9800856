//! Whose a host name is, for pages that call from there.

use super::{App, Result};
use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::model::slug::Slug;
use crate::store::tenants;

/// The tenant that answers to a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOfTenant {
    pub tenant: TenantId,
    pub slug: Slug,
}

impl App {
    /// The tenant that answers to this host name, if one does.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn tenant_of_host(&self, host: &HostName) -> Result<Option<HostOfTenant>> {
        let mut tx = self.begin_as_system().await?;
        let found = tenants::of_host(&mut tx, host).await?;
        tx.commit().await?;
        Ok(found.map(|(tenant, slug)| HostOfTenant { tenant, slug }))
    }
}
