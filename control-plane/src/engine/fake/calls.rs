//! The calls of the engine in memory, each a change of its state.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio_stream::wrappers::BroadcastStream;

use super::{Container, Fake, attachments, carries, same};
use crate::engine::names::Labels;
use crate::engine::{
    BuildLog, BuildSpec, ContainerInfo, ContainerSpec, Engine, EngineEvent, EngineInfo, Error, EventKind,
    ImageInfo, Inspection, Mount, NetworkInfo, NetworkMode, NetworkSpec, Result, VolumeInfo, VolumeSpec,
};
use crate::model::observed::ContainerState;
use crate::model::plan::Limits;

#[async_trait]
impl Engine for Fake {
    async fn info(&self) -> Result<EngineInfo> {
        self.run("info", "", |_| {
            Ok(EngineInfo {
                version: "20.10.24".into(),
                api_version: "1.41".into(),
                cgroup_version: "2".into(),
                architecture: "x86_64".into(),
                cpus: 2,
                memory_bytes: 8 << 30,
                data_directory: String::new(),
                enforces_limits: true,
            })
        })
    }

    async fn networks(&self, filter: &Labels) -> Result<Vec<NetworkInfo>> {
        let filter = self.own(filter);
        self.run("networks", "", |state| {
            let all = state.networks.iter().filter(|(_, (_, labels))| carries(labels, &filter));
            Ok(all
                .map(|(id, (spec, labels))| NetworkInfo {
                    id: id.clone(),
                    name: spec.name.clone(),
                    labels: labels.clone(),
                    subnet: Some(spec.subnet),
                })
                .collect())
        })
    }

    async fn volumes(&self, filter: &Labels) -> Result<Vec<VolumeInfo>> {
        let filter = self.own(filter);
        self.run("volumes", "", |state| {
            let all = state.volumes.iter().filter(|(_, labels)| carries(labels, &filter));
            Ok(all.map(|(name, labels)| VolumeInfo { name: name.clone(), labels: labels.clone() }).collect())
        })
    }

    async fn containers(&self, filter: &Labels) -> Result<Vec<ContainerInfo>> {
        let filter = self.own(filter);
        self.run("containers", "", |state| {
            let images = &state.images;
            let image_id = |name: &String| images.get(name).map_or_else(|| name.clone(), |i| i.id.clone());
            let all = state.containers.values().filter(|container| carries(&container.labels, &filter));
            Ok(all
                .map(|container| ContainerInfo {
                    id: container.id.clone(),
                    name: container.spec.name.clone(),
                    labels: container.labels.clone(),
                    state: container.state,
                    image_id: image_id(&container.spec.image),
                    networks: attachments(container),
                    created: container.created,
                    status: format!("{:?}", container.state),
                })
                .collect())
        })
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<String> {
        let labels = self.own(&spec.labels);
        self.run("ensure_network", &spec.name, |state| {
            for (id, (found, own)) in &state.networks {
                if found.name == spec.name {
                    same(&spec.name, &labels, own)?;
                    return Ok(id.clone());
                }
                if found.subnet.contains(&spec.subnet) || spec.subnet.contains(&found.subnet) {
                    return Err(Error::Conflict(format!("{} overlaps with {}", spec.subnet, found.name)));
                }
            }
            let id = state.new_id();
            state.networks.insert(id.clone(), (spec.clone(), labels));
            Ok(id)
        })
    }

    async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<()> {
        let labels = self.own(&spec.labels);
        self.run("ensure_volume", &spec.name, |state| {
            let found = state.volumes.entry(spec.name.clone()).or_insert_with(|| labels.clone());
            same(&spec.name, &labels, found)
        })
    }

    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<String> {
        let labels = self.own(&spec.labels);
        self.run("ensure_container", &spec.name, |state| {
            if let Ok(found) = state.container(&spec.name) {
                return same(&spec.name, &labels, &found.labels).map(|()| found.id.clone());
            }
            let known =
                state.images.iter().any(|(name, image)| *name == spec.image || image.id == spec.image);
            if !known {
                return Err(Error::NotFound(format!("No such image: {}", spec.image)));
            }
            for mount in &spec.mounts {
                // As Docker does: a volume that is missing comes into being, without labels.
                if let Mount::Volume { name, .. } = mount {
                    state.volumes.entry(name.clone()).or_default();
                }
            }
            let network = match &spec.network {
                NetworkMode::Network { name, .. } => {
                    let found = state.networks.iter().find(|(_, (network, _))| network.name == *name);
                    Some((found.map(|(id, _)| id.clone()).unwrap_or_default(), name.clone()))
                }
                NetworkMode::Host | NetworkMode::None => None,
            };
            let id = state.new_id();
            let container = Container {
                id: id.clone(),
                spec: spec.clone(),
                labels,
                state: ContainerState::Created,
                network,
                address: None,
                limits: spec.limits,
                exit_code: 0,
                created: state.made,
            };
            state.containers.insert(id.clone(), container);
            Ok(id)
        })
    }

    async fn start(&self, id: &str) -> Result<()> {
        self.run("start", id, |state| {
            let container = state.container(id)?.clone();
            if container.state == ContainerState::Running {
                return Ok(());
            }
            // A network is found by its name: one that was made again is another one.
            let network = match &container.network {
                Some((_, name)) => {
                    let found = state.networks.iter().find(|(_, (spec, _))| spec.name == *name);
                    let id = found.map(|(id, _)| id.clone());
                    let id = id.ok_or_else(|| Error::NotFound(format!("network {name} not found")))?;
                    Some((id, name.clone()))
                }
                None => None,
            };
            let address = network.as_ref().map(|(id, _)| state.free_address(id)).transpose()?;
            let container = state.container(id)?;
            container.network = network;
            container.address = address;
            container.state = ContainerState::Running;
            Ok(())
        })?;
        self.tell(EventKind::Container, id, "start");
        Ok(())
    }

    async fn stop(&self, id: &str, _grace: Option<Duration>) -> Result<()> {
        self.run("stop", id, |state| {
            if let Ok(container) = state.container(id)
                && container.state == ContainerState::Running
            {
                container.state = ContainerState::Exited;
                container.address = None;
            }
            Ok(())
        })?;
        self.tell(EventKind::Container, id, "die");
        Ok(())
    }

    async fn kill(&self, id: &str, signal: &str) -> Result<()> {
        self.run("kill", id, |state| {
            let container = state.container(id)?;
            if container.state != ContainerState::Running {
                return Err(Error::Conflict(format!("Container {id} is not running")));
            }
            if signal.ends_with("KILL") {
                container.state = ContainerState::Exited;
                container.address = None;
                container.exit_code = 137;
            }
            Ok(())
        })
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.run("remove_container", id, |state| {
            if let Ok(container) = state.container(id) {
                let id = container.id.clone();
                state.containers.remove(&id);
            }
            Ok(())
        })
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        self.run("remove_network", id, |state| {
            for container in state.containers.values_mut() {
                if container.network.as_ref().is_some_and(|(network, _)| network == id) {
                    container.network = None;
                    container.address = None;
                }
            }
            state.networks.remove(id);
            Ok(())
        })
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        self.run("remove_volume", name, |state| {
            let uses = |mount: &Mount| matches!(mount, Mount::Volume { name: used, .. } if used == name);
            if state.containers.values().any(|container| container.spec.mounts.iter().any(uses)) {
                return Err(Error::Conflict(format!("volume {name} is in use")));
            }
            state.volumes.remove(name);
            Ok(())
        })
    }

    async fn remove_stray_secrets(&self) -> Result<usize> {
        self.run("remove_stray_secrets", "", |_| Ok(0))
    }

    async fn set_limits(&self, id: &str, limits: Limits) -> Result<()> {
        self.run("set_limits", id, |state| {
            state.container(id)?.limits = Some(limits);
            Ok(())
        })
    }

    async fn logs(&self, id: &str, _lines: usize) -> Result<String> {
        self.run("logs", id, |state| state.container(id).map(|_| String::new()))
    }

    async fn inspect(&self, id: &str) -> Result<Inspection> {
        self.run("inspect", id, |state| {
            let container = state.container(id)?.clone();
            let image = state.images.get(&container.spec.image);
            let addresses = attachments(&container);
            Ok(Inspection {
                id: container.id,
                name: container.spec.name,
                labels: container.labels,
                image_id: image.map_or(container.spec.image, |image| image.id.clone()),
                state: container.state,
                exit_code: container.exit_code,
                oom_killed: false,
                started_at: String::new(),
                error: String::new(),
                addresses: addresses
                    .into_iter()
                    .filter_map(|(name, attachment)| Some((name, attachment.address?)))
                    .collect(),
                limits: container.limits.unwrap_or(Limits { memory_mib: 0, cpu_millis: 0, pids: 0 }),
                stop_grace: container.spec.stop_grace,
            })
        })
    }

    async fn wait_exit(&self, id: &str, within: Duration) -> Result<i64> {
        self.run("wait_exit", id, |state| {
            let container = state.container(id)?;
            match container.state {
                ContainerState::Running => Err(Error::Timeout { what: "see a container end", within }),
                _ => Ok(container.exit_code),
            }
        })
    }

    async fn endpoint(&self, id: &str, network: &str, port: u16) -> Result<SocketAddr> {
        self.run("endpoint", id, |state| {
            let container = state.container(id)?.clone();
            let address = attachments(&container).get(network).and_then(|attachment| attachment.address);
            let address = address.ok_or_else(|| Error::NotFound(format!("{id} in network {network}")))?;
            Ok(SocketAddr::new(address.into(), port))
        })
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInfo>> {
        self.run("image", name, |state| {
            let by_id = || state.images.values().find(|image| image.id == name);
            Ok(state.images.get(name).or_else(by_id).cloned())
        })
    }

    async fn pull(&self, name: &str, _within: Duration) -> Result<()> {
        self.run("pull", name, |state| match state.images.contains_key(name) {
            true => Ok(()),
            false => Err(Error::NotFound(format!("manifest for {name} not found"))),
        })
    }

    async fn build(&self, spec: &BuildSpec, log: &BuildLog<'_>) -> Result<String> {
        self.run("build", &spec.tag, |_| Ok(()))?;
        log("Step 1/1 : FROM memory");
        Ok(self.add_image(&spec.tag, ""))
    }

    async fn import(&self, _tar: &Path, tag: &str) -> Result<String> {
        self.run("import", tag, |_| Ok(()))?;
        Ok(self.add_image(tag, ""))
    }

    async fn remove_image(&self, name: &str) -> Result<()> {
        self.run("remove_image", name, |state| {
            state.images.remove(name);
            Ok(())
        })
    }

    async fn events(&self) -> Result<BoxStream<'static, Result<EngineEvent>>> {
        self.run("events", "", |_| Ok(()))?;
        let stream = BroadcastStream::new(self.events.subscribe());
        Ok(stream.filter_map(|event| std::future::ready(event.ok().map(Ok))).boxed())
    }
}
