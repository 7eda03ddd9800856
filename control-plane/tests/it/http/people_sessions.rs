//! Staying signed in: refresh tokens, their grace and their end, and sessions that are seen and ended.

use axum::http::Method;
use serde_json::{Value, json};

use super::people_sign_up::PASSWORD;
use super::{Answer, World};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect(name)
}

async fn refresh(world: &World, token: &str) -> Answer {
    world.anyone("refresh", json!({"refresh_token": token})).await
}

async fn me(world: &World, tokens: &Value) -> u16 {
    world.ask_as(text(tokens, "access_token"), Method::GET, "/api/v1/me", None).await.status.as_u16()
}

/// Lets time pass for all sessions.
async fn later(world: &World, what: &str, seconds: i32) {
    let mut sql = world.registry.superuser().await;
    let statement =
        format!("update freehold.sessions set {what} = {what} - make_interval(secs => {seconds}::float8)");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut sql).await.expect("later");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_for_a_moment_gets_the_same_again() {
    let world = World::start().await;
    let email = world.registered().await;
    let first = world.log_in(&email, PASSWORD).await.expect(200).body;
    let second = refresh(&world, text(&first, "refresh_token")).await.expect(200).body;
    assert_eq!(first["session_id"], second["session_id"]);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(me(&world, &second).await, 200);
    // The answer was lost.
    let again = refresh(&world, text(&first, "refresh_token")).await.expect(200).body;
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    // It goes on from there.
    let third = refresh(&world, text(&second, "refresh_token")).await.expect(200).body;
    assert_eq!(me(&world, &third).await, 200);
    let mut sql = world.registry.superuser().await;
    let kept: Vec<u8> = sqlx::query_scalar("select refresh_hash from freehold.sessions")
        .fetch_one(&mut sql)
        .await
        .expect("a hash");
    assert_eq!(kept.len(), 32, "only its hash is kept");
}

#[tokio::test]
async fn two_at_once_get_the_same() {
    let world = World::start().await;
    let email = world.registered().await;
    let mut tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    for _ in 0..10 {
        let token = text(&tokens, "refresh_token").to_owned();
        let (one, other, third) =
            tokio::join!(refresh(&world, &token), refresh(&world, &token), refresh(&world, &token));
        let (one, other, third) = (one.expect(200).body, other.expect(200).body, third.expect(200).body);
        assert_eq!(one["refresh_token"], other["refresh_token"]);
        assert_eq!(one["refresh_token"], third["refresh_token"]);
        tokens = one;
    }
}

#[tokio::test]
async fn whoever_comes_late_with_a_used_token_ends_the_session() {
    let world = World::start().await;
    let email = world.registered().await;
    // Past the grace; and with one older than the one before, however soon.
    for late in [true, false] {
        let first = world.log_in(&email, PASSWORD).await.expect(200).body;
        let other = world.log_in(&email, PASSWORD).await.expect(200).body;
        let second = refresh(&world, text(&first, "refresh_token")).await.expect(200).body;
        if late {
            later(&world, "refreshed_at", 31).await;
        } else {
            refresh(&world, text(&second, "refresh_token")).await.expect(200);
        }
        refresh(&world, text(&first, "refresh_token")).await.expect(401);
        assert_eq!(me(&world, &second).await, 401);
        refresh(&world, text(&second, "refresh_token")).await.expect(401);
        assert_eq!(me(&world, &other).await, 200, "other sessions go on");
        assert_eq!(world.audited("session.refresh", text(&first, "session_id")).await, ["refused"]);
    }
    assert_eq!(world.letters(&email, "session_ended").await.len(), 2);
}

#[tokio::test]
async fn whoever_knows_a_session_by_its_id_alone_cannot_end_it() {
    let world = World::start().await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    let other = world.log_in(&email, PASSWORD).await.expect(200).body;
    let id = text(&tokens, "session_id");
    let (_, of_other) = text(&other, "refresh_token").split_once('.').expect("a secret");
    for guess in ["A".repeat(43), of_other.to_owned()] {
        refresh(&world, &format!("{id}.{guess}")).await.expect(401);
        assert_eq!(me(&world, &tokens).await, 200);
    }
    refresh(&world, text(&tokens, "refresh_token")).await.expect(200);
    assert!(world.letters(&email, "session_ended").await.is_empty());
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_what_is_no_token_does_nothing() {
    let world = World::start().await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    for bad in ["", "x", "a.b", text(&tokens, "session_id")] {
        refresh(&world, bad).await.expect(401);
    }
    assert_eq!(me(&world, &tokens).await, 200);
    let remembered = json!({"email": email, "password": PASSWORD, "remember": true});
    let remembered = world.anyone("login", remembered).await.expect(200).body;
    later(&world, "expires_at", 8 * 86_400).await;
    refresh(&world, text(&tokens, "refresh_token")).await.expect(401);
    refresh(&world, text(&remembered, "refresh_token")).await.expect(200);
}

#[tokio::test]
async fn sessions_are_seen_and_ended_by_their_owner_alone() {
    let world = World::start().await;
    let (email, other) = (world.registered().await, world.registered().await);
    let here = world.log_in(&email, PASSWORD).await.expect(200).body;
    let there = world.log_in(&email, PASSWORD).await.expect(200).body;
    let theirs = world.log_in(&other, PASSWORD).await.expect(200).body;
    let ask = async |method: Method, path: &str| {
        world.ask_as(text(&here, "access_token"), method, &format!("/api/v1/me/sessions{path}"), None).await
    };
    let listed = ask(Method::GET, "").await.expect(200).body;
    let items = listed["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    let current: Vec<_> = items.iter().filter(|one| one["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["id"], here["session_id"]);

    ask(Method::DELETE, &format!("/{}", text(&theirs, "session_id"))).await.expect(404);
    ask(Method::DELETE, "/none").await.expect(404);
    let path = format!("/{}", text(&there, "session_id"));
    ask(Method::DELETE, &path).await.expect(204);
    ask(Method::DELETE, &path).await.expect(404);
    assert_eq!((me(&world, &there).await, me(&world, &theirs).await), (401, 200));

    let there = world.log_in(&email, PASSWORD).await.expect(200).body;
    assert_eq!(ask(Method::DELETE, "?except=others").await.expect(422).fields(), ["except"]);
    ask(Method::DELETE, "?except=current").await.expect(204);
    assert_eq!((me(&world, &here).await, me(&world, &there).await), (200, 401));
    ask(Method::DELETE, "").await.expect(204);
    assert_eq!((me(&world, &here).await, me(&world, &theirs).await), (401, 200));
}
