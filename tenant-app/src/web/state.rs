//! What every request may need.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Semaphore, broadcast, watch};
use uuid::Uuid;

use crate::database::Database;
use crate::pages::templates::Templates;
use crate::people::cookies::Cookies;
use crate::people::guests::Guests;
use crate::records::vehicles::Vehicle;
use crate::settings::Tenant;

/// Live connections that may be open at once.
const STREAMS: usize = 100;
/// Changes that a slow listener may fall behind before it is told that it missed some.
const BEHIND: usize = 64;

/// Something that happened to a vehicle, in this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    #[serde(skip)]
    pub event: &'static str,
    /// Who sees one of these may hear of it: where the vehicle is and where it was.
    #[serde(skip)]
    pub projects: [Option<Uuid>; 2],
    pub vehicle: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel_log: Option<Uuid>,
}

/// Shared by all requests.
pub struct App {
    pub tenant: Tenant,
    pub platform_url: Option<String>,
    pub database: Database,
    /// Who is let in; without it, nobody.
    pub guests: Option<Guests>,
    pub cookies: Cookies,
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
        guests: Option<Guests>,
        templates: Templates,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (changes, _) = broadcast::channel(BEHIND);
        let streams = Arc::new(Semaphore::new(STREAMS));
        let cookies = Cookies::new(tenant.public_url.starts_with("https://"));
        Self { tenant, platform_url, database, guests, cookies, templates, changes, streams, stopping }
    }

    /// Tells those who listen. Nobody listening is fine.
    pub fn tell(&self, event: &'static str, vehicle: &Vehicle, fuel_log: Option<Uuid>) {
        self.tell_moved(event, vehicle, vehicle.project_id, fuel_log);
    }

    /// As [`Self::tell`], of a vehicle that was in another project before.
    pub fn tell_moved(
        &self,
        event: &'static str,
        vehicle: &Vehicle,
        before: Option<Uuid>,
        fuel_log: Option<Uuid>,
    ) {
        let projects = [vehicle.project_id, before];
        let _ = self.changes.send(Change { event, projects, vehicle: vehicle.id, fuel_log });
    }
}
