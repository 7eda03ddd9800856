//! The worker: leases one house at a time, looks, plans, runs the steps and records, until nothing is left to do.
//!
//! It has no listener. Other roles write what is desired and the registry tells it; what happens to containers it
//! hears from the engine; and a sweep looks at everything now and then, for whatever nobody told.

mod attend;
mod dispatch;
mod edge_sync;
pub mod failure;
pub mod fault;
mod gather;
mod house;
mod journal;
pub mod mail;
mod presence;
mod probe;
mod report;
mod runner;
mod secrets;
mod steps;
mod storage;
mod sweep;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::edge::Edge;
use crate::engine::Engine;
use crate::identity::vault::MasterKey;
use crate::model::ids::{HouseId, InstallationId};
use crate::store::Store;

/// Looks whether the firewall is in force and puts it there if it is not.
pub type KeepFirewall =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What the worker works with.
pub struct WorkerDeps {
    pub installation: InstallationId,
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    pub edge: Edge,
    pub vault: MasterKey,
    pub config: Config,
    /// The address that houses reach the platform by, as `platform.internal`.
    pub platform_address: IpAddr,
    /// `None` where no firewall is kept.
    pub firewall: Option<KeepFirewall>,
    /// How long nobody may answer at the engine's socket before the worker ends, for whoever started it to start it
    /// again: a socket that was mounted into a container stays the old one when the engine makes another. `None` where
    /// the path leads to the present one.
    pub engine_lost: Option<Duration>,
}

/// What all tasks of one worker share.
struct Worker {
    deps: WorkerDeps,
    /// Says in the registry's locks that this worker lives; leases of a key that is not there are free.
    key: i64,
    /// Wakes the dispatcher: something may be due.
    due: Notify,
    /// Wakes the writer of the file that the edge starts from.
    routes_changed: Notify,
    /// Houses that this worker knows to be as they should be, each by what it looked like then.
    settled: Mutex<BTreeMap<HouseId, gather::Print>>,
    /// Houses to which something happened since they were last looked at.
    disturbed: Mutex<BTreeSet<HouseId>>,
    /// Houses this worker holds a lease of.
    held: Mutex<BTreeMap<HouseId, CancellationToken>>,
    presence: presence::Presence,
}

/// Works until `shutdown`, or until the engine is lost for too long, then finishes what is under way: a step is never cut
/// short by it.
///
/// # Errors
/// When the registry cannot be reached at the start.
pub async fn run(deps: WorkerDeps, shutdown: CancellationToken) -> Result<(), crate::store::Error> {
    let shutdown = shutdown.child_token();
    let key = i64::from(rand::random::<u32>()) << 16 | 0x6668;
    let listener = watch::listener(&deps.store, key).await?;
    let worker = Arc::new(Worker {
        deps,
        key,
        due: Notify::new(),
        routes_changed: Notify::new(),
        settled: Mutex::default(),
        disturbed: Mutex::default(),
        held: Mutex::default(),
        presence: presence::Presence::begin(),
    });
    let tasks = TaskTracker::new();
    tasks.spawn(watch::registry(Arc::clone(&worker), listener, shutdown.clone()));
    tasks.spawn(watch::engine(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn(edge_sync::run(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn(report::run(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn(sweep::run(Arc::clone(&worker), shutdown.clone()));
    tasks.spawn(storage::run(Arc::clone(&worker), shutdown.clone()));
    tracing::info!(key, "the worker is ready");
    dispatch::run(&worker, &shutdown).await;
    tasks.close();
    tasks.wait().await;
    Ok(())
}

impl Worker {
    fn settled(&self) -> std::sync::MutexGuard<'_, BTreeMap<HouseId, gather::Print>> {
        self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn disturbed(&self) -> std::sync::MutexGuard<'_, BTreeSet<HouseId>> {
        self.disturbed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<HouseId, CancellationToken>> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
