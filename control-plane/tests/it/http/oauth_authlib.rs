//! Somebody else's client signs a person in: Authlib, in a process of its own, over TCP.

use std::path::Path;
use std::process::Stdio;

use control_plane::model::role::Role;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::World;

/// What the client does.
const SCRIPT: &str = include_str!("authlib_client.py");

async fn client(input: &Value) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    assert!(python.exists(), "{} is not there; scripts/test installs it", python.display());
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.to_string().as_bytes()).await.expect("told");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_client_signs_a_person_in_and_takes_what_it_gets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let world = World::start_with(|settings| settings.port = port).await;
    let client_record = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Developer).await;
    let router = world.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let seen = client(&json!({
        "issuer": format!("http://freehold.localhost:{port}"),
        "client_id": client_record.id,
        "client_secret": client_record.secret,
        "redirect_uri": format!("http://acme.freehold.localhost:{port}/auth/callback"),
        "cookie": cookie,
    }))
    .await;
    serving.abort();
    for method in ["client_secret_basic", "client_secret_post"] {
        let one = &seen[method];
        assert_eq!(
            (&one["sub"], &one["role"], &one["amr"]),
            (&json!(ada.id), &json!("developer"), &json!(["pwd"]))
        );
    }
    assert_eq!(seen["refused"].as_array().map(Vec::len), Some(8), "{seen}");
}
