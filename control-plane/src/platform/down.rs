//! `down`: the machine becomes quiet and everything is kept; `down --erase`: nothing of this installation is left.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::images::{self, Images};
use super::services::Service;
use super::{Error, Platform, Report, Result};
use crate::engine::{ContainerInfo, Engine, Labels, names};
use crate::model::observed::ContainerState;

/// How many are stopped or removed at a time.
const AT_ONCE: usize = 8;

/// How many objects were stopped or removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub containers: usize,
    pub networks: usize,
    pub volumes: usize,
}

impl Platform {
    /// Stops the platform, then every house: apps before databases. Nothing is removed, and the next `up` brings
    /// all of it back. The firewall stays in force.
    ///
    /// # Errors
    /// When the engine does not stop something; a second run goes on.
    pub async fn down(&self, report: &dyn Report) -> Result<Counts> {
        let begun = std::time::Instant::now();
        let mut stopped = 0;
        report.begin("stopping the platform");
        // The worker first: it would start again what is stopped under its eyes. The database last: all others
        // still write to it.
        for service in [Service::Worker, Service::Edge, Service::Gateway, Service::Api, Service::Postgres] {
            stopped += self.stop(service).await?;
        }
        report.done(&format!("{stopped} containers"), begun.elapsed());

        let begun = std::time::Instant::now();
        report.begin("stopping the houses");
        let houses = self.running_in_houses().await?;
        let count = houses.len();
        // The youngest first: a service is started after those that it needs.
        stop_all(&self.engine, newest_first(houses)).await?;
        report.done(&format!("{count} containers"), begun.elapsed());
        Ok(Counts { containers: stopped + count, ..Counts::default() })
    }

    async fn running_in_houses(&self) -> Result<Vec<ContainerInfo>> {
        let all = self.engine.containers(&Labels::new()).await?;
        Ok(all
            .into_iter()
            .filter(|container| container.labels.contains_key(names::HOUSE))
            .filter(|container| matches!(container.state, ContainerState::Running | ContainerState::Broken))
            .collect())
    }

    /// Removes every container, network and volume that carries this installation's label, its firewall table, and
    /// what `up` wrote into its directory. Images stay: they are shared with other installations.
    ///
    /// # Errors
    /// When something cannot be removed; a second run goes on.
    pub async fn erase(&self, report: &dyn Report) -> Result<Counts> {
        let begun = std::time::Instant::now();
        report.begin("removing containers");
        let image = self.helper_image().await?;
        let mut counts = Counts { containers: self.remove_containers().await?, ..Counts::default() };
        report.done(&counts.containers.to_string(), begun.elapsed());

        let begun = std::time::Instant::now();
        report.begin("removing networks and volumes");
        let engine = &self.engine;
        let networks = engine.networks(&Labels::new()).await?;
        counts.networks = networks.len();
        let networks =
            stream::iter(networks).map(|network| async move { engine.remove_network(&network.id).await });
        let volumes = engine.volumes(&Labels::new()).await?;
        counts.volumes = volumes.len();
        let volumes =
            stream::iter(volumes).map(|volume| async move { engine.remove_volume(&volume.name).await });
        tokio::try_join!(
            networks.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>(),
            volumes.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>(),
        )?;
        self.engine.remove_stray_secrets().await?;
        report.done(&format!("{} networks, {} volumes", counts.networks, counts.volumes), begun.elapsed());

        // The table last, so that no house is ever without it.
        let begun = std::time::Instant::now();
        report.begin("removing the firewall");
        self.remove_firewall(image.as_deref()).await?;
        report.done("done", begun.elapsed());
        self.home.erase().map_err(|source| Error::File { path: self.home.root().to_owned(), source })?;
        Ok(counts)
    }

    async fn remove_containers(&self) -> Result<usize> {
        let mut removed = 0;
        // The worker makes new ones as long as it lives.
        for container in self.containers_of(Service::Worker).await? {
            self.engine.stop(&container.id, Some(Duration::from_secs(5))).await?;
            self.engine.remove_container(&container.id).await?;
            removed += 1;
        }
        let all = self.engine.containers(&Labels::new()).await?;
        removed += all.len();
        let engine = &self.engine;
        stream::iter(all)
            .map(|container| async move { engine.remove_container(&container.id).await })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(removed)
    }

    /// An image that helpers can run from: that of any container of the control plane.
    pub(super) async fn helper_image(&self) -> Result<Option<String>> {
        for service in [Service::Worker, Service::Api, Service::Gateway] {
            if let Some(container) = self.containers_of(service).await?.into_iter().next() {
                return Ok(Some(container.image_id));
            }
        }
        if let Ok(last) = Images::load(&self.home.images())
            && let Some(id) = self.engine.image_id(&last.control_plane).await?
        {
            return Ok(Some(id));
        }
        Ok(images::control_plane(self.engine.as_ref()).await?)
    }

    async fn remove_firewall(&self, image: Option<&str>) -> Result<()> {
        // Without an image nothing of ours ever ran here, and nobody has loaded a table.
        let Some(image) = image else { return Ok(()) };
        Ok(self.firewall(image).remove().await?)
    }
}

fn newest_first(mut containers: Vec<ContainerInfo>) -> Vec<ContainerInfo> {
    containers.sort_by(|one, other| {
        let house = |container: &ContainerInfo| container.labels.get(names::HOUSE).cloned();
        house(one).cmp(&house(other)).then(other.created.cmp(&one.created))
    });
    containers
}

/// Stops containers house by house, several houses at a time, each house's in the given order.
async fn stop_all(engine: &Arc<dyn Engine>, containers: Vec<ContainerInfo>) -> Result<()> {
    let mut houses: Vec<Vec<ContainerInfo>> = Vec::new();
    for container in containers {
        let same = |house: &&mut Vec<ContainerInfo>| {
            house
                .last()
                .is_some_and(|last| last.labels.get(names::HOUSE) == container.labels.get(names::HOUSE))
        };
        match houses.last_mut().filter(same) {
            Some(house) => house.push(container),
            None => houses.push(vec![container]),
        }
    }
    stream::iter(houses)
        .map(|house| async move {
            for container in house {
                engine.stop(&container.id, None).await?;
            }
            Ok::<(), Error>(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}
