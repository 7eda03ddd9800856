//! What is replaced while visitors come: apps by other releases and other settings, the control plane, the edge's
//! configuration. No request is lost.

use std::net::SocketAddr;
use std::time::Duration;

use control_plane::config::{Config, Flag, Sources};
use control_plane::edge::{Edge, EdgeSettings};
use control_plane::platform::Platform;
use control_plane::render::nginx::BaseConfiguration;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::installation::Installation;
use super::load::{Load, Wish};
use super::objects::{Image, containers, docker, house_of};
use super::tenants::Admin;
use super::wait;
use crate::support::visitor::{Answer, Visitor};

const VEHICLE: &str = r#"{"name":"Load","fuel":"diesel"}"#;

/// The default stack, with an app that ends at once, without a last word, when it is told to stop.
fn abrupt() -> String {
    let stack = include_str!("../../../../templates/stack/default.yaml");
    let graceful = "    stop_seconds: 15";
    assert!(stack.contains(graceful));
    stack.replace(graceful, "    stop_signal: SIGKILL\n    stop_seconds: 1")
}

fn wish(host: &str, cookie: &str, path: &'static str, body: Option<&'static str>, kept: bool) -> Wish {
    Wish { host: host.to_owned(), cookie: cookie.to_owned(), path, body, kept }
}

/// Readers and writers of a tenant, on kept connections and on new ones.
fn visitors(host: &str, cookie: &str) -> Vec<Wish> {
    [None, Some(VEHICLE)]
        .into_iter()
        .flat_map(|body| [true, true, false].map(|kept| wish(host, cookie, "/api/vehicles", body, kept)))
        .collect()
}

/// An upload that is slow: its body comes piece by piece, and no piece is the last before it is told so.
struct Upload(Visitor);

impl Upload {
    async fn begin(installation: &Installation, host: &str, cookie: &str) -> Self {
        let mut visitor = raw(installation).await;
        let head = format!(
            "POST /api/vehicles HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        visitor.send(head).await;
        let mut upload = Self(visitor);
        upload.piece(r#"{"fuel":"petrol","name":"Slow"#).await;
        upload
    }

    async fn piece(&mut self, text: &str) {
        self.0.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
    }

    /// So many pieces more, one every tenth of a second.
    async fn go_on(&mut self, pieces: usize) {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..pieces {
            pace.tick().await;
            self.piece("er").await;
        }
    }

    async fn end(mut self) -> Answer {
        self.piece(r#""}"#).await;
        self.0.send("0\r\n\r\n").await;
        self.0.answer().await
    }
}

/// Versions of all releases, the latest last.
fn releases(installation: &Installation) -> Vec<String> {
    let listed: Vec<Value> =
        serde_json::from_str(&installation.run(&["release", "list", "--json"])).expect("a list");
    listed.iter().rev().map(|release| release["version"].as_str().expect("a version").to_owned()).collect()
}

/// Changes the settings of an installation.
fn rewrite(installation: &Installation, change: impl FnOnce(String) -> String) {
    let file = installation.path("config.yaml");
    let text = std::fs::read_to_string(&file).expect("settings");
    std::fs::write(&file, change(text)).expect("written");
}

async fn raw(installation: &Installation) -> Visitor {
    Visitor::at(SocketAddr::from(([127, 0, 0, 1], installation.port))).await
}

/// A stream of what happens at the tenant; it tells from now on.
async fn listen(installation: &Installation, host: &str, cookie: &str) -> Visitor {
    let mut stream = raw(installation).await;
    stream.send(format!("GET /api/events HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n")).await;
    stream.read_until("listening").await;
    stream
}

/// The edge as its worker sees it, for looking at.
fn edge(installation: &Installation) -> Edge {
    Edge::new(EdgeSettings {
        door: installation.path("run/edge/door.sock"),
        routes_file: installation.path("edge/routes.json"),
        public: SocketAddr::from(([127, 0, 0, 1], installation.port)),
        prober_secret: String::new().into(),
    })
}

/// The app's only container; waits until there is but one, and not this one.
async fn successor(installation: &Installation, house: &str, old: &str) -> String {
    wait::until("the new app stands alone", || async {
        match containers(installation, house, "app").as_slice() {
            [one] if one != old => Ok(one.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_moves_to_another_release_without_a_lost_request() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    let (house, host) = (house_of(&installation, "acme"), admin.host("acme"));
    let cookie = admin.session("acme").await;
    let first = releases(&installation);
    let stack = installation.path("stack.yaml");
    std::fs::write(&stack, abrupt()).expect("a stack file");
    rewrite(&installation, |text| format!("{text}stack: {{ file: {} }}\n", stack.display()));
    tokio::task::block_in_place(|| installation.bring_up());
    let all = releases(&installation);
    let [gentle, abrupt] = all.as_slice() else { panic!("{first:?} became {all:?}") };
    let move_to = async |release: &str| {
        let answer = admin.change("acme", json!({ "release": release })).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    };

    // to the abrupt release: what began at the old app ends there, within the time that the old release gives it
    let load = Load::begin(installation.port, visitors(&host, &cookie));
    load.goes_on(50).await;
    let old = containers(&installation, &house, "app").remove(0);
    let mut stream = listen(&installation, &host, &cookie).await;
    let mut upload = Upload::begin(&installation, &host, &cookie).await;
    move_to(abrupt).await;
    wait::until("the old app is told to stop", || async {
        let said = docker(&["logs", "--tail", "200", &old]);
        if said.contains("told to stop") { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    stream.read_until("\r\n0\r\n\r\n").await;
    // longer than the new release would give it
    upload.go_on(20).await;
    assert_eq!(upload.end().await.status, 201);
    let old = successor(&installation, &house, &old).await;
    admin.settle("acme", "running").await;

    // and back, from an app that is gone the moment it is told to stop
    let edge = edge(&installation);
    let before = edge.routes().await.expect("routes");
    let mut upload = Upload::begin(&installation, &host, &cookie).await;
    move_to(gentle).await;
    wait::until("the new app is routed", || async {
        let now = edge.routes().await.map_err(|error| error.to_string())?;
        if now == before { Err("not yet".to_owned()) } else { Ok(()) }
    })
    .await;
    upload.go_on(10).await;
    assert_eq!(upload.end().await.status, 201);
    let old = successor(&installation, &house, &old).await;
    admin.settle("acme", "running").await;

    // other settings are another app as well
    let answer = admin.change("acme", json!({ "settings": { "color": "#8a2be2" } })).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    admin.settle("acme", "running").await;
    successor(&installation, &house, &old).await;
    load.goes_on(50).await;
    load.end_without_loss().await;
}

/// The installation as `up` sees it.
fn platform(installation: &Installation) -> Platform {
    let home = installation.path("").display().to_string();
    let flags = vec![Flag { name: "--home".into(), key: "home".into(), value: home }];
    let (config, _) = Config::load(&Sources { flags, ..Sources::default() }).expect("settings");
    Platform::open(config).expect("an installation")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_plane_and_the_edges_configuration_change_without_a_lost_request() {
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    let (host, cookie) = (admin.host("acme"), admin.session("acme").await);
    let too_large = async || {
        let mut visitor = raw(&installation).await;
        let head = format!("POST /api/vehicles HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n");
        visitor.send(format!("{head}Accept: text/html\r\n\r\n")).await;
        visitor.read_until("<h1>Too large</h1>").await
    };
    let services = ["api", "gateway", "worker", "edge"];
    let before = services.map(|role| installation.platform_containers(role));

    let mut wishes = visitors(&host, &cookie);
    wishes.extend([true, false].map(|kept| wish(&installation.domain, "", "/healthz", None, kept)));
    let load = Load::begin(installation.port, wishes);
    load.goes_on(50).await;
    let mut stream = listen(&installation, &host, &cookie).await;
    let upload = Upload::begin(&installation, &host, &cookie).await;

    // Another setting is another container of each role, as another build is; to the edge it is another text.
    rewrite(&installation, |text| text.replace("edge: { ", "edge: { body_mib: 8, "));
    let changed = tokio::task::block_in_place(|| installation.changed());
    let replaced = |role: &str| (role.to_owned(), "replaced".to_owned());
    let expected =
        [replaced("api"), replaced("gateway"), ("edge".into(), "reloaded".into()), replaced("worker")];
    assert_eq!(changed, expected);
    too_large().await;
    load.goes_on(100).await;
    let after = services.map(|role| installation.platform_containers(role));
    for (role, (before, after)) in services.iter().zip(before.iter().zip(&after)) {
        assert_eq!((before == after, after.len()), (*role == "edge", 1), "{role}: {before:?}, {after:?}");
    }
    // what began before goes on and ends
    let uploaded = upload.end().await;
    assert_eq!(uploaded.status, 201);
    let vehicle: Value = serde_json::from_str(&uploaded.body).expect("JSON");
    stream.read_until(vehicle["id"].as_str().expect("an id")).await;

    // what nginx refuses, and what it cannot serve by, is not in force and is not started from
    let file = installation.path("edge/nginx.conf");
    let good = std::fs::read_to_string(&file).expect("a configuration");
    let known = good.split("configuration = \"").nth(1).expect("a fingerprint")[..12].to_owned();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let second = format!("server {{ listen {}; }}\n    server {{", taken.local_addr().expect("an address"));
    for (text, why) in [
        (good.replace("worker_connections", "worker_konnections"), "worker_konnections"),
        (good.replacen("server {", &second, 1), "Address already in use"),
    ] {
        assert_ne!(text, good);
        let fingerprint = "0123456789ab".to_owned();
        let bad = BaseConfiguration { text: text.replace(&known, &fingerprint), fingerprint };
        let error = platform(&installation).reconfigure_edge(&bad).await.expect_err("refused").to_string();
        assert!(error.contains(why) && error.contains("the one before is"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).expect("a configuration"), good);
    }
    too_large().await;
    assert_eq!(tokio::task::block_in_place(|| installation.changed()), []);
    load.goes_on(50).await;
    load.end_without_loss().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_edge_takes_the_place_of_the_one_before_or_leaves_it_there() {
    // gone after the installation that runs from them
    let mut images = Vec::new();
    let installation = Installation::up();
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    let (host, cookie) = (admin.host("acme"), admin.session("acme").await);
    let names = std::fs::read_to_string(installation.path("images.json")).expect("images");
    let mut names: Value = serde_json::from_str(&names).expect("JSON");
    let ours = names["edge"].as_str().expect("an image").to_owned();
    let mut up_with = |lines: &str| {
        images.push(Image::build(&format!("FROM {ours}\n{lines}")));
        names["edge"] = images[images.len() - 1].0.as_str().into();
        let file = installation.path("other-images.json");
        std::fs::write(&file, names.to_string()).expect("written");
        installation.command(&["up", "--json", "--images", &file.display().to_string()])
    };
    let before = installation.platform_containers("edge");

    let output = up_with("ENTRYPOINT [\"/bin/false\"]").output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("The one before runs again."), "{told}");
    assert_eq!(installation.platform_containers("edge"), before);
    admin.answers("acme", "/", "acme").await;

    let mut stream = listen(&installation, &host, &cookie).await;
    let upload = Upload::begin(&installation, &host, &cookie).await;
    let mut command = up_with("");
    let up = tokio::task::spawn_blocking(move || command.output().expect("the binary runs"));
    wait::until("another edge stands beside the one before", || async {
        let all = installation.platform_containers("edge");
        if all.len() == 2 { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    // visitors are answered by the new one while what was under way ends at the old one
    admin.answers("acme", "/", "acme").await;
    let uploaded = upload.end().await;
    assert_eq!(uploaded.status, 201);
    let vehicle: Value = serde_json::from_str(&uploaded.body).expect("JSON");
    stream.read_until(vehicle["id"].as_str().expect("an id")).await;
    drop(stream);
    let output = up.await.expect("an end");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["services"][3], json!(["edge", "replaced"]), "{summary}");
    assert_eq!(installation.platform_containers("edge").len(), 1);
    assert_ne!(installation.platform_containers("edge"), before);
}
