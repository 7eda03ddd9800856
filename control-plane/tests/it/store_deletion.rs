//! The end of a tenant, and the way back from it.

use std::time::{Duration, Instant};

use control_plane::model::ids::{HouseId, InstallationId, ReleaseId};
use control_plane::model::operation::{OperationKind, OperationState};
use control_plane::model::secret::{Sealed, SecretPurpose};
use control_plane::model::tenant::{DesiredState, Status};
use control_plane::store::leases::{self, Claim, Outcome};
use control_plane::store::operations::{self, OperationFilter};
use control_plane::store::tenants::{self, Deletion};
use control_plane::store::{Channel, Conflict, Error, Listener, doors, houses, secrets, subnets, volumes};

use crate::store::{create, new_tenant, release};
use crate::support::postgres::Registry;

const WORKER: i64 = 7;

async fn claim_house(registry: &Registry, house: &HouseId) -> Claim {
    let mut tx = registry.worker().await;
    let claim = leases::claim_house(&mut tx, WORKER, 600, house).await.expect("a claim").expect("free");
    tx.commit().await.expect("committed");
    claim
}

/// A tenant that runs, on a volume and with a secret.
async fn settled(registry: &Registry, slug: &str, release: ReleaseId) -> (Claim, String) {
    let created = create(registry, slug, release).await;
    let claim = claim_house(registry, &created.house).await;
    let installation: InstallationId = "abcdef".parse().expect("an installation");
    let service = "db".parse().expect("a service");
    let sealed = Sealed { key_version: 1, nonce: [3; 24], ciphertext: vec![1, 2, 3] };
    let mut tx = registry.worker().await;
    let volume =
        volumes::ensure(&mut tx, &claim, &installation, &service).await.expect("asked").expect("held");
    assert_eq!(volume.name, format!("fh-abcdef-{}-db-1", claim.house));
    let again = volumes::ensure(&mut tx, &claim, &installation, &service).await.expect("asked");
    assert_eq!(again.as_ref(), Some(&volume), "one is enough");
    secrets::put(&mut tx, claim.tenant, SecretPurpose::DatabaseApp, &sealed).await.expect("kept");
    let other = Sealed { key_version: 2, ..sealed.clone() };
    let kept = secrets::put_if_none(&mut tx, claim.tenant, SecretPurpose::DatabaseApp, &other).await;
    assert_eq!(kept.expect("there"), sealed);
    assert_eq!(secrets::all(&mut tx, claim.tenant).await.expect("asked").len(), 1);
    assert!(leases::give_back(&mut tx, &claim, 1, Outcome::Converged).await.expect("given back"));
    tx.commit().await.expect("committed");
    (claim, volume.name)
}

async fn droppable(registry: &Registry, house: &HouseId) -> Vec<String> {
    let mut tx = registry.worker().await;
    houses::load(&mut tx, house).await.expect("there").droppable().map(str::to_owned).collect()
}

async fn delete(registry: &Registry, claim: &Claim, deletion: Deletion) {
    let mut tx = registry.api().await;
    tenants::delete(&mut tx, claim.tenant, deletion, "admin").await.expect("deleted");
    tx.commit().await.expect("committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_kept_and_then_gone() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    let mut listener: Listener = registry.worker.listen(&[Channel::HouseDue]).await.expect("a listener");
    leases::be_present(&mut listener, WORKER).await.expect("present");
    restored_within_its_retention(&registry, release).await;
    gone_after_its_retention(&registry, release).await;
    erased_at_once(&registry, release).await;
}

async fn restored_within_its_retention(registry: &Registry, release: ReleaseId) {
    let (claim, _) = settled(registry, "kept", release).await;
    let mut tx = registry.api().await;
    assert!(matches!(
        tenants::restore(&mut tx, claim.tenant, "admin").await,
        Err(Error::Conflict(Conflict::NotDeleted))
    ));
    drop(tx);
    delete(registry, &claim, Deletion::Keep(Duration::from_secs(3600))).await;
    assert!(droppable(registry, &claim.house).await.is_empty());
    let held = claim_house(registry, &claim.house).await;
    let mut tx = registry.worker().await;
    assert!(!houses::forget(&mut tx, &held).await.expect("asked"), "it must still be kept");
    drop(tx);
    let mut tx = registry.worker().await;
    assert!(!volumes::drop_record(&mut tx, &held, "fh-x").await.expect("asked"));
    assert!(leases::give_back(&mut tx, &held, 2, Outcome::Converged).await.expect("given back"));
    assert!(leases::next_due(&mut tx).await.expect("a time") > Some(Duration::from_secs(1800)));
    assert!(houses::expired(&mut tx).await.expect("asked").is_empty());
    tx.commit().await.expect("committed");

    let mut tx = registry.api().await;
    let conflict = tenants::set_desired(&mut tx, claim.tenant, DesiredState::Running, "admin").await;
    assert!(matches!(conflict, Err(Error::Conflict(Conflict::Deleted))));
    let conflict = tenants::update(&mut tx, claim.tenant, Default::default(), "admin").await;
    assert!(matches!(conflict, Err(Error::Conflict(Conflict::Deleted))));
    let again = tenants::delete(&mut tx, claim.tenant, Deletion::Keep(Duration::ZERO), "admin").await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::Deleted))));
    let taken = tenants::create(&mut tx, new_tenant("kept", release)).await;
    assert!(
        matches!(taken, Err(Error::Conflict(Conflict::SlugTaken))),
        "its slug is its own until it is gone"
    );
    drop(tx);

    // Erasure that nobody began is withdrawn, and the retention is as it was.
    let mut tx = registry.api().await;
    let erase = tenants::delete(&mut tx, claim.tenant, Deletion::Erase, "admin").await.expect("erased");
    operations::cancel(&mut tx, erase).await.expect("withdrawn");
    tx.commit().await.expect("committed");
    assert!(droppable(registry, &claim.house).await.is_empty());

    let mut tx = registry.api().await;
    let operation = tenants::restore(&mut tx, claim.tenant, "admin").await.expect("restored");
    let record = tenants::get(&mut tx, claim.tenant).await.expect("there");
    assert_eq!((record.desired, record.purge_at, record.deleted_at), (DesiredState::Running, None, None));
    assert_eq!((record.erase, record.status()), (false, Status::Changing));
    tx.commit().await.expect("committed");
    assert!(droppable(registry, &claim.house).await.is_empty());
    let held = claim_house(registry, &claim.house).await;
    let mut tx = registry.worker().await;
    let now = houses::load(&mut tx, &held.house).await.expect("there").tenant.generation;
    assert!(leases::give_back(&mut tx, &held, now, Outcome::Converged).await.expect("given back"));
    assert_eq!(leases::next_due(&mut tx).await.expect("a time"), None);
    let done = operations::get(&mut tx, operation).await.expect("there");
    assert_eq!((done.kind, done.state), (OperationKind::Restore, OperationState::Succeeded));
    tx.commit().await.expect("committed");
}

async fn gone_after_its_retention(registry: &Registry, release: ReleaseId) {
    let (claim, volume) = settled(registry, "brief", release).await;
    delete(registry, &claim, Deletion::Keep(Duration::from_millis(300))).await;
    let mut tx = registry.api().await;
    let late = tenants::restore(&mut tx, claim.tenant, "admin").await;
    assert!(matches!(late, Err(Error::Conflict(Conflict::Purged))), "too close to its end");
    drop(tx);
    let held = claim_house(registry, &claim.house).await;
    let mut tx = registry.worker().await;
    assert!(leases::give_back(&mut tx, &held, 2, Outcome::Converged).await.expect("given back"));
    tx.commit().await.expect("committed");
    let deadline = Instant::now() + Duration::from_secs(60);
    let due = loop {
        let mut tx = registry.worker().await;
        let mut due = leases::claim(&mut tx, WORKER, 600, 10).await.expect("claims");
        tx.commit().await.expect("committed");
        if let Some(due) = due.pop() {
            break due;
        }
        assert!(Instant::now() < deadline, "nobody ever looked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(due.house, claim.house);
    assert_eq!(droppable(registry, &due.house).await, std::slice::from_ref(&volume));
    let mut tx = registry.worker().await;
    assert!(!volumes::drop_record(&mut tx, &held, &volume).await.expect("asked"), "that lease is over");
    assert!(volumes::drop_record(&mut tx, &due, &volume).await.expect("asked"));
    tx.commit().await.expect("committed");
    forgotten(registry, &due, "brief", release).await;
}

async fn erased_at_once(registry: &Registry, release: ReleaseId) {
    let (claim, volume) = settled(registry, "erased", release).await;
    delete(registry, &claim, Deletion::Keep(Duration::from_secs(3600))).await;
    delete(registry, &claim, Deletion::Erase).await;
    let mut tx = registry.api().await;
    let again = tenants::delete(&mut tx, claim.tenant, Deletion::Erase, "admin").await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::Deleted))));
    let late = tenants::restore(&mut tx, claim.tenant, "admin").await;
    assert!(matches!(late, Err(Error::Conflict(Conflict::Purged))));
    drop(tx);
    assert_eq!(droppable(registry, &claim.house).await, [volume]);
    let held = claim_house(registry, &claim.house).await;
    forgotten(registry, &held, "erased", release).await;
}

/// The last act, once: nothing is left but what people may still ask about.
async fn forgotten(registry: &Registry, claim: &Claim, slug: &str, release: ReleaseId) {
    let stale = Claim { token: uuid::Uuid::new_v4(), ..claim.clone() };
    let mut tx = registry.worker().await;
    let subnet = houses::load(&mut tx, &claim.house).await.expect("there").subnet;
    assert!(!houses::forget(&mut tx, &stale).await.expect("asked"));
    assert!(houses::forget(&mut tx, claim).await.expect("asked"));
    tx.commit().await.expect("committed");

    let mut tx = registry.worker().await;
    assert!(!houses::forget(&mut tx, claim).await.expect("asked"), "only once");
    assert!(
        !leases::give_back(&mut tx, claim, 2, Outcome::Converged).await.expect("asked"),
        "nothing to end"
    );
    assert!(matches!(houses::load(&mut tx, &claim.house).await, Err(Error::NotFound)));
    assert!(leases::claim(&mut tx, WORKER, 600, 10).await.expect("claims").is_empty());
    let host = format!("{slug}.example.test").parse().expect("a host name");
    assert_eq!(doors::by_host(&mut tx, &host).await.expect("asked"), None);
    let filter = OperationFilter {
        slug: Some(slug.parse().expect("a slug")),
        limit: 50,
        ..OperationFilter::default()
    };
    let told = operations::list(&mut tx, &filter).await.expect("a page").items;
    assert!(told.len() >= 2);
    assert!(told.iter().all(|operation| operation.state.is_over() && operation.tenant_id.is_none()));
    assert!(told[0].state == OperationState::Succeeded);

    // Its subnet is not used again before the edge has confirmed that nothing points there.
    let retired = subnets::retired(&mut tx).await.expect("asked");
    assert!(retired.iter().any(|retired| retired.subnet == subnet && retired.house == claim.house));
    drop(tx);
    let taken = async || {
        let mut tx = registry.api().await;
        let made = tenants::create(&mut tx, new_tenant(slug, release)).await.expect("the slug is free again");
        houses::load(&mut tx, &made.house).await.expect("there").subnet
    };
    assert_ne!(taken().await, subnet);
    let mut tx = registry.worker().await;
    subnets::release(&mut tx, subnet).await.expect("released");
    tx.commit().await.expect("committed");
    assert_eq!(taken().await, subnet, "the lowest that is free");
}
