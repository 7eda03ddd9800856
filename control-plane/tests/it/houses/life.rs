//! One tenant's life: asleep and woken, suspended and resumed, given another plan, deleted, restored and erased.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::installation::Installation;
use super::mailed;
use super::objects::{containers, docker, house_of, of_houses};
use super::tenants::Admin;
use crate::mail::sink::Sink;

#[tokio::test]
async fn a_tenant_is_born_rests_changes_and_goes() {
    let sink = Sink::start(&[]);
    let installation = Installation::up_with(&mailed::through(&sink));
    let admin = Admin::of(&installation);
    admin.create("acme").await;
    mailed::comes_in(&installation, &sink, "acme").await;
    assert_eq!(admin.add_vehicle("acme", "Blue truck").await.status, StatusCode::CREATED);
    let house = house_of(&installation, "acme");

    // asleep: nothing runs; the next request wakes it and is answered by the app itself
    admin.verb("acme", "sleep", "asleep").await;
    let running = |service: &str| {
        let names = containers(&installation, &house, service);
        names.iter().filter(|name| docker(&["inspect", "-f", "{{.State.Running}}", name]) == "true").count()
    };
    assert_eq!((running("app"), running("db")), (0, 0));
    let woken = admin.visit("acme", "/api/vehicles").await;
    assert_eq!(woken.status, StatusCode::OK, "{woken:?}");
    assert!(woken.body.contains("Blue truck"));
    admin.settle("acme", "running").await;

    // suspended: nobody is served and nobody wakes it
    admin.verb("acme", "suspend", "suspended").await;
    let closed = admin.visit("acme", "/api/vehicles").await;
    assert!(closed.status.is_client_error() || closed.status.is_server_error(), "{closed:?}");
    assert_eq!(running("app"), 0);
    admin.verb("acme", "resume", "running").await;
    admin.answers("acme", "/api/vehicles", "Blue truck").await;

    // another plan: other limits in the kernel, on the same container
    let app = containers(&installation, &house, "app").remove(0);
    let started = |name: &str| docker(&["inspect", "-f", "{{.State.StartedAt}}", name]);
    let memory = || docker(&["inspect", "-f", "{{.HostConfig.Memory}}", &app]);
    let (since, before) = (started(&app), memory());
    assert_eq!(admin.change("acme", json!({"plan": "team"})).await.status, StatusCode::ACCEPTED);
    admin.settle("acme", "running").await;
    assert_ne!(memory(), before);
    assert_eq!(started(&app), since, "nothing was started anew");

    // another name is another app, and the new one answers before the old one goes
    assert_eq!(
        admin.change("acme", json!({"name": "Acme \"<b>\" & Söhne\n{{ x }}: - y"})).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        admin.change("acme", json!({"name": "Acme \"<b>\" & Söhne {{ x }}: - y"})).await.status,
        StatusCode::ACCEPTED
    );
    admin.settle("acme", "running").await;
    let page = admin.visit("acme", "/").await;
    assert!(page.body.contains("&lt;b&gt;") && !page.body.contains("<b>\""), "{}", page.body);
    assert_eq!(containers(&installation, &house, "app").len(), 1);

    // deleted: not served, nothing runs, the data kept; restored with every row
    let deleted = admin.ask(Method::DELETE, "/api/v1/tenants/acme", Value::Null).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    admin.settle("acme", "deleted").await;
    let left = of_houses(&installation);
    assert_eq!(left.len(), 1, "only the volume is left: {left:?}");
    assert!(admin.visit("acme", "/").await.status.is_client_error());
    admin.verb("acme", "restore", "running").await;
    admin.answers("acme", "/api/vehicles", "Blue truck").await;

    // erased, by its name: nothing is left and the name is free
    let wrong = admin.ask(Method::DELETE, "/api/v1/tenants/acme?erase=true&slug=other", Value::Null).await;
    assert!(wrong.status.is_client_error(), "{wrong:?}");
    let erased = admin.ask(Method::DELETE, "/api/v1/tenants/acme?erase=true&slug=acme", Value::Null).await;
    assert_eq!(erased.status, StatusCode::ACCEPTED, "{erased:?}");
    admin.gone("acme").await;
    assert_eq!(of_houses(&installation), Vec::<String>::new());
    admin.create("acme").await;
    let fresh = admin.visit("acme", "/api/vehicles").await;
    assert!(!fresh.body.contains("Blue truck"));
}
