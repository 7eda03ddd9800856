//! A platform for programs: its keys, tokens that it signed, and what it says of them when it is asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json};
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::TENANT;

#[derive(Default)]
struct Said {
    away: AtomicBool,
    ended: AtomicBool,
    asked: AtomicUsize,
    /// What it says of everybody now, and of single people, in place of what their tokens say.
    now: Mutex<Value>,
    of: Mutex<BTreeMap<String, Value>>,
}

pub struct Platform {
    pub url: String,
    said: Arc<Said>,
}

impl Platform {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let said = Arc::new(Said::default());
        let mut jwk = Jwk::from_encoding_key(&key(), Algorithm::EdDSA).expect("a key");
        jwk.common.key_id = Some("test".into());
        let keys = JwkSet { keys: vec![jwk] };
        let endpoint = |path: &str| format!("{url}/{path}");
        let configuration = json!({
            "issuer": url, "authorization_endpoint": endpoint("authorize"), "token_endpoint": endpoint("token"),
            "introspection_endpoint": endpoint("introspect"),
        });
        let router = axum::Router::new()
            .route("/keys", get(async move || Json(keys)))
            .route("/configuration", get(async move || Json(configuration)))
            .route("/introspect", post(introspect))
            .with_state(Arc::clone(&said));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, said }
    }

    /// A token of somebody with these permissions and places in projects.
    pub fn token(&self, role: &str, permissions: &[&str], projects: &Value) -> String {
        sign(&self.claims(role, permissions, projects))
    }

    pub fn claims(&self, role: &str, permissions: &[&str], projects: &Value) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        json!({ "iss": self.url, "aud": TENANT, "client_id": TENANT, "tenant_id": TENANT, "sub": format!("the {role}"),
                "sid": role, "exp": now + 600, "iat": now, "role": role, "name": format!("The {role}"),
                "permissions": permissions, "projects": projects })
    }

    pub fn owner(&self) -> String {
        self.token("owner", &["data.read", "data.write"], &json!([]))
    }

    pub fn is_away(&self, away: bool) {
        self.said.away.store(away, Ordering::SeqCst);
    }

    pub fn ends_all(&self) {
        self.said.ended.store(true, Ordering::SeqCst);
    }

    /// Says this of everybody from now on.
    pub fn says(&self, now: Value) {
        *self.said.now.lock().expect("no panic") = now;
    }

    /// Says this of whoever has this subject, whatever it says of everybody.
    pub fn says_of(&self, subject: &str, now: Value) {
        self.said.of.lock().expect("no panic").insert(subject.to_owned(), now);
    }

    pub fn asked(&self) -> usize {
        self.said.asked.load(Ordering::SeqCst)
    }
}

/// As the platform signs, whatever is in it.
pub fn sign(claims: &Value) -> String {
    let header =
        Header { kid: Some("test".into()), typ: Some("at+jwt".into()), ..Header::new(Algorithm::EdDSA) };
    encode(&header, claims, &key()).expect("a token")
}

fn key() -> EncodingKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([7; 32]);
    EncodingKey::from_ed_der(&der)
}

async fn introspect(State(said): State<Arc<Said>>, Form(form): Form<Value>) -> Response {
    said.asked.fetch_add(1, Ordering::SeqCst);
    if said.away.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let token = form["token"].as_str().unwrap_or_default();
    let Ok(token) = insecure_decode::<Value>(token) else {
        return Json(json!({ "active": false })).into_response();
    };
    let mut claims = token.claims;
    claims["active"] = json!(!said.ended.load(Ordering::SeqCst));
    let subject = claims["sub"].as_str().unwrap_or_default().to_owned();
    let (now, of) = (said.now.lock().expect("no panic"), said.of.lock().expect("no panic"));
    for (name, value) in
        [Some(&*now), of.get(&subject)].into_iter().flatten().filter_map(Value::as_object).flatten()
    {
        claims[name] = value.clone();
    }
    Json(claims).into_response()
}
