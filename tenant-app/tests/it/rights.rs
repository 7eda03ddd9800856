//! Who may what, by the API and the pages, as the platform tells of them in tokens and when it is asked.

use axum::http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    App, BELIEVED, Client, KNOWN_WITHIN, PATIENCE, Platform, Postgres, TENANT, settings, sign, until,
};

const FLEET: Uuid = Uuid::from_u128(1);
const RACING: Uuid = Uuid::from_u128(2);

#[tokio::test(flavor = "multi_thread")]
async fn people_see_and_change_what_they_may() {
    let server = Postgres::migrated().await;
    let platform = Platform::open().await;
    let app = App::healthy(settings(&server.url(), &platform.url, &[])).await;
    nobody_comes_in_without(&app.client, &platform).await;
    projects_are_honoured(&app.client, &platform).await;
    streams_are_for_those_who_may(&app.client, &platform).await;
    who_is_in_many_projects_is_in_nobodys_way(&app.client, &platform).await;
    // In this order: what the platform called ended stays ended.
    the_platforms_word_counts(&app.client, &platform).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_word_of_how_people_sign_in_nobody_is_let_in() {
    let server = Postgres::migrated().await;
    let none =
        ["CLIENT_ID", "CLIENT_SECRET", "DISCOVERY_URL", "TOKEN_ISSUER", "JWKS_URL"].map(|name| (name, ""));
    let app = App::healthy(settings(&server.url(), "http://nowhere.test", &none)).await;
    let platform = Platform::open().await;
    let headers = [("authorization", format!("Bearer {}", platform.owner()))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    for path in ["/", "/api/vehicles", "/auth/sign-in", "/auth/callback?state=a&code=b"] {
        let answer = app.client.send(Method::GET, path, &headers, String::new()).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{path}: {answer:?}");
    }
    assert_eq!(app.client.get("/api/vehicles").await.problem(), "no-sign-in");
    assert_eq!(app.client.get("/assets/app.css").await.status, StatusCode::OK);
    app.stop().await;
}

async fn nobody_comes_in_without(client: &Client, platform: &Platform) {
    let id = Uuid::nil();
    let api =
        ["/api/tenant", "/api/events", "/api/vehicles", &format!("/api/vehicles/{id}"), "/api/none", "/api"];
    for path in api {
        let answer = client.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, "sign-in-needed"), "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    for path in ["/", "/vehicles/new", "/nothing?a=b", "/auth", "/auth/x"] {
        let answer = client.page(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        let to = answer.headers["location"].to_str().unwrap();
        assert!(to.starts_with("/auth/sign-in?to=%2F"), "{to}");
        assert!(!answer.body.contains("Acme"), "{}", answer.body);
    }
    assert_eq!(client.form("/vehicles", "name=x&fuel=lpg").await.headers["location"], "/auth/sign-in?to=%2F");
    for path in ["/healthz", "/assets/app.css", "/assets/tenant.css", "/assets/icon.svg", "/auth/signed-out"]
    {
        assert_eq!(client.get(path).await.status, StatusCode::OK, "{path}");
    }

    let good = platform.claims("owner", &["data.read", "data.write"], &json!([]));
    let other = Uuid::from_u128(9).to_string();
    for (field, value, status, problem) in [
        ("exp", json!(1_700_000_000), 401, "token-invalid"),
        ("iss", json!("http://elsewhere"), 401, "token-invalid"),
        ("tenant_id", json!(other), 403, "another-tenant"),
        ("aud", json!(other), 403, "another-tenant"),
        ("client_id", json!(other), 403, "another-tenant"),
        ("permissions", json!([]), 403, "not-allowed"),
        ("permissions", json!(["data.write"]), 403, "not-allowed"),
    ] {
        let mut claims = good.clone();
        claims[field] = value;
        let answer = client.with(sign(&claims)).get("/api/vehicles").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, problem), "{field}");
    }
    assert_eq!(client.with(sign(&good)).get("/api/vehicles").await.status, StatusCode::OK);
}

async fn add(client: &Client, name: &str, project: Option<&str>) -> (u16, Value) {
    let made =
        client.post("/api/vehicles", &json!({ "name": name, "fuel": "other", "project": project })).await;
    (made.status.as_u16(), made.json())
}

async fn names(client: &Client) -> Vec<String> {
    let list = client.get("/api/vehicles").await.json();
    list["items"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap().to_owned()).collect()
}

async fn projects_are_honoured(client: &Client, platform: &Platform) {
    let place = |id: Uuid, slug: &str, role: &str| json!({ "id": id, "slug": slug, "role": role });
    let both = json!([place(FLEET, "fleet", "viewer"), place(RACING, "racing", "maintainer")]);
    let owner = client.with(platform.token("owner", &["data.read", "data.write"], &both));
    let editor =
        client.with(platform.token("editor", &["data.read"], &json!([place(FLEET, "fleet", "editor")])));
    let viewer =
        client.with(platform.token("viewer", &["data.read"], &json!([place(FLEET, "fleet", "viewer")])));
    let member = client.with(platform.token("member", &["data.read", "projects.read"], &json!([])));

    let (status, open) = add(&owner, "Open", None).await;
    assert_eq!((status, &open["project"], &open["project_id"]), (201, &Value::Null, &Value::Null), "{open}");
    let (status, fleet) = add(&editor, "Fleet", Some("fleet")).await;
    assert_eq!(
        (status, &fleet["project"], &fleet["project_id"]),
        (201, &json!("fleet"), &json!(FLEET)),
        "{fleet}"
    );
    let (_, racing) = add(&owner, "Racing", Some("racing")).await;
    for (who, name, project, status, problem) in [
        (&editor, "x", None, 403, "not-allowed"),
        (&editor, "x", Some("racing"), 422, "invalid"),
        (&viewer, "x", Some("fleet"), 403, "not-allowed"),
        (&member, "x", None, 403, "not-allowed"),
        (&owner, "x", Some("unheard-of"), 422, "invalid"),
    ] {
        let (answered, said) = add(who, name, project).await;
        assert_eq!(answered, status, "{project:?} {said}");
        assert!(said["type"].as_str().unwrap().ends_with(problem), "{said}");
    }
    assert_eq!(names(&owner).await, ["Fleet", "Open", "Racing"]);
    assert_eq!(names(&editor).await, ["Fleet", "Open"]);
    assert_eq!(names(&viewer).await, ["Fleet", "Open"]);
    assert_eq!(names(&member).await, ["Open"]);

    let at = at_of;
    let log = json!({ "filled_on": "2026-01-05", "odometer_km": 1, "litres": 1 });
    let made = editor.post(&format!("{}/fuel-logs", at(&fleet)), &log).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let log_at = format!("{}/fuel-logs/{}", at(&fleet), made.json()["id"].as_str().unwrap());
    let change = json!({ "name": "Changed", "fuel": "other", "project": "fleet" });
    // What is seen and not changed is refused by that name; what is not seen is not there.
    for (who, vehicle, status) in [
        (&viewer, &fleet, 403),
        (&viewer, &open, 403),
        (&viewer, &racing, 404),
        (&member, &fleet, 404),
        (&member, &open, 403),
        (&editor, &open, 403),
        (&editor, &racing, 404),
    ] {
        let at = at(vehicle);
        let logs = format!("{at}/fuel-logs");
        for (method, path, body) in [
            (Method::PUT, &at, &change),
            (Method::DELETE, &at, &json!({})),
            (Method::POST, &logs, &log),
            (Method::PUT, &log_at.replace(&at_of(&fleet), &at), &log),
            (Method::DELETE, &log_at.replace(&at_of(&fleet), &at), &json!({})),
        ] {
            let answer = who.json(method.clone(), path, body).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
        }
        let page = at.trim_start_matches("/api");
        for (path, body) in [("", "name=x&fuel=lpg"), ("/delete", ""), ("/fuel-logs", "litres=1")] {
            let answer = who.form(&format!("{page}{path}"), body).await;
            assert_eq!(answer.status.as_u16(), status, "{page}{path}: {answer:?}");
        }
        for path in ["/edit", "/delete", "/fuel-logs/new"] {
            let answer = who.page(&format!("{page}{path}")).await;
            assert_eq!(answer.status.as_u16(), status, "{page}{path}");
        }
        let seen = if status == 404 { 404 } else { 200 };
        for path in [at.clone(), logs.clone(), page.to_owned()] {
            assert_eq!(who.page(&path).await.status.as_u16(), seen, "{path}");
        }
    }
    // Moving takes the right to write at both ends.
    let to = |project: Option<&str>| json!({ "name": "Fleet", "fuel": "other", "project": project });
    assert_eq!(editor.json(Method::PUT, &at(&fleet), &to(None)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        editor.json(Method::PUT, &at(&fleet), &to(Some("racing"))).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(editor.json(Method::PUT, &at(&fleet), &to(Some("fleet"))).await.status, StatusCode::OK);

    pages_show_what_is_open(&[&owner, &editor, &viewer, &member], &at(&fleet)).await;
    // A project that the owner is not in any more is known by its vehicles.
    let alone = client.with(platform.token("alone", &["data.read", "data.write"], &json!([])));
    assert_eq!(add(&alone, "Second", Some("racing")).await.1["project_id"], json!(RACING));
    assert_eq!(alone.json(Method::DELETE, &at(&racing), &json!({})).await.status, StatusCode::NO_CONTENT);
}

fn at_of(vehicle: &Value) -> String {
    format!("/api/vehicles/{}", vehicle["id"].as_str().unwrap())
}

async fn pages_show_what_is_open(people: &[&Client; 4], fleet: &str) {
    let [owner, editor, viewer, member] = people;
    for (who, adds, role) in [
        (owner, true, "owner"),
        (editor, true, "editor"),
        (viewer, false, "viewer"),
        (member, false, "member"),
    ] {
        let list = who.page("/").await.body;
        assert_eq!(list.contains("href=\"/vehicles/new\""), adds, "{role}: {list}");
        assert!(
            list.contains(&format!("The {role}")) && list.contains("action=\"/auth/sign-out\""),
            "{list}"
        );
        assert_eq!(who.page("/vehicles/new").await.status.is_success(), adds, "{role}");
    }
    let page = fleet.trim_start_matches("/api");
    for (who, writes) in [(owner, true), (editor, true), (viewer, false)] {
        let shown = who.page(page).await.body;
        assert_eq!(shown.contains("/edit\"") && shown.contains("/fuel-logs/new\""), writes, "{shown}");
        assert!(!writes || !shown.contains("Not allowed"));
    }
    let form = editor.page("/vehicles/new").await.body;
    assert!(form.contains("<option value=\"fleet\"") && !form.contains("<option value=\"\""), "{form}");
    let form = owner.page("/vehicles/new").await.body;
    assert!(form.contains("<option value=\"racing\"") && form.contains("<option value=\"\""), "{form}");
    let refused = viewer.page("/vehicles/new").await;
    assert!(
        refused.body.contains("<h1>Not allowed</h1>") && refused.body.contains("Sign out"),
        "{}",
        refused.body
    );
}

/// Reads a stream until it holds `word`, or to its end.
async fn hear(body: &mut hyper::body::Incoming, word: Option<&str>) -> String {
    let mut heard = String::new();
    while word.is_none_or(|word| !heard.contains(word)) {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("in time");
        let Some(frame) = frame else { break };
        heard.push_str(std::str::from_utf8(&frame.expect("no error").into_data().expect("data")).unwrap());
    }
    heard
}

async fn streams_are_for_those_who_may(client: &Client, platform: &Platform) {
    let owner = client.with(platform.owner());
    let member = client.with(platform.token("listener", &["data.read"], &json!([])));
    let mut body = member.open(Method::GET, "/api/events", &[], String::new()).await.into_body();
    hear(&mut body, Some("listening")).await;
    let (_, hidden) = add(&owner, "Hidden", Some("racing")).await;
    let (_, open) = add(&owner, "Heard", None).await;
    let heard = hear(&mut body, Some(open["id"].as_str().unwrap())).await;
    assert!(!heard.contains(hidden["id"].as_str().unwrap()), "{heard}");
}

/// Whoever is in many projects works in them all. Of whom the platform says more than is read, that is not
/// taken for a platform that is away: others are asked about all the same.
async fn who_is_in_many_projects_is_in_nobodys_way(client: &Client, platform: &Platform) {
    let places = |count: u128| -> Vec<Value> {
        (1..=count)
            .map(|n| json!({ "id": Uuid::from_u128(n), "slug": format!("{n:0>63}"), "role": "editor" }))
            .collect()
    };
    let busy = client.with(platform.token("busy", &["data.read"], &json!([])));
    platform.says_of("the busy", json!({ "projects": places(1000) }));
    assert_eq!(add(&busy, "Thousandth", Some(&format!("{:0>63}", 1000))).await.0, 201);

    platform.says_of("the busiest", json!({ "projects": places(10_000) }));
    let removed = client.with(platform.token("removed", &["data.read"], &json!([])));
    assert_eq!(removed.get("/api/tenant").await.status, StatusCode::OK);
    platform.says_of("the removed", json!({ "active": false }));
    let began = std::time::Instant::now();
    until("the removed one is out", async || {
        let mut another = platform.claims("busiest", &["data.read"], &json!([]));
        another["jti"] = json!(Uuid::new_v4());
        assert_eq!(client.with(sign(&another)).get("/api/tenant").await.status, StatusCode::OK);
        (removed.get("/api/tenant").await.status == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    assert!(began.elapsed() < KNOWN_WITHIN, "{:?}", began.elapsed());
}

async fn the_platforms_word_counts(client: &Client, platform: &Platform) {
    let owner = client.with(platform.token("late", &["data.read", "data.write"], &json!([])));
    assert_eq!(add(&owner, "Now", None).await.0, 201);
    let (asked, began) = (platform.asked(), std::time::Instant::now());
    for _ in 0..20 {
        assert_eq!(owner.get("/api/tenant").await.status, StatusCode::OK);
    }
    let most = 2 + began.elapsed().as_millis() / BELIEVED.as_millis();
    assert!(((platform.asked() - asked) as u128) <= most, "{} times", platform.asked() - asked);

    // Away: the last word counts, and for those it said nothing of yet, what it signed.
    platform.is_away(true);
    tokio::time::sleep(BELIEVED).await;
    assert_eq!(owner.get("/api/tenant").await.status, StatusCode::OK);
    let new = client.with(platform.token("new", &["data.read"], &json!([])));
    assert_eq!(new.get("/api/tenant").await.status, StatusCode::OK);
    platform.is_away(false);

    // Another role counts without another token, and so does another tenant.
    platform.says(json!({ "permissions": ["data.read"] }));
    until("the role is another", async || (add(&owner, "Later", None).await.0 == 403).then_some(())).await;
    platform.says(json!({ "tenant_id": Uuid::nil() }));
    until("it is another's", async || (owner.get("/api/tenant").await.status == 401).then_some(())).await;
    platform.says(json!({ "tenant_id": TENANT }));

    let listener = client.with(platform.token("last", &["data.read"], &json!([])));
    let mut body = listener.open(Method::GET, "/api/events", &[], String::new()).await.into_body();
    hear(&mut body, Some("listening")).await;
    platform.ends_all();
    let told = std::time::Instant::now();
    hear(&mut body, None).await;
    assert_eq!(listener.get("/api/tenant").await.status, StatusCode::UNAUTHORIZED);
    assert!(told.elapsed() < KNOWN_WITHIN, "{:?}", told.elapsed());
    // Neither does a platform that is away bring anybody back.
    platform.is_away(true);
    tokio::time::sleep(BELIEVED).await;
    assert_eq!(listener.get("/api/tenant").await.status, StatusCode::UNAUTHORIZED);
}
