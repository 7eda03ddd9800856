//! The pages in a real browser: that they work there without scripts, and how they look, kept in `target/screenshots`.

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::pages::{Site, encoded};
use super::people_sign_up::PASSWORD;
use crate::support::browser::Browser;

/// Narrow and light, wide and dark, and the one that most see on a phone at night.
const LOOKS: [(&str, u32, u32, bool); 3] =
    [("narrow", 320, 640, false), ("wide", 1280, 800, false), ("dark", 390, 844, true)];

pub async fn seen(browser: &Browser, name: &str) {
    for (look, width, height, dark) in LOOKS {
        browser.look(width, height, dark).await;
        let wide = browser.run("document.documentElement.scrollWidth").await;
        assert!(wide.as_u64() <= Some(u64::from(width)), "{name} is {wide} wide in {width}");
        browser.screenshot(&format!("{name}-{look}")).await;
    }
}

#[tokio::test]
async fn a_real_browser_signs_in_goes_back_and_signs_out() {
    let site = Site::start().await;
    let settings = json!({"color": "#f2b705"});
    site.world
        .post("/api/v1/tenants", json!({"name": "Acme Fleet", "slug": "acme", "settings": settings}))
        .await
        .expect(202);
    site.world.make("globex").await;
    let email = site.world.registered().await;
    for slug in ["acme", "globex"] {
        site.world.join_by_address(&email, slug, Role::Member).await;
    }
    let id = site.world.get("/api/v1/tenants/acme").await.expect(200).body["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let browser = Browser::start().await;
    let at = |path: &str| format!("{}{path}", site.url());

    let to = format!("/oauth/authorize?client_id={id}");
    browser.go(&at(&format!("/sign-in?to={}", encoded(&to)))).await;
    browser.until_text("h1", "Sign in to Acme Fleet").await;
    seen(&browser, "sign-in-tenant").await;
    browser.go(&at("/sign-in")).await;
    seen(&browser, "sign-in").await;
    browser.fill("#email", &email).await;
    browser.fill("#password", "something else").await;
    browser.click("button").await;
    browser.until_text(".errors", "Email or password is wrong.").await;
    assert_eq!(
        browser.run("document.activeElement.className").await,
        "errors",
        "what is wrong is read first"
    );
    assert_eq!(browser.run("document.querySelector('#password').value").await, "");
    seen(&browser, "sign-in-wrong").await;
    browser.click(".errors a").await;
    assert_eq!(browser.run("document.activeElement.id").await, "email", "the link leads to the field");
    browser.fill("#password", PASSWORD).await;
    browser.click("#remember").await;
    browser.click("button").await;
    browser.until_url(|url| url.ends_with("/account")).await;
    assert_eq!(browser.text("h1").await, "You are signed in");
    seen(&browser, "account").await;
    assert_eq!(browser.run("document.cookie").await, "", "no script sees the cookie");

    browser.go(&at("/join/acme")).await;
    seen(&browser, "join-inside").await;
    browser.go(&at("/join/nothing")).await;
    seen(&browser, "no-such-place").await;
    browser.go(&at("/sign-out")).await;
    seen(&browser, "sign-out").await;
    browser.go(&at("/account")).await;
    browser.click("button").await;
    browser.until_text("h1", "You are signed out").await;
    seen(&browser, "signed-out").await;
    browser.back().await;
    browser.until_text("h1", "Sign in").await;
}

#[tokio::test]
async fn a_real_browser_sets_a_password_anew_gives_a_code_and_asks_to_join() {
    let site = Site::start().await;
    site.world.post("/api/v1/tenants", json!({"name": "Acme Fleet", "slug": "acme"})).await.expect(202);
    let email = site.world.registered().await;
    let browser = Browser::start().await;
    let at = |path: &str| format!("{}{path}", site.url());

    browser.go(&at("/forgot-password")).await;
    seen(&browser, "forgot-password").await;
    browser.fill("#email", &email).await;
    browser.click("button").await;
    browser.until_text("h1", "Look into your mail").await;
    seen(&browser, "mail-sent").await;
    let token = site.world.mailed(&email, "reset_password").await;
    browser.go(&at(&format!("/reset-password?token={token}"))).await;
    browser.fill("#password", "password1234").await;
    browser.click("button").await;
    browser.until_text(".errors", "common").await;
    seen(&browser, "reset-password-weak").await;
    let password = "seven geese over the pond";
    browser.fill("#password", password).await;
    browser.click("button").await;
    browser.until_text("h1", "Your password is set").await;
    seen(&browser, "password-set").await;
    browser.go(&at("/verify-email?token=x")).await;
    seen(&browser, "verify-email").await;
    browser.click("button").await;
    browser.until_text("h1", "This link is good no more").await;
    seen(&browser, "link-spent").await;

    let token = site.world.log_in(&email, password).await.expect(200).body["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let ask = async |path: &str, body| {
        site.world
            .ask_as(&token, Method::POST, &format!("/api/v1/me/second-factor{path}"), body)
            .await
            .expect(200)
    };
    let secret = ask("", None).await.body["secret"].as_str().expect("a secret").to_owned();
    ask("/confirm", Some(json!({"code": super::people_second_factor::code(&secret, -30)}))).await;
    browser.go(&at("/join/acme")).await;
    seen(&browser, "join-stranger").await;
    browser.click(".links a").await;
    browser.until_text("h1", "Sign in to Acme Fleet").await;
    browser.fill("#email", &email).await;
    browser.fill("#password", password).await;
    browser.click("button").await;
    browser.until_text("h1", "Enter your code").await;
    seen(&browser, "code").await;
    browser.fill("#code", &super::people_second_factor::code(&secret, 0)).await;
    browser.click("button").await;
    browser.until_text("h1", "Join Acme Fleet").await;
    seen(&browser, "join").await;
    browser.fill("#message", "It is me, Ada.").await;
    browser.click("button").await;
    browser.until_text("h1", "You asked to join").await;
    seen(&browser, "join-waiting").await;
}

#[tokio::test]
async fn a_real_browser_takes_an_invitation_and_sets_a_second_factor_up() {
    let site = Site::start().await;
    let settings = json!({"color": "#7a1fa2"});
    let acme = json!({"name": "Acme Fleet", "slug": "acme", "settings": settings});
    site.world.post("/api/v1/tenants", acme).await.expect(202);
    let email = super::people::new_address();
    let offer = json!({"email": email, "role": "member"});
    site.world.post("/api/v1/tenants/acme/invitations", offer).await.expect(201);
    let browser = Browser::start().await;
    let link = format!("{}{}", site.url(), site.world.link(&email, "invitation").await);
    browser.go(&link).await;
    browser.until_text("h1", "Join Acme Fleet").await;
    seen(&browser, "invitation").await;
    browser.fill("#name", "Grace").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button").await;
    browser.until_text("h1", "You belong to Acme Fleet").await;
    seen(&browser, "invitation-taken").await;
    browser.go(&link).await;
    browser.until_text("h1", "This invitation is good no more").await;
    seen(&browser, "invitation-spent").await;

    browser.go(&format!("{}/second-factor", site.url())).await;
    browser.fill("#email", &email).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button").await;
    browser.until_text("h1", "Set up a second factor").await;
    seen(&browser, "second-factor").await;
    browser.click("button").await;
    browser.until_text("h1", "Scan this with your app").await;
    let drawn = "document.querySelector('img.picture').naturalWidth > 0";
    assert_eq!(browser.run(drawn).await, true, "the picture is drawn");
    seen(&browser, "second-factor-secret").await;
    let secret = browser.text("code").await.replace(' ', "");
    browser.fill("#code", &super::people_second_factor::code(&secret, 0)).await;
    browser.click("button").await;
    browser.until_text("h1", "Your second factor is set up").await;
    seen(&browser, "second-factor-codes").await;
}
