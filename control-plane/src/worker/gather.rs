//! Observes: what the engine and the edge say is there, for one house or for all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::future::join_all;

use super::failure::{Failure, chain};
use super::house::House;
use super::{Worker, probe};
use crate::edge::{self, Route};
use crate::engine::{ContainerInfo, NetworkInfo, VolumeInfo, names};
use crate::model::desired::SpecHash;
use crate::model::hostname::HostName;
use crate::model::observed::{ContainerState, Fact, Observed, SeenContainer, SeenDatabase};
use crate::model::stack::Health;

/// What a house looks like from outside, for telling whether anything changed since it was as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Print {
    pub generation: i64,
    pub containers: BTreeMap<String, ContainerState>,
    pub networks: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    pub routes: BTreeMap<HostName, SocketAddr>,
}

/// A house as it was seen.
pub(super) struct Seen {
    pub observed: Observed,
    print: Print,
}

impl Seen {
    /// What it looked like when it was as it should be for this generation.
    pub(super) fn print(&self, generation: i64) -> Print {
        Print { generation, ..self.print.clone() }
    }
}

/// Everything of this installation or of one house, in one list call each.
pub(super) struct Everything {
    pub containers: Vec<ContainerInfo>,
    pub networks: Vec<NetworkInfo>,
    pub volumes: Vec<VolumeInfo>,
    /// `None` while the edge does not tell.
    pub routes: Option<Vec<Route>>,
}

/// Lists everything.
pub(super) async fn everything(worker: &Worker) -> Result<Everything, Failure> {
    list(worker, &names::Labels::new(), worker.deps.edge.routes()).await
}

/// Lists all that carries these labels, beside these routes.
async fn list(
    worker: &Worker,
    labels: &names::Labels,
    routes: impl Future<Output = edge::Result<Vec<Route>>>,
) -> Result<Everything, Failure> {
    let engine = &worker.deps.engine;
    let (containers, networks, volumes, routes) =
        tokio::join!(engine.containers(labels), engine.networks(labels), engine.volumes(labels), routes,);
    let routes = routes
        .inspect_err(|error| tracing::warn!(error = chain(error), "the edge does not tell its routes"))
        .ok();
    Ok(Everything { containers: containers?, networks: networks?, volumes: volumes?, routes })
}

impl Print {
    /// How a house looks among everything.
    pub(super) fn of(house: &str, generation: i64, all: &Everything) -> Self {
        let ours = |labels: &names::Labels| labels.get(names::HOUSE).is_some_and(|label| label == house);
        Self {
            generation,
            containers: all
                .containers
                .iter()
                .filter(|container| ours(&container.labels))
                .map(|container| (container.id.clone(), container.state))
                .collect(),
            networks: all.networks.iter().filter(|net| ours(&net.labels)).map(|net| net.id.clone()).collect(),
            volumes: all.volumes.iter().filter(|vol| ours(&vol.labels)).map(|vol| vol.name.clone()).collect(),
            routes: all
                .routes
                .iter()
                .flatten()
                .filter(|route| route.house.as_str() == house)
                .map(|route| (route.host.clone(), route.address))
                .collect(),
        }
    }
}

/// Looks at one house: what the engine has of it, what the edge routes to it, and whether its services answer.
pub(super) async fn house(worker: &Worker, house: &House) -> Result<Seen, Failure> {
    let id = &house.record.house;
    let labels = names::house_labels(&worker.deps.installation, id);
    // a route of one of our names into another house is as wrong as one of another name into ours
    let routes = worker.deps.edge.routes_of(id, &house.desired.hosts);
    let mut all = list(worker, &labels, routes).await?;
    all.networks.sort_by(|one, other| one.id.cmp(&other.id));
    let print = Print::of(id.as_str(), house.record.tenant.generation, &all);
    let network = all.networks.first().map(|network| network.id.as_str());
    let containers =
        join_all(all.containers.iter().filter_map(|container| seen(house, container, network))).await;
    let web_port = house.stack.services.get(&house.stack.web).and_then(|service| service.port);
    let addresses = all
        .containers
        .iter()
        .filter(|container| {
            container.labels.get(names::SERVICE).is_some_and(|name| *name == house.stack.web.as_str())
        })
        .filter_map(|container| Some((container.id.clone(), address(container, network, web_port)?)))
        .collect();
    let routes = match &all.routes {
        Some(routes) => Fact::Known(routes.iter().map(|route| (route.host.clone(), route.address)).collect()),
        None => Fact::Unknown,
    };
    let observed = Observed {
        networks: Fact::Known(all.networks.iter().map(|network| network.id.clone()).collect()),
        volumes: Fact::Known(all.volumes.iter().map(|volume| volume.name.clone()).collect()),
        containers: Fact::Known(containers),
        routes,
        database: SeenDatabase {
            prepared: house.record.prepared,
            schema: house.record.schema_version,
            read_only: house.record.read_only,
            connections: house.record.connections_applied,
        },
        addresses,
    };
    Ok(Seen { observed, print })
}

/// One container, asked whether it answers if it runs and is the one to keep. `None` for what is not of a stack.
fn seen<'a>(
    house: &'a House,
    container: &'a ContainerInfo,
    network: Option<&'a str>,
) -> Option<impl Future<Output = SeenContainer> + use<'a>> {
    let service = container.labels.get(names::SERVICE)?.parse().ok()?;
    let hash = SpecHash(container.labels.get(names::SPEC).cloned().unwrap_or_default());
    let spec = house.stack.services.get(&service);
    let wanted = house.desired.services.get(&service).is_some_and(|wanted| wanted.hash == hash);
    let runs = container.state == ContainerState::Running;
    let address = address(container, network, spec.and_then(|spec| spec.port));
    let question = spec.filter(|_| runs && wanted).map(|spec| &spec.health);
    // one that never ran is not told which network it will be in; it finds it by its name when it is started
    let attached = match network {
        Some(network) => container
            .networks
            .values()
            .any(|attachment| attachment.network_id == network || attachment.network_id.is_empty()),
        None => container.state == ContainerState::Created,
    };
    let limits = house.record.limits_applied.get(&container.id).copied();
    let (id, state) = (container.id.clone(), container.state);
    Some(async move {
        let healthy = match (question, address) {
            (Some(Health::None), _) => Some(true),
            (Some(health), Some(address)) => Some(probe::answers(health, address).await.is_ok()),
            (Some(_), None) => Some(false),
            (None, _) => None,
        };
        SeenContainer { id, service, hash, state, limits, attached, healthy }
    })
}

fn address(container: &ContainerInfo, network: Option<&str>, port: Option<u16>) -> Option<SocketAddr> {
    let attachment =
        container.networks.values().find(|attachment| Some(attachment.network_id.as_str()) == network)?;
    Some(SocketAddr::from((attachment.address?, port?)))
}
