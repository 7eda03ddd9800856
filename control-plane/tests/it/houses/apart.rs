//! Two tenants: nothing one does is seen by the other, and both stand by themselves.

use hyper::StatusCode;

use super::installation::Installation;
use super::objects::{containers, docker, house_of};
use super::tenants::Admin;

#[tokio::test]
async fn two_tenants_share_nothing_and_stand_without_the_control_plane() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    let (acme, globex) = tokio::join!(admin.create("acme"), admin.create("globex"));
    assert_ne!(acme["id"], globex["id"]);

    let added = admin.add_vehicle("acme", "Red van").await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    assert!(admin.visit("acme", "/api/vehicles").await.body.contains("Red van"));
    assert!(!admin.visit("globex", "/api/vehicles").await.body.contains("Red van"));
    let id = added.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(admin.visit("globex", &format!("/api/vehicles/{id}")).await.status, StatusCode::NOT_FOUND);

    let page = admin.visit("acme", "/").await;
    assert_eq!(page.status, StatusCode::OK);
    let identities: Vec<String> = ["acme", "globex"]
        .iter()
        .map(|slug| {
            let house = house_of(&installation, slug);
            assert_eq!(containers(&installation, &house, "app").len(), 1);
            let databases = containers(&installation, &house, "db");
            assert_eq!(databases.len(), 1);
            let control = docker(&["exec", &databases[0], "sh", "-c", "$(ls /usr/lib/postgresql/*/bin/pg_controldata) -D \"${PGDATA:-/var/lib/postgresql/data}\" | grep 'system identifier'"]);
            control.rsplit(' ').next().unwrap_or_default().to_owned()
        })
        .collect();
    assert_ne!(identities[0], identities[1], "each database has an identity of its own");

    // the platform goes; tenants stay, also after the edge came back from its file alone
    for role in ["api", "gateway", "worker"] {
        for container in installation.platform_containers(role) {
            docker(&["stop", "-t", "20", &container]);
        }
    }
    admin.answers("acme", "/api/vehicles", "Red van").await;
    for container in installation.platform_containers("edge") {
        docker(&["restart", "-t", "5", &container]);
    }
    admin.answers("acme", "/api/vehicles", "Red van").await;
    admin.answers("globex", "/healthz", "").await;

    // and a second `up` brings back what is missing without touching the tenants
    let of = format!("label=freehold.installation={}", installation.id);
    let apps =
        || docker(&["ps", "-q", "--no-trunc", "--filter", &of, "--filter", "label=freehold.service=app"]);
    let before = apps();
    installation.bring_up();
    admin.answers("acme", "/api/vehicles", "Red van").await;
    assert_eq!(apps(), before);
}
