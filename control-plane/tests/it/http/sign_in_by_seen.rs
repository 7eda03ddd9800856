//! Signing in by a provider in a real browser, and how its pages look, kept in `target/screenshots`.

use control_plane::model::role::Role;
use serde_json::json;

use super::pages::encoded;
use super::pages_seen::seen;
use super::people::new_address;
use super::sign_in_by::{site, verified};
use crate::outside::mock::Mock;
use crate::support::browser::Browser;

#[tokio::test]
async fn a_real_browser_goes_to_a_provider_and_comes_back() {
    let (site, mock) = (site().await, Mock::start());
    let made = site
        .world
        .post(
            "/api/v1/tenants",
            json!({"name": "Acme Fleet", "slug": "acme", "settings": {"color": "#f2b705"}}),
        )
        .await
        .expect(202);
    let id = made.body["tenant"]["id"].as_str().expect("an id").to_owned();
    let own = site
        .world
        .provider(&mock.url, Some(id.parse().expect("an id")), |one| {
            one.title = "Acme SSO".to_owned();
            one.claims.default_role = Some(Role::Member);
        })
        .await;
    site.world.provider("http://127.0.0.1:1", None, |one| one.title = "Example Cloud".to_owned()).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    let browser = Browser::start().await;
    let at = |path: &str| format!("{}{path}", site.url());
    let page = at(&format!("/sign-in?to={}", encoded("/join/acme")));

    browser.go(&at("/sign-in")).await;
    browser.until_text("h1", "Sign in").await;
    seen(&browser, "sign-in-offers").await;
    browser.go(&at(&format!("/sign-in?to={}", encoded(&format!("/oauth/authorize?client_id={id}"))))).await;
    browser.until_text("h1", "Sign in to Acme Fleet").await;
    seen(&browser, "sign-in-offers-tenant").await;
    // The platform's is away.
    browser.click(".offers li:nth-child(2) a").await;
    browser.until_text(".errors", "Example Cloud does not answer").await;
    seen(&browser, "sign-in-provider-away").await;

    browser.go(&page).await;
    browser.click(".offers li:nth-child(1) a").await;
    browser.until_url(|url| url.starts_with(&mock.url)).await;
    browser.fill("input[name=sub]", "ada").await;
    browser.click("button[type=submit]").await;
    browser.until_url(|url| url.ends_with("/join/acme")).await;
    browser.until_text("h1", "You belong to Acme Fleet").await;
    browser.go(&at("/account")).await;
    browser.until_text("h1", "You are signed in").await;
    seen(&browser, "account-of-one-tenant").await;
    browser.click("button").await;
    browser.until_text("h1", "You are signed out").await;

    browser.go(&at("/sign-in/callback/example?state=x&code=y")).await;
    browser.until_text("h1", "This sign-in cannot go on").await;
    seen(&browser, "sign-in-begin-anew").await;

    sqlx::query(
        "insert into freehold.tenant_policies (tenant_id, signups, required_provider) values ($1, 'closed', $2)",
    )
    .bind(id.parse::<uuid::Uuid>().expect("an id"))
    .bind(own.0)
    .execute(&mut site.world.registry.superuser().await)
    .await
    .expect("required");
    browser.go(&at(&format!("/sign-in?to={}", encoded(&format!("/oauth/authorize?client_id={id}"))))).await;
    browser.until_text("summary", "For owners").await;
    seen(&browser, "sign-in-required").await;
    browser.click("summary").await;
    browser.fill("#email", "owner@example.com").await;
    seen(&browser, "sign-in-required-owners").await;
}
