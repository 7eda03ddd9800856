//! The command line as scripts meet it: the real binary against an API of canned answers.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as Segment, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

const TENANT: &str = "0190a0b0-0000-7000-8000-000000000001";
const OPERATION: &str = "0190a0b0-0000-7000-8000-0000000000aa";
const AT: &str = "2026-01-02T03:04:05Z";

/// What the API saw, in order: method, target, and the headers and body that matter.
#[derive(Debug, Clone, Default)]
struct Seen {
    requests: Vec<(String, HeaderMap, Value)>,
}

#[derive(Clone, Default)]
struct Api {
    seen: Arc<Mutex<Seen>>,
    /// How the operation ends.
    ends_stuck: bool,
}

impl Api {
    fn requests(&self) -> Vec<(String, HeaderMap, Value)> {
        self.seen.lock().expect("no test panicked here").requests.clone()
    }

    fn targets(&self) -> Vec<String> {
        self.requests().into_iter().map(|(target, ..)| target).collect()
    }

    /// Serves on a free port until the test's runtime ends.
    async fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new()
            .route("/api/v1/admin/sessions", post(sign_in))
            .route("/api/v1/plans", get(plans))
            .route("/api/v1/tenants", get(tenants).post(create))
            .route("/api/v1/tenants/{tenant}", get(tenant).patch(accept).delete(accept))
            .route("/api/v1/tenants/{tenant}/{verb}", post(accept))
            .route("/api/v1/operations", get(operations))
            .route("/api/v1/operations/{id}", get(operation))
            .route("/api/v1/operations/{id}/events", get(events))
            .layer(from_fn_with_state(self.clone(), note))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        port
    }

    fn over(&self) -> Value {
        let mut over = operation_json("succeeded");
        if self.ends_stuck {
            over = operation_json("stuck");
            over["reason"] = json!("no disk is left");
        }
        over
    }
}

/// Notes the request, and lets only signed-in ones pass.
async fn note(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a small body");
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let target = format!("{} {}", parts.method, parts.uri);
    api.seen.lock().expect("no test panicked here").requests.push((target, parts.headers.clone(), json));
    let signed_in = parts.headers.get("authorization").is_some_and(|value| value == "Bearer good");
    if !signed_in && parts.uri.path() != "/api/v1/admin/sessions" {
        return problem(401, "unauthenticated", "the token is not valid", &json!([]));
    }
    next.run(Request::from_parts(parts, bytes.into())).await
}

fn problem(status: u16, code: &str, detail: &str, errors: &Value) -> Response {
    let body = json!({
        "type": format!("urn:freehold:problem:{code}"),
        "title": code, "status": status, "code": code, "detail": detail, "errors": errors,
    });
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}

fn tenant_json(slug: &str, status: &str) -> Value {
    json!({
        "id": TENANT, "slug": slug, "name": "Acme \u{1b}[31m", "plan": "starter", "settings": {"color": "#123456"},
        "status": status, "desired_state": "running", "generation": 7, "converged_generation": 7,
        "release": "1", "url": format!("http://{slug}.freehold.localhost:8080"),
        "hosts": [format!("{slug}.freehold.localhost")], "storage_bytes": 9_437_184, "read_only": false,
        "created_at": AT, "updated_at": AT, "created_by": "admin",
    })
}

fn operation_json(state: &str) -> Value {
    json!({
        "id": OPERATION, "tenant_id": TENANT, "slug": "acme", "kind": "create", "state": state, "generation": 7,
        "requested_by": "admin", "created_at": AT,
    })
}

async fn sign_in(axum::Json(body): axum::Json<Value>) -> Response {
    if body["password"] == "right" && body["email"] == "admin@freehold.localhost" {
        let session = json!({"token": "good", "token_type": "Bearer", "expires_at": AT});
        (StatusCode::CREATED, axum::Json(session)).into_response()
    } else {
        problem(401, "wrong_credentials", "email or password is wrong", &json!([]))
    }
}

async fn plans() -> axum::Json<Value> {
    axum::Json(json!({"items": [{
        "name": "starter", "default": true, "memory_mib": 256, "cpu_millis": 500, "pids": 128, "connections": 20,
        "storage_mib": 1024,
    }], "next": null}))
}

/// Two pages of one tenant each.
async fn tenants(Query(query): Query<std::collections::BTreeMap<String, String>>) -> axum::Json<Value> {
    axum::Json(match query.get("cursor").map(String::as_str) {
        None => json!({"items": [tenant_json("acme", "running")], "next": "a b&c"}),
        Some("a b&c") => json!({"items": [tenant_json("globex", "asleep")], "next": null}),
        Some(other) => panic!("a cursor that was never given: {other}"),
    })
}

async fn create(axum::Json(body): axum::Json<Value>) -> Response {
    if body["slug"] == "taken" {
        let errors = json!([{"field": "slug", "message": "taken is taken"}]);
        return problem(409, "slug_taken", "It is taken already", &errors);
    }
    accept().await
}

async fn accept() -> Response {
    let answer =
        json!({"tenant": tenant_json("acme", "provisioning"), "operation": operation_json("pending")});
    (StatusCode::ACCEPTED, axum::Json(answer)).into_response()
}

async fn tenant(Segment(tenant): Segment<String>) -> Response {
    if tenant == "acme" || tenant == TENANT {
        axum::Json(tenant_json("acme", "running")).into_response()
    } else {
        problem(404, "not_found", "there is no such tenant", &json!([]))
    }
}

async fn operations() -> axum::Json<Value> {
    axum::Json(json!({"items": [operation_json("pending")], "next": null}))
}

/// Over only once all events were streamed.
async fn operation(State(api): State<Api>) -> axum::Json<Value> {
    let resumed = api.requests().iter().any(|(_, headers, _)| headers.contains_key("last-event-id"));
    axum::Json(if resumed { api.over() } else { operation_json("running") })
}

/// The first stream breaks off after two events; the second goes on from there.
async fn events(State(api): State<Api>, headers: HeaderMap) -> Response {
    let step = |id: u32, step: &str, state: &str| {
        let data = json!({"id": id, "at": AT, "step": step, "state": state, "message": ""});
        format!("event: step\nid: {id}\ndata: {data}\n\n")
    };
    let text = match headers.get("last-event-id").map(|id| id.to_str().expect("text")) {
        None => format!(": alive\n\n{}{}", step(1, "network", "started"), step(2, "network", "done")),
        Some("2") => format!(
            "{}{}event: state\ndata: {}\n\n",
            step(3, "container app", "started"),
            step(4, "container app", "done"),
            api.over()
        ),
        Some(other) => panic!("an event that was never sent: {other}"),
    };
    ([("content-type", "text/event-stream")], text).into_response()
}

struct Freehold {
    home: tempfile::TempDir,
    url: String,
}

impl Freehold {
    fn new(port: u16) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(home.path().join("secrets")).expect("a directory");
        std::fs::write(home.path().join("secrets/admin_password"), "right\n").expect("a file");
        Self { home, url: format!("http://admin.freehold.localhost:{port}") }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_freehold"))
            .args(arguments)
            .env_clear()
            .env("FREEHOLD_HOME", self.home())
            .env("FREEHOLD_URL", &self.url)
            .current_dir(self.home())
            .kill_on_drop(true)
            .output()
            .await
            .expect("it runs")
    }

    /// Runs it, expects this exit code, and gives standard output and standard error.
    async fn ends(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments).await;
        let out = String::from_utf8(output.stdout).expect("text");
        let err = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }
}

#[tokio::test]
async fn a_tenant_is_created_and_followed_across_a_lost_stream() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    let (out, err) =
        freehold.ends(0, &["tenant", "create", "Acme", "--plan", "starter", "--setting", "color=#1"]).await;
    assert_eq!(out, "acme is running at http://acme.freehold.localhost:8080\n");
    assert!(err.contains("ok  network") && err.contains("ok  container app"), "{err}");

    let requests = api.requests();
    let (_, headers, body) =
        requests.iter().find(|(target, ..)| target == "POST /api/v1/tenants").expect("a creation");
    assert_eq!(*body, json!({"name": "Acme", "plan": "starter", "settings": {"color": "#1"}}));
    assert!(headers.contains_key("idempotency-key"));
    let host = headers["host"].to_str().expect("text");
    assert!(host.starts_with("admin.freehold.localhost:"), "{host}");
    let streams = api.targets().iter().filter(|target| target.ends_with("/events")).count();
    assert_eq!(streams, 2);
}

#[tokio::test]
async fn scripts_read_json_and_nothing_else() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    let (out, err) = freehold.ends(0, &["tenant", "wake", "acme", "--json"]).await;
    let answer: Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!(answer["tenant"]["slug"], "acme");
    assert_eq!(answer["operation"]["state"], "succeeded");
    assert_eq!(err, "");
    let (out, _) = freehold.ends(0, &["tenant", "sleep", "acme", "--json", "--no-wait"]).await;
    let answer: Value = serde_json::from_str(&out).expect("one JSON document");
    assert_eq!(answer["operation"]["state"], "pending");
    let (out, _) = freehold.ends(0, &["tenant", "list", "--json", "--state", "running,asleep"]).await;
    let all: Vec<Value> = serde_json::from_str(&out).expect("a list");
    assert_eq!(all.len(), 2);
    assert!(
        api.targets().iter().any(|target| target.contains("state=running%2Casleep")),
        "{:?}",
        api.targets()
    );
    let (_, err) = freehold.ends(3, &["tenant", "show", "nobody", "--json"]).await;
    let error: Value = serde_json::from_str(&err).expect("an error in JSON");
    assert_eq!(error["exit"], 3);
}

#[tokio::test]
async fn people_read_tables_without_control_characters() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    let (out, _) = freehold.ends(0, &["tenant", "list"]).await;
    assert!(out.starts_with("SLUG") && out.contains("globex"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out:?}");
    let (out, _) = freehold.ends(0, &["tenant", "show", "acme"]).await;
    assert!(out.contains("http://acme.freehold.localhost:8080") && !out.contains('\u{1b}'), "{out:?}");
    assert!(out.contains("9.0 MiB"), "{out}");
    let (out, _) = freehold.ends(0, &["plan", "list"]).await;
    assert!(out.contains("starter") && out.contains("0.50"), "{out}");
    let (out, _) = freehold.ends(0, &["operation", "watch", "acme"]).await;
    assert!(out.contains("succeeded"), "{out}");
}

#[tokio::test]
async fn how_it_ends_is_told_by_the_exit_code() {
    let api = Api { ends_stuck: true, ..Api::default() };
    let freehold = Freehold::new(api.serve().await);
    let (_, err) = freehold.ends(1, &["tenant", "create", "Acme", "-q"]).await;
    assert!(err.contains("create of acme is stuck: no disk is left") && err.contains("hint:"), "{err}");
    let (_, err) = freehold.ends(2, &["tenant", "create"]).await;
    assert!(err.contains("<NAME>"), "{err}");
    freehold.ends(2, &["--set", "edge.prot=1", "plan", "list"]).await;
    let (_, err) = freehold.ends(2, &["plan", "list", "--url", "https://example.com"]).await;
    assert!(err.contains("https"), "{err}");
    let (_, err) = freehold.ends(4, &["tenant", "create", "Acme", "--slug", "taken"]).await;
    assert!(err.contains("It is taken already\n  slug: taken is taken"), "{err}");
    for token in ["bad", "good"] {
        std::fs::write(freehold.home().join(token), token).expect("a file");
    }
    let (_, err) = freehold.ends(5, &["plan", "list", "--token-file", "bad"]).await;
    assert!(err.contains("the token is not valid") && err.contains("freehold token"), "{err}");
    // Nothing listens on the first of the ports that only the system's own services may use.
    let nobody = ["plan", "list", "--token-file", "good", "--url", "http://127.0.0.1:1"];
    let (_, err) = freehold.ends(5, &nobody).await;
    assert!(err.contains("cannot be reached"), "{err}");
    freehold.ends(0, &["--help"]).await;
    freehold.ends(0, &["completions", "bash"]).await;
}

#[tokio::test]
async fn a_token_is_had_with_the_stored_password() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    assert_eq!(freehold.ends(0, &["token"]).await.0, "good\n");
    std::fs::write(freehold.home().join("secrets/admin_password"), "wrong").expect("a file");
    let (_, err) = freehold.ends(5, &["token"]).await;
    assert!(err.contains("email or password is wrong") && !err.contains("good"), "{err}");
    std::fs::remove_file(freehold.home().join("secrets/admin_password")).expect("the file goes");
    let (_, err) = freehold.ends(5, &["tenant", "list"]).await;
    assert!(err.contains("no password is known for admin@freehold.localhost"), "{err}");
}

#[tokio::test]
async fn deleting_has_to_be_meant() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    let deletions = || api.targets().into_iter().filter(|t| t.starts_with("DELETE")).collect::<Vec<_>>();
    for arguments in [
        &["tenant", "delete", "acme"][..],
        &["tenant", "delete", "acme", "--erase"],
        &["tenant", "delete", "acme", "--erase", "--yes"],
        &["tenant", "delete", "acme", "--slug", "globex"],
        &["tenant", "delete", "acme", "--erase", "--slug", "Acme"],
    ] {
        freehold.ends(2, arguments).await;
    }
    assert_eq!(deletions(), Vec::<String>::new());
    freehold.ends(0, &["tenant", "delete", "acme", "--yes", "--no-wait"]).await;
    freehold.ends(0, &["tenant", "delete", "acme", "--erase", "--slug", "acme", "--no-wait"]).await;
    assert_eq!(
        deletions(),
        [
            format!("DELETE /api/v1/tenants/{TENANT}"),
            format!("DELETE /api/v1/tenants/{TENANT}?erase=true&slug=acme")
        ]
    );
}

#[tokio::test]
async fn settings_are_changed_one_by_one() {
    let api = Api::default();
    let freehold = Freehold::new(api.serve().await);
    freehold.ends(2, &["tenant", "update", "acme"]).await;
    freehold.ends(0, &["tenant", "update", "acme", "--setting", "seats=5", "--no-wait"]).await;
    let requests = api.requests();
    let (_, headers, body) =
        requests.iter().find(|(target, ..)| target.starts_with("PATCH")).expect("a change");
    assert_eq!(*body, json!({"settings": {"color": "#123456", "seats": 5}}));
    assert_eq!(headers["if-match"], "\"7\"");
}
