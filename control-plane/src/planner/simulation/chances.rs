//! Where a case begins, and what befalls it.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

impl World {
    /// Any house: new, running, asleep, half made, or a heap of leftovers.
    pub(super) fn anywhere(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let mut world = Self {
            rng,
            desired: Desired {
                state: DesiredState::Running,
                services: BTreeMap::new(),
                database: service("db"),
                web: service("app"),
                hosts: BTreeSet::new(),
                preparation: 1,
                connections: 10,
                schema: 3,
                read_only: false,
                droppable: BTreeSet::new(),
            },
            networks: Vec::new(),
            volumes: BTreeSet::new(),
            containers: Vec::new(),
            routes: BTreeMap::new(),
            recorded: SeenDatabase::default(),
            real: SeenDatabase::default(),
            counter: 0,
            accidents: 0,
            lost: BTreeSet::new(),
            stale: Vec::new(),
            refused: false,
        };
        world.accidents = world.below(7);
        world.desire();
        for number in 0..world.below(3) {
            world.networks.push(format!("net-{number}"));
        }
        if world.chance(2) {
            world.volumes.insert("v-db".into());
            world.note_made("v-db");
            if world.chance(2) {
                world.real = SeenDatabase {
                    prepared: Some(1),
                    schema: Some(i64::from(world.below(4))),
                    read_only: world.chance(4),
                    connections: Some(10),
                };
                if world.chance(2) {
                    world.recorded = world.real;
                }
            }
        }
        for _ in 0..world.below(6) {
            let name = ["db", "app", "cache", "worker", "gone"][world.below(5) as usize];
            world.put_container(name);
        }
        if world.chance(3) {
            let number = world.below(9);
            let address = world.address(number);
            world.routes.insert("acme.example".into(), address);
        }
        if world.chance(6) {
            let number = world.below(9);
            let address = world.address(number);
            world.routes.insert("old.example".into(), address);
        }
        world
    }

    pub(super) fn put_container(&mut self, name: &str) {
        let states = [
            ContainerState::Created,
            ContainerState::Running,
            ContainerState::Exited,
            ContainerState::Broken,
        ];
        let wanted = self.desired.services.get(&service(name)).map(|wanted| wanted.hash.clone());
        let hash = match wanted {
            Some(hash) if self.chance(2) => hash,
            _ => hash(90 + self.below(3)),
        };
        let mut state = states[self.below(4) as usize];
        // two servers on one volume are nobody's state to begin with: the engine's names and we ourselves forbid it
        if name == "db"
            && state == ContainerState::Running
            && self.containers.iter().any(|other| other.service == service("db") && other.state == state)
        {
            state = ContainerState::Exited;
        }
        // one name, one container
        if self.containers.iter().any(|other| other.service == service(name) && other.hash == hash) {
            return;
        }
        let network = if self.chance(5) { Some("net-gone".into()) } else { self.networks.first().cloned() };
        let container = Container {
            id: self.fresh(),
            service: service(name),
            hash,
            state,
            limits: limits(self.below(2)),
            recorded: self.chance(2),
            network,
            secrets: state != ContainerState::Created || self.chance(2),
            well: self.chance(2),
        };
        self.containers.push(container);
    }

    pub(super) fn desire(&mut self) {
        let states = DesiredState::ALL;
        let mut state = states[self.below(4) as usize];
        // what may be dropped cannot be brought back: nobody restores a tenant whose retention has passed
        if !self.desired.droppable.is_empty() {
            state = DesiredState::Deleted;
        }
        self.desired.state = state;
        self.desired.schema = self.desired.schema.max(1) + i64::from(self.below(2));
        if self.chance(30) {
            self.desired.schema = 1;
        }
        self.desired.read_only = self.chance(4);
        self.desired.connections = 10 + self.below(2);
        self.desired.hosts = ["acme.example", "www.example"]
            .iter()
            .take(1 + self.below(2) as usize)
            .map(|host| host.parse().expect("a host name"))
            .collect();
        let mut services = BTreeMap::new();
        let made = |name: &str, world: &Self| {
            let before = world.desired.services.get(&service(name));
            before.and_then(|known| known.volume.as_ref()).is_some_and(|volume| volume.made)
        };
        for (name, volume, after) in [
            ("db", Some("v-db"), vec![]),
            ("app", None, vec!["db"]),
            ("cache", None, vec![]),
            ("worker", Some("v-worker"), vec!["app", "cache"]),
        ] {
            if matches!(name, "cache" | "worker") && self.chance(2) {
                continue;
            }
            let after: Vec<ServiceName> = after
                .into_iter()
                .filter(|other| *other != "cache" || services.contains_key(&service(other)))
                .map(service)
                .collect();
            let wanted = DesiredService {
                hash: hash(self.below(2)),
                limits: limits(self.below(2)),
                volume: volume.map(|volume| DesiredVolume { name: volume.into(), made: made(name, self) }),
                after,
                patient: self.chance(2),
            };
            services.insert(service(name), wanted);
        }
        self.desired.services = services;
        if state == DesiredState::Deleted && self.chance(2) {
            self.desired.droppable = BTreeSet::from(["v-db".to_owned(), "v-worker".to_owned()]);
        }
    }

    /// Something happens that nobody planned.
    pub(super) fn accident(&mut self) {
        match self.below(9) {
            0 => self.desire(),
            1 | 2 if !self.containers.is_empty() => {
                let at = self.below(u32::try_from(self.containers.len()).expect("few")) as usize;
                if self.chance(2) {
                    self.containers.remove(at);
                } else if self.containers[at].state == ContainerState::Running {
                    self.containers[at].state = ContainerState::Exited;
                }
            }
            3 => self.routes.clear(),
            4 => {
                // the engine lets nobody remove a network that running containers hang in
                if let Some(network) = self.networks.first().cloned() {
                    self.containers
                        .iter_mut()
                        .filter(|other| other.network.as_ref() == Some(&network))
                        .for_each(|other| other.state = ContainerState::Exited);
                    self.networks.remove(0);
                }
            }
            5 if !self.stale.is_empty() => {
                // a worker that lost its lease while it hung does one more thing
                let at = self.below(u32::try_from(self.stale.len()).expect("few")) as usize;
                let step = self.stale.swap_remove(at);
                // it asks once more whether the lease holds before anything that cannot be taken back, and what it
                // would start for another state of the world is refused by that world
                if !matches!(step, Step::DropVolume { .. } | Step::Migrate | Step::StartContainer { .. }) {
                    self.apply(&step, false, true);
                }
            }
            6 if self.volumes.contains("v-db") && self.chance(8) => {
                self.volumes.remove("v-db");
                self.lost.insert("v-db".into());
                self.containers.retain(|container| container.service != service("db"));
            }
            7 => self.containers.iter_mut().for_each(|container| container.well = false),
            _ => {}
        }
    }
}
