//! What becomes of tokens: they are refreshed, looked at, given back, and worth nothing once the person is nobody.

use axum::http::Method;
use control_plane::config::LimitsConfig;
use control_plane::identity::oauth::params::Params;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::World;
use super::oauth::{Client, claims};

async fn change(world: &World, path: &str, body: Value) {
    let answer = world.ask(Method::PATCH, path, Some(body)).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

#[tokio::test]
async fn what_somebody_is_now_is_told_at_once() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let token = &tokens["access_token"];
    let first = world.introspect(&client, token).await;
    for name in
        ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "scope", "email", "name", "grant_id"]
    {
        assert_eq!(first[name], claims(token)[name], "{name}");
    }
    assert_eq!((&first["role"], &first["token_type"]), (&json!("member"), &json!("Bearer")));

    let member = format!("/api/v1/tenants/acme/members/{}", ada.id);
    change(&world, &member, json!({"role": "admin"})).await;
    let now = world.introspect(&client, token).await;
    assert_eq!(now["role"], "admin");
    assert!(now["permissions"].as_array().expect("a list").contains(&json!("members.invite")), "{now}");
    let next = world.refresh(&client, &tokens).await;
    assert_eq!(next.status, 200, "{}", next.text);
    assert_eq!(claims(&next.body["access_token"])["role"], "admin");
    let id = claims(&next.body["id_token"]);
    assert_eq!((&id["sub"], &id["auth_time"]), (&json!(ada.id), &claims(&tokens["id_token"])["auth_time"]));
    assert!(id["nonce"].is_null(), "{id}");
    let told =
        world.post("/api/v1/tenants/acme/projects", json!({"name": "One", "slug": "one"})).await.expect(201);
    let path = format!(
        "/api/v1/tenants/acme/projects/{}/members/{}",
        told.body["id"].as_str().expect("an id"),
        ada.id
    );
    assert!(world.ask(Method::PUT, &path, Some(json!({"role": "viewer"}))).await.status.is_success());
    assert_eq!(world.introspect(&client, token).await["projects"][0]["role"], "viewer");

    // Suspended, let in again, removed.
    change(&world, &member, json!({"suspended": true})).await;
    assert_eq!(world.introspect(&client, token).await, json!({"active": false}));
    world.refresh(&client, &tokens).await.refused(400, "invalid_grant");
    change(&world, &member, json!({"suspended": false})).await;
    assert_eq!(world.introspect(&client, token).await["active"], true);
    assert!(world.ask(Method::DELETE, &member, None).await.status.is_success());
    assert_eq!(world.introspect(&client, token).await, json!({"active": false}));
    world.refresh(&client, &tokens).await.refused(400, "invalid_grant");
    let shown = format!("Bearer {}", token.as_str().expect("a token"));
    world.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await.refused(401, "invalid_token");
}

#[tokio::test]
async fn a_session_that_ends_takes_every_app_with_it() {
    let world = World::start().await;
    let (acme, globex) = (world.client("acme").await, world.client("globex").await);
    let (ada, cookie) = world.visitor("acme", Role::Owner).await;
    world.join(&ada, "globex", Role::Viewer).await;
    let both =
        [(&acme, world.signed_in(&acme, &cookie).await), (&globex, world.signed_in(&globex, &cookie).await)];
    for (client, tokens) in &both {
        assert_eq!(world.introspect(client, &tokens["access_token"]).await["active"], true);
    }
    ada.ask(&world, Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    for (client, tokens) in &both {
        assert_eq!(world.introspect(client, &tokens["access_token"]).await, json!({"active": false}));
        world.refresh(client, tokens).await.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn what_is_given_back_is_good_for_nothing() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Viewer).await;
    let other = world.signed_in(&client, &cookie).await;
    for name in ["access_token", "refresh_token"] {
        let tokens = world.signed_in(&client, &cookie).await;
        let form = Params::default()
            .with("token", tokens[name].as_str().expect("a token"))
            .with("token_type_hint", "x");
        for _ in 0..2 {
            assert_eq!(world.as_client(&client, "/oauth/revoke", &form).await.status, 200);
        }
        assert_eq!(world.introspect(&client, &tokens["access_token"]).await, json!({"active": false}));
        world.refresh(&client, &tokens).await.refused(400, "invalid_grant");
    }
    // The grant's name with the secret of another is nobody's, to go on with as well as to end it.
    let (one, two) = (world.signed_in(&client, &cookie).await, &other);
    let [named, secret] = [&one, two].map(|tokens| tokens["refresh_token"].as_str().expect("a token"));
    let (named, secret) = (named.split_once('.').expect("parts").0, secret.split_once('.').expect("parts").1);
    let forged = json!({"refresh_token": format!("{named}.{secret}")});
    world.refresh(&client, &forged).await.refused(400, "invalid_grant");
    let form = Params::default().with("token", forged["refresh_token"].as_str().expect("text"));
    assert_eq!(world.as_client(&client, "/oauth/revoke", &form).await.status, 200);
    assert_eq!(world.refresh(&client, &one).await.status, 200, "whoever has its secret goes on");
    let nothing = Params::default().with("token", "nothing");
    assert_eq!(world.as_client(&client, "/oauth/revoke", &nothing).await.status, 200);
    world.as_client(&client, "/oauth/revoke", &Params::default()).await.refused(400, "invalid_request");
    assert_eq!(
        world.introspect(&client, &other["access_token"]).await["active"],
        true,
        "another sign-in goes on"
    );
}

#[tokio::test]
async fn a_refresh_asks_for_no_more_than_was_granted_and_keeps_the_session() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Viewer).await;
    let asked = client.asks().but("scope", "openid email offline_access");
    let code = world.code(&asked, &cookie).await;
    let tokens = world.exchange(&client, &asked.exchange(&code)).await.body;
    let with = |scope: &str| {
        Params::default()
            .with("grant_type", "refresh_token")
            .with("refresh_token", tokens["refresh_token"].as_str().expect("a token"))
            .with("scope", scope)
    };
    let less = world.exchange(&client, &with("openid")).await;
    assert_eq!((less.status.as_u16(), &less.body["scope"]), (200, &json!("openid")));
    assert!(claims(&less.body["access_token"])["email"].is_null());
    for more in ["openid profile", "email"] {
        world.exchange(&client, &with(more)).await.refused(400, "invalid_scope");
    }
    let mut sql = world.registry.superuser().await;
    sqlx::query("update freehold.sessions set expires_at = now() + interval '1 hour', last_used_at = now() - interval '1 hour'")
        .execute(&mut sql)
        .await
        .expect("soon");
    assert_eq!(world.refresh(&client, &tokens).await.status, 200);
    let lasts: bool = sqlx::query_scalar(
        "select expires_at > now() + interval '2 days' from freehold.sessions where id = $1",
    )
    .bind(ada.session.0)
    .fetch_one(&mut sql)
    .await
    .expect("a session");
    assert!(lasts, "whoever uses the app uses the session");
    for wrong in ["", "x", &format!("{}x", tokens["refresh_token"].as_str().expect("text"))] {
        let form = Params::default().with("grant_type", "refresh_token").with("refresh_token", wrong);
        let error = if wrong.is_empty() { "invalid_request" } else { "invalid_grant" };
        world.exchange(&client, &form).await.refused(400, error);
    }
}

#[tokio::test]
async fn who_somebody_is_is_told_to_whoever_shows_their_token_in_either_way() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Admin).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let token = tokens["access_token"].as_str().expect("a token");
    let shown = format!("Bearer {token}");
    let by_get = world.ask_as(token, Method::GET, "/oauth/userinfo", None).await;
    let by_post = world.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await;
    let in_body = Params::default().with("access_token", token);
    let by_form = world.post_form("/oauth/userinfo", None, &in_body).await;
    for answer in [by_get, by_post, by_form] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        let told = answer.body;
        assert_eq!((&told["sub"], &told["email"]), (&json!(ada.id), &json!(ada.email)), "{told}");
        assert_eq!((&told["tenant_id"], &told["role"]), (&json!(client.id), &json!("admin")), "{told}");
    }
    world.post_form("/oauth/userinfo", Some(&shown), &in_body).await.refused(400, "invalid_request");
    let query = format!("/oauth/userinfo?access_token={token}");
    let by_query = world.ask_as("", Method::GET, &query, None).await;
    let nothing = world.post_form("/oauth/userinfo", None, &Params::default()).await;
    for answer in [by_query, nothing] {
        // Who shows nothing is told how, and of no error (RFC 6750, 3.1).
        assert_eq!((answer.status.as_u16(), &answer.body["error"]), (401, &Value::Null), "{}", answer.text);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"freehold\"");
        assert!(answer.body["error_description"].is_string(), "{}", answer.text);
    }
    let wrong = world.post_form("/oauth/userinfo", Some("Bearer x"), &Params::default()).await;
    let wrong = wrong.refused(401, "invalid_token");
    assert_eq!(wrong.header("www-authenticate"), "Bearer realm=\"freehold\", error=\"invalid_token\"");
}

fn guessed(client: &Client) -> Params {
    Params::default().with("client_id", &client.id).with("client_secret", "guessed").with("token", "x")
}

#[tokio::test]
async fn guessing_a_secret_is_slow_and_holds_up_no_client() {
    let limits = |limits: &mut LimitsConfig| {
        limits.address_per_minute = 3;
        limits.client_per_minute = 50;
    };
    let world = World::start_limited(limits).await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Viewer).await;
    let post = async |form: &Params| {
        let request = axum::http::Request::post("/oauth/introspect")
            .header("host", super::HOST)
            .header("x-forwarded-for", "203.0.113.9")
            .header("content-type", "application/x-www-form-urlencoded");
        world.send(request.body(form.to_query().into()).expect("a request")).await
    };
    for _ in 0..3 {
        post(&guessed(&client)).await.refused(401, "invalid_client");
    }
    let held = post(&guessed(&client)).await.refused(429, "temporarily_unavailable");
    assert!(!held.header("retry-after").is_empty());
    let right = Params::default()
        .with("client_id", &client.id)
        .with("client_secret", &client.secret)
        .with("token", "x");
    for _ in 0..20 {
        assert_eq!(post(&right).await.body, json!({"active": false}), "the client itself is not held up");
    }
    let asked = client.asks();
    assert_eq!(world.authorize(&asked, &cookie).await.status, 303);
    for _ in 0..40 {
        post(&right).await;
    }
    post(&right).await.refused(429, "temporarily_unavailable");
}
