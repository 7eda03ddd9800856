//! What every request may need.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Semaphore, broadcast, watch};
use uuid::Uuid;

use crate::database::Database;
use crate::pages::templates::Templates;
use crate::settings::Tenant;
use crate::tenant::token::Verifier;

/// Live connections that may be open at once.
const STREAMS: usize = 100;
/// Changes that a slow listener may fall behind before it is told that it missed some.
const BEHIND: usize = 64;

/// Something that happened to a vehicle, in this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    #[serde(skip)]
    pub event: &'static str,
    pub vehicle: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_log: Option<Uuid>,
}

/// Shared by all requests.
pub struct App {
    pub tenant: Tenant,
    pub platform_url: Option<String>,
    pub database: Database,
    pub verifier: Option<Verifier>,
    pub templates: Templates,
    pub changes: broadcast::Sender<Change>,
    pub streams: Arc<Semaphore>,
    /// Turns true when the process begins to stop: streams end by themselves then.
    pub stopping: watch::Receiver<bool>,
}

/// How handlers hold it.
pub type Shared = Arc<App>;

impl App {
    #[must_use]
    pub fn new(
        tenant: Tenant,
        platform_url: Option<String>,
        database: Database,
        verifier: Option<Verifier>,
        templates: Templates,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (changes, _) = broadcast::channel(BEHIND);
        let streams = Arc::new(Semaphore::new(STREAMS));
        Self { tenant, platform_url, database, verifier, templates, changes, streams, stopping }
    }

    /// Tells those who listen. Nobody listening is fine.
    pub fn tell(&self, event: &'static str, vehicle: Uuid, fuel_log: Option<Uuid>) {
        let _ = self.changes.send(Change { event, vehicle, fuel_log });
    }
}
