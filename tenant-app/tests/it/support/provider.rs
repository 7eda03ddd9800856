//! An OpenID provider that others wrote (Authlib), in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use axum::http::Request;
use axum::http::header::LOCATION;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{SECRET, TENANT};

pub struct Provider {
    process: Child,
    pub url: String,
}

impl Provider {
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("../target/venv/bin/python");
        assert!(python.exists(), "{} is not there; scripts/test makes it", python.display());
        let mut process = Command::new(python)
            .arg(root.join("tests/it/support/provider.py"))
            .args([TENANT, SECRET, TENANT])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the provider starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its port");
        let port: u16 = line.trim().parse().expect("a port; is Authlib there?");
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// Changes how it is, and gives what it was asked and gave so far.
    pub async fn tell(&self, change: Value) -> Value {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request =
            Request::post(format!("{}/stand-in", self.url)).header("content-type", "application/json");
        let answer = client.request(request.body(Full::from(change.to_string())).expect("a request")).await;
        let body = answer.expect("an answer").into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Everybody who comes is this person.
    pub async fn everybody_is(&self, role: &str, permissions: &[&str], projects: Value) {
        let person = json!({ "sub": "user-1", "name": "Ann <Lee>", "email": "ann@acme.example", "role": role,
                             "permissions": permissions, "projects": projects });
        self.tell(json!({ "person": person })).await;
    }

    /// Goes where the app sends a browser, and gives where it is sent from there.
    pub async fn visit(&self, address: &str) -> String {
        assert!(address.starts_with(&self.url), "{address}");
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.get(address.parse().expect("an address")).await.expect("an answer");
        assert_eq!(answer.status(), 302, "{address}");
        answer.headers()[LOCATION].to_str().expect("an address").to_owned()
    }

    /// It is there, and says nothing.
    pub fn freezes(&self) {
        self.signal("-STOP");
    }

    pub fn thaws(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(done.expect("kill").success());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
