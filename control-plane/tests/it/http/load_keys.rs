//! Keys that sign tokens take each other's place while two api processes are asked 200 times a second.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::http::Method;
use chrono::TimeDelta;
use control_plane::identity::oauth::params::Params;
use control_plane::model::role::Role;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use super::World;
use super::load::{ASKING, Stage, turns};
use super::oauth::Client;
use super::people::Person;
use super::signing_keys::{again, kid, of_state, rotate, sign_in_again, states, until, withdraw};

/// New keys sign so long after they are published.
const LEAD: TimeDelta = TimeDelta::seconds(3);
/// Whoever checks tokens keeps the published keys for so long, and asks for no key that it does not find among them.
const FRESH: Duration = Duration::from_secs(1);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What checks tokens as a client's library does.
#[derive(Default)]
struct Checking {
    keys: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

impl Checking {
    async fn check(&mut self, api: &World, token: &Value, client: &Client, withdrawn: &Withdrawn) {
        if self.fetched.is_none_or(|at| at.elapsed() > FRESH) {
            let set = api.get("/.well-known/jwks.json").await.expect(200);
            let set: JwkSet = serde_json::from_value(set.body).expect("keys");
            let named = |key: &jsonwebtoken::jwk::Jwk| {
                Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?))
            };
            self.keys = set.keys.iter().filter_map(named).collect();
            self.fetched = Some(Instant::now());
        }
        let token = token.as_str().expect("a token");
        let header = decode_header(token).expect("a header");
        let kid = header.kid.expect("a name");
        let Some(key) = self.keys.get(&kid) else {
            return assert_eq!(withdrawn.get(), Some(&kid), "a key that was not published in time");
        };
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&client.id]);
        decode::<Value>(token, key, &validation).expect("a token that is good");
    }
}

/// The key that is withdrawn, once somebody sets about it.
type Withdrawn = Arc<OnceLock<String>>;

/// The keys that everybody's present tokens are signed with.
type InUse = Arc<Mutex<Vec<BTreeSet<String>>>>;

fn names(tokens: &Value, platform: &str) -> BTreeSet<String> {
    let app = ["access_token", "id_token"].map(|name| kid(tokens[name].as_str().expect("a token")));
    app.into_iter().chain([kid(platform)]).collect()
}

/// Somebody at work: with a token of the platform, and in an app that refreshes, introspects, asks who they are, checks
/// by the published keys, and signs them in anew.
async fn at_work(
    stage: Arc<Stage>,
    number: usize,
    client: Client,
    (ada, cookie): (Person, String),
    used: InUse,
    withdrawn: Withdrawn,
) {
    // Nobody is refused but with what the key that is withdrawn has signed.
    let is_right = |good: bool, token: &str, told: &str| {
        assert!(good || withdrawn.get() == Some(&kid(token)), "{told}");
        good
    };
    let mut checking = Checking::default();
    let mut tokens = stage.api(number).signed_in(&client, &cookie).await;
    let mut platform = again(&stage.api(number).issuer, &ada);
    let (mut turns, mut turn) = (turns(), number);
    while !stage.is_over() {
        turns.tick().await;
        turn += 1;
        let api = stage.api(turn / 8 + turn);
        stage.count(1);
        let access = tokens["access_token"].as_str().expect("a token").to_owned();
        let good = match turn % 8 {
            0 => {
                let mut next = api.refresh(&client, &tokens).await;
                assert_eq!(next.status, 200, "{}", next.text);
                // It stays the same, and is not told again.
                next.body["refresh_token"] = tokens["refresh_token"].take();
                tokens = next.body;
                platform = again(&api.issuer, &ada);
                for name in ["access_token", "id_token"] {
                    checking.check(api, &tokens[name], &client, &withdrawn).await;
                }
                true
            }
            1 | 4 => {
                let told = api.introspect(&client, &tokens["access_token"]).await;
                is_right(told["active"] == true, &access, &told.to_string())
            }
            2 | 5 => {
                let shown = format!("Bearer {access}");
                let told = api.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await;
                is_right(told.status == 200, &access, &told.text)
            }
            7 => {
                stage.count(1);
                tokens = api.signed_in(&client, &cookie).await;
                for name in ["access_token", "id_token"] {
                    checking.check(stage.api(turn), &tokens[name], &client, &withdrawn).await;
                }
                true
            }
            _ => {
                let told = api.ask_as(&platform, Method::GET, "/api/v1/me", None).await;
                is_right(told.status == 200, &platform, &told.text)
            }
        };
        // Whoever is refused comes back with what they are still known by, and goes on.
        if !good {
            turn = turn.next_multiple_of(8) - 1;
        }
        used.lock().expect("nobody failed")[number] = names(&tokens, &platform);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_load_and_nobody_is_refused() {
    let stage = Stage::set(|settings| settings.signing_lead = LEAD).await;
    let world = &stage.apis[0];
    let client = world.client("acme").await;
    let used: InUse = Arc::new(Mutex::new(vec![BTreeSet::new(); ASKING as usize]));
    let withdrawn = Withdrawn::default();
    let mut asking = Vec::new();
    for number in 0..ASKING as usize {
        let person = world.visitor("acme", Role::Member).await;
        let (stage, client, used) = (Arc::clone(&stage), client.clone(), Arc::clone(&used));
        asking.push(tokio::spawn(at_work(stage, number, client, person, used, Arc::clone(&withdrawn))));
    }
    let of_all = |keys: &BTreeSet<String>| {
        let used = used.lock().expect("nobody failed");
        used.iter().all(|own| !own.is_empty() && own.is_subset(keys))
    };
    let mut sql = world.registry.superuser().await;
    // Who asks by the admin's token here is an admin who signed in by the new keys, as everybody does.
    let mut admin = stage.apis[1].beside(world.router.clone(), world.issuer.clone());
    let first = of_state(&admin, "signing").await;
    until("everybody works", PATIENCE, async || of_all(&first)).await;
    let mut moments = vec![Instant::now()];
    tokio::time::sleep(FRESH).await;

    moments.push(Instant::now());
    rotate(&admin, false).await.expect(201);
    until("others sign", PATIENCE, async || of_state(&admin, "leaving").await == first).await;
    moments.push(Instant::now());
    let second = of_state(&admin, "signing").await;
    until("everybody has tokens of theirs", PATIENCE, async || of_all(&second)).await;
    sign_in_again(&mut admin).await;
    // By then twelve hours would be over.
    let gone = "update freehold.signing_keys set published_until = now() where published_until > now()";
    sqlx::raw_sql(gone).execute(&mut sql).await.expect("gone");
    until("they are gone", PATIENCE, async || of_state(&admin, "gone").await == first).await;

    moments.push(Instant::now());
    tokio::time::sleep(FRESH).await;
    assert!(first.len() == 2 && second.len() == 2 && first.is_disjoint(&second), "{first:?} {second:?}");

    let leaked = second.iter().find(|name| *name == &kid(&admin.token)).expect("a key").clone();
    let ada = world.visitor("acme", Role::Member).await;
    let tokens = world.signed_in(&client, &ada.1).await;
    let platform = again(&world.issuer, &ada.0);
    assert!(names(&tokens, &platform).contains(&leaked));
    moments.push(Instant::now());
    rotate(&admin, true).await.expect(201);
    until("others sign", PATIENCE, async || of_state(&admin, "leaving").await == second).await;
    let third = of_state(&admin, "signing").await;
    sign_in_again(&mut admin).await;
    moments.push(Instant::now());
    withdrawn.set(leaked.clone()).expect("the first");
    withdraw(&admin, &leaked).await.expect(200);
    let shown = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
    for api in &stage.apis {
        let refused = async || {
            let me = api.ask_as(&platform, Method::GET, "/api/v1/me", None).await.status == 401;
            let info = api.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await.status == 401;
            let told = api.introspect(&client, &tokens["access_token"]).await;
            me && info && told == json!({"active": false})
        };
        until("what it signed is refused", Duration::from_secs(1), refused).await;
        let published = api.get("/.well-known/jwks.json").await.body.to_string();
        assert!(!published.contains(&leaked), "{published}");
        // The refresh token is no token of that key: whoever was in goes on.
        let next = api.signed_in(&client, &ada.1).await;
        assert_eq!(api.introspect(&client, &next["access_token"]).await["active"], true);
    }
    assert!(states(&admin).await.contains(&(leaked, "withdrawn".to_owned())));
    until("everybody goes on with tokens of the others", PATIENCE, async || of_all(&third)).await;
    tokio::time::sleep(FRESH).await;
    stage.end(&moments, asking).await;
}
