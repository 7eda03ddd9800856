//! API keys that are revoked and rotated while two api processes are asked 200 times a second.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::Method;
use control_plane::model::role::Role;
use serde_json::json;

use super::load::{ASKING, Stage, turns};

const ACME: &str = "/api/v1/tenants/acme";
const KEYS: &str = "/api/v1/tenants/acme/keys";
/// By when a revocation is heard of at another process.
const HEARD: Duration = Duration::from_secs(1);

/// One request: with which key, at which process, from when to when, and how it was answered.
#[derive(Debug, Clone, Copy)]
struct Asked {
    key: usize,
    process: usize,
    from: Instant,
    to: Instant,
    status: u16,
}

async fn at_work(
    stage: Arc<Stage>,
    number: usize,
    secrets: Arc<Mutex<Vec<String>>>,
    log: Arc<Mutex<Vec<Asked>>>,
) {
    let (mut turns, mut turn) = (turns(), number);
    while !stage.is_over() {
        turns.tick().await;
        turn += 1;
        let (key, secret) = {
            let secrets = secrets.lock().expect("nobody failed");
            let key = turn % secrets.len();
            (key, secrets[key].clone())
        };
        let process = (turn / 3) % 2;
        stage.count(1);
        let from = Instant::now();
        let status = stage.apis[process].with_key(&secret, ACME).await;
        let asked = Asked { key, process, from, to: Instant::now(), status };
        log.lock().expect("nobody failed").push(asked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_revoked_and_rotated_under_load_and_nothing_else_is_refused() {
    let stage = Stage::set(|settings| settings.api_keys.per_minute = 1_000_000).await;
    let world = &stage.apis[0];
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let wish = |name: &str| json!({"name": name, "scopes": ["tenant.read"]});
    let (_, steady) = world.key_with(&admin, KEYS, wish("steady")).await;
    let (revoked, to_revoke) = world.key_with(&admin, KEYS, wish("revoked")).await;
    let (rotated, to_rotate) = world.key_with(&admin, KEYS, wish("rotated")).await;
    let secrets = Arc::new(Mutex::new(vec![steady, to_revoke, to_rotate]));
    let log = Arc::new(Mutex::new(Vec::new()));
    let start = |number| {
        let (stage, secrets, log) = (Arc::clone(&stage), Arc::clone(&secrets), Arc::clone(&log));
        tokio::spawn(at_work(stage, number, secrets, log))
    };
    let asking: Vec<_> = (0..ASKING as usize).map(start).collect();

    let pause = async || tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut moments = vec![Instant::now()];
    pause().await;
    moments.push(Instant::now());
    let told = admin.post(world, &format!("{KEYS}/{rotated}/rotate"), json!({"overlap_hours": 1})).await;
    let next = told.expect(201).body["secret"].as_str().expect("a secret").to_owned();
    secrets.lock().expect("nobody failed").push(next);
    pause().await;
    let before = Instant::now();
    admin.ask(world, Method::DELETE, &format!("{KEYS}/{revoked}"), None).await.expect(204);
    let answered = Instant::now();
    pause().await;
    pause().await;
    moments.push(answered);
    stage.end(&moments, asking).await;

    let log = log.lock().expect("nobody failed");
    let mut refused = [0, 0];
    for one in log.iter() {
        let heard = if one.process == 0 { answered } else { answered + HEARD };
        match (one.key, one.status) {
            (1, 401) if one.from > heard => refused[one.process] += 1,
            (1, 200) if one.from > heard => panic!("it was good still: {one:?}"),
            (1, 401) => assert!(one.to > before, "it was good until then: {one:?}"),
            (_, status) => assert_eq!(status, 200, "{one:?}"),
        }
    }
    let of = |key| log.iter().filter(|one| one.key == key).count();
    assert!(refused.iter().all(|count| *count > 5), "{refused:?}");
    assert!((0..4).all(|key| of(key) > 20), "each was asked with");
}
