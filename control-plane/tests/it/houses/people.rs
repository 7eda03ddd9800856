//! People in a real browser: into their tenant's app and out of it again, and not into another's.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::providers::{Elsewhere, somebody_comes_by_one};
use super::tenants::Admin;
use super::visitor;
use crate::http::pages_seen::seen;
use crate::support::browser::Browser;

const PASSWORD: &str = "correct horse battery staple";
const MEMBER: &str = "member@acme.example";

/// A tenant with a member who is an editor of the project `fleet`.
async fn with_people(admin: &Admin<'_>) {
    let installation = admin.installation;
    let file = installation.path("member.password");
    std::fs::write(&file, PASSWORD).expect("a password file");
    let file = file.display().to_string();
    installation.run(&["user", "create", MEMBER, "--name", "Mia Member", "--password-file", &file]);
    installation.run(&["member", "add", "acme", MEMBER, "--role", "member"]);
    let shown = installation.run(&["member", "show", "acme", MEMBER, "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let projects = "/api/v1/tenants/acme/projects";
    let made = admin.ask(Method::POST, projects, json!({"name": "Fleet", "slug": "fleet"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let place = format!("{projects}/fleet/members/{}", shown["user"].as_str().expect("an id"));
    let put = admin.ask(Method::PUT, &place, json!({"role": "editor"})).await;
    assert!(put.status.is_success(), "{put:?}");
}

/// Ends every session that the member has, from elsewhere.
async fn signs_out_everywhere(installation: &Installation) {
    let host = &installation.domain;
    let body = json!({"email": MEMBER, "password": PASSWORD}).to_string();
    let headers = [("content-type", "application/json")];
    let send = async |method, path: &str, headers: &[(&str, &str)], body| {
        visitor::send(installation.port, method, host, path, headers, body).await.expect("an answer")
    };
    let signed_in = send(Method::POST, "/api/v1/auth/login", &headers, body).await;
    let bearer = format!("Bearer {}", signed_in.json()["access_token"].as_str().expect("a token"));
    let ended =
        send(Method::DELETE, "/api/v1/me/sessions", &[("authorization", &bearer)], String::new()).await;
    assert!(ended.status.is_success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_comes_in_works_and_is_out_when_they_end_their_sessions() {
    let elsewhere = Elsewhere::new();
    let installation = Installation::up_with(&elsewhere.reachable());
    let admin = Admin::of(&installation);
    tokio::join!(admin.create("acme"), admin.create("globex"));
    with_people(&admin).await;
    let at = |slug: &str| format!("http://{}:{}", admin.host(slug), installation.port);

    let browser = Browser::start().await;
    browser.look(1100, 800, false).await;
    browser.go(&at("acme")).await;
    browser.until_url(|url| url.contains("/sign-in?to=")).await;
    browser.screenshot("app-1-sign-in").await;
    browser.fill("input[name=email]", MEMBER).await;
    browser.fill("input[name=password]", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.until_url(|url| url.trim_end_matches('/') == at("acme")).await;
    browser.until_text(".present", "Mia Member").await;
    browser.until_text(".present", "member").await;
    browser.screenshot("app-2-vehicles").await;

    // An editor of a project adds to it, and to nothing else.
    browser.click("a.button[href='/vehicles/new']").await;
    browser.until_text("select[name=project]", "fleet").await;
    browser.screenshot("app-3-form").await;
    browser.click("form.sheet button[type=submit]").await;
    browser.until_text(".alert", "Name is needed.").await;
    assert_eq!(browser.run("document.activeElement.className").await, "alert", "what is wrong is read first");
    seen(&browser, "app-4-form-wrong").await;
    browser.click(".alert a").await;
    assert_eq!(browser.run("document.activeElement.id").await, "name", "the link leads to the field");
    browser.fill("input[name=name]", "Blue van").await;
    // As long as it may be, and without a place to break it at.
    browser.fill("input[name=make]", &"M".repeat(60)).await;
    browser.click("form.sheet button[type=submit]").await;
    browser.until_text("h1", "Blue van").await;
    browser.until_text(".head", "fleet").await;
    seen(&browser, "app-5-vehicle").await;
    browser.look(1100, 800, false).await;

    // To them there is no such place as another tenant.
    browser.go(&at("globex")).await;
    browser.until_text("body", "no such").await;
    browser.screenshot("app-6-no-such-place").await;

    // Ended everywhere, they are out of the app within seconds.
    browser.go(&at("acme")).await;
    browser.until_text(".present", "Mia Member").await;
    signs_out_everywhere(&installation).await;
    let ended = Instant::now();
    loop {
        browser.go(&at("acme")).await;
        if browser.url().await.contains("/sign-in?to=") {
            break;
        }
        assert!(ended.elapsed() < Duration::from_secs(15), "still in at {}", browser.url().await);
    }
    println!("out after {:.1} s", ended.elapsed().as_secs_f64());
    browser.screenshot("app-7-out").await;

    // In again, and out by the button: the next visit asks for a password.
    browser.fill("input[name=email]", MEMBER).await;
    browser.fill("input[name=password]", PASSWORD).await;
    browser.click("button[type=submit]").await;
    browser.until_text(".present", "Mia Member").await;
    browser.click(".present button").await;
    browser.until_text("h1", "signed out").await;
    browser.screenshot("app-8-signed-out").await;
    browser.go(&at("acme")).await;
    browser.until_url(|url| url.contains("/sign-in?to=")).await;

    somebody_comes_by_one(&installation, &elsewhere, &browser).await;
}
