//! Users, as platform admins see and stop them.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::World;
use super::people_sign_up::PASSWORD;

#[tokio::test]
async fn admins_find_users_and_stop_them() {
    let world = World::start().await;
    world.make("acme").await;
    let ada = world.member("acme", Role::Member).await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    let token = tokens["access_token"].as_str().expect("a token");

    // Page by page, the newest first.
    let first = world.get("/api/v1/users?limit=1").await.expect(200).body;
    assert_eq!(first["items"][0]["email"], email);
    let next = first["next"].as_str().expect("more");
    let second = world.get(&format!("/api/v1/users?limit=1&cursor={next}")).await.expect(200).body;
    assert_eq!(second["items"][0]["email"], ada.email);
    let found = world.get(&format!("/api/v1/users?search={}", &email[..12])).await.expect(200).body;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.get("/api/v1/users?limit=0&cursor=x").await.expect(422).fields(), ["cursor", "limit"]);

    let shown = world.get(&format!("/api/v1/users/{}", ada.email)).await.expect(200).body;
    assert_eq!(shown["memberships"][0]["slug"], "acme");
    assert_eq!(shown["memberships"][0]["role"], "member");
    assert_eq!(shown, world.get(&format!("/api/v1/users/{}", ada.id)).await.expect(200).body);
    for nobody in ["none", "nobody@example.com", "00000000-0000-0000-0000-000000000000"] {
        world.get(&format!("/api/v1/users/{nobody}")).await.expect(404);
    }
    ada.get(&world, "/api/v1/users").await.expect(403);

    let go = async |verb: &str| {
        world.ask(Method::POST, &format!("/api/v1/users/{email}/{verb}"), None).await.expect(200).body
    };
    assert!(go("suspend").await["suspended_at"].is_string());
    go("suspend").await;
    world.ask_as(token, Method::GET, "/api/v1/me", None).await.expect(401);
    world.anyone("refresh", json!({"refresh_token": tokens["refresh_token"]})).await.expect(401);
    assert!(world.log_in(&email, PASSWORD).await.expect(403).text.contains("suspended"));
    world.anyone("forgot-password", json!({"email": email})).await.expect(202);
    assert!(world.letters(&email, "reset_password").await.is_empty());
    assert!(go("resume").await["suspended_at"].is_null());
    world.ask_as(token, Method::GET, "/api/v1/me", None).await.expect(401);
    world.log_in(&email, PASSWORD).await.expect(200);
    assert_eq!(world.audited("user.suspend", &email).await, ["done"]);
    assert_eq!(world.audited("user.resume", &email).await, ["done"]);
}
