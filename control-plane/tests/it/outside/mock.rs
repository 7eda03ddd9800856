//! An OpenID provider in another process, not of our making.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The provider; it ends with this value.
pub struct Mock {
    process: Child,
    /// Its address, and its issuer.
    pub url: String,
}

impl Mock {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1")
    }

    /// One at this address of the machine.
    pub fn start_at(address: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/venv/bin/python");
        assert!(python.exists(), "{} is missing: scripts/test makes it", python.display());
        let mut process = Command::new(python)
            .args(["-W", "ignore"])
            .arg(root.join("tests/it/outside/mock.py"))
            .arg(address)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the provider starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let port: u16 = lines.next().expect("a line").expect("text").parse().expect("a port");
        Self { process, url: format!("http://{address}:{port}") }
    }

    /// Makes somebody known there, with these claims.
    pub async fn person(&self, subject: &str, claims: &Value) {
        let answer = send(Method::PUT, &format!("{}/users/{subject}", self.url), claims.to_string()).await;
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// A public client there, which people are sent back to at this address and at no other.
    pub async fn client(&self, redirect_uri: &str) -> String {
        let wish = json!({"redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"});
        let answer = send(Method::POST, &format!("{}/oauth2/clients", self.url), wish.to_string()).await;
        let client: Value = serde_json::from_slice(answer.body()).expect("JSON");
        client["client_id"].as_str().unwrap_or_else(|| panic!("{client}")).to_owned()
    }

    /// What a browser is answered when somebody signs in there, or refuses to.
    pub async fn answer(&self, way: &str, subject: Option<&str>) -> Response<Bytes> {
        let form = match subject {
            Some(subject) => format!("sub={subject}"),
            None => "action=deny".to_owned(),
        };
        send(Method::POST, way, form).await
    }

    /// What a browser is sent back to when somebody signs in there, or refuses to.
    pub async fn sign_in(&self, way: &str, subject: Option<&str>) -> String {
        let answer = self.answer(way, subject).await;
        assert!(answer.status().is_redirection(), "{answer:?}");
        answer.headers()["location"].to_str().expect("text").to_owned()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn send(method: Method, url: &str, body: String) -> Response<Bytes> {
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", kind)
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.expect("an answer").into_parts();
    Response::from_parts(parts, body.collect().await.expect("its body").to_bytes())
}
