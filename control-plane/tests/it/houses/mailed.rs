//! An invitation on its way: made by the binary, sent by the worker, taken by a mail server, accepted by its link.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::{visitor, wait};
use crate::mail::sink::Sink;

/// The settings by which an installation's mails come to this server.
pub fn through(sink: &Sink) -> String {
    format!("mail: {{ smtp: {{ host: 127.0.0.1, port: {}, tls: none }} }}", sink.port)
}

/// Has somebody invited to a tenant, and has them come in by what the mail server was given.
pub async fn comes_in(installation: &Installation, sink: &Sink, tenant: &str) {
    const EMAIL: &str = "grace@example.com";
    installation.run(&["invite", "create", tenant, EMAIL, "--role", "developer"]);
    let mail = wait::until("the invitation arrives", || async {
        let found = sink.taken().into_iter().find(|mail| mail.to == [EMAIL]);
        found.ok_or_else(|| format!("{} others did", sink.taken().len()))
    })
    .await;
    let link = mail.parts[0].1.split_whitespace().find(|word| word.contains("?token=")).expect("a link");
    let (page, secret) = link.split_once("?token=").expect("a secret");
    assert!(page.starts_with(&format!("http://{}:{}/", installation.domain, installation.port)), "{page}");

    let accept = async || {
        let body = json!({"token": secret, "name": "Grace", "password": "wolkenkuckucksheim am see"});
        let headers = [("content-type", "application/json")];
        let (port, host) = (installation.port, installation.domain.as_str());
        visitor::send(port, Method::POST, host, "/api/v1/invitations/accept", &headers, body.to_string())
            .await
            .expect("an answer")
    };
    let accepted = accept().await;
    assert_eq!(accepted.status, StatusCode::CREATED, "{accepted:?}");
    assert!(!accept().await.status.is_success(), "it is good once");
    let member = installation.run(&["member", "show", tenant, EMAIL, "--json"]);
    let member: Value = serde_json::from_str(&member).expect("JSON");
    assert_eq!(member["role"], "developer");
    // `freehold mail` tells of it, and not what it said.
    let sent = installation.run(&["mail", "list", "--state", "sent", "--search", EMAIL, "--json"]);
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!((&sent[0]["kind"], sent.as_array().map(Vec::len)), (&json!("invitation"), Some(1)));
    assert!(!sent.to_string().contains(secret));
}
