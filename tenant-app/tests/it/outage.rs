//! The database goes away and comes back; the app stays, says so, and goes on.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{App, Platform, Postgres, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_when_its_database_is_back() {
    let server = Postgres::migrated().await;
    let platform = Platform::open().await;
    let app = App::healthy(settings(&server.url(), &platform.url, &[])).await.with(platform.owner());
    let made = app.client.post("/api/vehicles", &json!({ "name": "Van", "fuel": "diesel" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");

    server.stop();
    let health = app.client.get("/healthz").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.problem(), "database-unavailable");
    let list = app.client.get("/api/vehicles").await;
    assert_eq!(list.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(list.headers["retry-after"], "2");
    // Nothing of where the database is, or of how it failed.
    for word in ["sqlx", "socket", "fh", "os error", "PGSQL"] {
        assert!(!list.body.contains(word), "{}", list.body);
    }
    let page = app.client.page("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("Back in a moment"), "{}", page.body);

    server.start_again().await;
    app.client.healthy().await;
    let list = until("serving again", async || {
        Some(app.client.get("/api/vehicles").await).filter(|a| a.status == StatusCode::OK)
    })
    .await;
    assert_eq!(list.json()["items"][0]["name"], "Van");
    app.stop().await;
}
