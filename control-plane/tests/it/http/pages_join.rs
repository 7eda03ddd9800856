//! Asking to join a tenant by its page.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::pages::{Site, is_page, leads_to};
use super::people::new_address;
use super::people_sign_up::PASSWORD;

async fn signups(site: &Site, mode: &str) {
    let path = "/api/v1/tenants/acme/security";
    site.world.ask(Method::PATCH, path, Some(json!({"signups": mode}))).await.expect(200);
}

#[tokio::test]
async fn somebody_asks_to_join_waits_and_is_let_in() {
    let site = Site::start().await;
    site.world.post("/api/v1/tenants", json!({"name": "Acme Fleet", "slug": "acme"})).await.expect(202);
    let owner = site.world.member("acme", Role::Owner).await;
    let email = site.world.registered().await;
    let mut window = site.window();
    let page = window.get("/join/acme").await;
    is_page(&page, 200, "Join Acme Fleet");
    let to = "/sign-in?to=%2Fjoin%2Facme";
    assert!(page.body.contains(to) || page.body.contains(&to.replace('/', "&#x2F;")), "{}", page.body);
    let page = window.get(to).await;
    is_page(&page, 200, "Sign in to Acme Fleet");
    leads_to(&window.submit(&page, &[("email", &email), ("password", PASSWORD)]).await, "/join/acme");

    let page = window.get("/join/acme").await;
    assert!(page.body.contains("A word to its admins"));
    is_page(&window.submit(&page, &[("message", &"x".repeat(1001))]).await, 422, "Join Acme Fleet");
    is_page(&window.submit(&page, &[("message", "It is me")]).await, 200, "You asked to join");
    is_page(&window.get("/join/acme").await, 200, "You asked to join");
    is_page(&window.submit(&page, &[("message", "")]).await, 409, "Join Acme Fleet");
    let asked = owner.get(&site.world, "/api/v1/tenants/acme/signups").await.expect(200);
    assert_eq!(asked.body["items"][0]["message"], "It is me");
    let id = asked.body["items"][0]["id"].as_str().expect("an id").to_owned();
    let decide = format!("/api/v1/tenants/acme/signups/{id}");
    owner
        .post(&site.world, &format!("{decide}/reject"), json!({"reason": "Not <b>yet</b>"}))
        .await
        .expect(200);
    let declined = window.get("/join/acme").await;
    is_page(&declined, 200, "Join Acme Fleet");
    assert!(declined.body.contains("Not &lt;b&gt;yet"), "{}", declined.body);
}

#[tokio::test]
async fn where_nobody_may_ask_is_no_such_place_and_where_everybody_may_they_are_in_at_once() {
    let site = Site::start().await;
    site.world.post("/api/v1/tenants", json!({"name": "Acme Fleet", "slug": "acme"})).await.expect(202);
    let email = site.world.registered().await;
    signups(&site, "closed").await;
    let mut window = site.window();
    window.sign_in(&email, PASSWORD).await;
    let mut answers = Vec::new();
    for path in ["/join/acme", "/join/nobody", "/join/%00", "/join/Acme"] {
        let answer = window.get(path).await;
        is_page(&answer, 404, "There is no such place");
        let nonce = answer.body.split_once("nonce=\"").expect("a nonce").1[..43].to_owned();
        answers.push(answer.body.replace(&nonce, ""));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(window.post("/join/acme", &[]).await.status, 404);

    signups(&site, "automatic").await;
    let page = window.get("/join/acme").await;
    is_page(&window.submit(&page, &[]).await, 200, "You belong to Acme Fleet");
    is_page(&window.get("/join/acme").await, 200, "You belong to Acme Fleet");
    assert!(window.get("/account").await.body.contains("Acme Fleet"));
}

#[tokio::test]
async fn somebody_without_an_account_asks_and_nobody_learns_whether_they_have_one() {
    let site = Site::start().await;
    site.world.post("/api/v1/tenants", json!({"name": "Acme Fleet", "slug": "acme"})).await.expect(202);
    let owner = site.world.member("acme", Role::Owner).await;
    let (known, new) = (site.world.registered().await, new_address());
    let mut answers = Vec::new();
    for email in [&known, &new] {
        let mut window = site.window();
        let page = window.get("/join/acme").await;
        is_page(&page, 200, "Join Acme Fleet");
        let typed = |password| {
            [("name", "Ada"), ("email", email.as_str()), ("password", password), ("message", "It is me")]
        };
        let refused = window.submit(&page, &typed("password1234")).await;
        is_page(&refused, 422, "Join Acme Fleet");
        assert!(refused.body.contains("id=\"password-error\"") && refused.body.contains("It is me"));
        assert!(!refused.body.contains("password1234"));
        let answer = window.submit(&refused, &typed(PASSWORD)).await;
        is_page(&answer, 200, "Look into your mail");
        let nonce = answer.body.split_once("nonce=\"").expect("a nonce").1[..43].to_owned();
        answers.push(answer.body.replace(&nonce, ""));
    }
    assert_eq!(answers[0], answers[1]);
    let asked = async || {
        let asked = owner.get(&site.world, "/api/v1/tenants/acme/signups").await.expect(200);
        asked.body["items"].clone()
    };
    assert_eq!(asked().await, json!([]), "nobody hears of it before the address is proven");
    let token = site.world.mailed(&new, "verify_email").await;
    let mut window = site.window();
    let page = window.get(&format!("/verify-email?token={token}")).await;
    is_page(&window.submit(&page, &[]).await, 200, "Your address is confirmed");
    assert_eq!(asked().await[0]["email"], json!(new));
}
