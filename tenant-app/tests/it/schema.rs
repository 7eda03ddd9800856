//! The app serves on a schema it knows, and on no other.

use axum::http::StatusCode;

use crate::support::{App, Platform, Postgres, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn serves_only_on_a_schema_it_knows() {
    let server = Postgres::start().await;
    let platform = Platform::open().await;
    let app = App::start(settings(&server.url(), &platform.url, &[])).await.with(platform.owner());

    // Before the first migration.
    app.client.not_ready("/healthz", "schema-missing").await;

    server.migrate().await;
    server.run("INSERT INTO freehold.schema_history VALUES (99, 'from_the_future', '', '')").await;
    let health = app.client.not_ready("/healthz", "schema-unknown").await;
    assert!(health.body.contains("version 99"), "{}", health.body);
    let api = app.client.not_ready("/api/vehicles", "schema-unknown").await;
    assert!(api.headers.contains_key("retry-after"));
    let page = app.client.page("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("<h1>Not ready</h1>"), "{}", page.body);

    server.run("DELETE FROM freehold.schema_history WHERE version = 99").await;
    until("the app serves", async || {
        (app.client.get("/api/vehicles").await.status == StatusCode::OK).then_some(())
    })
    .await;

    // The next release's migration comes while we serve: it leaves us working until we are replaced.
    server.run("INSERT INTO freehold.schema_history VALUES (5, 'next', '', '')").await;
    until("the next release's schema is seen", async || {
        (app.client.healthy().await.json()["schema"]["ahead"] == true).then_some(())
    })
    .await;
    assert_eq!(app.client.get("/api/vehicles").await.status, StatusCode::OK);
    app.stop().await;

    // One that starts now has never heard of it.
    let late = App::start(settings(&server.url(), &platform.url, &[])).await.with(platform.owner());
    late.client.not_ready("/healthz", "schema-unknown").await;
    late.client.not_ready("/api/vehicles", "schema-unknown").await;
    late.stop().await;
}
