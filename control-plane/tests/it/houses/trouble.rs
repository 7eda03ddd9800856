//! What cannot work ends stuck, with the reason; what is put right then works.

use hyper::StatusCode;
use serde_json::json;

use super::installation::Installation;
use super::objects::{containers, house_of, psql};
use super::tenants::Admin;
use super::wait;

#[tokio::test]
async fn an_app_that_ends_is_told_with_its_last_words_and_storage_has_an_end() {
    let stack = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stacks/cache.yaml");
    let installation = Installation::up_with(&format!(
        "stack: {{ file: {} }}
worker: {{ storage_seconds: 1 }}
plans:
  tiny: {{ memory_mib: 256, cpu_millis: 500, pids: 128, connections: 10, storage_mib: 32 }}",
        stack.display()
    ));
    let admin = Admin::of(&installation);
    // the cache is a service of the stack like any other
    admin.create("acme").await;
    let house = house_of(&installation, "acme");
    assert_eq!(containers(&installation, &house, "cache").len(), 1);

    // an app that cannot start leaves the one that serves alone
    let hostile = json!({"settings": {"listen": "not an address"}});
    assert_eq!(admin.change("acme", hostile).await.status, StatusCode::ACCEPTED);
    let stuck = admin.settle("acme", "stuck").await;
    let reason = stuck["stuck_reason"].as_str().expect("a reason");
    assert!(reason.contains("app") && reason.contains("its last words"), "{reason}");
    admin.answers("acme", "/api/vehicles", "").await;
    assert_eq!(admin.change("acme", json!({"settings": {}})).await.status, StatusCode::ACCEPTED);
    admin.settle("acme", "running").await;

    // a database that is bigger than its plan is read, not written
    assert_eq!(admin.add_vehicle("acme", "Small car").await.status, StatusCode::CREATED);
    let database = containers(&installation, &house, "db").remove(0);
    let grow = "create table app.big as select i, repeat(md5(i::text), 30) from generate_series(1, 50000) i";
    psql(&database, grow);
    assert_eq!(admin.change("acme", json!({"plan": "tiny"})).await.status, StatusCode::ACCEPTED);
    wait::until("writes are refused", || async {
        let answer = admin.add_vehicle("acme", "One more").await;
        if answer.status == StatusCode::INSUFFICIENT_STORAGE { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    admin.answers("acme", "/api/vehicles", "Small car").await;
    psql(&database, "drop table app.big");
    wait::until("writes are taken again", || async {
        let answer = admin.add_vehicle("acme", "Yet another").await;
        if answer.status == StatusCode::CREATED { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}
