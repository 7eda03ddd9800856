//! People in a real browser: into their tenant's app and out of it again, and not into another's.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::providers::{Elsewhere, somebody_comes_by_one};
use super::tenants::Admin;
use super::visitor::{self, Answer};
use crate::http::api_key_signatures::Signing;
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

/// The member at the API, by way of the edge.
struct Member<'a> {
    installation: &'a Installation,
    bearer: String,
}

impl<'a> Member<'a> {
    async fn signed_in(installation: &'a Installation) -> Self {
        let own = Self { installation, bearer: String::new() };
        let body = json!({"email": MEMBER, "password": PASSWORD});
        let signed_in = own.send(Method::POST, "/api/v1/auth/login", &[], body.to_string()).await;
        let token = signed_in.json()["access_token"].as_str().expect("a token").to_owned();
        Self { bearer: format!("Bearer {token}"), ..own }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        let (port, host) = (self.installation.port, &self.installation.domain);
        visitor::send(port, method, host, path, &headers, body).await.expect("an answer")
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Answer {
        self.send(method, path, &[("authorization", &self.bearer)], body).await
    }

    /// A request that was signed is behind the edge what it was before it: with its query, and with what stands there for
    /// a space.
    async fn signs_requests(&self) {
        let wish = json!({"name": "robot", "scopes": ["members.read"], "tenant": "acme", "signs": true});
        let made = self.ask(Method::POST, "/api/v1/me/keys", wish.to_string()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
        let members = "/api/v1/tenants/acme/members";
        for (target, status) in [
            (format!("{members}?search=Mia%20M&role=member%2Cviewer"), StatusCode::OK),
            (format!("{members}/nobody%20here"), StatusCode::NOT_FOUND),
        ] {
            let signed = Signing::new(Method::GET, &target, "", &secret).headers();
            let headers = signed.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer = self.send(Method::GET, &target, &headers, String::new()).await;
            assert_eq!(answer.status, status, "{target}: {answer:?}");
            // and another one is not
            let other = self.send(Method::GET, &target.replace("%20", "+"), &headers, String::new()).await;
            assert_eq!(other.status, StatusCode::UNAUTHORIZED, "{other:?}");
        }
    }

    /// Ends every session that they have.
    async fn signs_out_everywhere(&self) {
        let ended = self.ask(Method::DELETE, "/api/v1/me/sessions", String::new()).await;
        assert!(ended.status.is_success(), "{ended:?}");
    }
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
    browser.click(".head a.button[href$='/fuel-logs/new']").await;
    browser.fill("input[name=odometer_km]", "1200").await;
    browser.fill("input[name=litres]", "40.5").await;
    browser.click("form.sheet button[type=submit]").await;
    browser.until_text("table", "40.50").await;
    seen(&browser, "app-5-vehicle").await;
    browser.look(1100, 800, false).await;

    // To them there is no such place as another tenant.
    browser.go(&at("globex")).await;
    browser.until_text("body", "no such").await;
    browser.screenshot("app-6-no-such-place").await;

    // Ended everywhere, they are out of the app within seconds.
    browser.go(&at("acme")).await;
    browser.until_text(".present", "Mia Member").await;
    let member = Member::signed_in(&installation).await;
    member.signs_requests().await;
    member.signs_out_everywhere().await;
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
