//! API keys: made, listed, rotated and revoked by people, and never good for more than whoever made them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use chrono::{DateTime, Utc};
use control_plane::identity::api_keys::ApiKey;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::World;
use super::people::{Person, new_address};
use super::people_principals::{another, ask, soon};

pub(super) const ACME: &str = "/api/v1/tenants/acme";
pub(super) const KEYS: &str = "/api/v1/tenants/acme/keys";
const MINE: &str = "/api/v1/me/keys";

impl World {
    /// A key that somebody makes: its id and its secret.
    pub(super) async fn key(&self, maker: &Person, path: &str, scopes: &[&str]) -> (String, String) {
        self.key_with(maker, path, json!({"name": "deploy", "scopes": scopes})).await
    }

    pub(super) async fn key_with(&self, maker: &Person, path: &str, wish: Value) -> (String, String) {
        secret_of(&maker.post(self, path, wish).await.expect(201).body)
    }

    async fn rotated(&self, by: &Person, path: &str, id: &str, how: Value) -> (String, String) {
        secret_of(&by.post(self, &format!("{path}/{id}/rotate"), how).await.expect(201).body)
    }

    /// What a path is answered to a key.
    pub(super) async fn with_key(&self, secret: &str, path: &str) -> u16 {
        self.ask_as(secret, Method::GET, path, None).await.status.as_u16()
    }

    pub(super) async fn alter(&self, statement: &'static str) {
        let mut sql = self.registry.superuser().await;
        sqlx::raw_sql(statement).execute(&mut sql).await.expect(statement);
    }
}

fn secret_of(made: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made["key"]["id"]), text(&made["secret"]))
}

#[tokio::test]
async fn a_key_is_told_once_and_does_what_its_scopes_say() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let admin = world.member("acme", Role::Admin).await;
    world.join(&admin, "globex", Role::Admin).await;
    let wish = json!({"name": " deploy ", "scopes": ["tenant.update", "tenant.read"], "expires_in_days": 7});
    let made = admin.post(&world, KEYS, wish).await.expect(201);
    let (id, secret) = secret_of(&made.body);
    let key = ApiKey::parse(&secret).expect("a key");
    assert_eq!(made.body["key"]["prefix"], format!("fhk_{}", key.prefix));
    assert_eq!(made.body["key"]["scopes"], json!(["tenant.read", "tenant.update"]));

    let shown = world.ask_as(&secret, Method::GET, ACME, None).await.expect(200);
    assert_eq!(shown.body["slug"], "acme");
    assert!(shown.header("ratelimit").starts_with("\"key\";r=599;"), "{}", shown.header("ratelimit"));
    let refused = world.ask_as(&secret, Method::GET, &format!("{ACME}/members"), None).await.expect(403);
    assert_eq!(refused.body["detail"], "this key has no such scope: members.read");
    assert_eq!(world.with_key(&secret, "/api/v1/tenants/globex").await, 404);
    world.ask_as(&secret, Method::PATCH, ACME, Some(json!({"name": "Ours"}))).await.expect(202);

    // who it was is told, with the key and its maker
    let entries = admin.get(&world, &format!("{ACME}/audit?action=tenant.update")).await.expect(200).body;
    let entry = &entries["items"][0];
    let label = format!("deploy (fhk_{}) of {}", key.prefix, admin.email);
    assert_eq!((&entry["actor_kind"], &entry["actor"]), (&json!("key"), &json!(label)));
    assert_eq!(entry["actor_id"], id);
    assert_eq!(world.audited("key.create", &format!("deploy (fhk_{})", key.prefix)).await, ["done"]);
    assert_eq!(world.letters(&admin.email, "key_made").await.len(), 1);

    // the list tells its use and not its secret, and nothing that is kept does
    let list = admin.get(&world, KEYS).await.expect(200);
    assert_eq!(list.body["items"][0]["last_address"], "local");
    assert!(list.body["items"][0]["last_used_at"].is_string() && !list.text.contains(&secret));
    let mut sql = world.registry.superuser().await;
    for table in ["api_keys", "audit", "mails"] {
        let statement = sqlx::AssertSqlSafe(format!("select t::text from freehold.{table} t"));
        let rows: Vec<String> = sqlx::query_scalar(statement).fetch_all(&mut sql).await.expect("rows");
        assert!(!rows.is_empty() && !rows.iter().any(|row| row.contains(&secret[15..40])), "{table}");
    }
    for wrong in [&secret[..63], &format!("{secret}x"), "fhk_", &secret.replace("fhk_", "fhk_x")] {
        assert_eq!(world.with_key(wrong, ACME).await, 401, "{wrong}");
    }
    // another key's secret under this one's name
    let other = ApiKey::generate();
    let other = secrecy::ExposeSecret::expose_secret(&other.text).to_owned();
    assert_eq!(world.with_key(&other, ACME).await, 401);
}

#[tokio::test]
async fn a_key_may_no_more_than_its_maker_may_at_that_moment() {
    let world = World::start().await;
    world.make("acme").await;
    let maker = world.member("acme", Role::Admin).await;
    let heir = world.member("acme", Role::Admin).await;
    let (id, secret) = world.key(&maker, KEYS, &["tenant.read", "members.read", "members.invite"]).await;
    let (members, invitations) = (format!("{ACME}/members"), format!("{ACME}/invitations"));
    assert_eq!(world.with_key(&secret, &invitations).await, 200);
    let member = format!("{ACME}/members/{}", maker.id);
    let change = async |body: Value| {
        heir.patch(&world, &member, body).await.expect(200);
    };
    change(json!({"role": "member"})).await;
    assert_eq!(world.with_key(&secret, &invitations).await, 403);
    assert_eq!(world.with_key(&secret, &members).await, 200);
    change(json!({"role": "viewer"})).await;
    assert_eq!(world.with_key(&secret, &members).await, 403);
    change(json!({"role": "admin"})).await;
    assert_eq!(world.with_key(&secret, &invitations).await, 200);
    change(json!({"suspended": true})).await;
    assert_eq!(world.with_key(&secret, ACME).await, 403);
    heir.delete(&world, &member).await.expect(204);
    assert_eq!(world.with_key(&secret, ACME).await, 404);
    // a key whose maker is gone is still listed, and taken over by whoever rotates it
    let listed = heir.get(&world, KEYS).await.expect(200).body;
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["maker"]), (&json!(id), &Value::Null));
    let (_, taken) = world.rotated(&heir, KEYS, &id, json!({})).await;
    assert_eq!(world.with_key(&taken, &invitations).await, 200);
    let listed = heir.get(&world, KEYS).await.expect(200).body;
    assert_eq!(listed["items"][0]["maker"], heir.email);
    // a user who is let in nowhere is nobody with their keys
    let path = format!("/api/v1/users/{}/suspend", heir.id);
    world.ask(Method::POST, &path, None).await.expect(200);
    assert_eq!(world.with_key(&taken, ACME).await, 401);
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_have_and_no_key_is_a_person() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let owner = world.member("acme", Role::Owner).await;
    let developer = world.member("acme", Role::Developer).await;
    let stranger = world.member("globex", Role::Owner).await;
    let wish = |scopes: Value| json!({"name": "x", "scopes": scopes});
    developer.post(&world, KEYS, wish(json!(["tenant.read"]))).await.expect(403);
    stranger.post(&world, KEYS, wish(json!(["tenant.read"]))).await.expect(404);
    stranger.get(&world, KEYS).await.expect(404);
    developer.post(&world, MINE, wish(json!(["members.invite"]))).await.expect(403);
    let elsewhere = json!({"name": "x", "scopes": ["tenant.read"], "tenant": "globex"});
    assert_eq!(developer.post(&world, MINE, elsewhere).await.expect(422).fields(), ["tenant"]);
    for (wish, field) in [
        (wish(json!([])), "scopes"),
        (wish(json!(["keys.manage"])), "scopes"),
        (wish(json!(["ownership.hand_over"])), "scopes"),
        (wish(json!(["security.update"])), "scopes"),
        (wish(json!(["everything"])), "scopes[0]"),
        (json!({"name": "", "scopes": ["tenant.read"]}), "name"),
        (json!({"name": "x", "scopes": ["tenant.read"], "expires_in_days": 366}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["tenant.read"], "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["tenant.read"], "per_minute": 601}), "per_minute"),
    ] {
        assert_eq!(owner.post(&world, KEYS, wish).await.expect(422).fields(), [field]);
    }
    // a platform admin is nobody for a key to act for, and ends any
    world.post(KEYS, wish(json!(["tenant.read"]))).await.expect(403);
    let (id, _) = world.key(&owner, KEYS, &["tenant.read"]).await;
    assert_eq!(world.get(KEYS).await.expect(200).body["items"][0]["id"], id);
    world.ask(Method::DELETE, &format!("{KEYS}/{id}"), None).await.expect(204);
    world.ask(Method::DELETE, &format!("{KEYS}/{id}"), None).await.expect(404);

    let (_, secret) = world.key(&owner, KEYS, &["members.update"]).await;
    let by_key = async |method: Method, path: &str, body: Value| {
        world.ask_as(&secret, method, path, Some(body)).await.status.as_u16()
    };
    // what is of a person stays a person's, whatever the scopes
    for path in [MINE, KEYS, "/api/v1/me", "/api/v1/me/sessions"] {
        assert_eq!(world.with_key(&secret, path).await, 403, "{path}");
    }
    let rotate = format!("{KEYS}/{id}/rotate");
    assert_eq!(by_key(Method::POST, &rotate, json!({})).await, 403);
    assert_eq!(by_key(Method::POST, "/api/v1/auth/logout", json!({})).await, 403);
}

#[tokio::test]
async fn projects_are_seen_and_run_by_scopes_whoever_the_maker_is_in_them() {
    let world = World::start().await;
    world.make("acme").await;
    let developer = world.member("acme", Role::Developer).await;
    let made =
        developer.post(&world, &format!("{ACME}/projects"), json!({"name": "Depot"})).await.expect(201);
    assert_eq!(made.body["slug"], "depot");
    let project = format!("{ACME}/projects/depot");
    developer.patch(&world, &project, json!({"name": "Shed"})).await.expect(200);
    let (_, blind) = world.key(&developer, MINE, &["tenant.read"]).await;
    assert_eq!(world.with_key(&blind, &project).await, 404);
    let listed = world.ask_as(&blind, Method::GET, &format!("{ACME}/projects"), None).await.expect(200);
    assert_eq!(listed.body["items"], json!([]));
    let (_, seeing) = world.key(&developer, MINE, &["tenant.read", "projects.read"]).await;
    assert_eq!(world.with_key(&seeing, &project).await, 200);
    world.ask_as(&seeing, Method::PATCH, &project, Some(json!({"name": "Mine"}))).await.expect(403);
}

#[tokio::test]
async fn a_user_key_acts_where_its_user_belongs_or_in_one_tenant() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let ada = world.member("acme", Role::Member).await;
    world.join(&ada, "globex", Role::Viewer).await;
    world.until(&ada, "/api/v1/tenants/globex", 200).await;
    let (id, wide) = world.key(&ada, MINE, &["tenant.read", "members.read"]).await;
    assert_eq!(world.with_key(&wide, ACME).await, 200);
    assert_eq!(world.with_key(&wide, &format!("{ACME}/members")).await, 200);
    assert_eq!(world.with_key(&wide, "/api/v1/tenants/globex").await, 200);
    assert_eq!(world.with_key(&wide, "/api/v1/tenants/globex/members").await, 403);
    let only = json!({"name": "one", "scopes": ["tenant.read"], "tenant": "globex"});
    let (_, narrow) = world.key_with(&ada, MINE, only).await;
    assert_eq!(world.with_key(&narrow, "/api/v1/tenants/globex").await, 200);
    assert_eq!(world.with_key(&narrow, ACME).await, 404);
    // it is nobody else's, not even of the tenant's admins
    let admin = world.member("globex", Role::Admin).await;
    assert_eq!(admin.get(&world, "/api/v1/tenants/globex/keys").await.expect(200).body["items"], json!([]));
    let eve = world.user(&new_address()).await;
    eve.delete(&world, &format!("{MINE}/{id}")).await.expect(404);
    eve.post(&world, &format!("{MINE}/{id}/rotate"), json!({})).await.expect(404);
    assert_eq!(ada.get(&world, MINE).await.expect(200).body["items"].as_array().map(Vec::len), Some(2));
    ada.delete(&world, &format!("{MINE}/{id}")).await.expect(204);
    assert_eq!(world.with_key(&wide, ACME).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_good_for_the_overlap_and_of_two_rotations_at_once_one_counts() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let (first, one) = world.key(&admin, KEYS, &["tenant.read"]).await;
    let path = format!("{KEYS}/{first}/rotate");
    let (left, right) =
        tokio::join!(admin.post(&world, &path, json!({})), admin.post(&world, &path, json!({})),);
    let mut statuses = [left.status.as_u16(), right.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", left.text, right.text);
    let (second, two) = secret_of(if left.status == 201 { &left.body } else { &right.body });
    assert_eq!((world.with_key(&one, ACME).await, world.with_key(&two, ACME).await), (200, 200));
    let listed = admin.get(&world, KEYS).await.expect(200).body;
    let of = |id: &str| {
        let items = listed["items"].as_array().expect("items");
        items.iter().find(|key| key["id"] == id).expect("listed").clone()
    };
    assert_eq!(
        (of(&first)["status"].as_str(), of(&second)["status"].as_str()),
        (Some("replaced"), Some("active"))
    );
    assert_eq!(of(&first)["replaced_by"], second);
    // twice rotated, the first is over; without an overlap the one before is, too
    let (third, three) = world.rotated(&admin, KEYS, &second, json!({})).await;
    assert_eq!((world.with_key(&one, ACME).await, world.with_key(&two, ACME).await), (401, 200));
    let (fourth, four) = world.rotated(&admin, KEYS, &third, json!({"overlap_hours": 0})).await;
    assert_eq!((world.with_key(&three, ACME).await, world.with_key(&four, ACME).await), (401, 200));
    assert_eq!(world.with_key(&two, ACME).await, 401);
    // revoked, the one before ends with it
    let (fifth, five) = world.rotated(&admin, KEYS, &fourth, json!({"expires_in_days": 1})).await;
    admin.delete(&world, &format!("{KEYS}/{fifth}")).await.expect(204);
    assert_eq!((world.with_key(&four, ACME).await, world.with_key(&five, ACME).await), (401, 401));
    for over in [&first, &fifth] {
        admin.post(&world, &format!("{KEYS}/{over}/rotate"), json!({})).await.expect(409);
    }
    let long = json!({"overlap_hours": 169});
    let refused = admin.post(&world, &format!("{KEYS}/{fifth}/rotate"), long).await.expect(422);
    assert_eq!(refused.fields(), ["overlap_hours"]);
}

#[tokio::test]
async fn a_key_with_the_name_of_another_and_not_its_secret_is_none() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let (_, secret) = world.key(&admin, KEYS, &["tenant.read"]).await;
    assert_eq!(world.with_key(&secret, ACME).await, 200);
    // From now on the key of this name is another one.
    world.alter("update freehold.api_keys set hash = sha256('another')").await;
    world.alter("update freehold.users set name = name || ' again'").await;
    soon(&world.router, &secret, ACME, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_revoked_during_use_is_good_for_nothing_afterwards_at_every_api() {
    let world = Arc::new(World::start().await);
    let other = another(&world);
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let (id, secret) = world.key(&admin, KEYS, &["tenant.read"]).await;
    soon(&other, &secret, ACME, 200).await;
    let (revoked, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let users: Vec<_> = (0..4)
        .map(|_| {
            let (world, secret) = (Arc::clone(&world), secret.clone());
            let (revoked, begun) = (Arc::clone(&revoked), Arc::clone(&begun));
            tokio::spawn(async move {
                let (mut before, mut after) = (0, 0);
                while after < 20 {
                    let over = revoked.load(Ordering::SeqCst);
                    match (over, world.with_key(&secret, ACME).await) {
                        (false, 200) => {
                            before += 1;
                            begun.fetch_add(usize::from(before == 1), Ordering::SeqCst);
                        }
                        (true, 401) => after += 1,
                        // asked before, answered after
                        (false, 401) => {}
                        (over, status) => panic!("{status} when revoked is {over}"),
                    }
                }
                before
            })
        })
        .collect();
    let mut asked = 0;
    while asked < 20 || begun.load(Ordering::SeqCst) < users.len() {
        assert_eq!(world.with_key(&secret, ACME).await, 200);
        asked += 1;
    }
    admin.delete(&world, &format!("{KEYS}/{id}")).await.expect(204);
    revoked.store(true, Ordering::SeqCst);
    for user in users {
        assert!(user.await.expect("no other answer") > 0);
    }
    soon(&other, &secret, ACME, 401).await;
    // what is done past the api is heard of as well
    let (_, secret) = world.key(&admin, KEYS, &["tenant.read"]).await;
    assert_eq!((ask(&other, &secret, ACME).await, world.with_key(&secret, ACME).await), (200, 200));
    world.alter("update freehold.api_keys set expires_at = now() where revoked_at is null").await;
    soon(&other, &secret, ACME, 401).await;
    soon(&world.router, &secret, ACME, 401).await;
}

#[tokio::test]
async fn a_key_that_is_remembered_is_good_for_nothing_past_its_end() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let (_, secret) = world.key(&admin, KEYS, &["tenant.read"]).await;
    let end = "update freehold.api_keys set expires_at = now() + interval '3 seconds'";
    world.alter(end).await;
    let mut sql = world.registry.superuser().await;
    let ends: DateTime<Utc> = sqlx::query_scalar("select expires_at from freehold.api_keys")
        .fetch_one(&mut sql)
        .await
        .expect("its end");
    // From here on nothing is written that anybody would hear of: only its end ends it.
    let (mut before, mut after) = (0, 0);
    while after < 20 {
        let asked = Utc::now();
        let status = world.with_key(&secret, ACME).await;
        match status {
            200 if asked <= ends => before += 1,
            401 if Utc::now() >= ends => after += 1,
            _ => panic!("{status} at {asked}, and it is good until {ends}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(before > 20, "it was remembered: {before}");
}

#[tokio::test]
async fn keys_are_bounded_in_number_and_each_in_its_requests() {
    let world = World::start_with(|settings| {
        settings.api_keys.per_user = 2;
        settings.api_keys.per_tenant = 1;
    })
    .await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let wish = json!({"name": "slow", "scopes": ["tenant.read"], "per_minute": 2});
    let (id, slow) = world.key_with(&admin, KEYS, wish.clone()).await;
    let refused = admin.post(&world, KEYS, wish.clone()).await.expect(409);
    assert_eq!(refused.body["detail"], "the tenant has 1 keys, the most there can be; revoke one first");
    // rotating is no way past it, and none is needed
    let (_, fresh) = world.rotated(&admin, KEYS, &id, json!({})).await;
    admin.post(&world, KEYS, wish.clone()).await.expect(409);
    world.key_with(&admin, MINE, wish.clone()).await;
    // two at once for the last that there can be
    let (one, two) =
        tokio::join!(admin.post(&world, MINE, wish.clone()), admin.post(&world, MINE, wish.clone()));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.text, two.text);

    assert_eq!((world.with_key(&slow, ACME).await, world.with_key(&slow, ACME).await), (200, 200));
    let refused = world.ask_as(&slow, Method::GET, ACME, None).await.expect(429);
    assert!(refused.body["detail"].as_str().expect("a detail").contains("with this key"), "{}", refused.text);
    assert!(refused.header("ratelimit-policy").starts_with("\"key\";q=2;w=60"), "{:?}", refused.headers);
    assert_eq!(world.with_key(&fresh, ACME).await, 200, "another key has its own count");
}
