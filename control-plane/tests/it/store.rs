//! The registry as a whole: what each role may do, and that no transaction leaks into another.

use std::time::{Duration, Instant};

use control_plane::model::ids::ReleaseId;
use control_plane::model::operation::OperationKind;
use control_plane::model::release::{Migration, ReleaseContent};
use control_plane::model::slug::Slug;
use control_plane::model::tenant::{DesiredState, Status};
use control_plane::store::operations::{self, OperationFilter};
use control_plane::store::tenants::{self, Created, NewTenant};
use control_plane::store::{self, Error, Scope, Store, admins, doors, releases};
use sqlx::{Connection, PgConnection};

use crate::support::postgres::Registry;

/// Registers a release to make tenants of.
pub async fn release(registry: &Registry, mark: &str) -> ReleaseId {
    let content = ReleaseContent {
        stack: format!("# {mark}"),
        images: [("app".to_owned(), "sha256:1".to_owned())].into(),
        migrations: vec![Migration { version: 1, name: "one".into(), sql: "select 1".into() }],
    };
    let mut tx = registry.owner.begin(Scope::System).await.expect("a transaction");
    let (id, version) = releases::register(&mut tx, &content, mark).await.expect("registered");
    assert_eq!(version, mark);
    assert_eq!((id, version), releases::register(&mut tx, &content, "another").await.expect("the same"));
    tx.commit().await.expect("committed");
    id
}

pub fn new_tenant(slug: &str, release: ReleaseId) -> NewTenant {
    let slug: Slug = slug.parse().expect("a slug");
    NewTenant {
        name: format!("The {slug}"),
        plan: "starter".parse().expect("a plan"),
        settings: [("colour".to_owned(), "blue".into())].into_iter().collect(),
        release,
        hosts: vec![format!("{slug}.example.test").parse().expect("a host name")],
        created_by: "admin@example.test".into(),
        pool: "10.201.0.0/16".parse().expect("a pool"),
        slug,
    }
}

pub async fn create(registry: &Registry, slug: &str, release: ReleaseId) -> Created {
    let mut tx = registry.api().await;
    let created = tenants::create(&mut tx, new_tenant(slug, release)).await.expect("created");
    tx.commit().await.expect("committed");
    created
}

async fn allowed(session: &mut PgConnection, statement: &'static str) -> Result<(), String> {
    // Asked for and taken back: only the right counts.
    let mut tx = session.begin().await.expect("a transaction");
    let done = sqlx::raw_sql(statement).execute(&mut *tx).await;
    tx.rollback().await.expect("taken back");
    done.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_do_its_part_and_no_more() {
    let registry = Registry::start().await;
    let release = release(&registry, "r1").await;
    let created = create(&registry, "acme", release).await;
    let host = "acme.example.test".parse().expect("a host name");

    let mut gateway = registry.session(store::GATEWAY_ROLE, &registry.passwords.gateway).await;
    let mut api = registry.session(store::API_ROLE, &registry.passwords.api).await;
    let mut worker = registry.session(store::WORKER_ROLE, &registry.passwords.worker).await;
    for statement in [
        "select * from freehold.tenants",
        "select * from freehold.houses",
        "select * from freehold.tenant_secrets",
        "select * from freehold.oauth_clients",
        "select * from freehold.oauth_grants",
        "select * from freehold.admins",
        "select * from freehold.api_keys",
        "select * from freehold.providers",
        "select * from freehold.identities",
        "select * from freehold.operations",
        "update freehold.tenants set desired_state = 'deleted'",
        "update freehold.doors set name = 'x'",
        "select freehold.changed(gen_random_uuid(), gen_random_uuid(), 'wake', 'x', null)",
    ] {
        assert!(allowed(&mut gateway, statement).await.is_err(), "the gateway: {statement}");
    }
    for statement in [
        "select * from freehold.tenant_secrets",
        "delete from freehold.tenants",
        "update freehold.tenants set converged_generation = generation",
        "update freehold.tenants set ever_ready = true",
        "update freehold.houses set lease_token = null",
        "delete from freehold.volumes",
        "update freehold.oauth_clients set secret_hash = sha256('mine')",
        "insert into freehold.oauth_clients (tenant_id, secret_hash, callback_path, signed_out_path)
         select id, sha256('mine'), '/', '/' from freehold.tenants",
        "update freehold.oauth_grants set user_id = gen_random_uuid()",
        "update freehold.oauth_grants set scope = 'openid'",
        "insert into freehold.releases (id, version, checksum, content) values (gen_random_uuid(), '', '', '{}')",
    ] {
        assert!(allowed(&mut api, statement).await.is_err(), "the api: {statement}");
    }
    for statement in [
        "select * from freehold.admins",
        "select * from freehold.oauth_grants",
        "select * from freehold.providers",
        "delete from freehold.oauth_clients",
        "update freehold.tenants set desired_state = 'deleted'",
        "update freehold.tenants set purge_at = now()",
        "insert into freehold.tenants select * from freehold.tenants",
        "select * from freehold.idempotency_keys",
    ] {
        assert!(allowed(&mut worker, statement).await.is_err(), "the worker: {statement}");
    }
    for session in [&mut gateway, &mut api, &mut worker] {
        for statement in [
            "create table freehold.mine (id int)",
            "create table public.mine (id int)",
            "create schema mine",
            "alter table freehold.tenants disable trigger all",
            "drop table freehold.idempotency_keys",
            "set role freehold_owner",
        ] {
            let error = allowed(session, statement).await.expect_err(statement);
            assert!(error.contains("permission denied") || error.contains("must be owner"), "{error}");
        }
    }

    // What the gateway is for: it looks at the door and wakes who sleeps, once.
    let mut tx = registry.gateway.begin(Scope::System).await.expect("a transaction");
    let door = doors::by_host(&mut tx, &host).await.expect("a look").expect("a door");
    assert_eq!((door.tenant, &door.house), (created.tenant, &created.house));
    assert_eq!((door.desired, door.status, door.stuck), (DesiredState::Running, Status::Provisioning, false));
    assert!(!doors::wake(&mut tx, created.tenant).await.expect("asked"), "it is to run already");
    let nobody = "nobody.example.test".parse().expect("a host name");
    assert_eq!(doors::by_host(&mut tx, &nobody).await.expect("a look"), None);
    tx.commit().await.expect("committed");
    let mut tx = registry.api().await;
    tenants::set_desired(&mut tx, created.tenant, DesiredState::Asleep, "admin").await.expect("asleep");
    tx.commit().await.expect("committed");
    for woken in [true, false] {
        let mut tx = registry.gateway.begin(Scope::System).await.expect("a transaction");
        assert_eq!(doors::wake(&mut tx, created.tenant).await.expect("asked"), woken);
        tx.commit().await.expect("committed");
    }
    let mut tx = registry.api().await;
    assert_eq!(tenants::get(&mut tx, created.tenant).await.expect("there").desired, DesiredState::Running);
    let page = operations::list(&mut tx, &OperationFilter { limit: 1, ..OperationFilter::default() }).await;
    let wake = page.expect("a page").items.remove(0);
    assert_eq!((wake.kind, wake.requested_by.as_str()), (OperationKind::Wake, "visitor"));

    // Admins: one is made if there is none, and found in whatever case.
    let first = admins::create_if_none(&mut tx, "Admin@Example.test", "hash").await.expect("asked");
    assert!(first.is_some());
    assert_eq!(admins::create_if_none(&mut tx, "b@example.test", "hash").await.expect("asked"), None);
    let admin = admins::by_email(&mut tx, "aDMIN@example.test").await.expect("a look").expect("there");
    assert_eq!((Some(admin.id), admin.email.as_str()), (first, "admin@example.test"));
    assert!(admins::by_email(&mut tx, "nobody@example.test").await.expect("a look").is_none());

    a_begin_that_nobody_waits_for_leaves_nothing(&registry).await;
    a_lost_server_is_told_apart(&registry).await;
}

/// Handlers are dropped when their client goes away, in the middle of anything.
async fn a_begin_that_nobody_waits_for_leaves_nothing(registry: &Registry) {
    for microseconds in (0..3000).step_by(25) {
        let begin = registry.worker.begin(Scope::System);
        let _ = tokio::time::timeout(Duration::from_micros(microseconds), begin).await;
    }
    // If a session were still inside a transaction, its own commit would be one of a savepoint and lost.
    for _ in 0..20 {
        let mut tx = registry.api().await;
        tx.commit().await.expect("committed");
        tx = registry.worker().await;
        tx.commit().await.expect("committed");
    }
    let mut superuser = registry.superuser().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
              where state like 'idle in transaction%' and usename = 'freehold_worker'",
        )
        .fetch_one(&mut superuser)
        .await
        .expect("a count");
        if open == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{open} sessions are left inside a transaction");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_lost_server_is_told_apart(registry: &Registry) {
    let nowhere = tempfile::tempdir().expect("a directory");
    let lost = Store::connect(nowhere.path(), store::DATABASE, store::API_ROLE, &registry.passwords.api);
    let error = lost.await.expect_err("no server");
    assert!(error.is_transient(), "{error:?}");
    let wrong = Store::connect(
        registry.server.sockets(),
        store::DATABASE,
        store::API_ROLE,
        &registry.passwords.worker,
    );
    let error = wrong.await.expect_err("a wrong password");
    assert!(matches!(error, Error::Database(_)), "{error:?}");
}
