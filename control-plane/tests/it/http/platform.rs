//! How the platform itself is, its pages, and what is answered while its database is away.

use axum::body::Body;
use axum::http::{Request, header};
use control_plane::app::doors::StoreDoors;
use control_plane::model::tenant::{DesiredState, Status};
use control_plane::store::{Channel, leases, workers};
use tokio::time::Instant;

use super::World;

#[tokio::test]
async fn the_platform_tells_how_it_is() {
    let world = World::start().await;
    world.make("acme").await;
    catalogue(&world).await;
    readiness(&world).await;
    metrics(&world).await;
    pages(&world).await;
    doors(&world).await;

    // Without its database the API says so, and says when to come back; the process itself lives.
    let World { registry, router, closing, token, .. } = world;
    let registry = std::sync::Arc::into_inner(registry).expect("nobody else has it");
    let (api, gateway) = (registry.api.clone(), registry.gateway.clone());
    drop(registry.server);
    let ask = async |path: &str| {
        use tower::ServiceExt;
        let request = Request::get(path)
            .header(header::HOST, super::HOST)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty());
        router.clone().oneshot(request.expect("request")).await.expect("an answer")
    };
    let away = ask("/api/v1/tenants").await;
    assert_eq!(away.status(), 503);
    assert_eq!(away.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert!(away.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(ask("/readyz").await.status(), 503);
    assert_eq!(ask("/healthz").await.status(), 200);
    closing.cancel();
    drop((api, gateway));
}

async fn catalogue(world: &World) {
    let plans = world.get("/api/v1/plans").await.expect(200);
    let items = plans.body["items"].as_array().expect("plans");
    assert_eq!(items.iter().filter(|plan| plan["default"] == true).count(), 1);
    let releases = world.get("/api/v1/releases").await.expect(200);
    assert_eq!(releases.body["items"][0]["version"], "v1");
    let id = releases.body["items"][0]["id"].as_str().expect("id").to_owned();
    let release = world.get("/api/v1/releases/v1").await.expect(200);
    assert_eq!(release.body, world.get(&format!("/api/v1/releases/{id}")).await.expect(200).body);
    assert_eq!(release.body["schema_version"], 1);
    assert_eq!(release.body["migrations"][0]["name"], "start");
}

async fn readiness(world: &World) {
    const KEY: i64 = 0x0123_4567_89ab_cdef;
    assert!(world.get("/readyz").await.expect(503).text.contains("no worker is running"));
    let report = async |engine: Result<(), &str>| {
        let mut tx = world.registry.worker().await;
        workers::report(&mut tx, KEY, "here", engine).await.expect("report");
        tx.commit().await.expect("commit");
    };
    // A worker that reported itself but does not live counts for nothing.
    report(Ok(())).await;
    world.get("/readyz").await.expect(503);
    let mut listener = world.registry.worker.listen(&[Channel::HouseDue]).await.expect("listener");
    leases::be_present(&mut listener, KEY).await.expect("present");
    world.get("/readyz").await.expect(200);
    let status = world.get("/api/v1/status").await.expect(200);
    assert_eq!((&status.body["ready"], &status.body["workers"][0]["host"]), (&true.into(), &"here".into()));
    assert_eq!(status.body["tenants"]["provisioning"], 1);

    report(Err("connection refused")).await;
    let text = world.get("/readyz").await.expect(503).text;
    assert!(text.contains("engine not reachable: connection refused"), "{text}");
    let status = world.get("/api/v1/status").await.expect(200);
    assert_eq!(status.body["problems"][0], "engine not reachable: connection refused");
}

async fn metrics(world: &World) {
    let text = world.get("/metrics").await.expect(200).text;
    for line in [
        "freehold_tenants{status=\"provisioning\"} 1",
        "freehold_tenants{status=\"stuck\"} 0",
        "freehold_operations{state=\"pending\"} 1",
        "freehold_http_requests_total{method=\"POST\",route=\"/api/v1/tenants\",status=\"202\"} 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("acme"), "no tenant is named");
}

async fn pages(world: &World) {
    let page = async |host: &str, path: &str| {
        let request = Request::get(path).header(header::HOST, host).body(Body::empty());
        world.send(request.expect("request")).await
    };
    let landing = page("freehold.localhost:8080", "/").await.expect(200);
    assert!(landing.text.contains("/api/docs"), "{}", landing.text);
    assert_ne!(landing.text, page("ADMIN.freehold.localhost", "/").await.expect(200).text);
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("cache-control", "no-store")]
    {
        assert_eq!(landing.header(name), value);
    }
    assert!(landing.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(world.get("/api/v1/tenants").await.header("cache-control"), "no-store");

    let docs = page("freehold.localhost", "/api/docs/").await.expect(200);
    assert!(docs.text.contains("swagger-ui") && !docs.text.contains("https://"), "{}", docs.text);
    page("freehold.localhost", "/api/docs/swagger-ui-bundle.js").await.expect(200);
    let document = page("freehold.localhost", "/api/v1/openapi.json").await.expect(200);
    assert_eq!(document.body["openapi"], "3.1.0");

    // Tenants' apps find the keys by the back door, and nothing else.
    for host in ["freehold.localhost", "platform.internal:8080"] {
        let keys = page(host, "/.well-known/jwks.json").await.expect(200);
        assert_eq!(keys.body["keys"][0]["kty"], "OKP");
        assert!(keys.body["keys"][0].get("d").is_none(), "the private part is not published");
    }
    assert_eq!(page("", "/healthz").await.status, 200);
}

/// What the gateway sees of the same registry.
async fn doors(world: &World) {
    let doors = StoreDoors::new(world.registry.gateway.clone());
    let host = "acme.freehold.localhost".parse().expect("host");
    let door = doors.by_host(&host).await.expect("asked").expect("a door");
    assert_eq!((door.slug.as_str(), door.status), ("acme", Status::Provisioning));
    assert!(
        doors.by_host(&"nobody.freehold.localhost".parse().expect("host")).await.expect("asked").is_none()
    );
    assert!(!doors.wake(door.tenant).await.expect("asked"), "it does not sleep");

    // Whoever waits at a door is told when something changes behind it.
    let far = Instant::now() + std::time::Duration::from_secs(60);
    let waiting = async {
        while doors.by_host(&host).await.expect("asked").expect("a door").desired != DesiredState::Asleep {
            assert!(Instant::now() < far, "nobody told");
            doors.changed(&host, (Instant::now() + std::time::Duration::from_secs(5)).min(far)).await;
        }
    };
    let put = world.ask(axum::http::Method::POST, "/api/v1/tenants/acme/sleep", None);
    let ((), answer) = tokio::join!(waiting, put);
    answer.expect(202);
    assert!(doors.wake(door.tenant).await.expect("asked"));
    let woken = world.get("/api/v1/operations?kind=wake").await.expect(200);
    assert_eq!(woken.body["items"][0]["requested_by"], "visitor");
}
