//! Setting up providers outside: who may, what is refused, and that a secret that went in never comes out.

use axum::http::Method;
use control_plane::model::ids::{ProviderId, TenantId};
use control_plane::model::role::Role;
use serde_json::{Value, json};
use sqlx::Connection;

use super::World;
use super::people::Person;
use super::races::waiting;

const ACMES: &str = "/api/v1/tenants/acme/providers";
const PLATFORMS: &str = "/api/v1/providers";
const SECRET: &str = "the-clients-own-secret";

/// A provider as somebody would add it.
pub(super) fn wish(name: &str) -> Value {
    json!({"name": name, "issuer": "https://login.example.com/", "client_id": "freehold", "secret": SECRET})
}

impl World {
    /// A provider, put into the registry as it is: the platform's without a tenant.
    pub(super) async fn put_provider(&self, slug: Option<&str>, name: &str) -> ProviderId {
        let id = ProviderId::random();
        sqlx::query(
            "insert into freehold.providers (id, tenant_id, name, title, issuer, client_id, claims)
             values ($1, (select id from freehold.tenants where slug = $2), $3, $3, 'https://login.example.com/', 'us', '{}')",
        )
        .bind(id.0)
        .bind(slug)
        .bind(name)
        .execute(&mut self.registry.superuser().await)
        .await
        .expect("a provider");
        id
    }

    /// Has somebody's session be one that came by a provider. Before they ask for anything: who did is remembered.
    pub(super) async fn came_by(&self, person: &Person, provider: ProviderId) {
        sqlx::query(
            "update freehold.sessions s set provider_id = p.id, only_tenant = p.tenant_id
               from freehold.providers p where s.id = $1 and p.id = $2",
        )
        .bind(person.session.0)
        .bind(provider.0)
        .execute(&mut self.registry.superuser().await)
        .await
        .expect("a session");
    }

    pub(super) async fn id_of(&self, slug: &str) -> TenantId {
        let tenant = self.get(&format!("/api/v1/tenants/{slug}")).await.expect(200).body;
        tenant["id"].as_str().expect("an id").parse().expect("an id")
    }
}

#[tokio::test]
async fn an_owner_sets_a_provider_up_and_its_secret_never_comes_out_again() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let mut texts = Vec::new();
    let added = owner.post(&world, ACMES, wish("entra")).await.expect(201);
    assert_eq!((&added.body["has_secret"], &added.body["enabled"]), (&json!(true), &json!(true)));
    assert_eq!(added.body["title"], "entra");
    assert_eq!(added.body["scopes"], "openid email profile");
    assert_eq!(
        added.body["claims"],
        json!({"email": "email", "email_verified": "email_verified", "name": "name"})
    );
    texts.push(added.text);
    let one = format!("{ACMES}/entra");
    let audience = format!("https://freehold.example/tenants/{}", world.id_of("acme").await);
    let change = json!({
        "title": "Our accounts", "bearer_audience": audience, "secret": "another-secret-of-it",
        "claims": {"default_role": "member", "roles": "roles", "role_of": {"boss": "admin"}},
    });
    let changed = owner.patch(&world, &one, change).await.expect(200);
    assert_eq!(changed.body["claims"]["role_of"]["boss"], "admin");
    assert_eq!(changed.body["bearer_audience"], audience.as_str());
    texts.push(changed.text);
    // what was not said stays, and what is null is none
    let changed = owner.patch(&world, &one, json!({"bearer_audience": null})).await.expect(200).body;
    assert_eq!((&changed["bearer_audience"], &changed["title"]), (&Value::Null, &json!("Our accounts")));
    assert_eq!(changed["has_secret"], true);
    for path in [ACMES, &one, "/api/v1/tenants/acme/audit", "/api/v1/tenants/acme/audit/export"] {
        texts.push(owner.get(&world, path).await.expect(200).text);
    }
    for path in ["/api/v1/audit", "/api/v1/audit/export"] {
        texts.push(world.get(path).await.expect(200).text);
    }
    assert!(texts.iter().any(|text| text.contains("replaced")), "that it was replaced is written down");
    let kept: Vec<u8> = sqlx::query_scalar("select sealed from freehold.providers")
        .fetch_one(&mut world.registry.superuser().await)
        .await
        .expect("a row");
    texts.push(String::from_utf8_lossy(&kept).into_owned());
    for text in &texts {
        assert!(!text.contains(SECRET) && !text.contains("another-secret-of-it"), "{text}");
    }
    let public = owner.patch(&world, &one, json!({"secret": null})).await.expect(200).body;
    assert_eq!(public["has_secret"], false);
    owner.delete(&world, &one).await.expect(204);
    owner.get(&world, &one).await.expect(404);
    assert_eq!(world.audited("provider.create", "entra").await, ["done"]);
    assert_eq!(world.audited("provider.update", "entra").await, ["done", "done", "done"]);
    assert_eq!(world.audited("provider.remove", "entra").await, ["done"]);
    // the platform's are its admins'
    world.post(PLATFORMS, wish("main")).await.expect(201);
    assert_eq!(world.get(PLATFORMS).await.expect(200).body["items"][0]["name"], "main");
    world.ask(Method::DELETE, &format!("{PLATFORMS}/main"), None).await.expect(204);
}

#[tokio::test]
async fn whoever_is_no_owner_changes_none_and_the_tenant_next_door_finds_none() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    world.put_provider(Some("acme"), "entra").await;
    world.put_provider(None, "main").await;
    let one = format!("{ACMES}/entra");
    let check = format!("{one}/check");
    let admin = world.member("acme", Role::Admin).await;
    assert_eq!(admin.get(&world, ACMES).await.expect(200).body["items"].as_array().map(Vec::len), Some(1));
    admin.get(&world, &one).await.expect(200);
    let member = world.member("acme", Role::Member).await;
    member.get(&world, ACMES).await.expect(403);
    let next_door = world.member("globex", Role::Owner).await;
    for (person, status) in [(&admin, 403), (&member, 403), (&next_door, 404)] {
        person.post(&world, ACMES, wish("other")).await.expect(status);
        person.patch(&world, &one, json!({"title": "Mine"})).await.expect(status);
        person.delete(&world, &one).await.expect(status);
        person.ask(&world, Method::POST, &check, None).await.expect(status);
        person.get(&world, PLATFORMS).await.expect(403);
        person.post(&world, PLATFORMS, wish("other")).await.expect(403);
        person.patch(&world, &format!("{PLATFORMS}/main"), json!({"title": "Mine"})).await.expect(403);
        person.delete(&world, &format!("{PLATFORMS}/main")).await.expect(403);
    }
    next_door.get(&world, &one).await.expect(404);
    // neither is the platform's a tenant's, nor another tenant's one's own
    next_door.get(&world, "/api/v1/tenants/globex/providers/main").await.expect(404);
    next_door.get(&world, "/api/v1/tenants/globex/providers/entra").await.expect(404);
    next_door.delete(&world, "/api/v1/tenants/globex/providers/entra").await.expect(404);
    // a key of an owner's, with every scope there is for keys
    let owner = world.member("acme", Role::Owner).await;
    let scopes = json!({"name": "deploy", "scopes": ["providers.read"]});
    let key = owner.post(&world, "/api/v1/tenants/acme/keys", scopes).await.expect(201).body;
    let key = key["secret"].as_str().expect("a key");
    world.ask_as(key, Method::GET, ACMES, None).await.expect(200);
    world.ask_as(key, Method::POST, ACMES, Some(wish("other"))).await.expect(403);
    let never = json!({"name": "deploy", "scopes": ["providers.manage"]});
    owner.post(&world, "/api/v1/tenants/acme/keys", never).await.expect(422);
}

#[tokio::test]
async fn what_a_tenant_cannot_be_trusted_with_is_refused_by_its_field() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let owner = world.member("acme", Role::Owner).await;
    let other = world.id_of("globex").await;
    for (field, value) in [
        ("issuer", json!("http://login.example.com/")),
        ("issuer", json!("https://ada@login.example.com/")),
        ("name", json!("../x")),
        ("secret", json!("")),
        ("trust_email", json!(true)),
        ("bearer_audience", json!("freehold")),
        ("bearer_audience", json!(format!("https://freehold.example/tenants/{other}"))),
        ("scopes", json!("email")),
        ("title", json!("\u{202e}")),
        ("claims.tenants", json!({"tenants": "t"})),
        ("claims.default_role", json!({"default_role": "owner"})),
        ("claims.role_of", json!({"roles": "r", "role_of": {"boss": "owner"}})),
        ("claims.emial", json!({"emial": "e"})),
        ("client", json!("freehold")),
    ] {
        let mut body = wish("entra");
        body[field.split('.').next().expect("a field")] = value;
        let refused = owner.post(&world, ACMES, body).await.expect(422);
        assert_eq!(refused.fields(), [field], "{}", refused.text);
        assert!(!refused.text.contains(SECRET), "{}", refused.text);
    }
    for number in 0..10 {
        owner.post(&world, ACMES, wish(&format!("p{number}"))).await.expect(201);
    }
    owner.post(&world, ACMES, wish("p10")).await.expect(409);
    owner.post(&world, ACMES, wish("p1")).await.expect(409);
    assert_eq!(owner.get(&world, ACMES).await.expect(200).body["items"].as_array().map(Vec::len), Some(10));
    // the platform's may be on a network of its own, and says who belongs where
    let platforms = json!({
        "name": "main", "issuer": "http://10.0.0.1:8080/realms/main", "client_id": "freehold", "trust_email": true,
        "claims": {"tenants": "https://freehold.example/tenant_id", "default_role": "member"},
    });
    world.post(PLATFORMS, platforms).await.expect(201);
}

#[tokio::test]
async fn what_it_knows_people_by_stays_and_whoever_came_by_it_goes_with_it() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    let one = format!("{ACMES}/entra");
    let mut sql = world.registry.superuser().await;
    for (way, change) in [
        ("disabled", json!({"enabled": false})),
        ("another audience", json!({"bearer_audience": null})),
        ("removed", Value::Null),
    ] {
        let provider = world.put_provider(Some("acme"), "entra").await;
        let audience = format!("x{}", world.id_of("acme").await);
        owner.patch(&world, &one, json!({"bearer_audience": audience})).await.expect(200);
        let ada = world.member("acme", Role::Member).await;
        world.came_by(&ada, provider).await;
        ada.get(&world, "/api/v1/me").await.expect(200);
        sqlx::query("insert into freehold.identities (provider_id, subject, user_id) values ($1, 'ada', $2)")
            .bind(provider.0)
            .bind(ada.id.0)
            .execute(&mut sql)
            .await
            .expect("an identity");
        for another in [json!({"issuer": "https://other.example.com/"}), json!({"client_id": "other"})] {
            owner.patch(&world, &one, another).await.expect(409);
        }
        owner.patch(&world, &one, json!({"title": way})).await.expect(200);
        ada.get(&world, "/api/v1/me").await.expect(200);
        if change.is_null() {
            owner.delete(&world, &one).await.expect(204);
        } else {
            owner.patch(&world, &one, change).await.expect(200);
        }
        let signed_out = ada.get(&world, "/api/v1/me").await;
        assert_eq!(signed_out.status, 401, "{way}");
        sqlx::query("delete from freehold.providers where id = $1")
            .bind(provider.0)
            .execute(&mut sql)
            .await
            .expect("gone");
    }
    // while it knows nobody it may become another
    world.put_provider(Some("acme"), "entra").await;
    let changed = json!({"issuer": "https://other.example.com/", "client_id": "other"});
    assert_eq!(owner.patch(&world, &one, changed).await.expect(200).body["client_id"], "other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_being_owner_while_asking_has_changed_nothing() {
    let world = World::start().await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    // in the cache, as somebody who was just here
    owner.get(&world, ACMES).await.expect(200);
    let (mut sql, mut holder) = (world.registry.superuser().await, world.registry.superuser().await);
    let mut tx = holder.begin().await.expect("a transaction");
    sqlx::query("select from freehold.tenants where slug = 'acme' for update")
        .execute(&mut *tx)
        .await
        .expect("held");
    let demoted = async {
        waiting(&mut sql, 1).await;
        sqlx::query("update freehold.memberships set role = 'admin' where user_id = $1")
            .bind(owner.id.0)
            .execute(&mut *tx)
            .await
            .expect("demoted");
        tx.commit().await.expect("released");
    };
    let (answer, ()) = tokio::join!(owner.post(&world, ACMES, wish("entra")), demoted);
    answer.expect(403);
    assert_eq!(owner.get(&world, ACMES).await.expect(200).body["items"], json!([]));
}

#[tokio::test]
async fn a_check_tells_a_tenant_the_same_of_what_is_inside_and_of_what_is_nowhere() {
    let mock = crate::outside::mock::Mock::start();
    let issuer = mock.url.clone();
    let world = World::start_with(|settings| {
        settings.providers = crate::outside::reaching_loopback();
        settings.providers.reach.tenants = settings.providers.reach.platform.clone();
    });
    let world = world.await;
    world.make("acme").await;
    let owner = world.member("acme", Role::Owner).await;
    // loopback stands for what is public here, and nothing listens there
    let hosts = [
        ("nowhere", "https://127.0.0.1:9/"),
        ("inside", "https://10.0.0.1/"),
        ("metadata", "https://169.254.169.254/"),
    ];
    let asked = hosts.map(async |(name, issuer)| {
        let mut body = wish(name);
        body["issuer"] = issuer.into();
        owner.post(&world, ACMES, body).await.expect(201);
        let begun = std::time::Instant::now();
        let check = owner.ask(&world, Method::POST, &format!("{ACMES}/{name}/check"), None).await.expect(200);
        assert_eq!(check.body["good"], false, "{}", check.text);
        assert!(begun.elapsed().as_secs() >= 4, "{name} is told by the time");
        let problem = check.body["problem"].as_str().expect("a problem");
        problem.split_once(' ').expect("a host").1.to_owned()
    });
    let problems = futures_util::future::join_all(asked).await;
    assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
    // what the platform's configuration reaches, the platform's provider does
    world.post(PLATFORMS, json!({"name": "main", "issuer": issuer, "client_id": "us"})).await.expect(201);
    let path = format!("{PLATFORMS}/main/check");
    let check = world.ask(Method::POST, &path, None).await.expect(200).body;
    assert_eq!(check["good"], true, "{check}");
    assert!(check["authorization_endpoint"].as_str().expect("one").starts_with(&issuer), "{check}");
    // and nobody asks on and on
    let mut refused = None;
    for _ in 0..20 {
        let answer = world.ask(Method::POST, &path, None).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    assert!(!refused.expect("there is an end to it").header("retry-after").is_empty());
}
