//! Docker, over its socket. The only room that names bollard.

mod asked;
mod call;
mod containers;
mod images;
mod seen;
mod tarball;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{NetworkDisconnectRequest, Volume, VolumeCreateRequest};
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptions, ListNetworksOptions, ListVolumesOptions,
    RemoveImageOptions, RemoveVolumeOptions,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::OnceCell;

use super::names::{self, Labels};
use super::{
    BuildLog, BuildSpec, ContainerInfo, ContainerSpec, Engine, EngineEvent, EngineInfo, Error, ImageInfo,
    Inspection, NetworkInfo, NetworkSpec, Result, VolumeInfo, VolumeSpec,
};
use crate::model::ids::InstallationId;
use crate::model::plan::Limits;
use call::{CHANGE, READ, call, gone_is_fine, steps};

/// Docker as one installation sees it.
#[derive(Debug, Clone)]
pub struct Docker {
    client: bollard::Docker,
    installation: InstallationId,
    /// The largest packet of the machine's default bridge, where it is not the usual one.
    mtu: OnceCell<Option<String>>,
}

impl Docker {
    /// Speaks to the engine at this socket from now on; nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when there is no socket.
    pub fn connect(socket: &Path, installation: InstallationId) -> Result<Self> {
        // The client's own limit, in seconds, stands behind all of ours; it matters for no call but a build's.
        let client =
            bollard::Docker::connect_with_unix(&socket.to_string_lossy(), 900, bollard::API_DEFAULT_VERSION)
                .map_err(|failure| call::in_our_words("connect", READ, failure))?;
        Ok(Self { client, installation, mtu: OnceCell::new() })
    }

    /// These labels with the installation's own.
    fn own(&self, labels: &Labels) -> Labels {
        let mut own = names::installation_labels(&self.installation);
        own.extend(labels.iter().filter(|(key, _)| *key != names::INSTALLATION).map(pair));
        own
    }

    /// Refuses what belongs to somebody else.
    fn is_ours(&self, what: &str, labels: &Labels) -> Result<()> {
        if labels.get(names::INSTALLATION).map(String::as_str) == Some(self.installation.as_str()) {
            Ok(())
        } else {
            Err(Error::Conflict(format!("{what} does not belong to installation {}", self.installation)))
        }
    }

    /// Refuses what was made for something else under the same name.
    fn is_this(&self, what: &str, wanted: &Labels, found: &Labels) -> Result<()> {
        self.is_ours(what, found)?;
        match wanted.iter().find(|(key, value)| found.get(*key) != Some(value)) {
            None => Ok(()),
            Some((key, _)) => Err(Error::Conflict(format!("{what} exists with another {key}"))),
        }
    }

    async fn mtu(&self) -> Result<Option<&str>> {
        let found = self
            .mtu
            .get_or_try_init(|| async {
                let asked = self.client.inspect_network("bridge", None::<InspectNetworkOptions>);
                match call("tell its default bridge", READ, asked).await {
                    Ok(bridge) => Ok(bridge.options.and_then(|mut options| options.remove(asked::MTU))),
                    Err(Error::NotFound(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .await?;
        Ok(found.as_deref())
    }

    async fn find_network(&self, spec: &NetworkSpec) -> Result<Option<String>> {
        // the engine takes a part of a name for the name
        let mut filters = asked::filter(&self.own(&Labels::new()));
        filters.insert("name".to_owned(), vec![spec.name.clone()]);
        let all = self.filtered_networks(filters).await?;
        let Some(found) = all.into_iter().find(|network| network.name == spec.name) else {
            return Ok(None);
        };
        self.is_this(&format!("network {}", spec.name), &self.own(&spec.labels), &found.labels)?;
        if found.subnet != Some(spec.subnet) {
            return Err(Error::Conflict(format!("network {} exists with another subnet", spec.name)));
        }
        Ok(Some(found.id))
    }

    async fn filtered_networks(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<NetworkInfo>> {
        let options = ListNetworksOptions { filters: Some(filters) };
        let list = call("list networks", READ, self.client.list_networks(Some(options))).await?;
        Ok(list.into_iter().map(seen::network).collect())
    }

    async fn labelled_volumes(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Volume>> {
        let options = ListVolumesOptions { filters: Some(filters) };
        let list = call("list volumes", READ, self.client.list_volumes(Some(options))).await?;
        Ok(list.volumes.unwrap_or_default())
    }

    async fn empty_network(&self, id: &str) -> Result<()> {
        let asked = self.client.inspect_network(id, None::<InspectNetworkOptions>);
        let network = call("tell of a network", READ, asked).await?;
        self.is_ours(&format!("network {id}"), &seen::labels(network.labels))?;
        for container in network.containers.unwrap_or_default().into_keys() {
            match self.inspect(&container).await {
                Ok(_) => {
                    let request = NetworkDisconnectRequest { container, force: Some(true) };
                    let asked = self.client.disconnect_network(id, request);
                    gone_is_fine(call("disconnect a container", CHANGE, asked).await)?;
                }
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        call("remove a network", CHANGE, self.client.remove_network(id)).await
    }
}

fn pair((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

#[async_trait]
impl Engine for Docker {
    async fn info(&self) -> Result<EngineInfo> {
        let version = call("tell its version", READ, self.client.version()).await?;
        let info = call("tell of its machine", READ, self.client.info()).await?;
        Ok(seen::engine(version, info))
    }

    async fn networks(&self, filter: &Labels) -> Result<Vec<NetworkInfo>> {
        self.filtered_networks(asked::filter(&self.own(filter))).await
    }

    async fn volumes(&self, filter: &Labels) -> Result<Vec<VolumeInfo>> {
        let all = self.labelled_volumes(asked::filter(&self.own(filter))).await?;
        Ok(all
            .into_iter()
            .filter(|volume| !volume.labels.contains_key(names::SECRETS))
            .map(|volume| VolumeInfo { name: volume.name, labels: volume.labels.into_iter().collect() })
            .collect())
    }

    async fn containers(&self, filter: &Labels) -> Result<Vec<ContainerInfo>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(asked::filter(&self.own(filter))),
            ..ListContainersOptions::default()
        };
        let list = call("list containers", READ, self.client.list_containers(Some(options))).await?;
        Ok(list.into_iter().map(seen::container).collect())
    }

    async fn ensure_network(&self, spec: &NetworkSpec) -> Result<String> {
        // Docker 20.10 would make a second one of the same name, so it is looked for first.
        if let Some(id) = self.find_network(spec).await? {
            return Ok(id);
        }
        let request = asked::network(spec, &self.own(&spec.labels), self.mtu().await?);
        match call("create a network", CHANGE, self.client.create_network(request)).await {
            Ok(made) => Ok(made.id),
            Err(Error::Conflict(message)) => self.find_network(spec).await?.ok_or(Error::Conflict(message)),
            Err(error) => Err(error),
        }
    }

    async fn ensure_volume(&self, spec: &VolumeSpec) -> Result<()> {
        let labels = self.own(&spec.labels);
        let request = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            driver: Some("local".to_owned()),
            labels: Some(asked::map(&labels)),
            ..VolumeCreateRequest::default()
        };
        // For a name that exists Docker answers the volume that has it.
        let volume = call("create a volume", CHANGE, self.client.create_volume(request)).await?;
        let found: Labels = volume.labels.into_iter().collect();
        self.is_this(&format!("volume {}", spec.name), &labels, &found)
    }

    async fn ensure_container(&self, spec: &ContainerSpec) -> Result<String> {
        steps("create a container", CHANGE, self.create(spec)).await
    }

    async fn start(&self, id: &str) -> Result<()> {
        self.inspect(id).await?;
        call("start a container", CHANGE, self.client.start_container(id, None)).await
    }

    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        gone_is_fine(self.stop_ours(id, grace).await)
    }

    async fn kill(&self, id: &str, signal: &str) -> Result<()> {
        self.signal(id, signal).await
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        gone_is_fine(steps("remove a container", CHANGE, self.remove(id)).await)
    }

    async fn remove_network(&self, id: &str) -> Result<()> {
        gone_is_fine(steps("remove a network", CHANGE, self.empty_network(id)).await)
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        let removed = async {
            let volume = call("tell of a volume", READ, self.client.inspect_volume(name)).await?;
            self.is_ours(&format!("volume {name}"), &volume.labels.into_iter().collect())?;
            call("remove a volume", CHANGE, self.client.remove_volume(name, None::<RemoveVolumeOptions>))
                .await
        };
        gone_is_fine(removed.await)
    }

    async fn remove_stray_secrets(&self) -> Result<usize> {
        // A volume of a container that is just being made is in use from its first moment.
        let mut filter = asked::filter(&self.own(&Labels::new()));
        filter.insert("dangling".to_owned(), vec!["true".to_owned()]);
        let mut removed = 0;
        for volume in self.labelled_volumes(filter).await? {
            if !volume.labels.contains_key(names::SECRETS) {
                continue;
            }
            match self.remove_volume(&volume.name).await {
                Ok(()) => removed += 1,
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    async fn set_limits(&self, id: &str, limits: Limits) -> Result<()> {
        self.inspect(id).await?;
        let update = asked::limits(Some(limits));
        call("change limits", CHANGE, self.client.update_container(id, update)).await
    }

    async fn logs(&self, id: &str, lines: usize) -> Result<String> {
        steps("tell what a container wrote", READ, self.written(id, lines)).await
    }

    async fn inspect(&self, id: &str) -> Result<Inspection> {
        let seen = call("tell of a container", READ, self.client.inspect_container(id, None)).await?;
        let inspection = seen::inspection(seen);
        self.is_ours(&format!("container {id}"), &inspection.labels)?;
        Ok(inspection)
    }

    async fn wait_exit(&self, id: &str, within: Duration) -> Result<i64> {
        steps("see a container end", within, self.ended(id)).await
    }

    async fn endpoint(&self, id: &str, network: &str, port: u16) -> Result<SocketAddr> {
        let seen = self.inspect(id).await?;
        // A container's address in a bridge can be dialled from the machine that has the bridge.
        seen.addresses
            .get(network)
            .map(|address| SocketAddr::new((*address).into(), port))
            .ok_or_else(|| Error::NotFound(format!("container {id} does not run in network {network}")))
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInfo>> {
        self.find_image(name).await
    }

    async fn pull(&self, name: &str, within: Duration) -> Result<()> {
        steps("fetch an image", within, self.fetch(name)).await
    }

    async fn build(&self, spec: &BuildSpec, log: &BuildLog<'_>) -> Result<String> {
        steps("build an image", spec.within, self.build_image(spec, log)).await
    }

    async fn import(&self, tar: &Path, tag: &str) -> Result<String> {
        steps("import an image", images::IMPORT, self.import_image(tar, tag)).await
    }

    async fn remove_image(&self, name: &str) -> Result<()> {
        let removed =
            call("remove an image", CHANGE, self.client.remove_image(name, None::<RemoveImageOptions>, None))
                .await;
        gone_is_fine(removed.map(drop))
    }

    async fn events(&self) -> Result<BoxStream<'static, Result<EngineEvent>>> {
        let installation = self.installation.clone();
        let stream = self.client.events(None).filter_map(move |event| {
            let event = match event {
                Ok(event) => seen::event(event, &installation).map(Ok),
                Err(failure) => Some(Err(call::in_our_words("tell what happens", READ, failure))),
            };
            std::future::ready(event)
        });
        Ok(stream.boxed())
    }
}
