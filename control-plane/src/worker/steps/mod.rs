//! The effects behind the planner's steps: idempotent, each with a deadline of its own.

mod database;
mod edge;
mod engine;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Worker;
use super::failure::Failure;
use super::fault::{self, Moment};
use super::gather::Seen;
use super::house::House;
use super::journal::Journal;
use crate::model::observed::ContainerState;
use crate::model::stack::{Service, ServiceName};
use crate::planner::Step;

/// What the steps of one plan work on, and what they hand on to each other.
pub(super) struct Scene<'a> {
    worker: &'a Worker,
    house: &'a House,
    journal: &'a Journal,
    /// The container of the desired spec of each service, once it is there.
    containers: Mutex<BTreeMap<ServiceName, String>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(worker: &'a Worker, house: &'a House, seen: &Seen, journal: &'a Journal) -> Self {
        let mut containers = BTreeMap::new();
        for container in seen.observed.containers.known().into_iter().flatten() {
            let wanted = house.desired.services.get(&container.service);
            let keep = wanted.is_some_and(|wanted| wanted.hash == container.hash);
            if keep && container.attached && container.state != ContainerState::Broken {
                containers.insert(container.service.clone(), container.id.clone());
            }
        }
        Self { worker, house, journal, containers: Mutex::new(containers) }
    }

    /// Runs one step.
    pub(super) async fn step(&self, step: &Step) -> Result<(), Failure> {
        self.journal.begun(step);
        fault::step(step, Moment::Before);
        let limit = self.limit(step);
        let result = match tokio::time::timeout(limit, Box::pin(self.effect(step))).await {
            Ok(result) => result.map_err(|failure| failure.during(&step.to_string())),
            Err(_) => Err(Failure::retry(format!("{step}: not done within {} s", limit.as_secs()))),
        };
        if result.is_ok() {
            fault::step(step, Moment::After);
        }
        self.journal.ended(step, &result);
        result
    }

    async fn effect(&self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::EnsureNetwork => self.ensure_network().await,
            Step::EnsureVolume { service } => self.ensure_volume(service).await,
            Step::EnsureContainer { service } => self.ensure_container(service).await,
            Step::StartContainer { service } => self.start_container(service).await,
            Step::AwaitHealthy { service } => self.await_healthy(service).await,
            Step::SetLimits { service, container } => self.set_limits(service, container).await,
            Step::PrepareDatabase => self.prepare_database().await,
            Step::Migrate => self.migrate().await,
            Step::SetReadOnly { read_only } => self.set_read_only(*read_only).await,
            Step::SetRoutes => self.set_routes().await,
            Step::WithdrawRoutes { hosts } => self.withdraw_routes(hosts).await,
            Step::Drain => self.drain().await,
            Step::StopContainer { container, .. } => self.stop_container(container).await,
            Step::RemoveContainer { container, .. } => self.remove_container(container).await,
            Step::RemoveNetwork { network } => Ok(self.worker.deps.engine.remove_network(network).await?),
            Step::DropVolume { name } => self.drop_volume(name).await,
        }
    }

    /// The longest a step may take. The lease is prolonged meanwhile.
    fn limit(&self, step: &Step) -> Duration {
        let seconds = match step {
            Step::Migrate => 15 * 60,
            Step::AwaitHealthy { .. } | Step::EnsureContainer { .. } | Step::StartContainer { .. } => 60,
            // more than any stack file may give a service
            Step::StopContainer { .. } => 140,
            _ => 30,
        };
        Duration::from_secs(seconds)
    }

    fn service(&self, name: &ServiceName) -> Result<&Service, Failure> {
        let service = self.house.stack.services.get(name);
        service.ok_or_else(|| Failure::retry(format!("{name} is no service of the stack")))
    }

    /// The container of the desired spec.
    fn container(&self, name: &ServiceName) -> Result<String, Failure> {
        let found = self.containers().get(name).cloned();
        found.ok_or_else(|| Failure::retry(format!("{name} has no container yet")))
    }

    fn found(&self, name: &ServiceName, id: String) {
        self.containers().insert(name.clone(), id);
    }

    fn containers(&self) -> MutexGuard<'_, BTreeMap<ServiceName, String>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fenced write answers when the fence held it back.
fn held(written: bool) -> Result<(), Failure> {
    if written { Ok(()) } else { Err(Failure::away("the lease was lost")) }
}
