//! Keys that sign tokens take each other's place while two api processes are asked 200 times a second.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
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
    async fn check(&mut self, api: &World, token: &Value, client: &Client) {
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
        let key = self.keys.get(&header.kid.expect("a name")).expect("a key that was published in time");
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&client.id]);
        decode::<Value>(token, key, &validation).expect("a token that is good");
    }
}

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
) {
    let mut checking = Checking::default();
    let mut tokens = stage.api(number).signed_in(&client, &cookie).await;
    let mut platform = again(&stage.api(number).issuer, &ada);
    let (mut turns, mut turn) = (turns(), number);
    while !stage.is_over() {
        turns.tick().await;
        turn += 1;
        let api = stage.api(turn / 8 + turn);
        stage.count(1);
        match turn % 8 {
            0 => {
                let next = api.refresh(&client, &tokens).await;
                assert_eq!(next.status, 200, "{}", next.text);
                tokens = next.body;
                platform = again(&api.issuer, &ada);
                for name in ["access_token", "id_token"] {
                    checking.check(api, &tokens[name], &client).await;
                }
            }
            1 | 4 => {
                let told = api.introspect(&client, &tokens["access_token"]).await;
                assert_eq!(told["active"], true, "{told}");
            }
            2 | 5 => {
                let shown = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
                let told = api.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await;
                assert_eq!(told.status, 200, "{}", told.text);
            }
            7 => {
                stage.count(1);
                tokens = api.signed_in(&client, &cookie).await;
                for name in ["access_token", "id_token"] {
                    checking.check(stage.api(turn), &tokens[name], &client).await;
                }
            }
            _ => {
                let told = api.ask_as(&platform, Method::GET, "/api/v1/me", None).await;
                assert_eq!(told.status, 200, "{}", told.text);
            }
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
    let mut asking = Vec::new();
    for number in 0..ASKING as usize {
        let person = world.visitor("acme", Role::Member).await;
        let (stage, client, used) = (Arc::clone(&stage), client.clone(), Arc::clone(&used));
        asking.push(tokio::spawn(at_work(stage, number, client, person, used)));
    }
    let begun = Instant::now();
    let of_all = |keys: &BTreeSet<String>| {
        let used = used.lock().expect("nobody failed");
        used.iter().all(|own| !own.is_empty() && own.is_subset(keys))
    };
    let mut sql = world.registry.superuser().await;
    // Who asks by the admin's token here is an admin who signed in by the new keys, as everybody does.
    let mut admin = stage.apis[1].beside(world.router.clone(), world.issuer.clone());
    let first = of_state(&admin, "signing").await;
    until("everybody works", PATIENCE, async || of_all(&first)).await;

    rotate(&admin, false).await.expect(201);
    until("others sign", PATIENCE, async || of_state(&admin, "leaving").await == first).await;
    let second = of_state(&admin, "signing").await;
    until("everybody has tokens of theirs", PATIENCE, async || of_all(&second)).await;
    sign_in_again(&mut admin).await;
    // By then twelve hours would be over.
    let gone = "update freehold.signing_keys set published_until = now() where published_until > now()";
    sqlx::raw_sql(gone).execute(&mut sql).await.expect("gone");
    until("they are gone", PATIENCE, async || of_state(&admin, "gone").await == first).await;

    tokio::time::sleep(FRESH).await;
    stage.end(begun, asking).await;
    assert!(first.len() == 2 && second.len() == 2 && first.is_disjoint(&second), "{first:?} {second:?}");

    let leaked = second.iter().find(|name| *name == &kid(&admin.token)).expect("a key").clone();
    let ada = world.visitor("acme", Role::Member).await;
    let tokens = world.signed_in(&client, &ada.1).await;
    let platform = again(&world.issuer, &ada.0);
    assert!(names(&tokens, &platform).contains(&leaked));
    rotate(&admin, true).await.expect(201);
    until("others sign", PATIENCE, async || of_state(&admin, "leaving").await == second).await;
    sign_in_again(&mut admin).await;
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
}
