//! The platform's containers as they must be: started, repaired, replaced one beside the other.

use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::services::{Context, Service};
use super::{Error, Platform, Result, base_configuration, firewall, probe};
use crate::engine::{self, ContainerInfo, names};
use crate::model::observed::ContainerState;

const PAUSE: Duration = Duration::from_millis(100);
/// A process that ends right after its start is not up.
const STEADY: Duration = Duration::from_millis(1500);

/// What was done about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ran as it should.
    None,
    Started,
    /// It runs on, by another configuration.
    Reloaded,
    /// Another took its place.
    Replaced,
}

impl Change {
    /// A word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "unchanged",
            Self::Started => "started",
            Self::Reloaded => "reloaded",
            Self::Replaced => "replaced",
        }
    }
}

impl Platform {
    /// The containers of a service, in whatever state.
    pub(super) async fn containers_of(&self, service: Service) -> Result<Vec<ContainerInfo>> {
        Ok(self.engine.containers(&names::platform_labels(&self.id, service.as_str())).await?)
    }

    /// Makes the service run from exactly this spec. Where old and new can run side by side, the old one is
    /// stopped only when the new one answers.
    pub(super) async fn ensure(&self, service: Service, context: &Context<'_>) -> Result<Change> {
        let spec = context.spec(service)?;
        let all = self.containers_of(service).await?;
        let (same, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|container| container.labels.get(names::SPEC) == spec.labels.get(names::SPEC));
        let running = |container: &&ContainerInfo| container.state == ContainerState::Running;
        if others.is_empty() && same.iter().any(|container| running(&container)) {
            match self.answers(service, None).await {
                Ok(()) => return Ok(Change::None),
                Err(reason) => tracing::warn!(%service, reason, "runs and does not answer; it is made anew"),
            }
        }
        let replaces = others.iter().chain(&same).any(|container| running(&container));
        // One that ended, hangs or never started is not worth a diagnosis: it holds no data.
        for container in &same {
            if container.state != ContainerState::Running || others.is_empty() {
                self.retire(std::slice::from_ref(container)).await?;
            }
        }
        // Where an old process still holds its socket, a new one's is another file. Otherwise the number may be
        // used again, and who answers is the new one anyway.
        let alone = !service.overlaps() || same.iter().any(|container| running(&container));
        let before = if alone { None } else { self.socket_of(service).and_then(|path| inode(&path)) };
        let id = self.engine.ensure_container(&spec).await?;
        if service.overlaps() || others.is_empty() {
            self.begin(service, &id, before).await?;
        } else {
            self.take_over(service, &id, &others).await?;
        }
        self.retire(&others).await?;
        Ok(if replaces { Change::Replaced } else { Change::Started })
    }

    /// Starts a container and waits until it answers.
    async fn begin(&self, service: Service, id: &str, before: Option<u64>) -> Result<()> {
        self.engine.start(id).await?;
        self.wait_ready(service, id, before).await
    }

    /// Starts a container in the place of those that it cannot stand beside. Everything that can be done before they
    /// are told to stop is done by now.
    async fn take_over(&self, service: Service, id: &str, others: &[ContainerInfo]) -> Result<()> {
        if service != Service::Edge {
            self.stop_all(others).await?;
            return self.begin(service, id, None).await;
        }
        self.let_connections_end().await;
        let next = async {
            self.edge_is_deaf().await;
            self.begin(service, id, None).await
        };
        // It listens no more from the moment it is told, and has its time for what is under way beside the next.
        let (stopped, begun) = tokio::join!(self.stop_all(others), next);
        stopped.and(begun)
    }

    /// Has those that were to be replaced run again, after what was to replace them failed with this error.
    pub(super) async fn bring_back(&self, service: Service, context: &Context<'_>, error: Error) -> Error {
        match self.revive(service, context).await {
            Ok(true) => Error::TakenBack(Box::new(error)),
            Ok(false) => error,
            Err(cause) => {
                tracing::error!(%service, %cause, "the one before cannot be started again");
                error
            }
        }
    }

    /// Whether there was one before that answers again.
    async fn revive(&self, service: Service, context: &Context<'_>) -> Result<bool> {
        let wanted = context.spec(service)?;
        let (failed, before): (Vec<_>, Vec<_>) = self
            .containers_of(service)
            .await?
            .into_iter()
            .partition(|container| container.labels.get(names::SPEC) == wanted.labels.get(names::SPEC));
        if before.is_empty() {
            return Ok(false);
        }
        self.retire(&failed).await?;
        for container in &before {
            self.begin(service, &container.id, None).await?;
        }
        Ok(true)
    }

    async fn stop_all(&self, containers: &[ContainerInfo]) -> Result<()> {
        for container in containers {
            self.engine.stop(&container.id, None).await?;
        }
        Ok(())
    }

    /// Stops and removes containers of a service.
    async fn retire(&self, containers: &[ContainerInfo]) -> Result<()> {
        self.stop_all(containers).await?;
        for container in containers {
            self.engine.remove_container(&container.id).await?;
        }
        Ok(())
    }

    /// Stops and removes every container of a service.
    pub(super) async fn remove_service(&self, service: Service) -> Result<()> {
        let all = self.containers_of(service).await?;
        self.retire(&all).await
    }

    /// Stops every container of a service, leaving it there.
    pub(super) async fn stop(&self, service: Service) -> Result<usize> {
        let running: Vec<_> = self
            .containers_of(service)
            .await?
            .into_iter()
            .filter(|container| matches!(container.state, ContainerState::Running | ContainerState::Broken))
            .collect();
        self.stop_all(&running).await?;
        Ok(running.len())
    }

    /// Removes helpers that their starters did not live to remove.
    pub(super) async fn sweep_helpers(&self) -> Result<()> {
        for role in [firewall::ROLE, base_configuration::TRIAL] {
            for helper in self.engine.containers(&names::platform_labels(&self.id, role)).await? {
                if helper.state != ContainerState::Running {
                    self.engine.remove_container(&helper.id).await?;
                }
            }
        }
        Ok(())
    }

    fn socket_of(&self, service: Service) -> Option<PathBuf> {
        match service {
            Service::Api => Some(self.home.api_socket()),
            Service::Gateway => Some(self.home.gateway_socket()),
            Service::Edge => Some(self.home.door_socket()),
            Service::Postgres | Service::Worker => None,
        }
    }

    async fn wait_ready(&self, service: Service, id: &str, before: Option<u64>) -> Result<()> {
        let begun = Instant::now();
        let outcome = poll(service.ready_within(), || async move {
            let state = self.engine.inspect(id).await.map_err(|error| error.to_string())?;
            if state.state != ContainerState::Running {
                let why = if state.error.is_empty() {
                    format!("it ended with {}", state.exit_code)
                } else {
                    state.error
                };
                return Err(why);
            }
            self.answers(service, before).await
        })
        .await;
        let Err(reason) = outcome else { return Ok(()) };
        let logs = self.engine.logs(id, 20).await.unwrap_or_default();
        Err(Error::Unhealthy { service, within: begun.elapsed(), reason, logs: logs.trim().to_owned() })
    }

    /// Whether the service answers. With `before`, the answer must come from another socket than that one: the
    /// old process answers at it until the new one has renamed its own over it.
    pub(super) async fn answers(
        &self,
        service: Service,
        before: Option<u64>,
    ) -> std::result::Result<(), String> {
        if let Some(path) = self.socket_of(service)
            && before.is_some()
            && inode(&path) == before
        {
            return Err("it does not listen yet".into());
        }
        match service {
            Service::Postgres => self.registry_answers().await,
            Service::Api => {
                let path = self.home.api_socket();
                let status = probe::socket(&path, self.config.domain.as_str(), "/healthz").await?;
                if status.is_success() { Ok(()) } else { Err(format!("/healthz answers {status}")) }
            }
            // Whatever the answer, somebody gave it: the apex is no tenant's, so it is a page of the gateway's own.
            Service::Gateway => {
                let path = self.home.gateway_socket();
                probe::socket(&path, self.config.domain.as_str(), "/").await.map(drop)
            }
            Service::Edge => self.edge().healthy().await.map(drop).map_err(|error| error.to_string()),
            Service::Worker => self.worker_is_steady().await,
        }
    }

    /// A worker listens nowhere; it is up when it stays up.
    async fn worker_is_steady(&self) -> std::result::Result<(), String> {
        let look = async || -> engine::Result<Vec<(String, String)>> {
            let mut seen = Vec::new();
            for container in self.engine.containers(&names::platform_labels(&self.id, "worker")).await? {
                if container.state == ContainerState::Running {
                    seen.push((container.id.clone(), self.engine.inspect(&container.id).await?.started_at));
                }
            }
            Ok(seen)
        };
        let first = look().await.map_err(|error| error.to_string())?;
        tokio::time::sleep(STEADY).await;
        let second = look().await.map_err(|error| error.to_string())?;
        if !first.is_empty() && first == second { Ok(()) } else { Err("it does not stay up".into()) }
    }
}

/// Repeats a question until it is answered with success; its last failure when the time is up.
pub(super) async fn poll<F>(within: Duration, mut ask: impl FnMut() -> F) -> std::result::Result<(), String>
where
    F: Future<Output = std::result::Result<(), String>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(()) => return Ok(()),
            Err(reason) if begun.elapsed() >= within => return Err(reason),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn inode(path: &std::path::Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}
