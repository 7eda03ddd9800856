//! Somebody else's program asks the API whatever its own document allows, and more: no answer is a mistake of ours, and
//! none is outside the document.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use control_plane::model::role::Role;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::{HOST, World};

/// Cases for each operation and phase: enough to find what a person would not think of, few enough to be quick.
const EXAMPLES: &str = "20";
/// What would end the session that asks, goes on for as long as somebody listens, or leaves this machine.
const LEFT_OUT: &[&str] =
    &["follow_operation", "logout", "end_my_sessions", "check_provider", "check_platform_provider"];

/// Where `scripts/test` has put it.
fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/schemathesis");
    assert!(program.exists(), "{} is not there; scripts/test installs it", program.display());
    program.canonicalize().expect("a path")
}

async fn ask(world: &World, token: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (router, closing) = (world.router.clone(), world.closing.clone());
    let serving = tokio::spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(async move { closing.cancelled().await }).await
    });
    let mut command = Command::new(program());
    command.args(["run", &format!("http://{address}/api/v1/openapi.json"), "--no-color", "--seed", "1"]);
    command.args([
        "--header",
        &format!("Host: {HOST}"),
        "--header",
        &format!("Authorization: Bearer {token}"),
    ]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES]);
    command.args(["--continue-on-failure", "--warnings", "off", "--generation-database", "none"]);
    command.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
         response_headers_conformance",
    ]);
    for operation in LEFT_OUT {
        command.args(["--exclude-operation-id", operation]);
    }
    // it writes down what it found where it runs
    let folder = tempfile::tempdir().expect("a directory");
    let output = command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_admin_is_answered_as_the_document_says() {
    let world = World::start().await;
    world.make("acme").await;
    ask(&world, &world.token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_admin_is_answered_as_the_document_says() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    ask(&world, &admin.token).await;
}
