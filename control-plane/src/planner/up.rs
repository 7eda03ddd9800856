//! The way to a house that runs.

use std::collections::{BTreeMap, BTreeSet};

use super::Blocked;
use super::step::{Planned, Seen, Step, Steps};
use crate::model::desired::{Desired, DesiredService};
use crate::model::hostname::HostName;
use crate::model::observed::{ContainerState, Observed, SeenContainer};
use crate::model::stack::ServiceName;

pub(super) fn steps(
    desired: &Desired,
    observed: &Observed,
    seen: &Seen<'_>,
) -> Result<Vec<Planned>, Blocked> {
    if let Some(database) = observed.database.schema
        && database > desired.schema
    {
        return Err(Blocked::SchemaAhead { database, release: desired.schema });
    }
    let mut way =
        Way { desired, observed, seen, steps: Steps::default(), network: None, ready: BTreeMap::new() };
    way.network();
    // a service stands behind those it waits for; validation of the stack keeps this from running in circles
    let mut left: Vec<&ServiceName> = desired.services.keys().collect();
    while !left.is_empty() {
        let before = left.len();
        let mut waiting = Vec::new();
        for name in left {
            if way.waits_for(name).iter().all(|other| way.ready.contains_key(other)) {
                way.service(name)?;
            } else {
                waiting.push(name);
            }
        }
        debug_assert!(waiting.len() < before, "services wait for each other in a circle");
        if waiting.len() == before {
            break;
        }
        left = waiting;
    }
    way.leftovers();
    Ok(way.steps.done())
}

/// The way so far.
struct Way<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    seen: &'a Seen<'a>,
    steps: Steps,
    network: Option<usize>,
    /// For each service dealt with, the steps after which it is ready; none when it is so already.
    ready: BTreeMap<&'a ServiceName, Vec<usize>>,
}

impl<'a> Way<'a> {
    fn network(&mut self) {
        if self.seen.networks.is_empty() {
            self.network = Some(self.steps.add(Step::EnsureNetwork, []));
        }
    }

    /// What must be ready before a service is awaited, and before it is started unless it is patient. The web face
    /// always waits for the database: it must not meet an old schema.
    fn waits_for(&self, name: &ServiceName) -> BTreeSet<&'a ServiceName> {
        let Some((_, service)) = self.desired.services.get_key_value(name) else { return BTreeSet::new() };
        let mut others: BTreeSet<&ServiceName> =
            service.after.iter().filter(|other| self.desired.services.contains_key(other)).collect();
        if *name == self.desired.web {
            others.insert(&self.desired.database);
        }
        others
    }

    fn service(&mut self, name: &'a ServiceName) -> Result<(), Blocked> {
        let service = &self.desired.services[name];
        let of_service: Vec<&SeenContainer> =
            self.seen.containers.iter().filter(|container| container.service == *name).collect();
        let current = current(service, &of_service);
        let old: Vec<&SeenContainer> = of_service
            .into_iter()
            .filter(|container| Some(&container.id) != current.map(|kept| &kept.id))
            .collect();

        let mut before = Vec::from_iter(self.network);
        before.extend(self.volume(name, service)?);
        // the same spec is the same name, and one volume is never used by two: those go before, the others after
        let (first, last): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|container| service.volume.is_some() || container.hash == service.hash);
        let stands = current.is_some_and(|container| container.state == ContainerState::Running);
        let closed = if *name == self.desired.web && !stands { self.close(&first) } else { None };
        for container in first {
            before.push(self.remove(container, closed.as_slice()));
        }
        let mut ready = self.run(name, current, before);
        if *name == self.desired.database {
            ready = self.database(ready);
        }
        if let Some(container) = current
            && container.limits != Some(service.limits)
        {
            self.steps.add(Step::SetLimits { service: name.clone(), container: container.id.clone() }, []);
        }
        if *name == self.desired.web {
            ready = self.routes(current, ready);
        }
        let mut gone_after = ready.clone();
        // who began at the old one may end there
        if *name == self.desired.web && last.iter().any(|old| old.state == ContainerState::Running) {
            gone_after = vec![self.steps.add(Step::Drain, gone_after)];
        }
        for container in last {
            self.remove(container, &gone_after);
        }
        self.ready.insert(name, ready);
        Ok(())
    }

    fn volume(&mut self, name: &ServiceName, service: &DesiredService) -> Result<Option<usize>, Blocked> {
        match &service.volume {
            Some(volume) if self.seen.volumes.contains(&volume.name) => Ok(None),
            Some(volume) if volume.made => Err(Blocked::VolumeLost(volume.name.clone())),
            Some(_) => Ok(Some(self.steps.add(Step::EnsureVolume { service: name.clone() }, []))),
            None => Ok(None),
        }
    }

    /// Makes, starts and awaits what is not there, does not run or was not seen to answer.
    fn run(&mut self, name: &ServiceName, current: Option<&SeenContainer>, before: Vec<usize>) -> Vec<usize> {
        let standing: Vec<usize> = self
            .waits_for(name)
            .iter()
            .filter_map(|other| self.ready.get(other))
            .flatten()
            .copied()
            .collect();
        if let Some(container) = current
            && container.state == ContainerState::Running
        {
            if container.healthy == Some(true) {
                return before;
            }
            // it may well answer no more because what it stands on is away: that comes first
            let after = [before, standing].concat();
            return vec![self.steps.add(Step::AwaitHealthy { service: name.clone() }, after)];
        }
        let mut start_after = before.clone();
        // one that was never started may lack its secrets: making it again gives it them
        if current.is_none_or(|container| container.state == ContainerState::Created) {
            start_after = vec![self.steps.add(Step::EnsureContainer { service: name.clone() }, before)];
        }
        if !self.desired.services[name].patient {
            start_after.extend(&standing);
        }
        let started = self.steps.add(Step::StartContainer { service: name.clone() }, start_after);
        let after = [vec![started], standing].concat();
        vec![self.steps.add(Step::AwaitHealthy { service: name.clone() }, after)]
    }

    /// Prepares and migrates a database that answers.
    fn database(&mut self, mut ready: Vec<usize>) -> Vec<usize> {
        let seen = &self.observed.database;
        let mut read_only = seen.read_only;
        if seen.prepared != Some(self.desired.preparation)
            || seen.connections != Some(self.desired.connections)
        {
            ready = vec![self.steps.add(Step::PrepareDatabase, ready)];
            read_only = false;
        }
        if seen.schema != Some(self.desired.schema) {
            ready = vec![self.steps.add(Step::Migrate, ready)];
        }
        if read_only != self.desired.read_only {
            let step = Step::SetReadOnly { read_only: self.desired.read_only };
            ready = vec![self.steps.add(step, ready)];
        }
        ready
    }

    /// Points the host names at the web face once it answers, if they do not all do so.
    fn routes(&mut self, current: Option<&SeenContainer>, mut ready: Vec<usize>) -> Vec<usize> {
        let known = self.observed.routes.known();
        let stale: BTreeSet<HostName> = known
            .into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|host| !self.desired.hosts.contains(host))
            .cloned()
            .collect();
        if !stale.is_empty() {
            self.steps.add(Step::WithdrawRoutes { hosts: stale }, []);
        }
        let address = current
            .filter(|container| container.state == ContainerState::Running)
            .and_then(|container| self.observed.addresses.get(&container.id));
        let right = known.is_some_and(|routes| {
            address.is_some() && self.desired.hosts.iter().all(|host| routes.get(host) == address)
        });
        if !right && !self.desired.hosts.is_empty() {
            ready = vec![self.steps.add(Step::SetRoutes, ready)];
        }
        ready
    }

    /// Closes the front door before a web face that cannot stay until the next one is there: visitors wait at the
    /// gateway, and those who are in may end.
    fn close(&mut self, going: &[&SeenContainer]) -> Option<usize> {
        let serves = |old: &&SeenContainer| old.state == ContainerState::Running && old.attached;
        if self.desired.hosts.is_empty() || !going.iter().any(serves) {
            return None;
        }
        let withdrawn = self.steps.add(Step::WithdrawRoutes { hosts: self.desired.hosts.clone() }, []);
        Some(self.steps.add(Step::Drain, [withdrawn]))
    }

    /// Takes away what belongs to no service any more, and networks that stand beside the one in use.
    fn leftovers(&mut self) {
        let orphans: Vec<&SeenContainer> = self
            .seen
            .containers
            .iter()
            .filter(|container| !self.desired.services.contains_key(&container.service))
            .collect();
        // what takes their place must be there first
        let all: Vec<usize> = self.ready.values().flatten().copied().collect();
        for container in orphans {
            self.remove(container, &all);
        }
        for network in self.seen.networks.iter().skip(1) {
            self.steps.add(Step::RemoveNetwork { network: network.clone() }, all.iter().copied());
        }
    }

    /// Stops a container as it wants to be stopped, then removes it.
    fn remove(&mut self, container: &SeenContainer, after: &[usize]) -> usize {
        let (service, id) = (container.service.clone(), container.id.clone());
        let mut after = after.to_vec();
        if container.state == ContainerState::Running {
            let stop = Step::StopContainer { service: service.clone(), container: id.clone() };
            after = vec![self.steps.add(stop, after)];
        }
        self.steps.add(Step::RemoveContainer { service, container: id }, after)
    }
}

/// The container to keep: of the desired spec, in the house's network, not broken; one that runs before others.
fn current<'a>(service: &DesiredService, containers: &[&'a SeenContainer]) -> Option<&'a SeenContainer> {
    containers
        .iter()
        .copied()
        .filter(|seen| seen.hash == service.hash && seen.attached && seen.state != ContainerState::Broken)
        .min_by_key(|seen| (seen.state != ContainerState::Running, seen.id.clone()))
}
