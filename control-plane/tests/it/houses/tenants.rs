//! Tenants of a test's installation, through the API and through their own front doors.

use std::collections::HashMap;
use std::sync::Mutex;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::guest;
use super::installation::Installation;
use super::visitor::{self, Answer};
use super::wait;

/// Somebody who may manage tenants.
pub struct Admin<'a> {
    pub installation: &'a Installation,
    token: String,
    /// Sessions of the guest at tenants' apps, by slug.
    sessions: Mutex<HashMap<String, String>>,
}

impl<'a> Admin<'a> {
    pub fn of(installation: &'a Installation) -> Self {
        let token = installation.run(&["token"]).trim().to_owned();
        Self { installation, token, sessions: Mutex::default() }
    }

    pub async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        self.try_ask(method, path, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The same where the API may be gone.
    pub async fn try_ask(&self, method: Method, path: &str, body: Value) -> Result<Answer, String> {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let host = format!("admin.{}", self.installation.domain);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        visitor::send(self.installation.port, method, &host, path, &headers, body).await
    }

    /// Asks for a tenant and waits until it answers.
    pub async fn create(&self, slug: &str) -> Value {
        let created = self.ask(Method::POST, "/api/v1/tenants", json!({"name": slug, "slug": slug})).await;
        assert_eq!(created.status, StatusCode::ACCEPTED, "{created:?}");
        self.settle(slug, "running").await
    }

    /// Runs one of the verbs and waits until the tenant got there.
    pub async fn verb(&self, slug: &str, verb: &str, status: &str) -> Value {
        let answer = self.ask(Method::POST, &format!("/api/v1/tenants/{slug}/{verb}"), Value::Null).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{verb}: {answer:?}");
        self.settle(slug, status).await
    }

    pub async fn change(&self, slug: &str, change: Value) -> Answer {
        self.ask(Method::PATCH, &format!("/api/v1/tenants/{slug}"), change).await
    }

    /// Waits until what is desired was reached, and it is this.
    pub async fn settle(&self, slug: &str, status: &str) -> Value {
        wait::until(&format!("{slug} is {status}"), || async {
            let answer = self.ask(Method::GET, &format!("/api/v1/tenants/{slug}"), Value::Null).await;
            let tenant = answer.json();
            let there = tenant["status"] == status && tenant["generation"] == tenant["converged_generation"];
            let stuck = tenant["status"] == "stuck" && status == "stuck";
            if there || stuck { Ok(tenant) } else { Err(answer.body) }
        })
        .await
    }

    /// Waits until nobody knows the tenant any more.
    pub async fn gone(&self, slug: &str) {
        wait::until(&format!("{slug} is gone"), || async {
            let answer = self.ask(Method::GET, &format!("/api/v1/tenants/{slug}"), Value::Null).await;
            if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { Err(answer.body) }
        })
        .await;
    }

    pub fn host(&self, slug: &str) -> String {
        format!("{slug}.{}", self.installation.domain)
    }

    /// What a member of the tenant gets.
    pub async fn visit(&self, slug: &str, path: &str) -> Answer {
        let answer = self.as_guest(slug, Method::GET, path, String::new()).await;
        answer.unwrap_or_else(|error| panic!("{slug}{path}: {error}"))
    }

    /// The cookie of a session at the tenant's app, which a member signed in for as people do.
    pub async fn session(&self, slug: &str) -> String {
        let signed_in = self.signed_in(slug).await;
        signed_in.unwrap_or_else(|error| panic!("nobody can sign in to {slug}: {error}"))
    }

    async fn signed_in(&self, slug: &str) -> Result<String, String> {
        guest::invite(self.installation)?;
        guest::let_in(self.installation, slug)?;
        let cookie = guest::sign_in(self.installation, &self.host(slug)).await?;
        self.sessions.lock().expect("no panic").insert(slug.to_owned(), cookie.clone());
        Ok(cookie)
    }

    /// One request of a member, who signs in first where the app wants them to and they can.
    async fn as_guest(&self, slug: &str, method: Method, path: &str, body: String) -> Result<Answer, String> {
        let held = self.sessions.lock().expect("no panic").get(slug).cloned().unwrap_or_default();
        let answer = self.with_cookie(slug, method.clone(), path, &body, &held).await?;
        let to = answer.headers.get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
        if answer.status != StatusCode::UNAUTHORIZED && !to.starts_with("/auth/sign-in") {
            return Ok(answer);
        }
        match self.signed_in(slug).await {
            Ok(cookie) => self.with_cookie(slug, method, path, &body, &cookie).await,
            Err(error) => Err(format!("{answer:?}; nobody can sign in: {error}")),
        }
    }

    async fn with_cookie(
        &self,
        slug: &str,
        method: Method,
        path: &str,
        body: &str,
        cookie: &str,
    ) -> Result<Answer, String> {
        let mut headers =
            vec![("accept", "application/json"), ("sec-fetch-site", "same-origin"), ("cookie", cookie)];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let (port, host) = (self.installation.port, self.host(slug));
        visitor::send(port, method, &host, path, &headers, body.to_owned()).await
    }

    /// Adds a vehicle in the tenant's app.
    pub async fn add_vehicle(&self, slug: &str, name: &str) -> Answer {
        let vehicle = json!({"name": name, "make": "Test", "model": name, "year": 2020, "plate": name, "fuel": "diesel"});
        self.post(slug, "/api/vehicles", vehicle).await
    }

    pub async fn post(&self, slug: &str, path: &str, body: Value) -> Answer {
        let answer = self.as_guest(slug, Method::POST, path, body.to_string()).await;
        answer.unwrap_or_else(|error| panic!("{slug}{path}: {error}"))
    }

    /// Waits until the app answers with what was asked for.
    pub async fn answers(&self, slug: &str, path: &str, holds: &str) -> Answer {
        wait::until(&format!("{slug}{path} holds {holds}"), || async {
            let answer = self.as_guest(slug, Method::GET, path, String::new()).await?;
            if answer.status == StatusCode::OK && answer.body.contains(holds) {
                Ok(answer)
            } else {
                Err(format!("{} {}", answer.status, answer.body))
            }
        })
        .await
    }
}
