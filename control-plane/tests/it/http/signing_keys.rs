//! Keys that sign tokens: made once, changed while everybody goes on, and refused at every api once one was withdrawn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use chrono::TimeDelta;
use control_plane::app::{App, Settings, signing};
use control_plane::config::{Config, LimitsConfig};
use control_plane::http::{AppState, router};
use control_plane::identity::oauth::params::Params;
use control_plane::identity::people_key::PeopleKey;
use control_plane::identity::tokens::Issuer;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::oauth::location;
use super::oauth_sign_out::posts;
use super::people::Person;
use super::people_principals::{ask, soon};
use super::{Answer, World};
use crate::support::postgres::Registry;

pub(super) const KEYS: &str = "/api/v1/signing-keys";

/// Another api process on the same registry, with a ring of its own.
pub(super) async fn another_process(
    world: &World,
    change: impl FnOnce(&mut Settings),
    limits: &LimitsConfig,
) -> World {
    let mut settings = Settings::from(&Config::default());
    settings.people.argon2 = super::CHEAP;
    change(&mut settings);
    let url = settings.url_of(settings.domain.as_str());
    let issuer = signing::open(&world.registry.api, &world.key, url).await.expect("an issuer");
    let app = App::new(world.registry.api.clone(), settings, issuer.clone(), world.key.clone());
    let router = router(AppState::new(Arc::new(app), limits, world.closing.clone()));
    world.beside(router, issuer)
}

/// Waits until something is so, no longer than so.
pub(super) async fn until(what: &str, within: Duration, so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < within, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const SOON: Duration = Duration::from_secs(5);

/// The names of the keys that an issuer has published.
fn published(issuer: &Issuer) -> BTreeSet<String> {
    issuer.jwks().keys.into_iter().filter_map(|key| key.common.key_id).collect()
}

/// The states of keys by their names.
pub(super) async fn states(world: &World) -> Vec<(String, String)> {
    let keys = world.get(KEYS).await.expect(200).body;
    let text = |key: &Value, member: &str| key[member].as_str().expect("text").to_owned();
    let items = keys["items"].as_array().expect("keys").iter();
    items.map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

pub(super) async fn of_state(world: &World, state: &str) -> BTreeSet<String> {
    states(world).await.into_iter().filter(|(_, is)| is == state).map(|(kid, _)| kid).collect()
}

/// The name of the key that a token was signed with.
pub(super) fn kid(token: &str) -> String {
    super::oauth::part(&Value::from(token), 0)["kid"].as_str().expect("a name").to_owned()
}

pub(super) async fn rotate(world: &World, now: bool) -> Answer {
    world.post(KEYS, json!({ "now": now })).await
}

pub(super) async fn withdraw(world: &World, kid: &str) -> Answer {
    world.ask(Method::POST, &format!("{KEYS}/{kid}/withdraw"), None).await
}

/// Has the admin have a token of the key that signs now.
pub(super) async fn sign_in_again(world: &mut World) {
    let body = json!({"email": super::EMAIL, "password": super::PASSWORD});
    let session = world.ask_as("", Method::POST, "/api/v1/admin/sessions", Some(body)).await.expect(201).body;
    world.token = session["token"].as_str().expect("a token").to_owned();
}

/// Somebody with a token of the key that signs now at this api.
pub(super) fn again(issuer: &Issuer, person: &Person) -> String {
    use control_plane::identity::tokens::{Subject, USER_AUDIENCE};
    let subject = Subject { id: person.id.to_string(), session: Some(person.session), ..Subject::default() };
    issuer.issue(subject, USER_AUDIENCE, 15).expect("a token")
}

#[tokio::test]
async fn of_many_who_find_no_keys_one_makes_them_and_they_are_kept_sealed() {
    let registry = Registry::start().await;
    let mut sql = registry.superuser().await;
    sqlx::query("truncate freehold.signing_keys").execute(&mut sql).await.expect("none");
    let key = PeopleKey::generate();
    let open = || signing::open(&registry.api, &key, "http://freehold.localhost");
    // Until both have found none and made some, nobody keeps any.
    let mut holder = registry.superuser().await;
    let held = "begin; lock table freehold.signing_keys in share row exclusive mode";
    sqlx::raw_sql(held).execute(&mut holder).await.expect("held");
    let go = async {
        let waiting = "select count(*) from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
                        where l.relation = 'freehold.signing_keys'::regclass and not l.granted";
        let begun = Instant::now();
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut sql).await.expect("locks") < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "both wait");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sqlx::raw_sql("commit").execute(&mut holder).await.expect("let go");
    };
    let (one, two, ()) = tokio::join!(open(), open(), go);
    let all = [one, two].map(|issuer| published(&issuer.expect("an issuer")));
    assert_eq!(all[0].len(), 2);
    assert_eq!(all[0], all[1]);
    let (rows, told): (i64, String) = sqlx::query_as(
        "select count(*), string_agg(k::text || encode(k.sealed, 'escape'), ' ') from freehold.signing_keys k",
    )
    .fetch_one(&mut sql)
    .await
    .expect("the rows");
    assert_eq!(rows, 2);
    assert!(!told.contains("PRIVATE") && !told.contains("\"d\":"), "{told}");
    // With another people key nobody can sign with them, nor are they trusted: there are others then.
    let stranger = signing::open(&registry.api, &PeopleKey::generate(), "http://freehold.localhost").await;
    assert!(published(&stranger.expect("an issuer")).is_disjoint(&all[0]));
    assert_eq!(published(&open().await.expect("an issuer")), all[0]);
}

#[tokio::test]
async fn new_keys_are_known_everywhere_before_they_sign_and_the_old_ones_stay_until_the_last_token_ended() {
    let lead = |settings: &mut Settings| settings.signing_lead = TimeDelta::seconds(3);
    let mut world = World::start_with(lead).await;
    let other = another_process(&world, lead, &LimitsConfig::default()).await;
    let ada = world.user(&super::people::new_address()).await;
    let before = published(&world.issuer);
    let made = rotate(&world, false).await.expect(201).body;
    assert_eq!(made["items"].as_array().map(Vec::len), Some(2));
    assert!(made["items"].as_array().expect("keys").iter().all(|key| key["state"] == "waiting"), "{made}");
    assert!(!made.to_string().contains("PRIVATE") && !made.to_string().contains("sealed"), "{made}");
    assert_eq!(published(&world.issuer).len(), 4, "at once where it was asked for");
    assert!(before.contains(&kid(&again(&world.issuer, &ada))), "and they sign nothing yet");
    until("the other api knows them", SOON, async || published(&other.issuer).len() == 4).await;
    let problem = rotate(&other, false).await.expect(409).body;
    assert!(problem["detail"].as_str().expect("text").contains("under way"), "{problem}");

    // They begin at both at the same moment, by themselves.
    for issuer in [&world.issuer, &other.issuer] {
        until("they sign", SOON, async || !before.contains(&kid(&again(issuer, &ada)))).await;
    }
    let next = again(&other.issuer, &ada);
    for api in [&world.router, &other.router] {
        for token in [&ada.token, &next] {
            assert_eq!(ask(api, token, "/api/v1/me").await, 200);
        }
    }
    assert_eq!(of_state(&world, "leaving").await, before);

    // What they signed with is forgotten a while later, and when the last token has ended they are gone.
    let mut sql = world.registry.superuser().await;
    let back = "update freehold.signing_keys set signs_from = signs_from - interval '2 minutes',
                       signs_until = signs_until - interval '2 minutes' where signs_until is not null";
    sqlx::raw_sql(back).execute(&mut sql).await.expect("later");
    until("they are erased", SOON, async || {
        let keys = world.get(KEYS).await.expect(200).body;
        keys["items"].as_array().expect("keys").iter().filter(|key| key["erased"] == true).count() == 2
    })
    .await;
    assert_eq!(ask(&other.router, &ada.token, "/api/v1/me").await, 200, "they check still");
    let gone = "update freehold.signing_keys set published_until = now() where signs_until is not null";
    sqlx::raw_sql(gone).execute(&mut sql).await.expect("later still");
    for api in [&world, &other] {
        soon(&api.router, &ada.token, "/api/v1/me", 401).await;
        assert_eq!(ask(&api.router, &next, "/api/v1/me").await, 200);
    }
    sign_in_again(&mut world).await;
    assert_eq!(of_state(&world, "gone").await, before);
    assert!(published(&world.issuer).is_disjoint(&before) && published(&other.issuer).is_disjoint(&before));
}

#[tokio::test]
async fn a_key_that_leaked_is_refused_at_every_api_with_all_it_signed() {
    let mut world = World::start().await;
    let other = another_process(&world, |_| {}, &LimitsConfig::default()).await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let leaked = kid(&ada.token);
    for api in [&world.router, &other.router] {
        assert_eq!(ask(api, &ada.token, "/api/v1/me").await, 200);
    }
    let problem = withdraw(&world, &leaked).await.expect(409).body;
    assert!(problem["detail"].as_str().expect("text").contains("rotate with `now` first"), "{problem}");
    rotate(&world, true).await.expect(201);
    let problem = withdraw(&world, &leaked).await.expect(409).body;
    assert!(problem["detail"].as_str().expect("text").contains("it signs until"), "{problem}");
    until("the next one signs", SOON, async || of_state(&world, "leaving").await.contains(&leaked)).await;
    assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], true);

    // The admin's own token is of that key as well: whoever does this signs in again.
    let before = world.token.clone();
    sign_in_again(&mut world).await;
    let told = withdraw(&world, &leaked).await.expect(200).body;
    assert_eq!((&told["state"], &told["erased"]), (&json!("withdrawn"), &json!(true)));
    for token in [&ada.token, &before] {
        assert_eq!(ask(&world.router, token, "/api/v1/me").await, 401, "at once where it was asked for");
        soon(&other.router, token, "/api/v1/me", 401).await;
    }
    for api in [&world, &other] {
        assert_eq!(api.introspect(&client, &tokens["access_token"]).await, json!({"active": false}));
        // whoever was signed in goes on, with tokens of the other key
        assert_eq!(ask(&api.router, &again(&world.issuer, &ada), "/api/v1/me").await, 200);
    }
    // Of an ID token whose key was withdrawn nothing is believed; whoever wants out is asked, and gets out and back.
    let hint = tokens["id_token"].as_str().expect("a token");
    let end = Params::default()
        .with("id_token_hint", hint)
        .with("client_id", &client.id)
        .with("post_logout_redirect_uri", &client.signed_out);
    withdraw(&world, &kid(hint)).await.expect(200);
    let refused = world.authorize(&client.asks().but("id_token_hint", hint), &cookie).await;
    assert_eq!(location(&refused).1.get("error"), Some("invalid_request"));
    let asked = world.browse(&end.at("/oauth/end-session"), &cookie).await.expect(200);
    assert!(asked.text.contains("Sign out?"), "{}", asked.text);
    assert_eq!(location(&world.authorize(&client.asks(), &cookie).await).0, client.back, "not yet");
    let out = posts(&world, &end, &cookie, "same-origin").await;
    assert_eq!((out.status.as_u16(), location(&out).0), (303, client.signed_out.clone()));
    assert_eq!(location(&world.authorize(&client.asks(), &cookie).await).0, "/sign-in");
    withdraw(&world, &leaked).await.expect(409);
    withdraw(&world, "none").await.expect(404);
    withdraw(&world, "%00").await.expect(404);
    assert_eq!(world.audited("signing_key.withdraw", &leaked).await, ["done"]);
    let mut sql = world.registry.superuser().await;
    let kept: i64 = sqlx::query_scalar(
        "select count(*) from freehold.signing_keys where withdrawn_at is not null and sealed is not null",
    )
    .fetch_one(&mut sql)
    .await
    .expect("rows");
    assert_eq!(kept, 0, "what it signed with is gone");
}

#[tokio::test]
async fn what_waited_and_is_withdrawn_is_waited_for_no_more_and_what_waits_can_be_had_at_once() {
    let world = World::start().await;
    let before = published(&world.issuer);
    rotate(&world, false).await.expect(201);
    let waiting = of_state(&world, "waiting").await;
    let first = waiting.first().expect("one");
    withdraw(&world, first).await.expect(200);
    rotate(&world, true).await.expect(201);
    until("all sign", SOON, async || of_state(&world, "signing").await.is_disjoint(&before)).await;
    let signing = of_state(&world, "signing").await;
    assert!(!signing.contains(first) && signing.contains(waiting.last().expect("another")), "{signing:?}");
    assert_eq!(signing.len(), 2);
    let rotations: i64 =
        sqlx::query_scalar("select count(*) from freehold.audit where action = 'signing_keys.rotate'")
            .fetch_one(&mut world.registry.superuser().await)
            .await
            .expect("entries");
    assert_eq!(rotations, 2);
}

#[tokio::test]
async fn a_change_that_nobody_heard_of_is_seen_all_the_same_and_what_somebody_slipped_in_is_no_key() {
    let world = World::start().await;
    let other = another_process(&world, |_| {}, &LimitsConfig::default()).await;
    let before = published(&other.issuer);
    let mut sql = world.registry.superuser().await;
    sqlx::raw_sql("drop trigger tell_of_signing_keys on freehold.signing_keys")
        .execute(&mut sql)
        .await
        .expect("unheard");
    // A key of somebody who can write into the registry: their own, under its own name or that of one of ours.
    sqlx::raw_sql(
        "insert into freehold.signing_keys (kid, algorithm, public, seal, created_at, signs_from)
         select 'theirs', algorithm, replace(public, kid, 'theirs'), seal, now(), now() from freehold.signing_keys
          where algorithm = 'EdDSA'",
    )
    .execute(&mut sql)
    .await
    .expect("slipped in");
    rotate(&world, false).await.expect(201);
    until("the other api looks by itself", Duration::from_secs(20), async || {
        published(&other.issuer).len() > 2
    })
    .await;
    assert!(published(&other.issuer).is_superset(&before));
    for issuer in [&other.issuer, &world.issuer] {
        assert!(!published(issuer).contains("theirs"));
    }
}
