//! Faults of what Freehold stands on: its registry, its edge, a tenant's database and disk, the engine. Nothing that was
//! acknowledged is lost, other tenants answer, and what a person must know is said.

mod disk;
mod edge;
mod engine;
mod migration;
mod process;
mod registry;
mod socket;

use super::installation::Installation;
use super::load::{Load, Wish};
use super::tenants::Admin;

/// Visitors of a tenant that nothing happens to: a reader on a connection that is kept, and a writer on new
/// ones.
async fn bystanders(admin: &Admin<'_>, slug: &str) -> Load {
    let cookie = admin.session(slug).await;
    let wish = |body, kept| Wish {
        host: admin.host(slug),
        cookie: cookie.clone(),
        path: "/api/vehicles",
        body,
        kept,
    };
    let write = Some(r#"{"name":"Load","fuel":"diesel"}"#);
    Load::begin(admin.installation.port, [wish(None, true), wish(write, false)])
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_and_edge_are_killed_and_nothing_acknowledged_is_lost() {
    // leases that nobody gives back would hold their houses for longer than any test waits
    let installation = Installation::up_with("worker: { sweep_seconds: 2, lease_seconds: 600 }");
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    let visitors = bystanders(&admin, "globex").await;
    registry::is_killed_while_tenants_are_made_and_changed(&admin).await;
    registry::is_gone_for_long(&admin, &visitors).await;
    visitors.end_without_loss().await;
    edge::is_killed_while_the_control_plane_stands_still(&admin).await;
    edge::comes_back_without_a_route(&admin).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_database_is_killed_and_its_disk_fills_and_no_other_tenant_feels_it() {
    let migrations = migration::Folder::of_the_built_in_ones();
    let installation = Installation::up_with(&format!(
        "stack: {{ migrations: {} }}\nworker: {{ sweep_seconds: 2 }}",
        migrations.path().display()
    ));
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"), admin.create("initech"));
    let visitors = bystanders(&admin, "globex").await;
    disk::fills(&admin, "initech", &visitors).await;
    migration::is_cut_off_three_times(&admin, "acme", &migrations).await;
    visitors.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_falls_silent_and_dies_and_the_api_says_so() {
    let socket = socket::EngineSocket::open();
    let installation = Installation::up_with(&format!("engine: {{ socket: {} }}", socket.path().display()));
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    let visitors = bystanders(&admin, "globex").await;
    engine::falls_silent(&admin, &socket, &visitors).await;
    engine::dies_and_another_takes_its_place(&admin, &socket, &visitors).await;
    visitors.end_without_loss().await;
}
