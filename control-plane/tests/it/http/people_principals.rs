//! Who is signed in is remembered, and forgotten in time: by whoever changed it, and by every other api.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use control_plane::app::{App, Settings};
use control_plane::config::Config;
use control_plane::http::{AppState, router};
use control_plane::model::role::Role;
use serde_json::json;
use tower::ServiceExt;

use super::World;
use super::people::Person;
use super::people_sign_up::PASSWORD;

/// Far less than what is remembered would be remembered for.
const SOON: Duration = Duration::from_secs(5);

/// Another api on the same registry.
pub(super) fn another(world: &World) -> Router {
    another_with(world, |_| {})
}

/// The same with settings other than what is built in.
pub(super) fn another_with(world: &World, change: impl FnOnce(&mut Settings)) -> Router {
    let config = Config::default();
    let mut settings = Settings::from(&config);
    change(&mut settings);
    let app = App::new(world.registry.api.clone(), settings, world.issuer.clone(), world.key.clone());
    router(AppState::new(Arc::new(app), &config.limits, world.closing.clone()))
}

pub(super) async fn ask(api: &Router, token: &str, path: &str) -> u16 {
    let request = Request::get(path)
        .header(header::HOST, super::HOST)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty());
    api.clone().oneshot(request.expect("request")).await.expect("an answer").status().as_u16()
}

/// Waits until a path is answered like this, no longer than is soon.
pub(super) async fn soon(api: &Router, token: &str, path: &str, status: u16) {
    let begun = Instant::now();
    while ask(api, token, path).await != status {
        assert!(begun.elapsed() < SOON, "{path} is not answered with {status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends a session in a way that is announced to nobody.
async fn end_silently(world: &World, person: &Person) {
    let mut sql = world.registry.superuser().await;
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut sql).await.expect("no triggers");
    sqlx::query("update freehold.sessions set revoked_at = now(), revoked_because = 'a test' where id = $1")
        .bind(person.session.0)
        .execute(&mut sql)
        .await
        .expect("ended");
}

/// Asks until the answer comes from memory: the api may not have begun to hear yet.
async fn remembered(world: &World, api: &Router) -> Person {
    let begun = Instant::now();
    loop {
        let person = world.user(&super::people::new_address()).await;
        assert_eq!(ask(api, &person.token, "/api/v1/me").await, 200);
        end_silently(world, &person).await;
        if ask(api, &person.token, "/api/v1/me").await == 200 {
            return person;
        }
        assert!(begun.elapsed() < SOON, "nobody is remembered");
    }
}

#[tokio::test]
async fn a_session_that_ends_here_is_over_at_every_other_api() {
    let world = World::start().await;
    let other = another(&world);
    remembered(&world, &other).await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(ask(&other, token, "/api/v1/me").await, 200);
    let body = json!({"refresh_token": "none"});
    world.anyone("refresh", body).await.expect(401);
    world.ask_as(token, axum::http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    // At once where it was ended, and as soon as it is heard of elsewhere.
    world.ask_as(token, axum::http::Method::GET, "/api/v1/me", None).await.expect(401);
    soon(&other, token, "/api/v1/me", 401).await;
}

#[tokio::test]
async fn what_a_member_may_changes_at_every_api_with_their_membership() {
    let world = World::start().await;
    let other = another(&world);
    world.make("acme").await;
    let ada = world.user(&super::people::new_address()).await;
    let path = "/api/v1/tenants/acme";
    assert_eq!(ask(&other, &ada.token, path).await, 404);
    world.join(&ada, "acme", Role::Member).await;
    soon(&other, &ada.token, path, 200).await;
    let mut sql = world.registry.superuser().await;
    for (statement, status) in [
        ("update freehold.memberships set suspended_at = now()", 403),
        ("update freehold.memberships set suspended_at = null", 200),
        (
            "insert into freehold.tenant_policies (tenant_id, require_second_factor)
          select id, true from freehold.tenants",
            403,
        ),
        ("delete from freehold.tenant_policies", 200),
        ("delete from freehold.memberships", 404),
        ("update freehold.users set suspended_at = now()", 401),
    ] {
        sqlx::raw_sql(statement).execute(&mut sql).await.expect(statement);
        soon(&other, &ada.token, path, status).await;
    }
}

#[tokio::test]
async fn a_tenant_that_is_deleted_here_is_gone_here_before_anything_is_heard_of_it() {
    let world = World::start().await;
    let created = world.make("acme").await;
    let claims = world.claim().await;
    world.converge(&claims).await;
    let ada = world.member("acme", Role::Member).await;
    remembered(&world, &world.router).await;
    let mut sql = world.registry.superuser().await;
    sqlx::raw_sql("drop trigger tell_of_belonging on freehold.tenants")
        .execute(&mut sql)
        .await
        .expect("unheard");
    let path = format!("/api/v1/tenants/{}", created["tenant"]["id"].as_str().expect("an id"));
    for (step, status) in [("delete", 404), ("restore", 200)] {
        ada.get(&world, "/api/v1/me").await.expect(200);
        if step == "delete" {
            world.ask(axum::http::Method::DELETE, &path, None).await.expect(202);
        } else {
            world.ask(axum::http::Method::POST, &format!("{path}/restore"), None).await.expect(202);
        }
        ada.get(&world, "/api/v1/tenants/acme").await.expect(status);
    }
}

#[tokio::test]
async fn nobody_is_remembered_once_announcements_are_lost() {
    let world = World::start().await;
    let other = another(&world);
    let ghost = remembered(&world, &other).await;
    let mut sql = world.registry.superuser().await;
    sqlx::raw_sql(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where usename = 'freehold_api' and query ilike 'listen%'",
    )
    .execute(&mut sql)
    .await
    .expect("cut off");
    soon(&other, &ghost.token, "/api/v1/me", 401).await;
}
