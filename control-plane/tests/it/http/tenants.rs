//! A tenant's life by the API, and lists of them.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, header};
use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_tenant_lives_by_the_api() {
    let world = World::start().await;

    // Made: its slug from its name, the default plan, the latest release.
    let body =
        json!({"name": " Acme Fleet, Inc. ", "settings": {"colour": "#123456", "limits": {"days": [1, 2]}}});
    let made = world.post("/api/v1/tenants", body).await.expect(202);
    let tenant = &made.body["tenant"];
    let id = tenant["id"].as_str().expect("id").to_owned();
    assert_eq!(made.header("location"), format!("/api/v1/tenants/{id}"));
    assert_eq!(tenant["slug"], "acme-fleet-inc");
    assert_eq!(tenant["name"], "Acme Fleet, Inc.");
    assert_eq!(tenant["status"], "provisioning");
    assert_eq!((&tenant["plan"], &tenant["release"]), (&json!("starter"), &json!("v1")));
    assert_eq!(tenant["url"], "http://acme-fleet-inc.freehold.localhost:8080");
    assert_eq!(tenant["settings"]["limits"]["days"][1], 2);
    assert_eq!(tenant["created_by"], super::EMAIL);
    assert_eq!(made.body["operation"]["kind"], "create");
    assert_eq!(made.body["operation"]["state"], "pending");

    // Found by slug and by id, with its generation as entity tag.
    let by_slug = world.get("/api/v1/tenants/acme-fleet-inc").await.expect(200);
    let by_id = world.get(&format!("/api/v1/tenants/{id}")).await.expect(200);
    assert_eq!(by_slug.body, by_id.body);
    assert_eq!(by_slug.header("etag"), "\"1\"");

    // Brought to life by a worker.
    world.converge(&world.claim().await).await;
    assert_eq!(world.get("/api/v1/tenants/acme-fleet-inc").await.body["status"], "running");
    let operation = made.body["operation"]["id"].as_str().expect("operation");
    let operation = world.get(&format!("/api/v1/operations/{operation}")).await.expect(200);
    assert_eq!(operation.body["state"], "succeeded");

    changes(&world).await;
    moves(&world).await;
    ends(&world).await;
}

async fn patch(world: &World, body: Value, if_match: Option<&str>) -> super::Answer {
    let mut request = world
        .request(Method::PATCH, "/api/v1/tenants/acme-fleet-inc")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(tag) = if_match {
        request = request.header(header::IF_MATCH, tag);
    }
    world.send(request.body(Body::from(body.to_string())).expect("request")).await
}

async fn changes(world: &World) {
    let same = patch(world, json!({"name": "Acme Fleet, Inc.", "plan": "starter"}), None).await.expect(200);
    assert_eq!(same.body["operation"], Value::Null, "what is so already needs no operation");
    assert_eq!(same.header("etag"), "\"1\"");

    let changed =
        patch(world, json!({"name": "Acme", "plan": "team", "settings": {"a": 1}}), Some("\"1\"")).await;
    let changed = changed.expect(202);
    assert_eq!(changed.body["operation"]["kind"], "update");
    assert_eq!(changed.body["tenant"]["settings"], json!({"a": 1}));
    assert_eq!(changed.header("etag"), "\"2\"");

    let stale = patch(world, json!({"name": "Other"}), Some("\"1\"")).await.expect(412);
    assert_eq!((stale.body["code"].as_str(), stale.header("etag")), (Some("stale"), "\"2\""));
    assert_eq!(patch(world, json!({"name": "Acme"}), Some("*")).await.status, 200);
    assert_eq!(patch(world, json!({}), Some("nonsense")).await.expect(422).fields(), ["If-Match"]);

    // Withdrawn before anybody began: everything is as before.
    let operation = changed.body["operation"]["id"].as_str().expect("operation");
    let cancel = format!("/api/v1/operations/{operation}/cancel");
    let cancelled = world.ask(Method::POST, &cancel, None).await.expect(200);
    assert_eq!(cancelled.body["state"], "cancelled");
    assert_eq!(world.ask(Method::POST, &cancel, None).await.expect(409).body["code"], "not_now");
    let tenant = world.get("/api/v1/tenants/acme-fleet-inc").await.body;
    assert_eq!((&tenant["name"], &tenant["plan"]), (&json!("Acme Fleet, Inc."), &json!("starter")));

    // Once a worker has begun it is too late.
    let begun = patch(world, json!({"name": "Acme"}), None).await.expect(202);
    let claims = world.claim().await;
    let operation = begun.body["operation"]["id"].as_str().expect("operation");
    world.ask(Method::POST, &format!("/api/v1/operations/{operation}/cancel"), None).await.expect(409);
    world.converge(&claims).await;
}

async fn moves(world: &World) {
    let go = async |verb: &str| {
        world.ask(Method::POST, &format!("/api/v1/tenants/acme-fleet-inc/{verb}"), None).await
    };
    for (verb, status, state) in [
        ("wake", 200, "running"),
        ("resume", 200, "running"),
        ("retry", 200, "running"),
        ("sleep", 202, "asleep"),
        ("sleep", 200, "asleep"),
        ("wake", 202, "running"),
        ("suspend", 202, "suspended"),
        ("suspend", 200, "suspended"),
    ] {
        let answer = go(verb).await.expect(status);
        assert_eq!(answer.body["tenant"]["desired_state"], state, "{verb}");
        assert_eq!(answer.body["operation"].is_null(), status == 200, "{verb}");
        if status == 202 {
            assert_eq!(answer.body["operation"]["kind"], verb);
        }
    }
    for verb in ["wake", "sleep", "restore"] {
        assert_eq!(go(verb).await.expect(409).body["code"], "not_now", "{verb}");
    }
    let resumed = patch(world, json!({"desired_state": "running"}), None).await.expect(202);
    assert_eq!(resumed.body["operation"]["kind"], "resume");
    let refused = patch(world, json!({"desired_state": "deleted"}), None).await.expect(422);
    assert_eq!(refused.fields(), ["desired_state"]);
}

async fn ends(world: &World) {
    let path = "/api/v1/tenants/acme-fleet-inc";
    let deleted = world.ask(Method::DELETE, path, None).await.expect(202);
    assert_eq!(deleted.body["tenant"]["status"], "deleted");
    assert!(deleted.body["tenant"]["purge_at"].is_string());
    assert_eq!(world.ask(Method::DELETE, path, None).await.expect(200).body["operation"], Value::Null);
    patch(world, json!({"name": "Late"}), None).await.expect(409);
    world.ask(Method::POST, &format!("{path}/wake"), None).await.expect(409);

    let restored = world.ask(Method::POST, &format!("{path}/restore"), None).await.expect(202);
    assert_eq!(restored.body["tenant"]["desired_state"], "running");
    assert_eq!(restored.body["tenant"]["purge_at"], Value::Null);

    // Erasing needs the slug once more.
    for query in ["erase=true", "erase=true&slug=other"] {
        let refused = world.ask(Method::DELETE, &format!("{path}?{query}"), None).await.expect(422);
        assert_eq!(refused.fields(), ["slug"], "{query}");
    }
    let erased = format!("{path}?erase=true&slug=acme-fleet-inc");
    let erase = world.ask(Method::DELETE, &erased, None).await.expect(202);
    assert_eq!(erase.body["operation"]["kind"], "erase");
    world.ask(Method::DELETE, &erased, None).await.expect(200);
    world.ask(Method::POST, &format!("{path}/restore"), None).await.expect(409);

    // All that was asked for is still to be read.
    let listed =
        world.get("/api/v1/operations?tenant=acme-fleet-inc&kind=erase,create&limit=1").await.expect(200);
    assert_eq!(listed.body["items"][0]["kind"], "erase");
    let next = listed.body["next"].as_str().expect("another page");
    let path = format!("/api/v1/operations?tenant=acme-fleet-inc&kind=erase,create&cursor={next}");
    let rest = world.get(&path).await.expect(200);
    assert_eq!(rest.body["items"][0]["kind"], "create");
    assert_eq!(rest.body["next"], Value::Null);
}

#[tokio::test]
async fn lists_are_searched_filtered_sorted_and_stable_while_they_grow() {
    let world = World::start().await;
    for slug in ["alpha", "bravo", "charlie", "delta", "echo"] {
        world.make(slug).await;
    }
    let slugs = |body: &Value| -> Vec<String> {
        let items = body["items"].as_array().expect("items");
        items.iter().map(|one| one["slug"].as_str().expect("slug").to_owned()).collect()
    };

    let newest = world.get("/api/v1/tenants").await.expect(200);
    assert_eq!(slugs(&newest.body), ["echo", "delta", "charlie", "bravo", "alpha"]);
    let sorted = world.get("/api/v1/tenants?sort=slug&limit=2").await.expect(200);
    assert_eq!(slugs(&sorted.body), ["alpha", "bravo"]);
    let found = world.get("/api/v1/tenants?search=HARL").await.expect(200);
    assert_eq!(slugs(&found.body), ["charlie"]);
    assert_eq!(slugs(&world.get("/api/v1/tenants?search=%25").await.body), Vec::<String>::new());
    assert_eq!(slugs(&world.get("/api/v1/tenants?state=running").await.body), Vec::<String>::new());
    assert_eq!(
        slugs(&world.get("/api/v1/tenants?state=running,provisioning&plan=starter").await.body).len(),
        5
    );

    // What is made while somebody turns the pages shifts nothing: nobody is shown twice or left out.
    for sort in ["-created", "name", "-slug"] {
        let mut seen = Vec::new();
        let mut path = format!("/api/v1/tenants?sort={sort}&limit=2");
        for round in 0.. {
            let page = world.get(&path).await.expect(200);
            seen.extend(slugs(&page.body));
            world.make(&format!("aa-{}-{round}", sort.trim_start_matches('-'))).await;
            let Some(next) = page.body["next"].as_str() else { break };
            path = format!("/api/v1/tenants?sort={sort}&limit=2&cursor={next}");
            assert!(round < 30, "the pages never end");
        }
        let distinct: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "somebody is shown twice: {seen:?}");
        for slug in ["alpha", "bravo", "charlie", "delta", "echo"] {
            assert!(distinct.contains(slug), "{slug} is left out of {sort}: {seen:?}");
        }
    }

    // A cursor belongs to its list.
    let first = world.get("/api/v1/tenants?sort=slug&limit=1").await.expect(200);
    let cursor = first.body["next"].as_str().expect("more");
    let foreign = world.get(&format!("/api/v1/tenants?sort=name&limit=1&cursor={cursor}")).await.expect(422);
    assert_eq!(foreign.fields(), ["cursor"]);
}
