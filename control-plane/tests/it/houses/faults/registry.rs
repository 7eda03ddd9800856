//! The platform's own Postgres dies under load, and is away for longer than anybody waits.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::load::Load;
use super::super::objects::docker;
use super::super::tenants::Admin;
use super::super::wait;
use super::process::crash;

fn container(admin: &Admin<'_>) -> String {
    admin.installation.platform_containers("postgres").pop().expect("the registry's container")
}

/// Asks again and again until the platform has said what becomes of it; the operation that it promised, unless what
/// was asked for had been written before its answer was lost.
async fn promised(admin: &Admin<'_>, method: Method, path: &str, body: Value) -> Option<String> {
    wait::until(&format!("{method} {path} is acknowledged"), || async {
        let answer = admin.try_ask(method.clone(), path, body.clone()).await?;
        match answer.status {
            StatusCode::ACCEPTED => {
                Ok(Some(answer.json()["operation"]["id"].as_str().expect("an operation").to_owned()))
            }
            StatusCode::OK | StatusCode::CONFLICT => Ok(None),
            StatusCode::SERVICE_UNAVAILABLE => Err(says_so(&answer.json())),
            status => panic!("{method} {path}: {status} {}", answer.body),
        }
    })
    .await
}

/// That a problem is the registry's, in words for a person.
fn says_so(problem: &Value) -> String {
    assert_eq!((&problem["status"], &problem["code"]), (&json!(503), &json!("unavailable")), "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("the registry cannot be reached"), "{detail}");
    detail.to_owned()
}

/// The engine starts what died again by itself; whatever was promised is kept.
pub async fn is_killed_while_tenants_are_made_and_changed(admin: &Admin<'_>) {
    let mut promises = Vec::new();
    for round in 1..=2 {
        let create = |slug: String| {
            promised(admin, Method::POST, "/api/v1/tenants", json!({"name": slug, "slug": slug}))
        };
        let rename = json!({"name": format!("Acme {round}")});
        // the first are on their way when it dies, the others are asked for while it is dead
        promises.push(create(format!("first-{round}")).await);
        promises.push(promised(admin, Method::PATCH, "/api/v1/tenants/acme", rename).await);
        let registry = container(admin);
        let died = tokio::task::spawn_blocking(move || crash(&registry));
        promises.push(create(format!("second-{round}")).await);
        died.await.expect("killed");
    }
    assert!(promises.len() == 6 && promises.iter().filter(|promise| promise.is_some()).count() >= 4);
    for promise in promises.iter().flatten() {
        wait::until("what was promised is done", || async {
            let answer =
                admin.try_ask(Method::GET, &format!("/api/v1/operations/{promise}"), Value::Null).await?;
            if answer.json()["state"] == "succeeded" { Ok(()) } else { Err(answer.body) }
        })
        .await;
    }
    for slug in ["first-1", "second-1", "first-2", "second-2"] {
        admin.settle(slug, "running").await;
        admin.answers(slug, "/healthz", "").await;
    }
    assert_eq!(admin.settle("acme", "running").await["name"], "Acme 2");
}

/// Stopped by hand it stays away until somebody brings it back; nothing else needs to be touched then.
pub async fn is_gone_for_long(admin: &Admin<'_>, visitors: &Load) {
    let platform = |role| admin.installation.platform_containers(role);
    let roles = ["api", "gateway", "worker", "edge"].map(platform);
    docker(&["kill", &container(admin)]);
    let (one, all, create, process) = tokio::join!(
        admin.ask(Method::GET, "/api/v1/tenants/acme", Value::Null),
        admin.ask(Method::GET, "/api/v1/operations", Value::Null),
        admin.ask(Method::POST, "/api/v1/tenants", json!({"name": "Never", "slug": "never"})),
        admin.ask(Method::GET, "/healthz", Value::Null),
    );
    for answer in [one, all, create] {
        says_so(&answer.json());
    }
    assert_eq!(process.status, StatusCode::OK, "{process:?}");
    visitors.goes_on(20).await;

    tokio::task::block_in_place(|| admin.installation.bring_up());
    assert_eq!(["api", "gateway", "worker", "edge"].map(platform), roles, "nothing else was replaced");
    wait::until("the platform is ready by itself", || async {
        let answer = admin.try_ask(Method::GET, "/readyz", Value::Null).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.body) }
    })
    .await;
    let missing = admin.ask(Method::GET, "/api/v1/tenants/never", Value::Null).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "what was refused was not done");
    admin.verb("acme", "suspend", "suspended").await;
    admin.verb("acme", "resume", "running").await;
}
