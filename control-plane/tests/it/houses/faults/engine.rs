//! The engine hangs, and dies. Nobody who faces people needs it, so the API answers, and says what is the matter.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::load::Load;
use super::super::objects::of_houses;
use super::super::tenants::Admin;
use super::super::visitor::Answer;
use super::super::wait;
use super::socket::EngineSocket;

/// What people take for at once, on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn at_once(admin: &Admin<'_>, method: Method, path: &str, body: Value) -> Answer {
    let begun = Instant::now();
    let answer = admin.ask(method.clone(), path, body).await;
    assert!(begun.elapsed() < AT_ONCE, "{method} {path} took {:?}", begun.elapsed());
    answer
}

async fn create(admin: &Admin<'_>, slug: &str) -> String {
    let body = json!({"name": slug, "slug": slug});
    let answer = at_once(admin, Method::POST, "/api/v1/tenants", body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    answer.json()["operation"]["id"].as_str().expect("an operation").to_owned()
}

/// Waits until the platform names the engine as what is the matter, in these words.
async fn the_api_says_so(admin: &Admin<'_>, words: &str) {
    wait::until("the API says what is the matter", || async {
        let status = at_once(admin, Method::GET, "/api/v1/status", Value::Null).await;
        let problems = status.json()["problems"].to_string();
        if problems.contains("engine") && problems.contains(words) { Ok(()) } else { Err(status.body) }
    })
    .await;
    let ready = at_once(admin, Method::GET, "/readyz", Value::Null).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE, "{ready:?}");
    assert!(ready.json()["detail"].as_str().is_some_and(|detail| detail.contains("engine")), "{ready:?}");
}

async fn all_is_well(admin: &Admin<'_>) {
    wait::until("the platform is ready", || async {
        let status = admin.ask(Method::GET, "/api/v1/status", Value::Null).await;
        if status.json()["ready"] == true { Ok(()) } else { Err(status.body) }
    })
    .await;
}

/// Waits until an operation that is on its way says what it waits for.
async fn waits_for_the_engine(admin: &Admin<'_>, operation: &str) {
    wait::until("the operation says what it waits for", || async {
        let path = format!("/api/v1/operations/{operation}");
        let operation = at_once(admin, Method::GET, &path, Value::Null).await.json();
        let reason = operation["reason"].as_str().unwrap_or_default();
        assert_ne!(operation["state"], "stuck", "nobody is to blame: {operation}");
        if reason.contains("the engine did not") { Ok(()) } else { Err(operation.to_string()) }
    })
    .await;
}

/// What the engine has is what the tenants need, once.
async fn nothing_twice(admin: &Admin<'_>, tenants: usize) {
    wait::until("everything is there once", || async {
        let all = of_houses(admin.installation);
        if all.len() == tenants * 4 { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
}

pub async fn falls_silent(admin: &Admin<'_>, socket: &EngineSocket, visitors: &Load) {
    let silence = socket.falls_silent();
    let mut status = admin.installation.command(&["status"]);
    let status = status.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let asked = create(admin, "initech").await;
    let change = at_once(admin, Method::PATCH, "/api/v1/tenants/acme", json!({"plan": "team"})).await;
    assert_eq!(change.status, StatusCode::ACCEPTED, "{change:?}");
    the_api_says_so(admin, "did not").await;
    waits_for_the_engine(admin, &asked).await;
    let list = at_once(admin, Method::GET, "/api/v1/tenants", Value::Null).await;
    assert_eq!(list.json()["items"].as_array().map(Vec::len), Some(3), "{list:?}");
    let told = status.wait_with_output().expect("its end");
    assert!(told.status.success(), "the platform answers");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("the engine did not") && told.contains("the engine does not answer"), "{told}");
    visitors.goes_on(20).await;
    drop(silence);
    admin.settle("initech", "running").await;
    assert_eq!(admin.settle("acme", "running").await["plan"], "team");
    admin.answers("initech", "/api/vehicles", "").await;
    nothing_twice(admin, 3).await;
    all_is_well(admin).await;
}

pub async fn dies_and_another_takes_its_place(admin: &Admin<'_>, socket: &EngineSocket, visitors: &Load) {
    let death = socket.dies();
    the_api_says_so(admin, "cannot be reached").await;
    create(admin, "umbrella").await;
    visitors.goes_on(20).await;
    drop(death);
    admin.settle("umbrella", "running").await;
    admin.answers("umbrella", "/api/vehicles", "").await;
    nothing_twice(admin, 4).await;
    all_is_well(admin).await;
}
