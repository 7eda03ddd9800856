//! Signing in by a provider outside through a whole installation: the api asks it from its own container, and the
//! browser goes there and back.

use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::json;

use super::installation::Installation;
use super::isolation::stand_ins::Interface;
use crate::outside::mock::Mock;
use crate::support::browser::Browser;

/// Where a provider stands beside an installation: at an address of this machine that nobody else has.
pub struct Elsewhere {
    address: String,
    _interface: Interface,
}

impl Elsewhere {
    pub fn new() -> Self {
        let mut rng = rand::rng();
        let address = format!("198.18.{}.{}", rng.random_range(0..=255u8), rng.random_range(1..255u8));
        let interface = Interface::new(&["bridge"]);
        interface.has(&format!("{address}/32"));
        Self { address, _interface: interface }
    }

    /// The settings by which an installation's api may dial it.
    pub fn reachable(&self) -> String {
        format!("providers: {{ reachable: [{}/32] }}", self.address)
    }
}

/// Has a stranger come into acme by a provider that names them a viewer there.
pub async fn somebody_comes_by_one(installation: &Installation, at: &Elsewhere, browser: &Browser) {
    let mock = Mock::start_at(&at.address);
    let claims = json!({
        "email": "grace@elsewhere.example",
        "email_verified": true,
        "name": "Grace Hopper",
        "https://freehold.example/tenant_id": "acme",
        "https://freehold.example/roles": ["Reader"],
    });
    mock.person("grace", &claims).await;
    let map = json!({
        "tenants": "https://freehold.example/tenant_id",
        "roles": "https://freehold.example/roles",
        "role_of": {"Reader": "viewer"},
        "default_role": "viewer",
    });
    let file = installation.path("provider.secret");
    std::fs::write(&file, "a secret of theirs").expect("a secret");
    let file = file.display().to_string();
    let (map, issuer) = (map.to_string(), mock.url.as_str());
    let add = ["provider", "add", "elsewhere", "--title", "Elsewhere", "--issuer", issuer];
    let more = ["--client-id", "freehold", "--secret-file", &file, "--claims", &map];
    installation.run(&[&add[..], &more].concat());
    installation.run(&["provider", "check", "elsewhere"]);

    let acme = format!("http://acme.{}:{}", installation.domain, installation.port);
    browser.go(&acme).await;
    browser.until_url(|url| url.contains("/sign-in?to=")).await;
    browser.until_text("body", "Sign in with Elsewhere").await;
    browser.screenshot("provider-1-sign-in").await;
    browser.click("a[href^='/sign-in/with/']").await;
    browser.until_url(|url| url.starts_with(issuer)).await;
    browser.screenshot("provider-2-elsewhere").await;
    browser.fill("input[name=sub]", "grace").await;
    browser.click("button[type=submit]").await;
    browser.until_url(|url| url.trim_end_matches('/') == acme).await;
    browser.until_text(".present", "Grace Hopper").await;
    browser.until_text(".present", "viewer").await;
    browser.screenshot("provider-3-app").await;

    // Disabled, whoever came by it is out within seconds.
    installation.run(&["provider", "set", "elsewhere", "--disable"]);
    let ended = Instant::now();
    loop {
        browser.go(&acme).await;
        if browser.url().await.contains("/sign-in?to=") {
            break;
        }
        assert!(ended.elapsed() < Duration::from_secs(15), "still in at {}", browser.url().await);
    }
    assert!(!browser.text("body").await.contains("Elsewhere"), "it is offered still");
}
