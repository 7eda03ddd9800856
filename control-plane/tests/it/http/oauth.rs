//! Signing in to tenants' apps: clients, browsers and what an app asks, for all themes of it.

use axum::body::Body;
use axum::http::{Method, Request, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use control_plane::identity::oauth::params::Params;
use control_plane::identity::random_secret;
use control_plane::model::ids::TenantId;
use control_plane::model::role::Role;
use control_plane::model::stack::SignIn;
use control_plane::store::oauth_clients;
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::people::Person;
use super::{Answer, HOST, World};

pub(super) const ISSUER: &str = "http://freehold.localhost:8080";
/// What the tests' app asks for.
pub(super) const SCOPE: &str = "openid profile email offline_access";

/// A tenant's app.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub id: String,
    pub secret: String,
    /// Where it wants people sent back to.
    pub back: String,
    /// Where it wants those who signed out.
    pub signed_out: String,
}

/// One sign-in at an app, as the app sees it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub verifier: String,
    pub params: Params,
}

/// An address that an answer leads to.
pub(super) fn location(answer: &Answer) -> (String, Params) {
    let location = answer.header("location");
    let (address, query) = location.split_once('?').unwrap_or((location, ""));
    (address.to_owned(), Params::read(query.as_bytes()))
}

/// What a token says, whoever signed it.
pub(super) fn claims(token: &Value) -> Value {
    part(token, 1)
}

pub(super) fn part(token: &Value, at: usize) -> Value {
    let part = token.as_str().expect("a token").split('.').nth(at).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

impl Client {
    /// A request as the app makes it.
    pub(super) fn asks(&self) -> Asked {
        let verifier = random_secret().expose_secret().to_owned();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let params = Params::default()
            .with("response_type", "code")
            .with("client_id", &self.id)
            .with("redirect_uri", &self.back)
            .with("scope", SCOPE)
            .with("state", "the state & more")
            .with("nonce", "the nonce")
            .with("code_challenge", challenge)
            .with("code_challenge_method", "S256");
        Asked { verifier, params }
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret)))
    }
}

impl Asked {
    /// The same with another value for one parameter; with none, without it.
    pub(super) fn but(&self, name: &str, value: &str) -> Self {
        let rest = self.params.without(&[name]);
        let params = if value.is_empty() { rest } else { rest.with(name, value) };
        Self { params, ..self.clone() }
    }

    /// What the app sends to have this code exchanged.
    pub(super) fn exchange(&self, code: &str) -> Params {
        Params::default()
            .with("grant_type", "authorization_code")
            .with("code", code)
            .with("redirect_uri", self.params.get("redirect_uri").expect("an address"))
            .with("code_verifier", &self.verifier)
    }
}

impl World {
    /// A tenant with an app, as the worker leaves it.
    pub(super) async fn client(&self, slug: &str) -> Client {
        let made = self.make(slug).await;
        let id = made["tenant"]["id"].as_str().expect("an id").to_owned();
        let tenant: TenantId = id.parse().expect("an id");
        let secret = random_secret().expose_secret().to_owned();
        let hash = Sha256::digest(secret.as_bytes()).into();
        let mut tx = self.registry.worker().await;
        oauth_clients::put(&mut tx, tenant, &hash, &SignIn::default()).await.expect("a client");
        tx.commit().await.expect("commit");
        let host = format!("http://{slug}.freehold.localhost:8080");
        Client { id, secret, back: format!("{host}/auth/callback"), signed_out: format!("{host}/") }
    }

    /// Has somebody's session be one that a browser holds; its cookie.
    pub(super) async fn browser(&self, person: &Person) -> String {
        let secret = random_secret();
        let hash = Sha256::digest(secret.expose_secret().as_bytes());
        let mut sql = self.registry.superuser().await;
        sqlx::query("update freehold.sessions set browser_hash = $2 where id = $1")
            .bind(person.session.0)
            .bind(hash.as_slice())
            .execute(&mut sql)
            .await
            .expect("a browser");
        format!("freehold={}.{}", person.session, secret.expose_secret())
    }

    /// A member of a tenant with a browser.
    pub(super) async fn visitor(&self, slug: &str, role: Role) -> (Person, String) {
        let person = self.member(slug, role).await;
        let cookie = self.browser(&person).await;
        (person, cookie)
    }

    /// What a browser is answered; without a cookie, one that nobody is signed in with.
    pub(super) async fn browse(&self, path: &str, cookie: &str) -> Answer {
        let mut request = Request::get(path).header(header::HOST, HOST);
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub(super) async fn authorize(&self, asked: &Asked, cookie: &str) -> Answer {
        self.browse(&asked.params.at("/oauth/authorize"), cookie).await
    }

    /// A code for whoever is signed in with this browser.
    pub(super) async fn code(&self, asked: &Asked, cookie: &str) -> String {
        let answer = self.authorize(asked, cookie).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let (address, params) = location(&answer);
        assert_eq!(Some(address.as_str()), asked.params.get("redirect_uri"), "{}", answer.header("location"));
        params.get("code").unwrap_or_else(|| panic!("{}", answer.header("location"))).to_owned()
    }

    /// What an app is answered that posts a form, with this header to show who it is.
    pub(super) async fn post_form(&self, path: &str, authorization: Option<&str>, form: &Params) -> Answer {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.send(request.body(Body::from(form.to_query())).expect("a request")).await
    }

    /// The same for a client that shows who it is.
    pub(super) async fn as_client(&self, client: &Client, path: &str, form: &Params) -> Answer {
        self.post_form(path, Some(&client.basic()), form).await
    }

    pub(super) async fn exchange(&self, client: &Client, form: &Params) -> Answer {
        self.as_client(client, "/oauth/token", form).await
    }

    /// The tokens of somebody who signs in at an app from the beginning.
    pub(super) async fn signed_in(&self, client: &Client, cookie: &str) -> Value {
        let asked = client.asks();
        let code = self.code(&asked, cookie).await;
        let answer = self.exchange(client, &asked.exchange(&code)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    /// What an access token is worth.
    pub(super) async fn introspect(&self, client: &Client, token: &Value) -> Value {
        let form = Params::default().with("token", token.as_str().expect("a token"));
        let answer = self.as_client(client, "/oauth/introspect", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    pub(super) async fn refresh(&self, client: &Client, tokens: &Value) -> Answer {
        let form = Params::default()
            .with("grant_type", "refresh_token")
            .with("refresh_token", tokens["refresh_token"].as_str().expect("a refresh token"));
        self.exchange(client, &form).await
    }
}

impl Answer {
    /// That a client got nothing, for this reason.
    #[track_caller]
    pub(super) fn refused(self, status: u16, error: &str) -> Self {
        assert_eq!(
            (self.status.as_u16(), &self.body["error"]),
            (status, &Value::from(error)),
            "{}",
            self.text
        );
        assert!(self.body["error_description"].is_string(), "{}", self.text);
        assert_eq!(self.header("cache-control"), "no-store");
        self
    }
}
