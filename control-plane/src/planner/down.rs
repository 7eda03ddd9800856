//! The way to a house that rests, is closed, or goes.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{Planned, Seen, Step, Steps};
use crate::model::desired::Desired;
use crate::model::hostname::HostName;
use crate::model::observed::{ContainerState, Observed, SeenContainer};
use crate::model::stack::ServiceName;
use crate::model::tenant::DesiredState;

/// Routes are withdrawn first, then requests may end, then services stop, each before those it depends on. What goes
/// for good loses its containers and network as well, and of its volumes those that may be dropped.
pub(super) fn steps(desired: &Desired, observed: &Observed, seen: &Seen<'_>) -> Vec<Planned> {
    let mut steps = Steps::default();
    let runs = |container: &&SeenContainer| {
        matches!(container.state, ContainerState::Running | ContainerState::Broken)
    };
    let anything_runs = seen.containers.iter().any(|container| runs(&container));

    let closed = withdraw(desired, observed, anything_runs, &mut steps);
    let closed = match closed {
        Some(step) if anything_runs => Some(steps.add(Step::Drain, [step])),
        other => other,
    };
    let goes = desired.state == DesiredState::Deleted;
    let mut ended: BTreeMap<&ServiceName, Vec<usize>> = BTreeMap::new();
    for container in in_order_of_stopping(desired, seen.containers) {
        let mut after: Vec<usize> = closed.into_iter().collect();
        for (name, steps) in &ended {
            if depends_on(desired, name, &container.service) {
                after.extend(steps);
            }
        }
        let (service, id) = (container.service.clone(), container.id.clone());
        let mut last = None;
        if runs(&container) {
            let stop = Step::StopContainer { service: service.clone(), container: id.clone() };
            last = Some(steps.add(stop, after.clone()));
        }
        let spent = desired
            .services
            .get(&container.service)
            .is_none_or(|service| service.hash != container.hash || !container.attached);
        if goes || spent || container.state == ContainerState::Broken {
            let remove = Step::RemoveContainer { service, container: id };
            last = Some(steps.add(remove, last.map_or(after, |stop| vec![stop])));
        }
        ended.entry(&container.service).or_default().extend(last);
    }
    if goes {
        let all: Vec<usize> = closed.into_iter().chain(ended.into_values().flatten()).collect();
        for network in seen.networks {
            steps.add(Step::RemoveNetwork { network: network.clone() }, all.iter().copied());
        }
        for name in seen.volumes.intersection(&desired.droppable) {
            steps.add(Step::DropVolume { name: name.clone() }, all.iter().copied());
        }
    }
    steps.done()
}

/// Withdraws what is known to be routed. When the edge did not tell, all names are withdrawn before anything that
/// runs is stopped, for a visitor must never meet a container on its way out.
fn withdraw(desired: &Desired, observed: &Observed, anything_runs: bool, steps: &mut Steps) -> Option<usize> {
    let hosts: BTreeSet<HostName> = match observed.routes.known() {
        Some(routes) => routes.keys().cloned().collect(),
        None if anything_runs || desired.state == DesiredState::Deleted => desired.hosts.clone(),
        None => BTreeSet::new(),
    };
    (!hosts.is_empty()).then(|| steps.add(Step::WithdrawRoutes { hosts }, []))
}

/// Dependents come before what they depend on; what no service knows comes first.
fn in_order_of_stopping<'a>(desired: &Desired, containers: &'a [SeenContainer]) -> Vec<&'a SeenContainer> {
    let mut sorted: Vec<&SeenContainer> = containers.iter().collect();
    sorted.sort_by_key(|container| (depth(desired, &container.service), container.id.clone()));
    sorted
}

/// How many services stand on this one, at most one above the other.
fn depth(desired: &Desired, name: &ServiceName) -> usize {
    desired.services.keys().filter(|other| depends_on(desired, other, name)).count()
}

/// Whether `name` needs `other` to run, directly or through others.
fn depends_on(desired: &Desired, name: &ServiceName, other: &ServiceName) -> bool {
    let mut open = vec![name];
    let mut met: BTreeSet<&ServiceName> = BTreeSet::new();
    while let Some(next) = open.pop() {
        let Some((key, service)) = desired.services.get_key_value(next) else { continue };
        if !met.insert(key) {
            continue;
        }
        let of_web = (*next == desired.web).then_some(&desired.database);
        for needed in service.after.iter().chain(of_web) {
            if needed == other {
                return true;
            }
            open.push(needed);
        }
    }
    false
}
