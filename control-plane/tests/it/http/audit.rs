//! The audit log: what it tells whom, and that nothing can be done to it unseen.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, header};
use control_plane::model::role::Role;
use control_plane::store;
use serde_json::{Value, json};
use sqlx::{Executor, PgConnection, Row};

use super::{HOST, World};

impl World {
    /// Asks as somebody behind the edge does.
    async fn ask_from_afar(&self, method: Method, path: &str, body: &Value, request_id: &str) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "a test\u{e4}".as_bytes())
            .header("x-forwarded-for", "203.0.113.9, 192.0.2.7")
            .header("x-request-id", request_id)
            .body(Body::from(body.to_string()));
        let answer = self.send(request.expect("a request")).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }

    /// Waits until every entry has its place; what is found then.
    async fn verified(&self) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let found = self.get("/api/v1/audit/verification").await.expect(200).body;
            if found["waiting"] == 0 {
                return found;
            }
            assert!(Instant::now() < deadline, "{found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn entries(&self, path: &str) -> Vec<Value> {
        let page = self.get(path).await.expect(200).body;
        page["items"].as_array().expect("items").clone()
    }
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("an action")).collect()
}

#[tokio::test]
async fn everything_in_the_life_of_a_tenant_is_told_with_who_did_it_and_from_where() {
    let world = World::start().await;
    let path = "/api/v1/tenants/acme";
    let make = json!({"name": "Acme", "slug": "acme"});
    world.ask_from_afar(Method::POST, "/api/v1/tenants", &make, "r-create").await;
    world.converge(&world.claim().await).await;
    let life = [
        (Method::PATCH, "", json!({"name": "Acme Fleet", "plan": "team"}), "update"),
        (Method::POST, "/sleep", Value::Null, "sleep"),
        (Method::POST, "/wake", Value::Null, "wake"),
        (Method::POST, "/suspend", Value::Null, "suspend"),
        (Method::POST, "/resume", Value::Null, "resume"),
        (Method::DELETE, "", Value::Null, "delete"),
        (Method::POST, "/restore", Value::Null, "restore"),
    ];
    for (method, verb, body, word) in &life {
        world.ask_from_afar(method.clone(), &format!("{path}{verb}"), body, &format!("r-{word}")).await;
        world.converge(&world.claim().await).await;
    }
    let entries = world.entries("/api/v1/tenants/acme/audit").await;
    let words = life.iter().rev().map(|(.., word)| *word).chain(["create"]);
    let tenant = world.get(path).await.expect(200).body["id"].clone();
    assert_eq!(entries.len(), life.len() + 1);
    for (entry, word) in entries.iter().zip(words) {
        assert_eq!(entry["action"], format!("tenant.{word}"));
        assert_eq!(entry["request_id"], format!("r-{word}"));
        assert_eq!((&entry["target"], &entry["tenant_id"]), (&json!("acme"), &tenant));
        assert_eq!((&entry["actor_kind"], &entry["outcome"]), (&json!("admin"), &json!("done")));
        assert_eq!(entry["actor"], super::EMAIL);
        assert_eq!(entry["address"], "192.0.2.7", "the nearest one is the edge's word");
        assert!(entry["diff"].is_object(), "{entry}");
    }
    let update = &entries[life.len() - 1];
    assert_eq!(update["diff"]["name"], json!({"before": "Acme", "after": "Acme Fleet"}));
    assert_eq!(update["diff"]["plan"], json!({"before": "starter", "after": "team"}));
    assert!(update["diff"].get("slug").is_none(), "what stayed is not told: {update}");
    assert_eq!(world.verified().await["whole"], true);
}

#[tokio::test]
async fn sign_ins_are_told_and_tenants_admins_see_what_is_theirs() {
    let world = World::start().await;
    for slug in ["acme", "globex"] {
        world.make(slug).await;
    }
    let wrong = json!({"email": super::EMAIL, "password": "wrong"});
    world.post("/api/v1/admin/sessions", wrong).await.expect(401);

    let all = world.entries("/api/v1/audit").await;
    assert_eq!(actions(&all), ["admin.sign_in", "tenant.create", "tenant.create", "admin.sign_in"]);
    assert_eq!((&all[0]["outcome"], &all[0]["actor_kind"]), (&json!("refused"), &json!("nobody")));
    assert!(!all[0].to_string().contains("wrong"), "no password is told");

    for (query, expected) in [
        ("action=tenant", 2),
        ("action=tenant.create&search=GLOB", 1),
        ("outcome=refused", 1),
        ("search=freehold.localhost&outcome=done", 3),
        ("search=%25", 0),
        ("from=2100-01-01T00:00:00Z", 0),
        ("until=2100-01-01T00:00:00Z", 4),
    ] {
        let found = world.entries(&format!("/api/v1/audit?{query}")).await;
        assert_eq!(found.len(), expected, "{query}: {found:?}");
    }
    for query in ["action=ten", "outcome=maybe", "from=today", "cursor=x", "limit=0", "colour=red"] {
        world.get(&format!("/api/v1/audit?{query}")).await.expect(422);
    }
    let first = world.get("/api/v1/audit?limit=3").await.expect(200).body;
    let next = first["next"].as_str().expect("more");
    assert_eq!(actions(&world.entries(&format!("/api/v1/audit?cursor={next}")).await), ["admin.sign_in"]);

    let ada = world.member("acme", Role::Admin).await;
    let theirs = ada.get(&world, "/api/v1/tenants/acme/audit").await.expect(200).body;
    let theirs = theirs["items"].as_array().expect("items");
    assert_eq!((theirs.len(), &theirs[0]["target"]), (1, &json!("acme")));
    ada.get(&world, "/api/v1/tenants/globex/audit").await.expect(404);
    ada.get(&world, "/api/v1/tenants/globex/audit/export").await.expect(404);
    for path in ["audit", "audit/export", "audit/verification"] {
        ada.get(&world, &format!("/api/v1/{path}")).await.expect(403);
    }
    let bob = world.member("acme", Role::Member).await;
    bob.get(&world, "/api/v1/tenants/acme/audit").await.expect(403);
}

#[tokio::test]
async fn an_export_holds_everything_in_both_forms() {
    let world = World::start().await;
    world.make("acme").await;
    // More than a page, some of them what a spreadsheet would compute.
    for number in 0..230 {
        let name = if number == 7 { "=1+1\",\"".to_owned() } else { format!("Acme {number}") };
        world.ask(Method::PATCH, "/api/v1/tenants/acme", Some(json!({"name": name}))).await.expect(202);
    }
    let lines = world.get("/api/v1/tenants/acme/audit/export").await.expect(200);
    assert_eq!(lines.header("content-type"), "application/jsonl");
    let entries: Vec<Value> =
        lines.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(entries.len(), 231);
    assert_eq!(entries[230]["action"], "tenant.create");
    let mut ids: Vec<&str> = entries.iter().filter_map(|entry| entry["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 231, "each is there once");

    let csv = world.get("/api/v1/audit/export?format=csv&action=tenant.update").await.expect(200);
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert_eq!(csv.text.matches("\r\n").count(), 231, "230 rows and their names");
    assert!(csv.text.starts_with("at,id,tenant_id,"));
    assert!(!csv.text.contains(",\"="), "no cell begins as a formula");
    world.get("/api/v1/audit/export?format=xml").await.expect(422);
}

/// The owner of the registry, for whom a table's rules are a thing to take away.
async fn owner(world: &World) -> PgConnection {
    world.registry.session(store::OWNER_ROLE, &world.registry.passwords.owner).await
}

#[tokio::test]
async fn whatever_is_done_to_the_log_is_found_and_where() {
    let world = World::start().await;
    for number in 0..8 {
        world.make(&format!("acme-{number}")).await;
    }
    let whole = world.verified().await;
    assert_eq!((&whole["whole"], &whole["entries"]), (&json!(true), &json!(9)));
    let head = whole["head"].as_str().expect("a head").to_owned();
    let mut owner = owner(&world).await;
    owner.execute("create table freehold.kept as select * from freehold.audit").await.expect("kept");

    let copy = |id: &str, position: &str, link: &str| {
        format!(
            "insert into freehold.audit
             select {id}, at, tenant_id, actor_kind, actor_id, actor, action, target, outcome, address, user_agent,
                    request_id, diff, seal, {position}, {link}
               from freehold.kept where position = 3"
        )
    };
    let cases = [
        ("update freehold.audit set actor = 'eve' where position = 3".to_owned(), "entry 3 was changed"),
        ("update freehold.audit set at = at + interval '1 us' where position = 9".to_owned(), "entry 9 was"),
        (
            "update freehold.audit set outcome = 'refused' where position = 1".to_owned(),
            "entry 1 was changed",
        ),
        (
            r#"update freehold.audit set diff = '{"name":1}' where position = 2"#.to_owned(),
            "entry 2 was changed",
        ),
        ("delete from freehold.audit where position = 3".to_owned(), "entry 3 is missing"),
        ("delete from freehold.audit where position = 1".to_owned(), "entry 1 is missing"),
        (
            "delete from freehold.audit where position = 3;
             update freehold.audit set position = -position where position > 3;
             update freehold.audit set position = -position - 1 where position < 0"
                .to_owned(),
            "entry 3 does not follow",
        ),
        (
            "update freehold.audit set position = 100 where position = 3;
             update freehold.audit set position = 3 where position = 4;
             update freehold.audit set position = 4 where position = 100"
                .to_owned(),
            "entry 3 does not follow",
        ),
        (copy("gen_random_uuid()", "10", "link"), "entry 10 was changed"),
        (copy("gen_random_uuid()", "null", "null"), "entry 10 was changed"),
        (
            "update freehold.audit a set seal = k.seal from freehold.kept k
              where a.position = 4 and k.position = 5"
                .to_owned(),
            "entry 4 was changed",
        ),
    ];
    for (tampering, expected) in cases {
        owner.execute("alter table freehold.audit disable trigger user").await.expect("off");
        owner.execute(sqlx::AssertSqlSafe(tampering.clone())).await.expect("done");
        let found = world.get("/api/v1/audit/verification").await.expect(200).body;
        assert_eq!(found["whole"], false, "{tampering}");
        let broken = found["broken"].as_str().unwrap_or_default();
        assert!(broken.starts_with(expected), "{tampering}: {broken}");
        let back = "delete from freehold.audit; insert into freehold.audit select * from freehold.kept;
                    alter table freehold.audit enable trigger user";
        owner.execute(back).await.expect("back");
        assert_eq!(world.get("/api/v1/audit/verification").await.expect(200).body, whole);
    }

    // An end that is cut off leaves a chain that is whole; only who kept its head can tell.
    let with_head = format!("/api/v1/audit/verification?head={head}");
    assert_eq!(world.get(&with_head).await.expect(200).body["whole"], true);
    owner
        .execute(
            "alter table freehold.audit disable trigger user; delete from freehold.audit where position > 6",
        )
        .await
        .expect("cut off");
    assert_eq!(world.get("/api/v1/audit/verification").await.expect(200).body["whole"], true);
    let found = world.get(&with_head).await.expect(200).body;
    assert_eq!((&found["whole"], &found["broken"]), (&json!(false), &json!("entry 9 is missing")));
    world.get("/api/v1/audit/verification?head=9:zz").await.expect(422);
}

#[tokio::test]
async fn no_role_of_the_platform_can_change_or_remove_an_entry() {
    let world = World::start().await;
    world.verified().await;
    let passwords = &world.registry.passwords;
    let mut sessions = Vec::new();
    for (role, password) in [(store::API_ROLE, &passwords.api), (store::WORKER_ROLE, &passwords.worker)] {
        sessions.push((role.to_owned(), world.registry.session(role, password).await));
    }
    let mut platform = world.registry.session(store::API_ROLE, &passwords.api).await;
    platform.execute("set role freehold_platform").await.expect("the platform's role");
    sessions.push(("freehold_platform".to_owned(), platform));
    sessions.push(("the owner".to_owned(), owner(&world).await));
    for (role, mut session) in sessions {
        for sql in [
            "update freehold.audit set actor = 'eve'",
            "update freehold.audit set position = 7, link = seal",
            "update freehold.audit set position = null, link = null",
            "delete from freehold.audit",
            "truncate freehold.audit",
            "insert into freehold.audit (id, at, actor_kind, actor, action, target, outcome, address, user_agent,
                                         request_id, seal, position, link)
             select gen_random_uuid(), at, actor_kind, actor, action, target, outcome, address, user_agent, request_id,
                    seal, 99, seal from freehold.audit",
        ] {
            if role == "the owner" && sql.starts_with("insert") {
                continue;
            }
            // what a role does not even see, it does not change
            match session.execute(sql).await {
                Ok(done) => assert_eq!(done.rows_affected(), 0, "{role}: {sql}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("permission denied") || error.contains("never changed"), "{error}");
                }
            }
        }
    }
    let found = world.verified().await;
    assert_eq!((&found["whole"], &found["entries"]), (&json!(true), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_who_takes_their_time_holds_nobody_up() {
    let world = std::sync::Arc::new(World::start().await);
    for number in 0..10 {
        world.make(&format!("quick-{number}")).await;
    }
    world.make("slow").await;
    let before = world.verified().await["entries"].as_i64().expect("a number");
    // Whoever writes of this tenant has written everything, and is kept from committing.
    let mut gate = world.registry.superuser().await;
    gate.execute(
        "create function freehold.wait_at_the_gate() returns trigger language plpgsql security definer as $$
         begin perform pg_advisory_xact_lock(4711); return null; end $$;
         create constraint trigger gate after insert on freehold.audit deferrable initially deferred
            for each row when (new.target = 'slow') execute function freehold.wait_at_the_gate();
         select pg_advisory_lock(4711)",
    )
    .await
    .expect("a gate");
    let change = |slug: String, name: &'static str| {
        let world = std::sync::Arc::clone(&world);
        async move {
            let path = format!("/api/v1/tenants/{slug}");
            world.ask(Method::PATCH, &path, Some(json!({"name": name}))).await.expect(202);
        }
    };
    let slow = tokio::spawn(change("slow".to_owned(), "Slow and steady"));
    let deadline = Instant::now() + Duration::from_secs(20);
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    while sqlx::query(waits).fetch_one(&mut gate).await.expect("asked").get::<i64, _>(0) == 0 {
        assert!(Instant::now() < deadline, "nobody is at the gate");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let quick: Vec<_> =
        (0..10).map(|number| tokio::spawn(change(format!("quick-{number}"), "Quick"))).collect();
    for one in quick {
        tokio::time::timeout(Duration::from_secs(20), one).await.expect("it did not wait").expect("changed");
    }
    let found = world.verified().await;
    assert_eq!((&found["whole"], &found["entries"]), (&json!(true), &json!(before + 10)));
    assert!(!slow.is_finished());

    gate.execute("select pg_advisory_unlock(4711)").await.expect("opened");
    slow.await.expect("changed");
    // The linker was told long ago, and looks again by itself.
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let found = world.verified().await;
        assert_eq!(found["whole"], true);
        if found["entries"] == before + 11 {
            break;
        }
        assert!(Instant::now() < deadline, "{found}");
    }
}
