//! The planner against a world that fails, forgets and changes its mind.
//!
//! Each case begins with any state a house may be in, then lives through a bounded number of accidents: steps that
//! fail before or after their effect, a process that dies between steps, a second worker that still runs a step of
//! an old plan, somebody who kills or removes things by hand, and people who change what is desired. Once the
//! accidents end, looking, planning and running must reach what is desired, or say what a person must do.
//!
//! `FREEHOLD_SIMULATION_SEED` and `FREEHOLD_SIMULATION_CASES` choose other cases; a failure names its own seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Blocked, Decision, Planned, Step, plan};
use crate::model::desired::{Desired, DesiredService, DesiredVolume, SpecHash};
use crate::model::observed::{ContainerState, Fact, Observed, SeenContainer, SeenDatabase};
use crate::model::plan::Limits;
use crate::model::stack::ServiceName;
use crate::model::tenant::DesiredState;

const CASES: u64 = 100_000;
/// Rounds of looking, planning and running that must be enough once nothing goes wrong any more.
const ROUNDS: usize = 8;

#[test]
fn every_case_converges_or_says_why_not() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FREEHOLD_SIMULATION_SEED").unwrap_or_else(|| rand::rng().random());
    let cases = number("FREEHOLD_SIMULATION_CASES").unwrap_or(CASES);
    println!("seed {seed}, {cases} cases");
    let mut tally = BTreeMap::new();
    for case in 0..cases {
        let own = seed.wrapping_add(case);
        let outcome = std::panic::catch_unwind(|| World::live(own));
        let Ok(outcome) = outcome else {
            panic!("case failed; again with FREEHOLD_SIMULATION_SEED={own} FREEHOLD_SIMULATION_CASES=1");
        };
        *tally.entry(outcome).or_insert(0u64) += 1;
    }
    println!("{tally:?}");
    // a simulation that never meets an outcome proves nothing about it
    if cases >= 10_000 {
        for outcome in ["running", "asleep", "suspended", "deleted", "blocked"] {
            assert!(
                tally.get(outcome).is_some_and(|count| *count > cases / 1000),
                "{outcome} is too rare: {tally:?}"
            );
        }
    }
}

#[derive(Debug, Clone)]
struct Container {
    id: String,
    service: ServiceName,
    hash: SpecHash,
    state: ContainerState,
    limits: Limits,
    recorded: bool,
    network: Option<String>,
    secrets: bool,
    /// Whether it answers while it runs.
    well: bool,
}

struct World {
    rng: StdRng,
    desired: Desired,
    networks: Vec<String>,
    volumes: BTreeSet<String>,
    containers: Vec<Container>,
    routes: BTreeMap<String, SocketAddr>,
    /// What the registry recorded, and what is really so, of the database.
    recorded: SeenDatabase,
    real: SeenDatabase,
    counter: u32,
    accidents: u32,
    /// Volumes that held data and were lost by accident, not by us.
    lost: BTreeSet<String>,
    stale: Vec<Step>,
    /// Whether the database refused to be migrated, which a person must look at.
    refused: bool,
}

fn service(name: &str) -> ServiceName {
    name.parse().expect("a service's name")
}

fn hash(number: u32) -> SpecHash {
    SpecHash(format!("{number:012x}"))
}

fn limits(number: u32) -> Limits {
    Limits { memory_mib: 64 + number, cpu_millis: 500, pids: 64 }
}

impl World {
    fn live(seed: u64) -> &'static str {
        let mut world = Self::anywhere(seed);
        for _ in 0..world.accidents {
            match world.decide(true) {
                Decision::Steps(steps) => world.run(&steps, true),
                Decision::Converged | Decision::Blind(_) | Decision::Blocked(_) => {}
            }
            world.accident();
        }
        for _ in 0..ROUNDS {
            world.refused = false;
            match world.decide(false) {
                Decision::Steps(steps) => world.run(&steps, false),
                Decision::Converged => return world.converged(),
                Decision::Blind(what) => panic!("blind although everything was told: {what}"),
                Decision::Blocked(blocked) => return world.blocked(&blocked),
            }
            if world.refused {
                return "blocked";
            }
        }
        panic!("not converged in {ROUNDS} rounds; still {:?}", world.decide(false));
    }

    /// Any house: new, running, asleep, half made, or a heap of leftovers.
    fn anywhere(seed: u64) -> Self {
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

    fn put_container(&mut self, name: &str) {
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

    fn desire(&mut self) {
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
            };
            services.insert(service(name), wanted);
        }
        self.desired.services = services;
        if state == DesiredState::Deleted && self.chance(2) {
            self.desired.droppable = BTreeSet::from(["v-db".to_owned(), "v-worker".to_owned()]);
        }
    }

    fn decide(&mut self, faulty: bool) -> Decision {
        let observed = self.observe(faulty);
        plan(&self.desired, &observed)
    }

    fn observe(&mut self, faulty: bool) -> Observed {
        let network = self.networks.first().cloned();
        let containers = self
            .containers
            .iter()
            .map(|container| SeenContainer {
                id: container.id.clone(),
                service: container.service.clone(),
                hash: container.hash.clone(),
                state: container.state,
                limits: container.recorded.then_some(container.limits),
                attached: container.network == network && network.is_some(),
                healthy: (container.state == ContainerState::Running).then_some(container.well),
            })
            .collect();
        let routes = self.routes.iter().map(|(host, to)| (host.parse().expect("a host name"), *to)).collect();
        let addresses = self
            .containers
            .iter()
            .filter(|container| {
                container.state == ContainerState::Running && container.service == service("app")
            })
            .map(|container| (container.id.clone(), address_of(&container.id)))
            .collect();
        let unknown = |world: &mut Self| faulty && world.chance(12);
        Observed {
            networks: if unknown(self) { Fact::Unknown } else { Fact::Known(self.networks.clone()) },
            volumes: if unknown(self) { Fact::Unknown } else { Fact::Known(self.volumes.clone()) },
            containers: if unknown(self) { Fact::Unknown } else { Fact::Known(containers) },
            routes: if unknown(self) { Fact::Unknown } else { Fact::Known(routes) },
            database: self.recorded,
            addresses,
        }
    }

    /// Runs a plan in a random order that respects it, as the runner does; a failure lets nothing new begin.
    fn run(&mut self, steps: &[Planned], faulty: bool) {
        let mut done = vec![false; steps.len()];
        let mut left: Vec<usize> = (0..steps.len()).collect();
        while !left.is_empty() {
            let ready: Vec<usize> = left
                .iter()
                .copied()
                .filter(|index| steps[*index].after.iter().all(|earlier| done[*earlier]))
                .collect();
            assert!(!ready.is_empty(), "steps wait for each other: {steps:?}");
            let next = ready[self.below(u32::try_from(ready.len()).expect("few")) as usize];
            left.retain(|index| *index != next);
            let step = &steps[next].step;
            if faulty && self.chance(10) {
                // the process dies, or the engine says no; what was left may still be run by a worker that hangs
                self.stale.extend(left.iter().map(|index| steps[*index].step.clone()));
                return;
            }
            let lost = faulty && self.chance(12);
            if !self.apply(step, true, lost) || lost {
                return;
            }
            done[next] = true;
        }
    }

    /// One effect, as the engine, the database and the edge would do it. `fenced` is whether the lease still holds,
    /// so that results may be recorded; `lost`, whether the process dies before it records them. Answers whether it
    /// succeeded.
    fn apply(&mut self, step: &Step, fenced: bool, lost: bool) -> bool {
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
            Step::AwaitHealthy { service } => self.with_current(service, |container| {
                // in the end everything becomes well; that it does not is the runner's business
                container.well = true;
                container.state == ContainerState::Running
            }),
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

    fn ensure_container(&mut self, name: &ServiceName) -> bool {
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

    fn start(&mut self, name: &ServiceName) -> bool {
        let Some(volume) = self.desired.services.get(name).map(|wanted| wanted.volume.clone()) else {
            return false;
        };
        if *name == self.desired.web {
            let meets = self.recorded.schema.or(self.real.schema);
            assert!(
                meets.is_some() && self.recorded.prepared.is_some(),
                "the app was started on an unready database"
            );
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

    fn set_routes(&mut self) -> bool {
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

    /// Something happens that nobody planned.
    fn accident(&mut self) {
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

    /// Everything is as it should be, and nothing else is there.
    fn converged(&self) -> &'static str {
        let running: Vec<_> = self.containers.iter().filter(|c| c.state == ContainerState::Running).collect();
        match self.desired.state {
            DesiredState::Running => {
                assert_eq!(self.networks.len(), 1, "one network");
                assert_eq!(
                    self.containers.len(),
                    self.desired.services.len(),
                    "a container for each service"
                );
                for (name, wanted) in &self.desired.services {
                    let container = running
                        .iter()
                        .find(|container| container.service == *name)
                        .expect("a running container");
                    assert_eq!(container.hash, wanted.hash);
                    assert_eq!(container.limits, wanted.limits);
                    assert!(container.secrets && container.well);
                    assert_eq!(container.network.as_ref(), self.networks.first());
                    if let Some(volume) = &wanted.volume {
                        assert!(self.volumes.contains(&volume.name));
                    }
                    if *name == self.desired.web {
                        for host in &self.desired.hosts {
                            assert_eq!(self.routes.get(host.as_str()), Some(&address_of(&container.id)));
                        }
                    }
                }
                assert_eq!(self.routes.len(), self.desired.hosts.len(), "no stale route");
                assert_eq!(self.real.schema, Some(self.desired.schema));
                assert_eq!(self.real.read_only, self.desired.read_only);
                assert_eq!(self.real.connections, Some(self.desired.connections));
            }
            DesiredState::Asleep | DesiredState::Suspended => {
                assert!(running.is_empty() && self.routes.is_empty(), "nothing runs or is routed");
            }
            DesiredState::Deleted => {
                assert!(self.containers.is_empty() && self.networks.is_empty() && self.routes.is_empty());
                assert!(self.volumes.is_disjoint(&self.desired.droppable), "what may go is gone");
            }
        }
        if self.desired.droppable.is_empty() {
            for wanted in self.desired.services.values() {
                let made =
                    wanted.volume.as_ref().filter(|volume| volume.made && !self.lost.contains(&volume.name));
                assert!(
                    made.is_none_or(|volume| self.volumes.contains(&volume.name)),
                    "a volume was dropped"
                );
            }
        }
        self.desired.state.as_str()
    }

    fn blocked(&self, blocked: &Blocked) -> &'static str {
        match blocked {
            Blocked::VolumeLost(name) => assert!(self.lost.contains(name), "{name} is not lost"),
            Blocked::SchemaAhead { database, release } => {
                assert_eq!((self.recorded.schema, self.desired.schema), (Some(*database), *release));
                assert!(database > release);
            }
        }
        "blocked"
    }

    fn database_answers(&self) -> bool {
        let wanted = self.desired.services.get(&service("db")).map(|wanted| &wanted.hash);
        self.containers.iter().any(|container| {
            container.service == service("db")
                && Some(&container.hash) == wanted
                && container.state == ContainerState::Running
        })
    }

    /// Records that the preparation is in doubt before it is touched; refused without a lease.
    fn in_doubt(&mut self, fenced: bool) -> bool {
        if fenced {
            self.recorded.prepared = None;
        }
        fenced
    }

    fn with_current(&mut self, name: &ServiceName, act: impl FnOnce(&mut Container) -> bool) -> bool {
        let Some(wanted) = self.desired.services.get(name).map(|wanted| wanted.hash.clone()) else {
            return false;
        };
        let found = self.containers.iter_mut().find(|other| {
            other.service == *name && other.hash == wanted && other.state != ContainerState::Broken
        });
        found.is_some_and(act)
    }

    fn volume_of(&self, name: &ServiceName) -> Option<String> {
        Some(self.desired.services.get(name)?.volume.as_ref()?.name.clone())
    }

    fn uses(&self, container: &Container, volume: &str) -> bool {
        self.volume_of(&container.service).as_deref() == Some(volume)
    }

    fn note_made(&mut self, name: &str) {
        for wanted in self.desired.services.values_mut() {
            if let Some(volume) = wanted.volume.as_mut().filter(|volume| volume.name == name) {
                volume.made = true;
            }
        }
    }

    /// Ids of our own begin with `c`: a step about anything else would touch a neighbour.
    fn own(&self, id: &str) {
        assert!(id.starts_with('c'), "touched {id}, which is not ours");
    }

    fn fresh(&mut self) -> String {
        self.counter += 1;
        format!("c{}", self.counter)
    }

    fn address(&self, number: u32) -> SocketAddr {
        address_of(&format!("c{number}"))
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.rng.random_range(0..bound)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.below(one_in) == 0
    }
}

fn address_of(id: &str) -> SocketAddr {
    let number: u16 = id[1..].parse().expect("ids of containers are numbered");
    SocketAddr::from(([10, 0, (number >> 8) as u8, (number & 0xff) as u8], 8080))
}
