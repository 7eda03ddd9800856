//! What a step does to the world, as the engine, the database and the edge would do it.

use super::*;

impl World {
    /// One effect, as the engine, the database and the edge would do it. `fenced` is whether the lease still holds,
    /// so that results may be recorded; `lost`, whether the process dies before it records them. Answers whether it
    /// succeeded.
    pub(super) fn apply(&mut self, step: &Step, fenced: bool, lost: bool) -> bool {
        match step {
            Step::EnsureNetwork => {
                if self.networks.is_empty() {
                    let id = self.fresh();
                    self.networks.push(id);
                }
                true
            }
            Step::EnsureVolume { service } => {
                let Some(name) = self.volume_of(service) else { return false };
                self.volumes.insert(name.clone());
                if fenced {
                    self.note_made(&name);
                }
                true
            }
            Step::EnsureContainer { service } => self.ensure_container(service),
            Step::StartContainer { service } => self.start(service),
            Step::AwaitHealthy { service } => {
                if fenced && *service == self.desired.web {
                    self.meets_a_ready_database("awaited");
                }
                self.with_current(service, |container| {
                    // in the end everything becomes well; that it does not is the runner's business
                    container.well = true;
                    container.state == ContainerState::Running
                })
            }
            Step::SetLimits { service, container } => {
                let Some(wanted) = self.desired.services.get(service).map(|wanted| wanted.limits) else {
                    return false;
                };
                let Some(found) = self.containers.iter_mut().find(|other| other.id == *container) else {
                    return false;
                };
                // that it is in doubt is recorded first, which the lease's fence lets nobody else do
                found.recorded = false;
                if fenced {
                    (found.limits, found.recorded) = (wanted, !lost);
                }
                fenced
            }
            Step::PrepareDatabase => {
                if !self.in_doubt(fenced) || !self.database_answers() {
                    return false;
                }
                self.real.prepared = Some(self.desired.preparation);
                self.real.connections = Some(self.desired.connections);
                self.real.read_only = false;
                if !lost {
                    (self.recorded.prepared, self.recorded.connections) =
                        (self.real.prepared, self.real.connections);
                    self.recorded.read_only = false;
                }
                true
            }
            Step::Migrate => {
                if !self.database_answers() || self.real.prepared.is_none() {
                    return false;
                }
                if self.real.schema.is_some_and(|now| now > self.desired.schema) {
                    // the history names migrations that the release does not bring
                    self.refused = true;
                    return false;
                }
                self.real.schema = Some(self.desired.schema);
                if fenced && !lost {
                    self.recorded.schema = self.real.schema;
                }
                true
            }
            Step::SetReadOnly { read_only } => {
                let prepared = self.recorded.prepared;
                if !self.in_doubt(fenced) || !self.database_answers() {
                    return false;
                }
                self.real.read_only = *read_only;
                if !lost {
                    (self.recorded.prepared, self.recorded.read_only) = (prepared, *read_only);
                }
                true
            }
            Step::SetRoutes => self.set_routes(),
            Step::WithdrawRoutes { hosts } => {
                self.routes.retain(|host, _| !hosts.iter().any(|name| name.as_str() == host));
                true
            }
            Step::Drain => true,
            Step::StopContainer { container, .. } => {
                self.own(container);
                if let Some(found) = self.containers.iter_mut().find(|other| other.id == *container) {
                    found.state = ContainerState::Exited;
                }
                true
            }
            Step::RemoveContainer { container, .. } => {
                self.own(container);
                self.containers.retain(|other| other.id != *container);
                true
            }
            Step::RemoveNetwork { network } => {
                self.networks.retain(|other| other != network);
                true
            }
            Step::DropVolume { name } => {
                assert!(self.desired.droppable.contains(name), "dropped {name}, which must be kept");
                assert_eq!(
                    self.desired.state,
                    DesiredState::Deleted,
                    "dropped {name} of a tenant that is not deleted"
                );
                if self.containers.iter().any(|container| self.uses(container, name)) {
                    return false;
                }
                self.volumes.remove(name);
                true
            }
        }
    }

    pub(super) fn ensure_container(&mut self, name: &ServiceName) -> bool {
        let Some(wanted) = self.desired.services.get(name).cloned() else { return false };
        if self.networks.is_empty()
            || wanted.volume.is_some_and(|volume| !self.volumes.contains(&volume.name))
        {
            return false;
        }
        let network = self.networks.first().cloned();
        match self.containers.iter_mut().find(|other| other.service == *name && other.hash == wanted.hash) {
            Some(found) => {
                found.secrets = true;
                found.state != ContainerState::Broken
            }
            None => {
                let id = self.fresh();
                self.containers.push(Container {
                    id,
                    service: name.clone(),
                    hash: wanted.hash,
                    state: ContainerState::Created,
                    limits: wanted.limits,
                    recorded: true,
                    network,
                    secrets: true,
                    well: false,
                });
                true
            }
        }
    }

    pub(super) fn start(&mut self, name: &ServiceName) -> bool {
        let Some(volume) = self.desired.services.get(name).map(|wanted| wanted.volume.clone()) else {
            return false;
        };
        if *name == self.desired.web && !self.desired.services[name].patient {
            self.meets_a_ready_database("started");
        }
        let network = self.networks.first().cloned();
        let hash = self.desired.services[name].hash.clone();
        let others = self.containers.iter().any(|other| {
            other.service == *name && other.hash != hash && other.state == ContainerState::Running
        });
        if volume.is_some() && others {
            // a stale worker may try; the server's own lock on its data directory refuses the second one
            return false;
        }
        self.with_current(name, |container| {
            if container.network != network {
                return false; // the engine does not find the network it was made for
            }
            assert!(container.secrets, "started without its secrets");
            container.state = ContainerState::Running;
            true
        })
    }

    pub(super) fn set_routes(&mut self) -> bool {
        let web = self.desired.web.clone();
        let Some(wanted) = self.desired.services.get(&web).map(|wanted| wanted.hash.clone()) else {
            return false;
        };
        let found = self.containers.iter().find(|other| {
            other.service == web
                && other.hash == wanted
                && other.state == ContainerState::Running
                && other.well
        });
        let Some(address) = found.map(|container| address_of(&container.id)) else { return false };
        for host in &self.desired.hosts {
            self.routes.insert(host.to_string(), address);
        }
        true
    }

    pub(super) fn meets_a_ready_database(&self, what: &str) {
        let meets = self.recorded.schema.or(self.real.schema);
        assert!(
            meets.is_some() && self.recorded.prepared.is_some(),
            "the app was {what} on an unready database"
        );
    }

    pub(super) fn database_answers(&self) -> bool {
        let wanted = self.desired.services.get(&service("db")).map(|wanted| &wanted.hash);
        self.containers.iter().any(|container| {
            container.service == service("db")
                && Some(&container.hash) == wanted
                && container.state == ContainerState::Running
        })
    }

    /// Records that the preparation is in doubt before it is touched; refused without a lease.
    pub(super) fn in_doubt(&mut self, fenced: bool) -> bool {
        if fenced {
            self.recorded.prepared = None;
        }
        fenced
    }

    pub(super) fn with_current(
        &mut self,
        name: &ServiceName,
        act: impl FnOnce(&mut Container) -> bool,
    ) -> bool {
        let Some(wanted) = self.desired.services.get(name).map(|wanted| wanted.hash.clone()) else {
            return false;
        };
        let found = self.containers.iter_mut().find(|other| {
            other.service == *name && other.hash == wanted && other.state != ContainerState::Broken
        });
        found.is_some_and(act)
    }

    pub(super) fn volume_of(&self, name: &ServiceName) -> Option<String> {
        Some(self.desired.services.get(name)?.volume.as_ref()?.name.clone())
    }

    pub(super) fn note_made(&mut self, name: &str) {
        for wanted in self.desired.services.values_mut() {
            if let Some(volume) = wanted.volume.as_mut().filter(|volume| volume.name == name) {
                volume.made = true;
            }
        }
    }
}
