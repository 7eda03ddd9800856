//! The second factor: set up, asked for, given once, lost and taken away; and tenants that require it.

use axum::http::Method;
use chrono::Utc;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::people_sign_up::PASSWORD;
use super::{Answer, World};

/// The code that an app shows, so many seconds from now.
pub(super) fn code(secret: &str, off: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).expect("base 32");
    let totp = totp_rs::Builder::new().with_secret(secret).build().expect("a secret");
    let at = u64::try_from(Utc::now().timestamp() + off).expect("after 1970");
    totp.generate(at).to_string()
}

pub(super) fn codes(answer: &Answer) -> Vec<String> {
    serde_json::from_value(answer.body["codes"].clone()).expect("codes")
}

async fn log_in(world: &World, email: &str, second: &str) -> Answer {
    world.anyone("login", json!({"email": email, "password": PASSWORD, "second_factor": second})).await
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let world = World::start().await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    let ask = async |method: Method, path: &str, body: Option<Value>| {
        world.ask_as(&token, method, &format!("/api/v1/me{path}"), body).await
    };
    let confirm =
        async |code: String| ask(Method::POST, "/second-factor/confirm", Some(json!({"code": code}))).await;

    confirm("123456".to_owned()).await.expect(409);
    ask(Method::POST, "/second-factor", None).await.expect(200);
    let begun = ask(Method::POST, "/second-factor", None).await.expect(200).body;
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    assert!(begun["uri"].as_str().expect("a uri").contains(&secret));
    // It does not count yet.
    world.log_in(&email, PASSWORD).await.expect(200);
    assert_eq!(confirm("no code".to_owned()).await.expect(422).fields(), ["code"]);
    let recovery = codes(&confirm(code(&secret, -30)).await.expect(200));
    assert_eq!(recovery.len(), 10);
    confirm(code(&secret, 0)).await.expect(409);
    ask(Method::POST, "/second-factor", None).await.expect(409);
    let me = ask(Method::GET, "", None).await.expect(200).body;
    assert_eq!((&me["has_second_factor"], &me["second_factor"]), (&json!(true), &json!(true)));

    assert_eq!(world.log_in(&email, PASSWORD).await.expect(401).body["code"], "second_factor_required");
    let wrong = json!({"email": email, "password": "something else", "second_factor": code(&secret, 0)});
    assert_eq!(world.anyone("login", wrong).await.expect(401).body["code"], "wrong_credentials");
    let now = code(&secret, 0);
    log_in(&world, &email, &now).await.expect(200);
    assert_eq!(log_in(&world, &email, &now).await.expect(401).body["code"], "wrong_second_factor");
    log_in(&world, &email, &code(&secret, -30)).await.expect(401);
    log_in(&world, &email, &code(&secret, 30)).await.expect(200);

    // The device is lost.
    log_in(&world, &email, &recovery[0].to_uppercase()).await.expect(200);
    log_in(&world, &email, &recovery[0]).await.expect(401);
    let renew = async |password: &str| {
        ask(Method::POST, "/recovery-codes", Some(json!({"password": password}))).await
    };
    assert_eq!(renew("something else").await.expect(422).fields(), ["password"]);
    let renewed = codes(&renew(PASSWORD).await.expect(200));
    log_in(&world, &email, &recovery[1]).await.expect(401);
    log_in(&world, &email, &renewed[1]).await.expect(200);

    // Nothing that could be used is kept.
    let mut sql = world.registry.superuser().await;
    let kept: String = sqlx::query_scalar(
        "select string_agg(encode(sealed, 'escape'), '') || (select string_agg(encode(hash, 'escape'), '')
           from freehold.recovery_codes) from freehold.second_factors",
    )
    .fetch_one(&mut sql)
    .await
    .expect("what is kept");
    assert!(!kept.contains(&secret) && renewed.iter().all(|code| !kept.contains(code)));

    let remove = async |password: &str, code: &str| {
        let body = json!({"password": password, "code": code});
        ask(Method::DELETE, "/second-factor", Some(body)).await
    };
    assert_eq!(remove("something else", &renewed[2]).await.expect(422).fields(), ["password"]);
    assert_eq!(remove(PASSWORD, "000000").await.expect(422).fields(), ["code"]);
    remove(PASSWORD, &renewed[2]).await.expect(204);
    remove(PASSWORD, &renewed[3]).await.expect(409);
    world.log_in(&email, PASSWORD).await.expect(200);
    let me = ask(Method::GET, "", None).await.expect(200).body;
    assert_eq!((&me["has_second_factor"], &me["second_factor"]), (&json!(false), &json!(false)));
    assert_eq!(world.letters(&email, "second_factor_changed").await.len(), 2);
    assert_eq!(world.audited("second_factor.set_up", &email).await, ["done"]);
    assert_eq!(world.audited("second_factor.remove", &email).await, ["refused", "done"]);
}

#[tokio::test]
async fn of_two_sign_ins_with_one_code_one_is_let_in() {
    let world = World::start().await;
    let email = world.registered().await;
    let tokens = world.log_in(&email, PASSWORD).await.expect(200).body;
    let token = tokens["access_token"].as_str().expect("a token");
    let post = async |path: &str, body: Value| {
        world.ask_as(token, Method::POST, &format!("/api/v1/me/{path}"), Some(body)).await.expect(200)
    };
    let secret = post("second-factor", json!({})).await.body["secret"].as_str().expect("a secret").to_owned();
    let recovery = codes(&post("second-factor/confirm", json!({"code": code(&secret, -30)})).await);
    for given in [code(&secret, 0), recovery[0].clone()] {
        let (one, other) = tokio::join!(log_in(&world, &email, &given), log_in(&world, &email, &given));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
    }
}

#[tokio::test]
async fn a_tenant_lets_nobody_in_without_the_second_factor_that_it_requires() {
    let world = World::start().await;
    world.make("acme").await;
    let path = "/api/v1/tenants/acme/security";
    let owner = world.member("acme", Role::Owner).await;
    let member = world.member("acme", Role::Member).await;
    assert_eq!(
        owner.get(&world, path).await.expect(200).body,
        json!({"require_second_factor": false, "required_provider": null, "signups": "manual"})
    );
    member.get(&world, path).await.expect(403);
    member.patch(&world, path, json!({"signups": "closed"})).await.expect(403);
    let changed = owner.patch(&world, path, json!({"signups": "closed"})).await.expect(200).body;
    assert_eq!(
        changed,
        json!({"require_second_factor": false, "required_provider": null, "signups": "closed"})
    );
    owner.patch(&world, path, json!({"signups": "perhaps"})).await.expect(422);
    // They would shut themselves out.
    let require = json!({"require_second_factor": true});
    owner.patch(&world, path, require.clone()).await.expect(409);

    world.ask(Method::PATCH, path, Some(require)).await.expect(200);
    owner.get(&world, "/api/v1/tenants/acme").await.expect(403);
    let me = owner.get(&world, "/api/v1/me").await.expect(200).body;
    assert_eq!(me["memberships"][0]["second_factor_required"], true);
    let begun = owner.post(&world, "/api/v1/me/second-factor", json!({})).await.expect(200).body;
    let code = code(begun["secret"].as_str().expect("a secret"), 0);
    owner.post(&world, "/api/v1/me/second-factor/confirm", json!({"code": code})).await.expect(200);
    owner.get(&world, "/api/v1/tenants/acme").await.expect(200);
    member.get(&world, "/api/v1/tenants/acme").await.expect(403);
    assert_eq!(world.audited("security.update", "acme").await, ["done", "done"]);
}
