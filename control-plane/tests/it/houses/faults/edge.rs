//! The edge dies. The engine starts it again, and it serves from its file; what the file lacks, the worker finds.

use control_plane::edge::{Edge, EdgeSettings, Way, write_start_file};

use super::super::objects::docker;
use super::super::tenants::Admin;
use super::super::wait;
use super::process::crash;

fn edge(admin: &Admin<'_>) -> Edge {
    let installation = admin.installation;
    let secret =
        std::fs::read_to_string(installation.path("keys/prober.secret")).expect("the prober's secret");
    Edge::new(EdgeSettings {
        door: installation.path("run/edge/door.sock"),
        routes_file: installation.path("edge/routes.json"),
        public: ([127, 0, 0, 1], installation.port).into(),
        prober_secret: secret.trim().into(),
    })
}

/// Kills it and waits until another process answers in its place.
async fn killed(admin: &Admin<'_>, edge: &Edge) {
    let before = edge.healthy().await.expect("it answers").started;
    crash(&admin.installation.platform_containers("edge").pop().expect("the edge's container"));
    wait::until("the edge is back", || async {
        let now = edge.healthy().await.map_err(|error| error.to_string())?;
        if now.started > before { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

async fn way(admin: &Admin<'_>, edge: &Edge, slug: &str) -> Result<(), String> {
    let host = admin.host(slug).parse().expect("a host name");
    let proof = edge.prove(&host, "/healthz").await.map_err(|error| error.to_string())?;
    assert_eq!(proof.status, 200, "by {}", proof.way);
    if matches!(proof.way, Way::Direct { .. }) { Ok(()) } else { Err(proof.way.to_string()) }
}

pub async fn is_killed_while_the_control_plane_stands_still(admin: &Admin<'_>) {
    let edge = edge(admin);
    let still = Paused::of(admin);
    killed(admin, &edge).await;
    for slug in ["acme", "globex"] {
        way(admin, &edge, slug).await.expect("straight to its app");
    }
    drop(still);
}

/// It died between a change and its being written down: the gateway knows the tenant all the same, and the worker sets
/// the route again.
pub async fn comes_back_without_a_route(admin: &Admin<'_>) {
    let edge = edge(admin);
    let mut routes = edge.routes().await.expect("routes");
    routes.retain(|route| route.host.as_str() != admin.host("acme"));
    let still = Paused::of(admin);
    write_start_file(&admin.installation.path("edge/routes.json"), &routes).await.expect("written");
    killed(admin, &edge).await;
    drop(still);
    let first = way(admin, &edge, "acme").await;
    wait::until("the route is set again", || way(admin, &edge, "acme")).await;
    assert!(first.is_ok() || first == Err("gateway".to_owned()), "{first:?}");
    wait::until("and written down", || async {
        let file = std::fs::read_to_string(admin.installation.path("edge/routes.json"));
        let text = file.map_err(|error| error.to_string())?;
        if text.contains(&admin.host("acme")) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// The roles of the control plane, which do nothing until this goes.
struct Paused(Vec<String>);

impl Paused {
    fn of(admin: &Admin<'_>) -> Self {
        let roles = ["api", "gateway", "worker"];
        let all: Vec<String> =
            roles.into_iter().flat_map(|role| admin.installation.platform_containers(role)).collect();
        docker(&[vec!["pause"], all.iter().map(String::as_str).collect()].concat());
        Self(all)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").arg("unpause").args(&self.0).output();
    }
}
