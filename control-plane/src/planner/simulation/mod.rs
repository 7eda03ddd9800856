//! The planner against a world that fails, forgets and changes its mind.
//!
//! Each case begins with any state a house may be in, then lives through a bounded number of accidents: steps that
//! fail before or after their effect, a process that dies between steps, a second worker that still runs a step of
//! an old plan, somebody who kills or removes things by hand, and people who change what is desired. Once the
//! accidents end, looking, planning and running must reach what is desired, or say what a person must do.
//!
//! `FREEHOLD_SIMULATION_SEED` and `FREEHOLD_SIMULATION_CASES` choose other cases; a failure names its own seed.

mod chances;
mod effects;
mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use rand::RngExt;
use rand::rngs::StdRng;

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
