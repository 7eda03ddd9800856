//! An engine in memory, for tests: it keeps what was made, hands out addresses, refuses what Docker refuses, and
//! fails where it is told to, before the effect or after it, as an engine whose answer is lost.

mod calls;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::names::{self, Labels};
use super::{Attachment, ContainerSpec, EngineEvent, Error, EventKind, ImageInfo, NetworkSpec, Result};
use crate::model::ids::InstallationId;
use crate::model::observed::ContainerState;
use crate::model::plan::Limits;

/// When a call that was told to fail does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// It was done, but the caller does not learn it.
    After,
}

#[derive(Debug, Clone)]
struct Fault {
    call: String,
    when: When,
    error: Error,
}

#[derive(Debug, Clone)]
struct Container {
    id: String,
    spec: ContainerSpec,
    labels: Labels,
    state: ContainerState,
    network: Option<(String, String)>,
    address: Option<Ipv4Addr>,
    limits: Option<Limits>,
    exit_code: i64,
    created: i64,
}

#[derive(Debug, Default)]
struct State {
    made: i64,
    networks: BTreeMap<String, (NetworkSpec, Labels)>,
    volumes: BTreeMap<String, Labels>,
    containers: BTreeMap<String, Container>,
    images: BTreeMap<String, ImageInfo>,
    faults: Vec<Fault>,
    calls: Vec<String>,
}

impl State {
    fn new_id(&mut self) -> String {
        self.made += 1;
        format!("{:064x}", self.made)
    }

    /// By id or by name, as Docker takes both.
    fn container(&mut self, id: &str) -> Result<&mut Container> {
        self.containers
            .values_mut()
            .find(|container| container.id == id || container.spec.name == id)
            .ok_or_else(|| Error::NotFound(format!("No such container: {id}")))
    }

    fn free_address(&self, network: &str) -> Result<Ipv4Addr> {
        let (spec, _) =
            self.networks.get(network).ok_or_else(|| Error::NotFound(format!("network {network}")))?;
        let taken = |address: &Ipv4Addr| {
            *address == spec.gateway
                || self.containers.values().any(|other| {
                    other.address == Some(*address)
                        && other.network.as_ref().is_some_and(|(id, _)| id == network)
                })
        };
        let mut free = spec.subnet.hosts().filter(|address| !taken(address));
        free.next()
            .ok_or_else(|| Error::Refused { status: 500, message: "no available IPv4 addresses".into() })
    }
}

/// The engine in memory.
#[derive(Debug)]
pub struct Fake {
    installation: InstallationId,
    state: Mutex<State>,
    events: broadcast::Sender<EngineEvent>,
}

impl Fake {
    #[must_use]
    pub fn new(installation: InstallationId) -> Self {
        Self { installation, state: Mutex::default(), events: broadcast::channel(1024).0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has an image of this name from now on; answers its id. Containers of names or ids that it does not have
    /// cannot be made.
    pub fn add_image(&self, name: &str, user: &str) -> String {
        let mut state = self.state();
        let id = format!("sha256:{}", state.new_id());
        let image = ImageInfo { id: id.clone(), user: user.to_owned(), labels: Labels::new() };
        state.images.insert(name.to_owned(), image);
        id
    }

    /// Lets the next call of this method of [`Engine`] fail once; faults for the same one queue up.
    pub fn fail(&self, call: &str, when: When, error: Error) {
        self.state().faults.push(Fault { call: call.to_owned(), when, error });
    }

    /// Ends a container by itself, as a crash does.
    pub fn crash(&self, id: &str, exit_code: i64) {
        if let Ok(container) = self.state().container(id) {
            container.state = ContainerState::Exited;
            container.address = None;
            container.exit_code = exit_code;
        }
        self.tell(EventKind::Container, id, "die");
    }

    /// Removes a container, network or volume behind our back.
    pub fn lose(&self, id: &str) {
        let mut state = self.state();
        state.containers.retain(|_, container| container.id != id && container.spec.name != id);
        state.networks.retain(|network, (spec, _)| network != id && spec.name != id);
        state.volumes.remove(id);
    }

    /// The methods called so far, in order, each with what it was called for.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// The names of all containers, networks and volumes there are, sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let state = self.state();
        let containers = state.containers.values().map(|container| container.spec.name.clone());
        let networks = state.networks.values().map(|(spec, _)| spec.name.clone());
        let mut names: Vec<String> =
            containers.chain(networks).chain(state.volumes.keys().cloned()).collect();
        names.sort();
        names
    }

    /// Runs the effect of one call with the fault that waits for it.
    fn run<T>(&self, call: &str, on: &str, effect: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        state.calls.push(format!("{call} {on}").trim_end().to_owned());
        let fault = state.faults.iter().position(|fault| fault.call == call);
        let fault = fault.map(|position| state.faults.remove(position));
        match fault {
            Some(Fault { when: When::Before, error, .. }) => Err(error),
            Some(Fault { error, .. }) => effect(&mut state).and(Err(error)),
            None => effect(&mut state),
        }
    }

    fn tell(&self, kind: EventKind, id: &str, action: &str) {
        let labels = self.state().container(id).map(|container| container.labels.clone()).unwrap_or_default();
        let house = labels.get(names::HOUSE).cloned();
        // Nobody listens: then nobody is woken.
        drop(self.events.send(EngineEvent { kind, id: id.to_owned(), house, action: action.to_owned() }));
    }

    fn own(&self, labels: &Labels) -> Labels {
        let mut own = labels.clone();
        own.insert(names::INSTALLATION.to_owned(), self.installation.to_string());
        own
    }
}

fn carries(labels: &Labels, filter: &Labels) -> bool {
    filter.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn same(what: &str, wanted: &Labels, found: &Labels) -> Result<()> {
    if carries(found, wanted) { Ok(()) } else { Err(Error::Conflict(format!("{what} is another's"))) }
}

fn attachments(container: &Container) -> BTreeMap<String, Attachment> {
    let network = container.network.iter();
    network
        .map(|(id, name)| (name.clone(), Attachment { network_id: id.clone(), address: container.address }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, NetworkMode, VolumeSpec};

    fn network(name: &str, subnet: &str) -> NetworkSpec {
        let subnet: ipnet::Ipv4Net = subnet.parse().expect("subnet");
        NetworkSpec {
            name: name.into(),
            labels: Labels::new(),
            subnet,
            gateway: subnet.hosts().next().expect("host"),
            bridge: "br".into(),
            internal: false,
        }
    }

    #[tokio::test]
    async fn it_hands_out_addresses_and_takes_them_back() {
        let fake = Fake::new("abcdef".parse().expect("id"));
        let image = fake.add_image("app", "10001");
        fake.ensure_network(&network("n", "10.0.0.0/30")).await.expect("network");
        let clash = fake.ensure_network(&network("m", "10.0.0.0/28")).await;
        assert!(matches!(clash, Err(Error::Conflict(_))));
        let spec = |name: &str| ContainerSpec {
            network: NetworkMode::Network { name: "n".into(), aliases: vec![] },
            ..ContainerSpec::new(name, &image)
        };
        let first = fake.ensure_container(&spec("first")).await.expect("made");
        assert_eq!(fake.ensure_container(&spec("first")).await.expect("found"), first);
        fake.start(&first).await.expect("started");
        assert_eq!(
            fake.endpoint(&first, "n", 80).await.expect("address"),
            "10.0.0.2:80".parse().expect("address")
        );
        let second = fake.ensure_container(&spec("second")).await.expect("made");
        assert!(fake.start(&second).await.is_err(), "the block is full");
        fake.stop(&first, None).await.expect("stopped");
        fake.start(&second).await.expect("there is room again");
    }

    #[tokio::test]
    async fn a_lost_answer_is_not_a_lost_effect() {
        let fake = Fake::new("abcdef".parse().expect("id"));
        let spec = VolumeSpec { name: "v".into(), labels: Labels::new() };
        fake.fail("ensure_volume", When::Before, Error::Unreachable("gone".into()));
        fake.fail("ensure_volume", When::After, Error::Unreachable("gone".into()));
        assert!(fake.ensure_volume(&spec).await.is_err());
        assert!(fake.objects().is_empty());
        assert!(fake.ensure_volume(&spec).await.is_err());
        assert_eq!(fake.objects(), ["v"]);
        fake.ensure_volume(&spec).await.expect("there already");
    }
}
