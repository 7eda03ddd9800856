//! What the gateway must know of a tenant, and whom it asks.

use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, TenantId};

/// The tenant behind a host name, as the gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub tenant: TenantId,
    pub house: HouseId,
    /// The tenant's display name. Anybody may have chosen it: it is shown escaped.
    pub name: String,
    pub state: DoorState,
}

/// Where the tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorState {
    /// Awake, or being changed while it serves: its web service is to be found here.
    Running { address: SocketAddr },
    /// Asleep, to be woken by who asks for it.
    Asleep,
    /// On its way to being awake, after it was asleep, or while it is repaired.
    Waking,
    /// Its house is being made for the first time.
    Provisioning,
    /// Not served, by decision.
    Suspended,
    /// A person must look.
    Stuck,
    /// Gone, as far as the world is concerned.
    Deleted,
}

/// The registry could not be asked. The cause is for the log, never for a visitor.
#[derive(Debug, thiserror::Error)]
#[error("the registry cannot be asked: {0}")]
pub struct DoorsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The registry, as far as the gateway may ask it.
#[async_trait]
pub trait Doors: Send + Sync + 'static {
    /// The tenant that has claimed this host name.
    async fn by_host(&self, host: &HostName) -> Result<Option<Door>, DoorsError>;

    /// Asks for the tenant to be woken. One that is not asleep is left as it is.
    async fn wake(&self, tenant: TenantId) -> Result<(), DoorsError>;

    /// Returns when the tenant of this host may have changed, and at the deadline at the latest. Returning too
    /// early is no mistake: who waits asks [`Doors::by_host`] again.
    async fn changed(&self, host: &HostName, deadline: Instant);
}
