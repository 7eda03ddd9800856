//! Leases: one worker at a time, the next one at once when it dies, and what its work comes to.

use std::time::{Duration, Instant};

use control_plane::model::ids::{HouseId, OperationId, ReleaseId};
use control_plane::model::operation::{EventState, OperationState};
use control_plane::model::plan::Limits;
use control_plane::model::tenant::{DesiredState, Status};
use control_plane::store::leases::{self, Claim, Outcome};
use control_plane::store::tenants::{self, TenantRecord};
use control_plane::store::{Channel, Listener, Notice, houses, operations};

use crate::store::{create, release};
use crate::support::postgres::Registry;

const ANN: i64 = 0x7fff_0000_8000_0001;
const BOB: i64 = -42;

async fn worker(registry: &Registry, key: i64) -> Listener {
    let mut listener = registry.worker.listen(&[Channel::HouseDue]).await.expect("a listener");
    leases::be_present(&mut listener, key).await.expect("present");
    listener
}

async fn claim(registry: &Registry, key: i64) -> Vec<Claim> {
    let mut tx = registry.worker().await;
    let claims = leases::claim(&mut tx, key, 600, 10).await.expect("claims");
    tx.commit().await.expect("committed");
    claims
}

async fn claim_house(registry: &Registry, key: i64, house: &HouseId) -> Option<Claim> {
    let mut tx = registry.worker().await;
    let claim = leases::claim_house(&mut tx, key, 600, house).await.expect("a claim");
    tx.commit().await.expect("committed");
    claim
}

async fn give_back(registry: &Registry, claim: &Claim, generation: i64, outcome: Outcome) -> bool {
    let mut tx = registry.worker().await;
    let held = leases::give_back(&mut tx, claim, generation, outcome).await.expect("given back");
    tx.commit().await.expect("committed");
    held
}

async fn tenant(registry: &Registry, claim: &Claim) -> TenantRecord {
    let mut tx = registry.api().await;
    tenants::get(&mut tx, claim.tenant).await.expect("there")
}

async fn operation(registry: &Registry, id: OperationId) -> (OperationState, Option<String>) {
    let mut tx = registry.api().await;
    let record = operations::get(&mut tx, id).await.expect("there");
    (record.state, record.reason)
}

async fn desire(registry: &Registry, claim: &Claim, desired: DesiredState) -> OperationId {
    let mut tx = registry.api().await;
    let id = tenants::set_desired(&mut tx, claim.tenant, desired, "admin").await.expect("asked");
    tx.commit().await.expect("committed");
    id.expect("changed")
}

async fn next_due(registry: &Registry) -> Option<Duration> {
    let mut tx = registry.worker().await;
    leases::next_due(&mut tx).await.expect("a time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_is_worked_on_by_one_and_never_forgotten() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    assert_eq!(next_due(&registry).await, None);
    one_at_a_time(&registry, release).await;
    outcomes(&registry, release).await;
    failures_count_for_their_own_generation(&registry, release).await;
    what_it_waits_for_is_told(&registry, release).await;
    a_presence_that_was_lost_comes_back(&registry, release).await;
    records_are_fenced(&registry, release).await;
}

async fn one_at_a_time(registry: &Registry, release: ReleaseId) {
    let mut ann = worker(registry, ANN).await;
    let _bob = worker(registry, BOB).await;
    let mut expected = Vec::new();
    for slug in ["one", "two", "three"] {
        expected.push(create(registry, slug, release).await.house);
    }
    for house in &expected {
        let heard = tokio::time::timeout(Duration::from_secs(60), ann.next()).await.expect("in time");
        assert_eq!(heard.expect("heard"), Notice::HouseDue(house.clone()));
    }
    assert_eq!(next_due(registry).await, Some(Duration::ZERO));

    let (first, second) = tokio::join!(claim(registry, ANN), claim(registry, BOB));
    let mut houses: Vec<_> = first.iter().chain(&second).map(|claim| claim.house.clone()).collect();
    houses.sort();
    expected.sort();
    assert_eq!(houses, expected, "each by one of both");
    assert!(claim(registry, ANN).await.is_empty());
    assert!(claim_house(registry, BOB, &expected[0]).await.is_none(), "somebody has it");
    assert!(next_due(registry).await > Some(Duration::from_secs(60)), "only when a lease has run out");
    for claim in first.iter().chain(&second) {
        assert!(give_back(registry, claim, 1, Outcome::Converged).await);
        assert!(!give_back(registry, claim, 1, Outcome::Converged).await, "only once");
    }
    assert_eq!(next_due(registry).await, None);
    assert!(claim(registry, ANN).await.is_empty());

    // Whoever dies loses all it had at once, and what it still says is not heard.
    let lost = claim_house(registry, ANN, &expected[0]).await.expect("free though not due");
    drop(ann);
    let deadline = Instant::now() + Duration::from_secs(60);
    let taken = loop {
        if let Some(taken) = claim(registry, BOB).await.pop() {
            break taken;
        }
        assert!(Instant::now() < deadline, "the lease outlived its worker");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(taken.house, lost.house);
    let mut tx = registry.worker().await;
    assert!(!leases::extend(&mut tx, &lost, 600).await.expect("asked"));
    assert!(leases::extend(&mut tx, &taken, 600).await.expect("asked"));
    tx.commit().await.expect("committed");
    assert!(!give_back(registry, &lost, 1, Outcome::Stuck { reason: "not heard".into() }).await);
    assert!(give_back(registry, &taken, 1, Outcome::Converged).await);

    // A lease that has run out is free though its worker lives.
    let mut tx = registry.worker().await;
    let brief = leases::claim_house(&mut tx, BOB, 0, &expected[1]).await.expect("a claim").expect("free");
    tx.commit().await.expect("committed");
    let again = claim(registry, BOB).await;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].token, brief.token);
    assert!(give_back(registry, &again[0], 1, Outcome::Converged).await);
}

async fn outcomes(registry: &Registry, release: ReleaseId) {
    let _bob = worker(registry, BOB).await;
    let created = create(registry, "outcome", release).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    assert_eq!(operation(registry, created.operation).await.0, OperationState::Running);
    assert!(give_back(registry, &held, 1, Outcome::Converged).await);
    let record = tenant(registry, &held).await;
    assert_eq!((record.status(), record.ever_ready), (Status::Running, true));
    assert_eq!(operation(registry, created.operation).await, (OperationState::Succeeded, None));

    // A change that comes while it is worked on: the work for the one before ends nothing but itself.
    let sleep = desire(registry, &held, DesiredState::Asleep).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    let wake = desire(registry, &held, DesiredState::Running).await;
    let replaced = (OperationState::Cancelled, Some("replaced by a later change".to_owned()));
    assert_eq!(operation(registry, sleep).await, replaced);
    assert!(give_back(registry, &held, 2, Outcome::Converged).await);
    assert_eq!(tenant(registry, &held).await.status(), Status::Changing);
    assert_eq!(operation(registry, wake).await.0, OperationState::Pending);
    let held = claim(registry, BOB).await.pop().expect("due again at once");
    assert!(give_back(registry, &held, 2, Outcome::Superseded).await);
    let held = claim(registry, BOB).await.pop().expect("due again at once");
    assert!(give_back(registry, &held, 3, Outcome::Converged).await);
    assert_eq!(operation(registry, wake).await, (OperationState::Succeeded, None));

    // What an update asked for still holds when the tenant is then sent elsewhere.
    let mut tx = registry.api().await;
    let change = tenants::TenantChange { name: Some("New".into()), ..Default::default() };
    let update =
        tenants::update(&mut tx, held.tenant, change, "admin").await.expect("asked").expect("changed");
    tx.commit().await.expect("committed");
    let suspend = desire(registry, &held, DesiredState::Suspended).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    assert!(give_back(registry, &held, 5, Outcome::Converged).await);
    for id in [update, suspend] {
        assert_eq!(operation(registry, id).await, (OperationState::Succeeded, None));
    }
    assert_eq!(tenant(registry, &held).await.status(), Status::Suspended);

    // Stuck: nobody tries until a person has looked, and then all that waited goes on.
    let resume = desire(registry, &held, DesiredState::Running).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    assert!(give_back(registry, &held, 6, Outcome::Stuck { reason: "no such image".into() }).await);
    assert_eq!(operation(registry, resume).await, (OperationState::Stuck, Some("no such image".to_owned())));
    let record = tenant(registry, &held).await;
    assert_eq!((record.status(), record.stuck_reason.as_deref()), (Status::Stuck, Some("no such image")));
    assert!(claim(registry, BOB).await.is_empty());
    assert!(claim_house(registry, BOB, &held.house).await.is_none());
    let mut tx = registry.worker().await;
    assert!(!houses::due_now(&mut tx, &held.house, "drift").await.expect("asked"), "it waits for a person");
    tx.commit().await.expect("committed");
    let mut tx = registry.api().await;
    let repair = tenants::retry(&mut tx, held.tenant, "admin").await.expect("retried");
    tx.commit().await.expect("committed");
    assert_eq!(operation(registry, resume).await, (OperationState::Pending, None));
    let held = claim(registry, BOB).await.pop().expect("due");
    assert!(give_back(registry, &held, 7, Outcome::Converged).await);
    for id in [resume, repair] {
        assert_eq!(operation(registry, id).await, (OperationState::Succeeded, None));
    }

    // Stuck for what is no longer desired stops nobody.
    desire(registry, &held, DesiredState::Asleep).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    let wake = desire(registry, &held, DesiredState::Running).await;
    assert!(give_back(registry, &held, 8, Outcome::Stuck { reason: "old".into() }).await);
    assert_eq!(tenant(registry, &held).await.status(), Status::Changing);
    let held = claim(registry, BOB).await.pop().expect("due");
    assert!(give_back(registry, &held, 9, Outcome::Converged).await);
    assert_eq!(operation(registry, wake).await.0, OperationState::Succeeded);

    // The platform's own repairs are seen as well.
    let held = claim_house(registry, BOB, &held.house).await.expect("free");
    let mut tx = registry.worker().await;
    let repair = operations::open_repair(&mut tx, &held, 9, "a container is gone").await.expect("asked");
    let repair = repair.expect("the lease holds");
    assert_eq!(operations::open_repair(&mut tx, &held, 9, "again").await.expect("asked"), Some(repair));
    assert_eq!(operations::current_of(&mut tx, held.tenant).await.expect("asked"), Some(repair));
    for step in ["make", "start"] {
        operations::event(&mut tx, repair, chrono::Utc::now(), step, EventState::Done, "")
            .await
            .expect("told");
    }
    tx.commit().await.expect("committed");
    assert!(give_back(registry, &held, 9, Outcome::Converged).await);
    let mut tx = registry.api().await;
    let events = operations::events_after(&mut tx, repair, 1).await.expect("events");
    let told: Vec<_> = events.iter().map(|event| (event.number, event.step.as_str())).collect();
    assert_eq!(told, [(2, "make"), (3, "start")]);
    assert_eq!(operations::current_of(&mut tx, held.tenant).await.expect("asked"), None);
}

async fn failures_count_for_their_own_generation(registry: &Registry, release: ReleaseId) {
    let _bob = worker(registry, BOB).await;
    create(registry, "failing", release).await;
    let now = Outcome::Again { after: Duration::ZERO, reason: "a bad day".into() };
    for failures in 1..=3 {
        let held = claim(registry, BOB).await.pop().expect("due");
        assert!(give_back(registry, &held, 1, now.clone()).await);
        assert_eq!(tenant(registry, &held).await.attempts, failures);
    }
    let held = claim(registry, BOB).await.pop().expect("due");
    desire(registry, &held, DesiredState::Asleep).await;
    assert_eq!(tenant(registry, &held).await.attempts, 0);
    assert!(give_back(registry, &held, 1, now.clone()).await);
    assert_eq!(tenant(registry, &held).await.attempts, 0, "it failed at what is no longer wanted");
    let held = claim(registry, BOB).await.pop().expect("due");
    let later = Outcome::Again { after: Duration::from_secs(3600), reason: "a bad day".into() };
    assert!(give_back(registry, &held, 2, later).await);
    assert_eq!(tenant(registry, &held).await.attempts, 1);
    assert!(claim(registry, BOB).await.is_empty(), "not before its time");
    let wait = next_due(registry).await.expect("it will be due");
    assert!(wait > Duration::from_secs(1800) && wait <= Duration::from_secs(3600), "{wait:?}");
    let held = claim_house(registry, BOB, &held.house).await.expect("free");
    assert!(give_back(registry, &held, 2, Outcome::Converged).await);
    let record = tenant(registry, &held).await;
    assert_eq!((record.attempts, record.ever_ready), (0, false), "it never ran");
}

async fn what_it_waits_for_is_told(registry: &Registry, release: ReleaseId) {
    let _bob = worker(registry, BOB).await;
    let created = create(registry, "waiting", release).await;
    let reason = || async { operation(registry, created.operation).await };
    for outcome in [
        Outcome::Wait { after: Duration::ZERO, reason: "the engine is away".into() },
        Outcome::Again { after: Duration::ZERO, reason: "no such image".into() },
    ] {
        let (Outcome::Wait { reason: told, .. } | Outcome::Again { reason: told, .. }) = outcome.clone()
        else {
            unreachable!("both wait")
        };
        let held = claim(registry, BOB).await.pop().expect("due");
        assert!(give_back(registry, &held, 1, outcome).await);
        assert_eq!(reason().await, (OperationState::Running, Some(told)));
    }
    assert_eq!(tenant(registry, &claim(registry, BOB).await[0]).await.attempts, 1, "waiting is no failure");
    let mut tx = registry.worker().await;
    operations::event(&mut tx, created.operation, chrono::Utc::now(), "make", EventState::Started, "")
        .await
        .expect("told");
    tx.commit().await.expect("committed");
    assert_eq!(reason().await, (OperationState::Running, None), "it goes on");
    let mut tx = registry.worker().await;
    leases::abandon(&mut tx, BOB, &[]).await.expect("abandoned");
    tx.commit().await.expect("committed");
    let held = claim(registry, BOB).await.pop().expect("free again");
    assert!(give_back(registry, &held, 1, Outcome::Converged).await);
}

async fn a_presence_that_was_lost_comes_back(registry: &Registry, release: ReleaseId) {
    let mut ann = worker(registry, ANN).await;
    let created = create(registry, "lost", release).await;
    let next = async |listener: &mut Listener| {
        tokio::time::timeout(Duration::from_secs(60), listener.next()).await.expect("in time").expect("heard")
    };
    assert_eq!(next(&mut ann).await, Notice::HouseDue(created.house.clone()));
    let lost = claim(registry, ANN).await.pop().expect("due");
    let mut superuser = registry.superuser().await;
    sqlx::raw_sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
        .execute(&mut superuser)
        .await
        .expect("ended");
    assert_eq!(next(&mut ann).await, Notice::Lost, "at once");
    let held = claim(registry, BOB).await.pop().expect("nobody knows that Ann lives");
    assert!(!give_back(registry, &lost, 1, Outcome::Converged).await);
    assert!(give_back(registry, &held, 1, Outcome::Converged).await);
    assert_eq!(next(&mut ann).await, Notice::Reconnected);
    desire(registry, &held, DesiredState::Asleep).await;
    assert_eq!(next(&mut ann).await, Notice::HouseDue(created.house.clone()), "it listens again");
    let held = claim(registry, ANN).await.pop().expect("due");
    assert!(claim(registry, BOB).await.is_empty(), "Ann is known to live");

    // What was lost with the presence is kept from everybody as long as the presence is back, unless it is let go.
    let mut tx = registry.worker().await;
    leases::abandon(&mut tx, ANN, std::slice::from_ref(&held.house)).await.expect("asked");
    tx.commit().await.expect("committed");
    assert!(claim(registry, BOB).await.is_empty(), "what is still worked on is kept");
    let mut tx = registry.worker().await;
    leases::abandon(&mut tx, ANN, &[]).await.expect("asked");
    tx.commit().await.expect("committed");
    let held = claim(registry, BOB).await.pop().expect("free");
    assert!(give_back(registry, &held, 2, Outcome::Converged).await);
}

async fn records_are_fenced(registry: &Registry, release: ReleaseId) {
    let _bob = worker(registry, BOB).await;
    let created = create(registry, "recorded", release).await;
    let held = claim(registry, BOB).await.pop().expect("due");
    let limits = Limits { memory_mib: 64, cpu_millis: 500, pids: 32 };
    let address = "10.201.0.34:8080".parse().expect("an address");
    let mut tx = registry.worker().await;
    assert!(houses::record_prepared(&mut tx, &held, 2, 20).await.expect("asked"));
    assert!(houses::record_schema(&mut tx, &held, 7).await.expect("asked"));
    assert!(houses::record_read_only(&mut tx, &held, true).await.expect("asked"));
    assert!(houses::record_limits(&mut tx, &held, "c1", limits).await.expect("asked"));
    assert!(houses::record_limits(&mut tx, &held, "c2", limits).await.expect("asked"));
    assert!(houses::forget_limits(&mut tx, &held, "c1").await.expect("asked"));
    assert!(houses::record_address(&mut tx, &held, Some(address)).await.expect("asked"));
    tx.commit().await.expect("committed");
    assert!(give_back(registry, &held, 1, Outcome::Converged).await);

    let mut tx = registry.worker().await;
    assert!(!houses::record_schema(&mut tx, &held, 8).await.expect("asked"));
    assert!(!houses::record_limits(&mut tx, &held, "c3", limits).await.expect("asked"));
    let house = houses::load(&mut tx, &created.house).await.expect("there");
    assert_eq!(
        (house.prepared, house.schema_version, house.connections_applied),
        (Some(2), Some(7), Some(20))
    );
    assert_eq!((house.read_only, house.address), (true, Some(address)));
    assert_eq!(house.limits_applied, [("c2".to_owned(), limits)].into());
    assert_eq!((house.release.version.as_str(), house.release.content.schema_version()), ("r1", 1));

    // Storage is measured in turns, and only a change of what follows from it makes the house due.
    let turn = houses::unmeasured(&mut tx, Duration::from_secs(60), 10).await.expect("a turn");
    assert_eq!(turn, std::slice::from_ref(&created.house), "only what is prepared and runs");
    assert!(houses::unmeasured(&mut tx, Duration::from_secs(60), 10).await.expect("a turn").is_empty());
    houses::record_storage(&mut tx, &created.house, 1 << 30, false).await.expect("recorded");
    let due = async |tx: &mut _| {
        let live = houses::live(tx).await.expect("all");
        live.into_iter().find(|live| live.house == created.house).expect("there").due
    };
    assert!(!due(&mut tx).await);
    houses::record_storage(&mut tx, &created.house, 1 << 40, true).await.expect("recorded");
    assert!(due(&mut tx).await);
    let house = houses::load(&mut tx, &created.house).await.expect("there");
    assert_eq!((house.read_only_wanted, house.tenant.storage_bytes), (true, Some(1 << 40)));
}
