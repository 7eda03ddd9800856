//! All that the app does while its database is well.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::Row;
use tenant_app::server;
use tokio::sync::watch;
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{App, Client, HOST, PATIENCE, Platform, Postgres, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn serves_one_tenant() {
    let server = Postgres::migrated().await;
    let platform = Platform::open().await;
    let app = App::healthy(settings(&server.url(), &platform.url, &[])).await.with(platform.owner());

    only_rows(&server).await;
    records(&app.client).await;
    pages(&app.client).await;
    changes_are_told(&app.client).await;
    whose_request(&app.client).await;
    storage_is_used_up(&server, &app.client).await;
    dropped_requests_leave_nothing_open(&server, &platform).await;

    // An open stream does not keep the app from stopping, and it leaves no session behind.
    let stream = app.client.open(Method::GET, "/api/events", &[], String::new()).await;
    app.stop().await;
    assert!(stream.into_body().collect().await.is_ok(), "the stream was cut off in place of ended");
    until("all sessions are gone", async || {
        let left = server.count("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await;
        (left == 0).then_some(())
    })
    .await;
}

/// The role that the app works with owns nothing.
async fn only_rows(server: &Postgres) {
    let database = tenant_app::database::Database::new(&server.url().into(), 2, "test").unwrap();
    for statement in [
        "CREATE TABLE app.more (id int)",
        "CREATE TABLE public.more (id int)",
        "ALTER TABLE app.vehicles ADD COLUMN more int",
        "DROP TABLE app.fuel_logs",
        "TRUNCATE app.fuel_logs",
        "INSERT INTO freehold.schema_history VALUES (7, '', '', '')",
        "CREATE ROLE more",
    ] {
        let error = sqlx::raw_sql(statement).execute(database.pool()).await.expect_err(statement);
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{statement}: {error}");
    }
    database.close().await;
}

async fn records(client: &Client) {
    let made = client
        .post(
            "/api/vehicles",
            &json!({ "name": " Blue van ", "year": 2021, "plate": "AB-12", "fuel": "diesel" }),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers["location"], format!("/api/vehicles/{id}"));
    assert_eq!(made.json()["name"], "Blue van");

    let wrong = client
        .post("/api/vehicles", &json!({ "name": "", "year": "new", "plate": 1, "colour": "red" }))
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields: Vec<_> =
        wrong.json()["errors"].as_array().unwrap().iter().map(|e| e["field"].clone()).collect();
    assert_eq!(fields, ["name", "year", "plate", "fuel", "colour"]);
    let taken =
        client.post("/api/vehicles", &json!({ "name": "Other", "plate": "ab 12", "fuel": "lpg" })).await;
    assert_eq!(taken.json()["errors"][0]["field"], "plate", "{taken:?}");

    let logs = format!("/api/vehicles/{id}/fuel-logs");
    let mut last = String::new();
    for (day, km, litres, full) in
        [(1, 1000, 50.0, true), (2, 1300, 10.125, false), (3, 2000, 59.875, true), (4, 2500, 30.0, true)]
    {
        let log = json!({ "filled_on": format!("2026-01-0{day}"), "odometer_km": km, "litres": litres,
                          "cost": 61.5, "full_tank": full, "note": "two\nlines" });
        let made = client.post(&logs, &log).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(made.json()["litres"], litres);
        last = made.json()["id"].as_str().unwrap().to_owned();
    }
    let vehicle = client.get(&format!("/api/vehicles/{id}")).await.json();
    assert_eq!(vehicle["litres_per_100_km"], 6.67);
    assert_eq!(vehicle["odometer_km"], 2500);
    let first = client.get(&format!("{logs}?limit=3")).await.json();
    let said: Vec<_> =
        first["items"].as_array().unwrap().iter().map(|i| i["litres_per_100_km"].clone()).collect();
    assert_eq!(said, [json!(6.0), json!(7.0), Value::Null]);
    let rest =
        client.get(&format!("{logs}?limit=3&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next_cursor"], Value::Null);

    for (log, field) in [
        (json!({ "filled_on": "2026-01-05", "odometer_km": 2000, "litres": 1 }), "odometer_km"),
        (json!({ "filled_on": "2026-01-05", "odometer_km": 1999, "litres": 1 }), "odometer_km"),
        (json!({ "filled_on": "2999-01-01", "odometer_km": 9999, "litres": 1 }), "filled_on"),
        (json!({ "filled_on": "2026-01-05", "odometer_km": 9999, "litres": 0.0001 }), "litres"),
        (json!({ "filled_on": "2026-01-05", "odometer_km": 9999, "litres": 1, "cost": -1 }), "cost"),
    ] {
        let wrong = client.post(&logs, &log).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
        assert_eq!(wrong.json()["errors"][0]["field"], field);
    }
    let log = json!({ "filled_on": "2026-01-04", "odometer_km": 2500, "litres": 35 });
    let edited = client.json(Method::PUT, &format!("{logs}/{last}"), &log).await;
    assert_eq!(edited.status, StatusCode::OK, "{edited:?}");
    assert_eq!(client.get(&format!("/api/vehicles/{id}")).await.json()["litres_per_100_km"], 7.0);

    // All vehicles, three at a time, each once and in the order of their names.
    for name in ["zeta", "Alpha", "beta", "alpha", "Ähre", "🚙", "a\u{301}"] {
        let made = client.post("/api/vehicles", &json!({ "name": name, "fuel": "petrol" })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
    let (mut seen, mut path) = (Vec::new(), "/api/vehicles?limit=3".to_owned());
    loop {
        let page = client.get(&path).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|v| v["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/vehicles?limit=3&cursor={cursor}"),
            None => break,
        }
        assert!(seen.len() < 20, "{seen:?}");
    }
    assert_eq!(seen.len(), 8);
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), 8);

    for (path, status) in [
        ("/api/vehicles?limit=0", 422),
        ("/api/vehicles?cursor=x", 422),
        ("/api/vehicles/7", 404),
        (&format!("/api/vehicles/{}", Uuid::nil()), 404),
        (&format!("/api/vehicles/{}/fuel-logs", Uuid::nil()), 404),
        (&format!("/api/vehicles/{}/fuel-logs/{last}", seen[0]), 404),
        ("/api/none", 404),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        answer.problem();
    }
    let large = json!({ "name": "x".repeat(100_000), "fuel": "other" });
    assert_eq!(client.post("/api/vehicles", &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        client.json(Method::PATCH, "/api/vehicles", &json!({})).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let nul = client.post("/api/vehicles", &json!({ "name": "a\u{0}b", "fuel": "other" })).await;
    assert_eq!(nul.status, StatusCode::UNPROCESSABLE_ENTITY);

    let gone = client.json(Method::DELETE, &format!("/api/vehicles/{id}"), &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get(&logs).await.status, StatusCode::NOT_FOUND);
}

async fn pages(client: &Client) {
    let home = client.page("/").await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.body.contains("Acme &lt;&amp; Sons&gt;"), "{}", home.body);
    assert!(home.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert_eq!(home.headers["cache-control"], "no-store");
    assert!(client.get("/assets/tenant.css").await.body.contains("--accent: #2f5d50"));
    assert_eq!(client.get("/assets/icon.svg").await.headers["content-type"], "image/svg+xml");

    let wrong = client.form("/vehicles", "name=%3Cscript%3E&year=soon&fuel=petrol").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("Year must be a number."), "{}", wrong.body);
    assert!(
        wrong.body.contains("value=\"&lt;script&gt;\"") && !wrong.body.contains("<script"),
        "{}",
        wrong.body
    );

    let made = client.form("/vehicles", "name=%3Cscript%3E&make=&year=2020&plate=&fuel=petrol").await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{made:?}");
    let at = made.headers["location"].to_str().unwrap().to_owned();
    for (day, km, litres) in [(1, 100, "40"), (2, 600, "32,5"), (3, 1100, "35")] {
        let form =
            format!("filled_on=2026-02-0{day}&odometer_km={km}&litres={litres}&cost=&full_tank=on&note=");
        let made = client.form(&format!("{at}/fuel-logs"), &form).await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{made:?}");
    }
    let page = client.page(&at).await;
    assert!(page.body.contains("<b>6.50</b>") && page.body.contains("<polyline"), "{}", page.body);
    assert!(!page.body.contains("<script"), "{}", page.body);
    let edit =
        page.body.split("href=\"").find(|l| l.contains("/fuel-logs/") && l.contains("/edit\"")).unwrap();
    let edit = edit.split('"').next().unwrap();
    assert!(client.page(edit).await.body.contains("value=\"35\""));
    let log = edit.trim_end_matches("/edit");
    let form = "filled_on=2026-02-03&odometer_km=1100&litres=40&note=x";
    assert_eq!(client.form(log, form).await.headers["location"], at);
    assert_eq!(client.page(&format!("{log}/delete")).await.status, StatusCode::OK);
    assert_eq!(client.form(&format!("{log}/delete"), "").await.headers["location"], at);
    assert!(client.page(&format!("{at}/edit")).await.body.contains("value=\"2020\""));
    assert_eq!(client.form(&at, "name=Renamed&fuel=lpg").await.headers["location"], at);
    assert!(client.page(&format!("{at}/delete")).await.body.contains("Its 2 fill-ups go with it."));
    assert_eq!(client.form(&format!("{at}/delete"), "").await.headers["location"], "/");
    let gone = client.page(&at).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert!(gone.body.contains("<h1>Not found</h1>"), "{}", gone.body);
}

async fn changes_are_told(client: &Client) {
    let response = client.open(Method::GET, "/api/events", &[], String::new()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut heard = String::new();
    let mut made = None;
    while !heard.contains("event: vehicle.created") {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("in time");
        let data = frame.expect("not the end").expect("no error").into_data().expect("data");
        heard.push_str(std::str::from_utf8(&data).unwrap());
        if made.is_none() && heard.contains("event: listening") {
            made =
                Some(client.post("/api/vehicles", &json!({ "name": "Told", "fuel": "other" })).await.json());
        }
    }
    assert!(heard.contains(made.unwrap()["id"].as_str().unwrap()), "{heard}");
}

async fn whose_request(client: &Client) {
    for (headers, status, problem) in [
        (vec![("host", "globex.example.org")], 421, "misdirected"),
        (vec![("host", "10.1.2.3:8080")], 421, "misdirected"),
        (vec![("x-forwarded-host", "globex.example.org")], 421, "misdirected"),
        (vec![("authorization", "Basic YTpi")], 401, "token-invalid"),
        (vec![("authorization", "Bearer made-up")], 401, "token-invalid"),
    ] {
        let answer = client.send(Method::GET, "/api/tenant", &headers, String::new()).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        assert_eq!(answer.problem(), problem);
        assert!(!answer.body.contains("Acme"), "{}", answer.body);
    }
    let misdirected = [("host", "globex.example.org"), ("accept", "text/html")];
    let answer = client.send(Method::GET, "/", &misdirected, String::new()).await;
    assert!(!answer.body.contains("Acme"), "{}", answer.body);
    // Another tenant's page is same-site with ours, and still another's.
    for from in
        [("sec-fetch-site", "same-site"), ("origin", "http://globex.example.org:8080"), ("origin", "null")]
    {
        let headers = [("content-type", "application/x-www-form-urlencoded"), from];
        let answer = client.send(Method::POST, "/vehicles", &headers, "name=x&fuel=lpg".into()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?}");
        assert_eq!(answer.problem(), "cross-site");
    }
    let plain = [("content-type", "text/plain")];
    let answer = client.send(Method::POST, "/api/vehicles", &plain, "{}".into()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // The platform asks by address, and needs no name.
    until("healthy by address", async || {
        let headers = [("host", "10.1.2.3:8080")];
        let health = client.send(Method::GET, "/healthz", &headers, String::new()).await;
        (health.status == StatusCode::OK).then_some(())
    })
    .await;
}

/// What the platform does when a tenant's storage is used up, and when it no longer is.
async fn storage_is_used_up(server: &Postgres, client: &Client) {
    let made = client.post("/api/vehicles", &json!({ "name": "Kept", "fuel": "other" })).await.json();
    let at = format!("/api/vehicles/{}", made["id"].as_str().unwrap());
    server.is_full().await;
    let full = client.post("/api/vehicles", &json!({ "name": "More", "fuel": "other" })).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE, "{full:?}");
    assert_eq!(full.problem(), "storage-full");
    let log = json!({ "filled_on": "2026-01-05", "odometer_km": 1, "litres": 1 });
    assert_eq!(client.post(&format!("{at}/fuel-logs"), &log).await.problem(), "storage-full");
    let page = client.form("/vehicles", "name=More&fuel=other").await;
    assert_eq!(page.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(page.body.contains("Storage is used up"), "{}", page.body);
    client.healthy().await;
    assert_eq!(client.get(&at).await.status, StatusCode::OK);
    // The way back under the limit stays open.
    let gone = client.json(Method::DELETE, &at, &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    server.has_room().await;
    let made = client.post("/api/vehicles", &json!({ "name": "More", "fuel": "other" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

/// Requests are dropped when their clients go away, whatever they were doing: also between the word that
/// begins a transaction and its answer. The one connection there is must come back from that clean.
async fn dropped_requests_leave_nothing_open(server: &Postgres, platform: &Platform) {
    const ENOUGH: u32 = 60;
    let (_said, stopping) = watch::channel(false);
    let (router, app) =
        server::build(settings(&server.url(), &platform.url, &[("DATABASE_POOL", "2")]), stopping).unwrap();
    let bearer = format!("Bearer {}", platform.owner());
    let send = |path: &str, body: &Value| {
        let request = Request::post(path).header("host", HOST).header("content-type", "application/json");
        let request = request.header("authorization", &bearer);
        router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap())
    };
    until("serving", async || app.database.check().await.ok()).await;
    let made = send("/api/vehicles", &json!({ "name": "Dropped", "fuel": "other" })).await.unwrap();
    let made: Value = serde_json::from_slice(&made.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let path = format!("/api/vehicles/{}/fuel-logs", made["id"].as_str().unwrap());

    let mut dropped = 0;
    for attempt in 0..4000 {
        // From before the first word to after the last one.
        let patience = Duration::from_micros(attempt * 37 % 4000);
        let log = json!({ "filled_on": "2026-01-01", "odometer_km": attempt, "litres": 1 });
        if tokio::time::timeout(patience, send(&path, &log)).await.is_err() {
            dropped += 1;
        }
        // In a transaction that was begun before, it began before this statement did.
        let clean = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(app.database.pool());
        let clean: bool = clean.await.expect("a connection").try_get(0).unwrap();
        assert!(clean, "attempt {attempt}: inside another's transaction");
        if dropped >= ENOUGH {
            break;
        }
    }
    assert!(dropped >= ENOUGH, "only {dropped} requests were dropped");
    app.database.close().await;
}
