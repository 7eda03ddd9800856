//! The API against a real registry, through the real router.

mod admin_second_factor;
mod api_key_powers;
pub mod api_key_signatures;
mod api_keys;
mod audit;
mod errors;
mod events;
mod foreign_tokens;
mod invitations;
mod keys_cli;
mod limits;
mod load;
mod load_api_keys;
mod load_keys;
mod mails;
mod matrix;
mod members;
mod oauth;
mod oauth_authlib;
mod oauth_flow;
mod oauth_refusals;
mod oauth_sign_out;
mod oauth_tokens;
mod pages;
mod pages_invitation;
mod pages_join;
mod pages_mail;
pub mod pages_seen;
mod pages_sign_in;
mod people;
mod people_cli;
mod people_lockout;
mod people_passwords;
mod people_principals;
mod people_second_factor;
mod people_sessions;
mod people_sign_up;
mod people_users;
mod platform;
mod projects;
mod provider_sessions;
mod providers;
mod races;
mod schemathesis;
mod sign_in_by;
mod sign_in_by_hostile;
mod sign_in_by_mixup;
mod sign_in_by_provider;
mod sign_in_by_seen;
mod sign_in_by_tenant;
mod signing_keys;
mod signups;
mod signups_unknown;
mod tenants;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use control_plane::app::{App, Settings, signing};
use control_plane::config::{Argon2Config, Config, LimitsConfig};
use control_plane::http::{AppState, router};
use control_plane::identity::passwords::Hasher;
use control_plane::identity::people_key::PeopleKey;
use control_plane::identity::tokens::Issuer;
use control_plane::model::release::{Migration, ReleaseContent};
use control_plane::store::leases::{Claim, Outcome};
use control_plane::store::{Scope, admins, leases, releases};
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::postgres::Registry;

const EMAIL: &str = "admin@freehold.localhost";
const PASSWORD: &str = "correct horse battery staple";
/// Far below what a configuration may say: most tests are of something else.
const CHEAP: Argon2Config = Argon2Config { memory_kib: 64, iterations: 1, parallelism: 1 };
const HOST: &str = "freehold.localhost:8080";

/// An API with one admin, signed in, and one release.
struct World {
    registry: Arc<Registry>,
    router: Router,
    closing: CancellationToken,
    /// Signs whatever token a test wants.
    issuer: Issuer,
    /// What every api of this world derives and seals by.
    key: PeopleKey,
    token: String,
}

/// What was answered, with its body as JSON; null when it is none.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    text: String,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if !self.status.is_success() && !self.status.is_redirection() {
            assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text);
            assert_eq!(self.body["status"], status);
            for member in ["type", "title", "code"] {
                assert!(self.body[member].is_string(), "{member} is missing: {}", self.text);
            }
        }
        self
    }

    /// The fields that a problem names.
    fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|one| one["field"].as_str()).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }
}

fn content(version: i64) -> ReleaseContent {
    ReleaseContent {
        stack: format!("# {version}\nservices: {{}}\n"),
        images: BTreeMap::from([("app".to_owned(), "sha256:abc".to_owned())]),
        migrations: vec![Migration { version, name: "start".to_owned(), sql: "select 1".to_owned() }],
    }
}

impl World {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// One whose settings are other than what is built in.
    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::started(change, &LimitsConfig::default()).await
    }

    /// One whose limits are other than what is built in.
    async fn start_limited(change: impl FnOnce(&mut LimitsConfig)) -> Self {
        let mut limits = LimitsConfig::default();
        change(&mut limits);
        Self::started(|_| {}, &limits).await
    }

    async fn started(change: impl FnOnce(&mut Settings), limits: &LimitsConfig) -> Self {
        let registry = Arc::new(Registry::start().await);
        let mut settings = Settings::from(&Config::default());
        settings.people.argon2 = CHEAP;
        change(&mut settings);
        let hasher = Hasher::new(CHEAP, settings.people.password_strength);
        let hash = hasher.hash(SecretString::from(PASSWORD), &[EMAIL]).await.expect("hash");
        let mut tx = registry.owner.begin(Scope::System).await.expect("begin");
        releases::register(&mut tx, &content(1), "v1").await.expect("release");
        admins::create_if_none(&mut tx, EMAIL, &hash).await.expect("admin");
        tx.commit().await.expect("commit");
        let url = settings.url_of(settings.domain.as_str());
        let key = registry.key.clone();
        let issuer = signing::open(&registry.api, &key, url).await.expect("issuer");
        let app = Arc::new(App::new(registry.api.clone(), settings, issuer.clone(), key.clone()));
        let closing = CancellationToken::new();
        let router = router(AppState::new(app, limits, closing.clone()));
        let mut world = Self { registry, router, closing, issuer, key, token: String::new() };
        let session = world
            .ask(Method::POST, "/api/v1/admin/sessions", Some(json!({"email": EMAIL, "password": PASSWORD})))
            .await
            .expect(201);
        world.token = session.body["token"].as_str().expect("token").to_owned();
        world
    }

    /// The same by another api, with keys that sign tokens of its own.
    fn beside(&self, router: Router, issuer: Issuer) -> Self {
        let Self { registry, closing, key, token, .. } = self;
        let (registry, closing) = (Arc::clone(registry), closing.clone());
        Self { registry, router, closing, issuer, key: key.clone(), token: token.clone() }
    }

    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        if self.token.is_empty() {
            request
        } else {
            request.header(header::AUTHORIZATION, format!("Bearer {}", self.token))
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.send(request.expect("request")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn make(&self, slug: &str) -> Value {
        self.post("/api/v1/tenants", json!({"name": slug, "slug": slug})).await.expect(202).body
    }

    /// Leases whatever is due, as a worker does.
    async fn claim(&self) -> Vec<Claim> {
        let mut tx = self.registry.worker().await;
        let claims = leases::claim(&mut tx, 1, 60, 50).await.expect("claims");
        tx.commit().await.expect("commit");
        claims
    }

    /// Brings whatever was claimed to where it is wanted.
    async fn converge(&self, claims: &[Claim]) {
        for claim in claims {
            let id = claim.tenant;
            let generation = self.get(&format!("/api/v1/tenants/{id}")).await.expect(200).body["generation"]
                .as_i64()
                .expect("generation");
            let mut tx = self.registry.worker().await;
            let kept =
                leases::give_back(&mut tx, claim, generation, Outcome::Converged).await.expect("given back");
            assert!(kept, "the lease was lost");
            tx.commit().await.expect("commit");
        }
    }
}
