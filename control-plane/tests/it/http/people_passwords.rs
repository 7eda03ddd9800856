//! Passwords that are forgotten and changed.

use axum::http::Method;
use serde_json::{Value, json};

use super::World;
use super::people_sign_up::PASSWORD;

const ANOTHER: &str = "seven geese over the pond";

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_all_sessions_end() {
    let world = World::start().await;
    let email = world.registered().await;
    let before = world.log_in(&email, PASSWORD).await.expect(200).body;
    world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = world.mailed(&email, "reset_password").await;
    let reset = async |password: &str| {
        world.anyone("reset-password", json!({"token": token, "password": password})).await
    };
    assert_eq!(
        reset("password1234").await.expect(422).fields(),
        ["password"],
        "and the secret is still good"
    );
    reset(ANOTHER).await.expect(204);
    assert_eq!(reset(ANOTHER).await.expect(422).fields(), ["token"]);

    let access = before["access_token"].as_str().expect("a token");
    world.ask_as(access, Method::GET, "/api/v1/me", None).await.expect(401);
    world.anyone("refresh", json!({"refresh_token": before["refresh_token"]})).await.expect(401);
    world.log_in(&email, PASSWORD).await.expect(401);
    world.log_in(&email, ANOTHER).await.expect(200);
    assert_eq!(world.letters(&email, "password_changed").await.len(), 1);
    assert_eq!(world.audited("password.reset", &email).await, ["done"]);
}

#[tokio::test]
async fn of_two_who_come_with_one_mailed_secret_one_sets_the_password() {
    let world = World::start().await;
    let email = world.registered().await;
    world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = world.mailed(&email, "reset_password").await;
    let reset = async |password: &str| {
        world.anyone("reset-password", json!({"token": token, "password": password})).await
    };
    let (one, other) = tokio::join!(reset(ANOTHER), reset("nine herons by the river"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!([409, 422].contains(&statuses[1]), "{statuses:?}");
}

#[tokio::test]
async fn a_secret_past_its_time_or_of_another_purpose_is_good_for_nothing() {
    let world = World::start().await;
    let email = world.registered().await;
    world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    let token = world.mailed(&email, "reset_password").await;
    world.anyone("verify-email", json!({"token": token})).await.expect(422);
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.mailed_tokens set expires_at = now()")
        .execute(&mut sql)
        .await
        .expect("over");
    let late = world.anyone("reset-password", json!({"token": token, "password": ANOTHER})).await;
    assert_eq!(late.expect(422).fields(), ["token"]);
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("select hash from freehold.mailed_tokens")
        .fetch_all(&mut sql)
        .await
        .expect("hashes");
    assert!(kept.iter().all(|hash| hash.as_slice() != token.as_bytes()), "only hashes are kept");
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_ends_the_other_sessions() {
    let world = World::start().await;
    let email = world.registered().await;
    let here = world.log_in(&email, PASSWORD).await.expect(200).body;
    let there = world.log_in(&email, PASSWORD).await.expect(200).body;
    let token = |tokens: &Value| tokens["access_token"].as_str().expect("a token").to_owned();
    let change = async |before: &str, after: &str| {
        let body = json!({"current_password": before, "password": after});
        world.ask_as(&token(&here), Method::POST, "/api/v1/me/password", Some(body)).await
    };
    assert_eq!(change("something else", ANOTHER).await.expect(422).fields(), ["current_password"]);
    assert_eq!(change(PASSWORD, "aaaaaaaaaaaa").await.expect(422).fields(), ["password"]);
    change(PASSWORD, ANOTHER).await.expect(204);
    world.ask_as(&token(&here), Method::GET, "/api/v1/me", None).await.expect(200);
    world.ask_as(&token(&there), Method::GET, "/api/v1/me", None).await.expect(401);
    world.log_in(&email, ANOTHER).await.expect(200);
    assert_eq!(world.audited("password.ask", &email).await, ["refused"]);
    assert_eq!(world.audited("password.change", &email).await, ["done"]);
}
