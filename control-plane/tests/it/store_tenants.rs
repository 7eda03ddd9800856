//! Tenants: made, found, listed and changed.

use std::collections::BTreeSet;

use control_plane::model::hostname::HostName;
use control_plane::model::ids::{ReleaseId, TenantId};
use control_plane::model::operation::{OperationKind, OperationState};
use control_plane::model::tenant::{DesiredState, Status};
use control_plane::store::pages::Cursor;
use control_plane::store::tenants::{self, NewTenant, TenantChange, TenantFilter, TenantSort};
use control_plane::store::{Conflict, Error, idempotency, operations, subnets};

use crate::store::{create, new_tenant, release};
use crate::support::postgres::Registry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_are_made_found_listed_and_changed() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    statuses_are_the_same_in_sql(&registry).await;
    made_once(&registry, release).await;
    made_at_once(&registry, release).await;
    the_pool_ends(&registry, release).await;
    listed(&registry, release).await;
    changed(&registry, release).await;
    requests_are_made_once(&registry).await;
}

async fn statuses_are_the_same_in_sql(registry: &Registry) {
    let mut superuser = registry.superuser().await;
    for desired in DesiredState::ALL {
        for bits in 0..8 {
            let (converged, ever_ready, stuck) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            let said: String = sqlx::query_scalar("select freehold.status_of($1, $2, $3, $4)")
                .bind(desired.as_str())
                .bind(converged)
                .bind(ever_ready)
                .bind(stuck)
                .fetch_one(&mut superuser)
                .await
                .expect("a status");
            assert_eq!(said, Status::of(*desired, converged, ever_ready, stuck).as_str());
        }
    }
}

async fn conflict(registry: &Registry, new: NewTenant) -> Conflict {
    let mut tx = registry.api().await;
    match tenants::create(&mut tx, new).await {
        Err(Error::Conflict(conflict)) => conflict,
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

async fn made_once(registry: &Registry, release: ReleaseId) {
    let acme = create(registry, "acme", release).await;
    let mut tx = registry.api().await;
    let record = tenants::by_slug(&mut tx, &"acme".parse().expect("a slug")).await.expect("there");
    assert_eq!((record.id, &record.house, record.generation), (acme.tenant, &acme.house, 1));
    assert_eq!((record.status(), record.release.as_str()), (Status::Provisioning, "r1"));
    assert_eq!(record.settings["colour"], "blue");
    assert_eq!(record.hosts, ["acme.example.test".parse::<HostName>().expect("a host name")]);
    let operation = operations::get(&mut tx, acme.operation).await.expect("there");
    assert_eq!((operation.kind, operation.state), (OperationKind::Create, OperationState::Pending));
    assert!(matches!(tenants::get(&mut tx, TenantId::random()).await, Err(Error::NotFound)));
    drop(tx);

    assert_eq!(conflict(registry, new_tenant("acme", release)).await, Conflict::SlugTaken);
    let mut same_host = new_tenant("other", release);
    same_host.hosts = record.hosts;
    assert_eq!(conflict(registry, same_host).await, Conflict::HostTaken);
    assert_eq!(conflict(registry, new_tenant("other", ReleaseId::random())).await, Conflict::UnknownRelease);
}

async fn made_at_once(registry: &Registry, release: ReleaseId) {
    let made = futures_util::future::join_all(
        ["one", "two", "three", "four"].map(|slug| create(registry, slug, release)),
    )
    .await;
    let mut tx = registry.worker().await;
    let mut nets = BTreeSet::new();
    for created in &made {
        let house = control_plane::store::houses::load(&mut tx, &created.house).await.expect("there");
        nets.insert(house.subnet.to_string());
    }
    // The first block is the platform's and the second went to the tenant made before.
    let expected =
        ["10.201.0.32/28", "10.201.0.48/28", "10.201.0.64/28", "10.201.0.80/28"].map(str::to_owned);
    assert_eq!(nets, BTreeSet::from(expected));
    let pool = "10.201.0.0/16".parse().expect("a pool");
    assert_eq!(
        subnets::platform_block(pool).map(|block| block.to_string()).as_deref(),
        Some("10.201.0.0/28")
    );
}

async fn the_pool_ends(registry: &Registry, release: ReleaseId) {
    let small = |slug: &str| {
        let mut new = new_tenant(slug, release);
        new.pool = "10.77.0.0/27".parse().expect("a pool");
        new
    };
    let mut tx = registry.api().await;
    let fits =
        tenants::create(&mut tx, small("fits")).await.expect("one block is left beside the platform's");
    tx.commit().await.expect("committed");
    assert_eq!(conflict(registry, small("squeezed")).await, Conflict::NoSubnetLeft);
    let mut tx = registry.worker().await;
    let house = control_plane::store::houses::load(&mut tx, &fits.house).await.expect("there");
    assert_eq!(house.subnet.to_string(), "10.77.0.16/28");
}

async fn all_pages(registry: &Registry, mut filter: TenantFilter) -> Vec<String> {
    let mut slugs = Vec::new();
    loop {
        let mut tx = registry.api().await;
        let page = tenants::list(&mut tx, &filter).await.expect("a page");
        assert!(page.items.len() <= filter.limit as usize);
        slugs.extend(page.items.iter().map(|tenant| tenant.slug.to_string()));
        match page.next {
            // As it goes to a caller and comes back.
            Some(next) => filter.cursor = Some(next.to_string().parse().expect("a cursor")),
            None => return slugs,
        }
    }
}

async fn listed(registry: &Registry, release: ReleaseId) {
    for (slug, name) in
        [("zebra", "100% Änders"), ("yak", "snake_case"), ("xerus", "snakeXcase"), ("wolf", "ÄNDERS")]
    {
        let mut tx = registry.api().await;
        let mut new = new_tenant(slug, release);
        new.name = name.into();
        new.plan = "team".parse().expect("a plan");
        tenants::create(&mut tx, new).await.expect("created");
        tx.commit().await.expect("committed");
    }
    let filter = |limit| TenantFilter { limit, ..TenantFilter::default() };
    let everybody = all_pages(registry, filter(200)).await;
    let mut sorted = everybody.clone();
    sorted.sort();
    assert_eq!(everybody, sorted);
    assert_eq!(everybody.len(), 10);
    for sort in [TenantSort::Slug, TenantSort::Name, TenantSort::Created] {
        for descending in [false, true] {
            let whole = all_pages(registry, TenantFilter { sort, descending, ..filter(200) }).await;
            for limit in [1, 3] {
                let pages = all_pages(registry, TenantFilter { sort, descending, ..filter(limit) }).await;
                assert_eq!(pages, whole, "{sort:?} {descending} by {limit}");
            }
            assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), everybody.len());
        }
    }
    let found = async |text: &str| {
        all_pages(registry, TenantFilter { search: Some(text.into()), ..filter(200) }).await
    };
    assert_eq!(found("100%").await, ["zebra"]);
    assert_eq!(found("e_c").await, ["yak"], "an underscore is no wildcard");
    assert_eq!(found("%").await, ["zebra"], "nor is a percent sign");
    assert_eq!(found("ACME.example").await, ["acme"]);
    assert_eq!(found("\\").await, Vec::<String>::new());
    assert_eq!(found("' or true --").await, Vec::<String>::new());
    assert_eq!(found("").await.len(), everybody.len());
    assert_eq!(found("änders").await, ["wolf", "zebra"]);
    assert_eq!(found("x\n").await, Vec::<String>::new(), "nothing that is not in one of them");
    let team = TenantFilter { plan: Some("team".parse().expect("a plan")), ..filter(200) };
    assert_eq!(all_pages(registry, team).await.len(), 4);
    let provisioning = TenantFilter { statuses: vec![Status::Provisioning], ..filter(200) };
    assert_eq!(all_pages(registry, provisioning).await.len(), everybody.len());
    let asleep = TenantFilter { statuses: vec![Status::Asleep, Status::Stuck], ..filter(200) };
    assert!(all_pages(registry, asleep).await.is_empty());

    // A page begins behind the row the last one ended with, though rows before it have come and gone.
    let mut tx = registry.api().await;
    let first = tenants::list(&mut tx, &filter(2)).await.expect("a page");
    tenants::create(&mut tx, new_tenant("aardvark", release)).await.expect("created");
    let second = TenantFilter { cursor: first.next.clone(), ..filter(2) };
    let second = tenants::list(&mut tx, &second).await.expect("a page");
    assert_eq!(
        second.items.iter().map(|tenant| tenant.slug.to_string()).collect::<Vec<_>>(),
        everybody[2..4]
    );
    drop(tx);

    let mut tx = registry.api().await;
    let other_order = TenantFilter { cursor: first.next, descending: true, ..filter(2) };
    assert!(matches!(tenants::list(&mut tx, &other_order).await, Err(Error::InvalidCursor)));
    let counted: i64 =
        tenants::count_by_status(&mut tx).await.expect("counts").iter().map(|(_, count)| count).sum();
    assert_eq!(counted, 10);
    assert!("bm90IGEgY3Vyc29y".parse::<Cursor>().is_err());
}

async fn changed(registry: &Registry, first: ReleaseId) {
    let second = release(registry, "r2").await;
    let mut tx = registry.api().await;
    let acme = tenants::by_slug(&mut tx, &"acme".parse().expect("a slug")).await.expect("there");
    let nothing = TenantChange { name: Some(acme.name.clone()), ..TenantChange::default() };
    assert_eq!(tenants::update(&mut tx, acme.id, nothing, "admin").await.expect("asked"), None);
    let change = TenantChange {
        name: Some("Acme & Sons".into()),
        plan: Some("team".parse().expect("a plan")),
        settings: Some([("colour".to_owned(), "red".into())].into_iter().collect()),
        release: None,
    };
    let operation =
        tenants::update(&mut tx, acme.id, change, "admin").await.expect("asked").expect("changed");
    let now = tenants::get(&mut tx, acme.id).await.expect("there");
    assert_eq!((now.name.as_str(), now.generation), ("Acme & Sons", 2));
    for (text, hits) in [("acme & sons", 1), ("the acme", 0), ("acme.example", 1)] {
        let filter = TenantFilter { search: Some(text.into()), limit: 9, ..TenantFilter::default() };
        assert_eq!(tenants::list(&mut tx, &filter).await.expect("a page").items.len(), hits, "{text}");
    }
    assert_eq!((now.settings["colour"].as_str(), now.plan.as_str()), (Some("red"), "team"));
    assert_eq!(operations::get(&mut tx, operation).await.expect("there").kind, OperationKind::Update);

    // Withdrawn before anybody began, it is as before.
    operations::cancel(&mut tx, operation).await.expect("withdrawn");
    let back = tenants::get(&mut tx, acme.id).await.expect("there");
    assert_eq!((back.name, back.settings, back.plan), (acme.name, acme.settings, acme.plan));
    assert_eq!(back.generation, 3, "nobody takes it for the generation it was");
    assert_eq!(operations::get(&mut tx, operation).await.expect("there").state, OperationState::Cancelled);
    assert!(matches!(
        operations::cancel(&mut tx, operation).await,
        Err(Error::Conflict(Conflict::OperationBegun))
    ));

    let moved = tenants::move_to_release(&mut tx, second, "up").await.expect("moved");
    assert_eq!(moved.len(), 10);
    assert!(tenants::move_to_release(&mut tx, second, "up").await.expect("moved").is_empty());
    assert_eq!(tenants::get(&mut tx, acme.id).await.expect("there").release, "r2");
    assert_ne!(first, second);
}

async fn requests_are_made_once(registry: &Registry) {
    use idempotency::Begun;
    let response = serde_json::json!({"id": 7});
    let mut tx = registry.api().await;
    assert_eq!(idempotency::begin(&mut tx, "k", "ann", "h1").await.expect("begun"), Begun::New);
    idempotency::finish(&mut tx, "k", "ann", 202, &response).await.expect("finished");
    // A second one waits for the end of the first and then gets its answer.
    let second = async {
        let mut tx = registry.api().await;
        idempotency::begin(&mut tx, "k", "ann", "h1").await
    };
    let first = async {
        tokio::task::yield_now().await;
        tx.commit().await
    };
    let (second, first) = tokio::join!(second, first);
    first.expect("committed");
    assert_eq!(second.expect("begun"), Begun::Replay { status: 202, response });

    let mut tx = registry.api().await;
    assert_eq!(idempotency::begin(&mut tx, "k", "bob", "h2").await.expect("begun"), Begun::New);
    assert!(matches!(
        idempotency::begin(&mut tx, "k", "ann", "h2").await,
        Err(Error::Conflict(Conflict::IdempotencyKeyReused))
    ));
    assert!(matches!(
        idempotency::finish(&mut tx, "x", "ann", 200, &serde_json::Value::Null).await,
        Err(Error::NotFound)
    ));
}
