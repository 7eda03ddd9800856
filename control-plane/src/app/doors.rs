//! What stands behind a host name, for the gateway: it sees doors and wakes who sleeps, and nothing else.

use tokio::time::Instant;

use super::Result;
use super::news::News;
use crate::model::hostname::HostName;
use crate::model::ids::TenantId;
use crate::store::doors::{self, Door};
use crate::store::{Channel, Notice, Scope, Store};

/// The doors of all tenants, by the registry.
#[derive(Debug, Clone)]
pub struct StoreDoors {
    store: Store,
    news: News,
}

impl StoreDoors {
    /// Must be called inside a runtime: it begins to follow what the registry announces.
    #[must_use]
    pub fn new(store: Store) -> Self {
        let news = News::follow(store.clone(), &[Channel::Doors]);
        Self { store, news }
    }

    /// The door that this host name leads to; nothing for a name that nobody has.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn by_host(&self, host: &HostName) -> Result<Option<Door>> {
        let mut tx = self.store.begin(Scope::System).await?;
        let door = doors::by_host(&mut tx, host).await?;
        tx.commit().await?;
        Ok(door)
    }

    /// Has a sleeping tenant woken. `false`: it was not asleep.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub async fn wake(&self, tenant: TenantId) -> Result<bool> {
        let store = self.store.clone();
        // A visitor who goes away meanwhile must not leave a transaction half done.
        let wake = tokio::spawn(async move {
            let mut tx = store.begin(Scope::System).await?;
            let woken = doors::wake(&mut tx, tenant).await?;
            tx.commit().await?;
            Ok(woken)
        });
        wake.await.map_err(super::Error::internal)?
    }

    /// Returns when the tenant behind this host may have changed, and at the deadline at the latest.
    pub async fn changed(&self, host: &HostName, deadline: Instant) {
        let matters = |notice: &Notice| matches!(notice, Notice::Door(other) if other == host);
        self.news.ear().heard(matters, deadline).await;
    }
}
