//! A small HTTP client that says it is a browser of the tenant when asked to.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{HOST, PATIENCE, until};

/// Asks one app.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    hyper: Hyper<HttpConnector, Full<Bytes>>,
    /// What it presents where nothing else is said.
    token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The part of the problem's type that tells it apart.
    pub fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let kind = self.json()["type"].as_str().expect("a type").to_owned();
        kind.trim_start_matches("urn:freehold:problem:").to_owned()
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        Self { address, hyper: Hyper::builder(TokioExecutor::new()).build_http(), token: None }
    }

    /// One that comes with this token.
    pub fn with(&self, token: String) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// Sends, and gives the answer while its body still comes.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> axum::http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        let known = headers.iter().any(|(name, _)| matches!(*name, "authorization" | "cookie"));
        if let Some(token) = self.token.as_ref().filter(|_| !known) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).expect("a request");
        tokio::time::timeout(PATIENCE, self.hyper.request(request))
            .await
            .expect("in time")
            .expect("an answer")
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let response = self.open(method, path, headers, body).await;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Waits until the app finds itself well.
    pub async fn healthy(&self) -> Answer {
        until("healthy", async || Some(self.get("/healthz").await).filter(|a| a.status == StatusCode::OK))
            .await
    }

    /// Waits until the answer at `path` is this problem, which comes with 503.
    pub async fn not_ready(&self, path: &str, problem: &str) -> Answer {
        until(problem, async || {
            let answer = self.get(path).await;
            (answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.problem() == problem)
                .then_some(answer)
        })
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], String::new()).await
    }

    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    /// As a browser opens a page.
    pub async fn page(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", "text/html")], String::new()).await
    }

    /// As a browser sends a form of the tenant's own pages.
    pub async fn form(&self, path: &str, body: &str) -> Answer {
        let headers = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, path, &headers, body.to_owned()).await
    }
}
