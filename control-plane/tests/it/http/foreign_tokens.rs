//! Tokens of providers outside, sent to our API.

use std::time::Duration;

use axum::http::Method;
use chrono::Utc;
use control_plane::app::Settings;
use control_plane::config::LimitsConfig;
use control_plane::identity::outside::OutsideSettings;
use control_plane::identity::outside::address::Reach;
use control_plane::model::ids::{ProviderId, TenantId, UserId};
use control_plane::model::provider::ClaimMap;
use control_plane::model::role::Role;
use control_plane::store::providers::{self, ProviderRecord};
use control_plane::store::{Scope, identities, sessions};
use serde_json::{Value, json};

use super::World;
use super::people_principals::{another_with, ask, soon};
use crate::outside::nasty::{Answer, DOCUMENT, Key, Nasty};
use crate::outside::reaching_loopback;
use crate::outside::tls::vouched_for;

const ME: &str = "/api/v1/me";

/// For whom tokens of the platform's provider are.
pub(super) const FOR_THE_PLATFORM: &str = "https://freehold.example/api";

/// Settings under which everybody's providers may be on loopback, when this authority vouches for them.
pub(super) fn on_loopback(settings: &mut Settings, authority: &str) {
    let net = || vec!["127.0.0.0/8".parse().expect("a network")];
    let reach = Reach { platform: net(), tenants: net() };
    let trusting = reaching_loopback().trusting(authority).expect("an authority");
    settings.providers = OutsideSettings { reach, ..trusting };
}

/// For whom tokens of a tenant's provider are.
pub(super) fn for_tenant(tenant: TenantId) -> String {
    format!("https://freehold.example/tenants/{tenant}")
}

/// A provider whose tokens are taken.
pub(super) async fn provider(
    world: &World,
    at: &Nasty,
    tenant: Option<TenantId>,
    change: impl FnOnce(&mut ProviderRecord),
) -> ProviderId {
    let id = ProviderId::random();
    let mut record = ProviderRecord {
        id,
        tenant,
        name: format!("p{}", &id.0.simple().to_string()[20..]).parse().expect("a name"),
        title: "Provider".to_owned(),
        issuer: at.issuer(),
        client_id: "freehold".to_owned(),
        secret: None,
        scopes: "openid".to_owned(),
        claims: ClaimMap::default(),
        bearer_audience: Some(tenant.map_or(FOR_THE_PLATFORM.to_owned(), for_tenant)),
        trust_email: false,
        enabled: true,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    };
    change(&mut record);
    let mut tx = world.registry.owner.begin(Scope::System).await.expect("begin");
    providers::create(&mut tx, &record).await.expect("a provider");
    tx.commit().await.expect("commit");
    id
}

/// Has a provider know somebody by this subject.
pub(super) async fn knows(world: &World, provider: ProviderId, subject: &str, user: UserId) {
    let mut tx = world.registry.owner.begin(Scope::System).await.expect("begin");
    identities::link(&mut tx, provider, subject, user, None).await.expect("linked");
    tx.commit().await.expect("commit");
}

/// A token that is good, with more claims or others.
pub(super) fn token(key: &Key, at: &Nasty, audience: &str, subject: &str, more: &Value) -> String {
    let now = Utc::now().timestamp();
    let mut claims = json!({"iss": at.url, "aud": audience, "sub": subject, "iat": now, "exp": now + 600});
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    key.sign(&claims)
}

async fn me(world: &World, token: &str) -> super::Answer {
    world.ask_as(token, Method::GET, ME, None).await
}

async fn count(world: &World, what: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from freehold.{what}"));
    sqlx::query_scalar(sql).fetch_one(&mut world.registry.superuser().await).await.expect("a number")
}

#[tokio::test]
async fn a_token_of_a_provider_is_a_session_like_any_other() {
    let (key, forger) = (Key::ed25519("one"), Key::ed25519("one"));
    let (nasty, authority) = vouched_for(&[&key]).await;
    let world = World::start_with(|settings| on_loopback(settings, &authority)).await;
    let platforms = provider(&world, &nasty, None, |_| {}).await;
    let ada = json!({"email": "ada@example.com", "email_verified": true, "name": "Ada"});
    let good = token(&key, &nasty, FOR_THE_PLATFORM, "ada", &ada);
    let seen = me(&world, &good).await.expect(200).body;
    assert_eq!(seen["email"], "ada@example.com", "{seen}");
    // The next one is the same person in another session; the same one is the same session.
    let other = token(&key, &nasty, FOR_THE_PLATFORM, "ada", &json!({"jti": "2"}));
    for _ in 0..3 {
        assert_eq!(me(&world, &good).await.expect(200).body["id"], seen["id"]);
        assert_eq!(me(&world, &other).await.expect(200).body["id"], seen["id"]);
    }
    assert_eq!((count(&world, "users").await, count(&world, "sessions").await), (1, 2));
    assert_eq!(count(&world, "users where verified_at is not null").await, 1);
    assert_eq!(nasty.asked("/keys"), 1);
    assert_eq!(count(&world, "audit where action = 'user.sign_in' and outcome = 'done'").await, 2);

    // Who is not let in, and what is no good token, is not; neither makes an account.
    for (subject, more, status) in [
        ("eve", json!({"email": "eve@example.com"}), 403),
        ("eve", json!({}), 403),
        ("eve", json!({"email": "ada@example.com", "email_verified": true}), 403),
        ("ada", json!({"aud": "freehold"}), 401),
        ("ada", json!({"aud": "https://elsewhere.example"}), 401),
        ("ada", json!({"iss": "https://elsewhere.example"}), 401),
        ("ada", json!({"iss": "http://freehold.localhost:8080"}), 401),
        ("ada", json!({"exp": Utc::now().timestamp() - 120}), 401),
        ("ada", json!({"nbf": Utc::now().timestamp() + 120}), 401),
        ("ada", json!({"at_hash": "x"}), 401),
    ] {
        let bad = token(&key, &nasty, FOR_THE_PLATFORM, subject, &more);
        me(&world, &bad).await.expect(status);
    }
    let forged = token(&forger, &nasty, FOR_THE_PLATFORM, "ada", &ada);
    for bad in [&forged, &good[..good.len() - 4], &format!("{good}x"), "a.b.c"] {
        me(&world, bad).await.expect(401);
    }
    assert_eq!((count(&world, "users").await, count(&world, "sessions").await), (1, 2));

    // What is known costs the provider nothing, and stands when it falls.
    nasty.says("/keys", Answer::Silence);
    nasty.says(DOCUMENT, Answer::Silence);
    me(&world, &good).await.expect(200);
    let listed = world.ask_as(&other, Method::GET, "/api/v1/me/sessions", None).await.expect(200).body;
    let all = listed["items"].as_array().expect("sessions");
    assert_eq!(all.len(), 2, "{listed}");
    let ended = all.iter().find(|one| one["current"] == false).expect("the other one");
    let path = format!("/api/v1/me/sessions/{}", ended["id"].as_str().expect("an id"));
    world.ask_as(&other, Method::DELETE, &path, None).await.expect(204);
    soon(&world.router, &good, ME, 401).await;
    // Somebody who comes to an api that never saw it is told the same.
    let again = another_with(&world, |settings| on_loopback(settings, &authority));
    nasty.says(DOCUMENT, Answer::Json(nasty.document()));
    nasty.has(&[&key]);
    assert_eq!((ask(&again, &other, ME).await, ask(&again, &good, ME).await), (200, 401));
    assert_eq!(count(&world, "sessions").await, 2);

    // One whose provider is disabled is nobody's.
    let mut tx = world.registry.owner.begin(Scope::System).await.expect("begin");
    let mut record = providers::get(&mut tx, platforms).await.expect("the provider");
    record.enabled = false;
    providers::update(&mut tx, &record).await.expect("disabled");
    sessions::revoke_by_provider(&mut tx, platforms, None, "disabled").await.expect("ended");
    tx.commit().await.expect("commit");
    let fresh = token(&key, &nasty, FOR_THE_PLATFORM, "ada", &json!({"jti": "3"}));
    me(&world, &fresh).await.expect(401);
    soon(&world.router, &other, ME, 401).await;
}

#[tokio::test]
async fn a_token_is_good_where_its_provider_is_and_no_longer_than_its_key() {
    let (key, next) = (Key::ed25519("one"), Key::ed25519("two"));
    let (nasty, authority) = vouched_for(&[&key]).await;
    let world = World::start_with(|settings| {
        on_loopback(settings, &authority);
        settings.providers.pace.fresh = Duration::ZERO;
        settings.providers.pace.between = Duration::ZERO;
        settings.providers.pace.whole = Duration::from_millis(600);
    })
    .await;
    let id = |made: &Value| made["tenant"]["id"].as_str().expect("an id").parse::<TenantId>().expect("an id");
    let (home, away) = (id(&world.make("home").await), id(&world.make("away").await));
    let platforms = provider(&world, &nasty, None, |_| {}).await;
    let homes = provider(&world, &nasty, Some(home), |_| {}).await;
    let user = UserId::random();
    let mut sql = world.registry.superuser().await;
    sqlx::query("insert into freehold.users (id, email, name, verified_at) values ($1, 'bo@example.com', 'Bo', now())")
        .bind(user.0)
        .execute(&mut sql)
        .await
        .expect("a user");
    for tenant in [home, away] {
        sqlx::query("insert into freehold.memberships (tenant_id, user_id, role) values ($1, $2, $3)")
            .bind(tenant.0)
            .bind(user.0)
            .bind(Role::Owner.as_str())
            .execute(&mut sql)
            .await
            .expect("a member");
    }
    knows(&world, homes, "bo", user).await;
    let homely = token(&key, &nasty, &for_tenant(home), "bo", &json!({}));
    let get = async |path: &str| world.ask_as(&homely, Method::GET, path, None).await;
    get("/api/v1/tenants/home").await.expect(200);
    get("/api/v1/tenants/away").await.expect(404);
    get("/api/v1/me").await.expect(200);
    get("/api/v1/me/keys").await.expect(403);
    let two = json!([FOR_THE_PLATFORM, for_tenant(home)]);
    me(&world, &token(&key, &nasty, "", "bo", &json!({"aud": two}))).await.expect(401);
    me(&world, &token(&key, &nasty, &for_tenant(away), "bo", &json!({}))).await.expect(401);

    // Who has a second factor here gives one there.
    let put = "insert into freehold.second_factors (user_id, key_version, nonce, sealed, confirmed_at)
               values ($1, 1, '\\x00', '\\x00', now())";
    sqlx::query(put).bind(user.0).execute(&mut sql).await.expect("a second factor");
    for (amr, status) in [(json!(["pwd"]), 403), (json!(["pwd", "mfa"]), 200)] {
        let more = json!({"amr": amr, "jti": status});
        me(&world, &token(&key, &nasty, &for_tenant(home), "bo", &more)).await.expect(status);
    }
    // To whom they are new has to send them to our own page first, where they give it to us.
    let first = json!({"email": "bo@example.com", "email_verified": true, "amr": ["mfa"]});
    let first = token(&key, &nasty, FOR_THE_PLATFORM, "bo", &first);
    for _ in 0..2 {
        let refused = me(&world, &first).await.expect(403);
        assert!(refused.text.contains("sign in by Provider in a browser once"), "{}", refused.text);
    }
    assert_eq!(count(&world, "identities").await, 1);
    assert_eq!(count(&world, "audit where action = 'user.sign_in' and outcome = 'refused'").await, 3);
    knows(&world, platforms, "bo", user).await;
    me(&world, &first).await.expect(200);

    // What the provider signed by a key that it took back is good no more.
    get("/api/v1/me").await.expect(200);
    nasty.has(&[&next]);
    soon(&world.router, &homely, ME, 401).await;
    // A provider that is away is no reason to throw a token away.
    let dead = Nasty::start(&[&key]).await;
    provider(&world, &dead, None, |record| {
        record.bearer_audience = Some("https://freehold.example/2".to_owned());
    })
    .await;
    dead.says(DOCUMENT, Answer::Silence);
    let waiting = token(&key, &dead, "https://freehold.example/2", "bo", &json!({}));
    me(&world, &waiting).await.expect(503);
}

#[tokio::test]
async fn tokens_that_are_new_are_counted_by_address_before_anything_is_written_and_last_a_day() {
    let key = Key::ed25519("one");
    let (nasty, authority) = vouched_for(&[&key]).await;
    let limits = LimitsConfig { address_per_minute: 2, ..LimitsConfig::default() };
    let world = World::started(|settings| on_loopback(settings, &authority), &limits).await;
    provider(&world, &nasty, None, |_| {}).await;
    let from = async |host: u8, token: &str| {
        world.ask_from(&format!("203.0.113.{host}"), token, Method::GET, ME, &Value::Null).await
    };

    // Who is refused leaves a line in the audit log each time, and so not as often as they like.
    let unverified = token(&key, &nasty, FOR_THE_PLATFORM, "eve", &json!({"email": "eve@example.com"}));
    for status in [403, 403, 429] {
        from(1, &unverified).await.expect(status);
    }
    assert_eq!(count(&world, "audit where action = 'user.sign_in' and outcome = 'refused'").await, 2);

    // Good ones begin no more sessions than that either, and go on when they are known.
    let ada = |more: Value| {
        let mut all = json!({"email": "ada@example.com", "email_verified": true});
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        token(&key, &nasty, FOR_THE_PLATFORM, "ada", &all)
    };
    let tokens = [1, 2, 3].map(|number| ada(json!({"jti": number})));
    for (token, status) in tokens.iter().zip([200, 200, 429]) {
        from(2, token).await.expect(status);
    }
    assert_eq!(count(&world, "sessions").await, 2);
    for _ in 0..3 {
        let fine = from(2, &tokens[0]).await.expect(200);
        assert_eq!(fine.header("ratelimit-policy"), "\"user\";q=1200;w=60");
    }

    // What would be good for longer than we remember that it was revoked is none.
    let day = Utc::now().timestamp() + 86_400;
    for (host, (exp, status)) in (3..).zip([(253_402_300_799, 401), (day + 600, 401), (day, 200)]) {
        from(host, &ada(json!({"exp": exp}))).await.expect(status);
    }
    assert_eq!(count(&world, "sessions").await, 3);
}
