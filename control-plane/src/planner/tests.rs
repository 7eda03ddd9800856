//! Single decisions that people rely on, each by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{Blocked, Decision, Planned, Step, plan};
use crate::model::desired::{Desired, DesiredService, DesiredVolume, SpecHash};
use crate::model::observed::{ContainerState, Fact, Observed, SeenContainer, SeenDatabase};
use crate::model::plan::Limits;
use crate::model::stack::ServiceName;
use crate::model::tenant::DesiredState;

const LIMITS: Limits = Limits { memory_mib: 256, cpu_millis: 500, pids: 128 };

fn service(name: &str) -> ServiceName {
    name.parse().expect("a service's name")
}

fn desired(state: DesiredState) -> Desired {
    let wanted = |volume: Option<&str>, after: &[&str]| DesiredService {
        hash: SpecHash("new".into()),
        limits: LIMITS,
        volume: volume.map(|name| DesiredVolume { name: name.into(), made: false }),
        after: after.iter().map(|name| service(name)).collect(),
        patient: false,
    };
    Desired {
        state,
        services: BTreeMap::from([
            (service("db"), wanted(Some("v-db"), &[])),
            (service("app"), wanted(None, &["db"])),
        ]),
        database: service("db"),
        web: service("app"),
        hosts: BTreeSet::from(["acme.example".parse().expect("a host name")]),
        preparation: 1,
        connections: 10,
        schema: 2,
        read_only: false,
        droppable: BTreeSet::new(),
    }
}

fn nothing() -> Observed {
    Observed {
        networks: Fact::Known(vec![]),
        volumes: Fact::Known(BTreeSet::new()),
        containers: Fact::Known(vec![]),
        routes: Fact::Known(BTreeMap::new()),
        database: SeenDatabase::default(),
        addresses: BTreeMap::new(),
    }
}

fn container(id: &str, of: &str, hash: &str, state: ContainerState) -> SeenContainer {
    SeenContainer {
        id: id.into(),
        service: service(of),
        hash: SpecHash(hash.into()),
        state,
        limits: Some(LIMITS),
        attached: true,
        healthy: (state == ContainerState::Running).then_some(true),
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 8080))
}

fn running() -> Observed {
    Observed {
        networks: Fact::Known(vec!["net".into()]),
        volumes: Fact::Known(BTreeSet::from(["v-db".into()])),
        containers: Fact::Known(vec![
            container("d", "db", "new", ContainerState::Running),
            container("a", "app", "new", ContainerState::Running),
        ]),
        routes: Fact::Known(BTreeMap::from([("acme.example".parse().expect("a host name"), address())])),
        database: SeenDatabase {
            prepared: Some(1),
            schema: Some(2),
            read_only: false,
            connections: Some(10),
        },
        addresses: BTreeMap::from([("a".into(), address())]),
    }
}

fn steps(decision: Decision) -> Vec<Planned> {
    match decision {
        Decision::Steps(steps) => steps,
        other => panic!("steps were expected, not {other:?}"),
    }
}

/// Whether the first step named must have ended before the second begins.
fn before(steps: &[Planned], first: &str, second: &str, of: Option<&str>) -> bool {
    let at = |name: &str, of: Option<&str>| {
        steps
            .iter()
            .position(|planned| {
                planned.step.name() == name
                    && of.is_none_or(|of| planned.step.service().is_none_or(|service| service.as_str() == of))
            })
            .unwrap_or_else(|| panic!("{name} is not in {steps:?}"))
    };
    let (first, second) = (at(first, None), at(second, of));
    let mut open = vec![second];
    while let Some(next) = open.pop() {
        if next == first {
            return true;
        }
        open.extend(&steps[next].after);
    }
    false
}

#[test]
fn a_new_house_is_one_plan_from_nothing_to_its_first_page() {
    let steps = steps(plan(&desired(DesiredState::Running), &nothing()));
    assert!(before(&steps, "ensure_network", "ensure_container", None));
    assert!(before(&steps, "prepare_database", "migrate", None));
    assert!(before(&steps, "migrate", "start_container", Some("app")));
    assert!(before(&steps, "await_healthy", "set_routes", None));
    // the app's container is made while the database starts
    assert!(!before(&steps, "migrate", "ensure_container", Some("app")));
    assert_eq!(steps.last().map(|planned| planned.step.name()), Some("set_routes"));
}

#[test]
fn a_patient_app_starts_beside_its_database_and_is_awaited_after_it() {
    let mut wanted = desired(DesiredState::Running);
    wanted.services.get_mut(&service("app")).expect("app").patient = true;
    let steps = steps(plan(&wanted, &nothing()));
    assert!(!before(&steps, "ensure_volume", "start_container", Some("app")));
    assert!(before(&steps, "migrate", "await_healthy", Some("app")));
    assert!(before(&steps, "migrate", "set_routes", None));
}

#[test]
fn a_house_as_it_should_be_is_left_alone() {
    assert_eq!(plan(&desired(DesiredState::Running), &running()), Decision::Converged);
}

#[test]
fn a_new_app_answers_before_the_old_one_goes() {
    let mut observed = running();
    observed.containers = Fact::Known(vec![
        container("d", "db", "new", ContainerState::Running),
        container("a", "app", "old", ContainerState::Running),
    ]);
    let steps = steps(plan(&desired(DesiredState::Running), &observed));
    assert!(before(&steps, "set_routes", "drain", None));
    assert!(before(&steps, "drain", "stop_container", None));
    assert!(before(&steps, "stop_container", "remove_container", None));
}

#[test]
fn an_app_that_cannot_stand_beside_its_successor_is_left_by_its_visitors_first() {
    let mut wanted = desired(DesiredState::Running);
    wanted.services.get_mut(&service("app")).expect("app").volume =
        Some(DesiredVolume { name: "v-app".into(), made: true });
    let mut observed = running();
    observed.volumes = Fact::Known(BTreeSet::from(["v-db".into(), "v-app".into()]));
    observed.containers = Fact::Known(vec![
        container("d", "db", "new", ContainerState::Running),
        container("a", "app", "old", ContainerState::Running),
    ]);
    let steps = steps(plan(&wanted, &observed));
    assert!(before(&steps, "withdraw_routes", "drain", None));
    assert!(before(&steps, "drain", "stop_container", None));
    assert!(before(&steps, "remove_container", "start_container", Some("app")));
    assert!(before(&steps, "start_container", "set_routes", None));
}

#[test]
fn an_app_without_its_database_is_not_waited_for_before_it() {
    let mut observed = running();
    if let Fact::Known(containers) = &mut observed.containers {
        containers[0].state = ContainerState::Exited;
        containers[0].healthy = None;
        containers[1].healthy = Some(false);
    }
    let steps = steps(plan(&desired(DesiredState::Running), &observed));
    let awaited = |of: &str| {
        let step = Step::AwaitHealthy { service: service(of) };
        steps
            .iter()
            .position(|planned| planned.step == step)
            .unwrap_or_else(|| panic!("{of} is not in {steps:?}"))
    };
    assert!(steps[awaited("app")].after.contains(&awaited("db")), "{steps:?}");
}

#[test]
fn a_new_database_begins_after_the_old_one_has_ended() {
    let mut observed = running();
    observed.containers = Fact::Known(vec![
        container("d", "db", "old", ContainerState::Running),
        container("a", "app", "new", ContainerState::Running),
    ]);
    let steps = steps(plan(&desired(DesiredState::Running), &observed));
    assert!(before(&steps, "remove_container", "start_container", Some("db")));
}

#[test]
fn a_lost_volume_is_never_made_anew() {
    let mut wanted = desired(DesiredState::Running);
    wanted.services.get_mut(&service("db")).expect("db").volume =
        Some(DesiredVolume { name: "v-db".into(), made: true });
    let decision = plan(&wanted, &nothing());
    assert_eq!(decision, Decision::Blocked(Blocked::VolumeLost("v-db".into())));
}

#[test]
fn an_older_release_does_not_run_on_a_newer_schema() {
    let mut observed = running();
    observed.database.schema = Some(7);
    let decision = plan(&desired(DesiredState::Running), &observed);
    assert_eq!(decision, Decision::Blocked(Blocked::SchemaAhead { database: 7, release: 2 }));
}

#[test]
fn what_was_not_told_is_not_taken_for_absent() {
    for unknown in [0, 1, 2] {
        let mut observed = running();
        match unknown {
            0 => observed.networks = Fact::Unknown,
            1 => observed.volumes = Fact::Unknown,
            _ => observed.containers = Fact::Unknown,
        }
        for state in DesiredState::ALL {
            assert!(matches!(plan(&desired(*state), &observed), Decision::Blind(_)));
        }
    }
}

#[test]
fn an_edge_that_does_not_tell_is_told_again() {
    let mut observed = running();
    observed.routes = Fact::Unknown;
    let names = |state| -> Vec<&str> {
        steps(plan(&desired(state), &observed)).iter().map(|planned| planned.step.name()).collect()
    };
    assert_eq!(names(DesiredState::Running), ["set_routes"]);
    assert_eq!(names(DesiredState::Asleep)[0], "withdraw_routes");
}

#[test]
fn going_to_sleep_closes_the_door_first_and_the_database_last() {
    let steps = steps(plan(&desired(DesiredState::Asleep), &running()));
    let names: Vec<_> = steps.iter().map(|planned| planned.step.name()).collect();
    assert_eq!(names, ["withdraw_routes", "drain", "stop_container", "stop_container"]);
    assert_eq!(steps[3].step.service(), Some(&service("db")));
    assert!(before(&steps, "drain", "stop_container", Some("app")));
    assert!(steps[3].after.contains(&2));
}

#[test]
fn deletion_keeps_volumes_until_they_may_go() {
    let mut wanted = desired(DesiredState::Deleted);
    let kept = steps(plan(&wanted, &running()));
    assert!(kept.iter().all(|planned| planned.step.name() != "drop_volume"));
    wanted.droppable.insert("v-db".into());
    let gone = steps(plan(&wanted, &running()));
    assert!(gone.iter().any(|planned| planned.step == Step::DropVolume { name: "v-db".into() }));
    assert!(before(&gone, "remove_container", "drop_volume", None));
    let mut empty = nothing();
    assert_eq!(plan(&wanted, &empty), Decision::Converged);
    empty.volumes = Fact::Known(BTreeSet::from(["v-other".into()]));
    assert_eq!(plan(&wanted, &empty), Decision::Converged);
}

#[test]
fn limits_are_changed_without_replacing_anything() {
    let mut observed = running();
    if let Fact::Known(containers) = &mut observed.containers {
        containers[1].limits = Some(Limits { memory_mib: 128, ..LIMITS });
    }
    let steps = steps(plan(&desired(DesiredState::Running), &observed));
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].step, Step::SetLimits { service: service("app"), container: "a".into() });
}

#[test]
fn every_step_is_among_the_names() {
    let mut names = BTreeSet::new();
    for planned in steps(plan(&desired(DesiredState::Running), &nothing())) {
        names.insert(planned.step.name());
    }
    assert!(names.iter().all(|name| Step::NAMES.contains(name)));
}
