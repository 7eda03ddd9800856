//! What is tried at the sign-in of apps by those who should not: other people's addresses, codes, secrets and tokens.

use control_plane::identity::oauth::params::Params;
use control_plane::identity::random_secret;
use control_plane::identity::tokens::{Subject, USER_AUDIENCE};
use control_plane::model::role::Role;
use secrecy::ExposeSecret;
use serde_json::json;

use super::World;
use super::oauth::location;

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_apps_own_to_the_letter() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let other = world.client("globex").await;
    let (_, cookie) = world.visitor("acme", Role::Owner).await;
    let asked = client.asks();
    let host = "http://acme.freehold.localhost:8080";
    for address in [
        String::new(),
        other.back.clone(),
        "http://evil.example/auth/callback".into(),
        "http://acme.freehold.localhost:8080@evil.example/auth/callback".into(),
        "http://acme.freehold.localhost:8080.evil.example/auth/callback".into(),
        "http://user@acme.freehold.localhost:8080/auth/callback".into(),
        "http://acme.freehold.localhost/auth/callback".into(),
        "http://acme.freehold.localhost:8081/auth/callback".into(),
        "http://acme.freehold.localhost:08080/auth/callback".into(),
        "http://acme.freehold.localhost.:8080/auth/callback".into(),
        "http://ACME.freehold.localhost:8080/auth/callback".into(),
        "HTTP://acme.freehold.localhost:8080/auth/callback".into(),
        "https://acme.freehold.localhost:8080/auth/callback".into(),
        "//acme.freehold.localhost:8080/auth/callback".into(),
        "http:/acme.freehold.localhost:8080/auth/callback".into(),
        "http://evil.acme.freehold.localhost:8080/auth/callback".into(),
        "/auth/callback".into(),
        format!("{host}/auth/callback/"),
        format!("{host}/auth/callback?"),
        format!("{host}/auth/callback?to=//evil.example"),
        format!("{host}/auth/callback#"),
        format!("{host}/auth/callback#x"),
        format!("{host}/auth/../auth/callback"),
        format!("{host}/auth/%63allback"),
        format!("{host}/auth%2Fcallback"),
        format!("{host}//auth/callback"),
        format!("{host}/auth/callback;x"),
        format!("{host}/auth\\callback"),
        format!("{host}/AUTH/callback"),
        format!("{host}/auth/callback "),
        format!("{host}/auth/callback\r\nLocation: http://evil.example"),
        format!("{host}/"),
        "javascript:alert(1)".into(),
    ] {
        for cookie in [cookie.as_str(), ""] {
            let answer = world.authorize(&asked.but("redirect_uri", &address), cookie).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{address}");
            assert!(answer.header("content-type").starts_with("text/html"), "{address}");
            assert!(!answer.text.contains("evil"), "{address}");
        }
    }
    // Nor by giving two, of which each program takes another.
    for twice in [
        asked.params.clone().with("redirect_uri", "http://evil.example/"),
        asked.params.clone().with("redirect_uri", &client.back),
        asked.params.clone().with("client_id", &other.id),
    ] {
        let answer = world.browse(&twice.at("/oauth/authorize"), &cookie).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""));
    }
    for id in ["", "acme", &client.id.to_uppercase(), &uuid::Uuid::new_v4().to_string()] {
        let answer = world.authorize(&asked.but("client_id", id), &cookie).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{id}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_to_the_app_with_its_state() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Owner).await;
    let asked = client.asks();
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "profile email", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("request", "a.b.c", "request_not_supported"),
        ("request_uri", "https://evil.example", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "consent none", "invalid_request"),
        ("prompt", "create", "invalid_request"),
    ] {
        for cookie in [cookie.as_str(), ""] {
            let (address, params) = location(&world.authorize(&asked.but(name, value), cookie).await);
            assert_eq!(address, client.back, "{name}={value}");
            assert_eq!(params.get("error"), Some(error), "{name}={value}");
            assert_eq!(params.get("state"), Some("the state & more"));
            assert_eq!((params.get("iss"), params.get("code")), (Some(super::oauth::ISSUER), None));
        }
    }
    let twice = asked.params.clone().with("nonce", "another");
    let (_, params) = location(&world.browse(&twice.at("/oauth/authorize"), &cookie).await);
    assert_eq!(params.get("error"), Some("invalid_request"));

    // What is taken is not lost while somebody signs in: not to the page, nor on the way by a provider.
    let long = |state: &str| asked.but("state", state);
    let (path, params) = location(&world.authorize(&long(&"s".repeat(1024)), "").await);
    assert_eq!(path, "/sign-in");
    let page = world.browse(&params.at("/sign-in"), "").await.text;
    assert!(page.contains("Sign in to acme") && page.contains(&"s".repeat(1024)), "{page}");
    let state = "&".repeat(1024);
    for cookie in [cookie.as_str(), ""] {
        let (path, params) = location(&world.authorize(&long(&state), cookie).await);
        assert_eq!((path.as_str(), params.get("error")), (client.back.as_str(), Some("invalid_request")));
        assert_eq!(params.get("state"), Some(state.as_str()));
    }
}

#[tokio::test]
async fn whoever_is_no_member_finds_no_place_and_who_may_not_is_told() {
    let world = World::start().await;
    let client = world.client("acme").await;
    world.client("globex").await;
    let asked = client.asks();
    let (_, stranger) = world.visitor("globex", Role::Owner).await;
    let answer = world.authorize(&asked, &stranger).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (404, ""));
    assert!(!answer.text.contains("suspended"), "{}", answer.text);
    let silent = location(&world.authorize(&asked.but("prompt", "none"), &stranger).await).1;
    assert_eq!(silent.get("error"), Some("access_denied"));

    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    let path = format!("/api/v1/tenants/acme/members/{}", ada.id);
    let suspend = json!({"suspended": true});
    let suspended = world.ask(axum::http::Method::PATCH, &path, Some(suspend)).await;
    assert!(suspended.status.is_success(), "{}", suspended.text);
    let answer = world.authorize(&asked, &cookie).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (403, ""), "{}", answer.text);

    let (bob, cookie) = world.visitor("acme", Role::Member).await;
    let strict = json!({"require_second_factor": true});
    let strict = world.ask(axum::http::Method::PATCH, "/api/v1/tenants/acme/security", Some(strict)).await;
    assert!(strict.status.is_success(), "{}", strict.text);
    let answer = world.authorize(&asked, &cookie).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (403, ""), "{}", answer.text);
    assert!(answer.text.contains("second factor"), "{}", answer.text);
    // What would do is theirs to do, but not unseen.
    let silent = location(&world.authorize(&asked.but("prompt", "none"), &cookie).await).1;
    assert_eq!(silent.get("error"), Some("interaction_required"));
    world
        .ask(
            axum::http::Method::PATCH,
            &format!("/api/v1/tenants/acme/members/{}", bob.id),
            Some(json!({"suspended": true})),
        )
        .await
        .expect(200);
    let silent = location(&world.authorize(&asked.but("prompt", "none"), &cookie).await).1;
    assert_eq!(silent.get("error"), Some("access_denied"), "nothing that they do helps");
}

#[tokio::test]
async fn a_code_is_exchanged_by_whoever_asked_for_it_and_by_nobody_else() {
    let world = World::start().await;
    let (client, other) = (world.client("acme").await, world.client("globex").await);
    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    world.join(&ada, "globex", Role::Member).await;
    let asked = client.asks();

    // Another tenant's app has it: it is not there, and good all the same for whose it is.
    let code = world.code(&asked, &cookie).await;
    let injected = other.asks();
    world.exchange(&other, &asked.exchange(&code)).await.refused(400, "invalid_grant");
    world.exchange(&other, &injected.exchange(&code)).await.refused(400, "invalid_grant");
    assert_eq!(world.exchange(&client, &asked.exchange(&code)).await.status, 200);

    // Without the proof, or for another address, it is burnt.
    let wrong_address =
        |code: &str| asked.exchange(code).without(&["redirect_uri"]).with("redirect_uri", &client.signed_out);
    let wrong_verifier = |code: &str| client.asks().exchange(code);
    let challenge_itself = |code: &str| {
        let challenge = asked.params.get("code_challenge").expect("a challenge");
        asked.exchange(code).without(&["code_verifier"]).with("code_verifier", challenge)
    };
    for wrong in [&wrong_address as &dyn Fn(&str) -> Params, &wrong_verifier, &challenge_itself] {
        let code = world.code(&asked, &cookie).await;
        world.exchange(&client, &wrong(&code)).await.refused(400, "invalid_grant");
        world.exchange(&client, &asked.exchange(&code)).await.refused(400, "invalid_grant");
    }
    // What is missing is told, and costs nothing.
    let code = world.code(&asked, &cookie).await;
    for (missing, error) in [
        ("code_verifier", "invalid_request"),
        ("redirect_uri", "invalid_request"),
        ("code", "invalid_request"),
        ("grant_type", "invalid_request"),
    ] {
        world.exchange(&client, &asked.exchange(&code).without(&[missing])).await.refused(400, error);
    }
    let twice = asked.exchange(&code).with("code_verifier", "x".repeat(43));
    world.exchange(&client, &twice).await.refused(400, "invalid_request");
    let password = asked.exchange(&code).without(&["grant_type"]).with("grant_type", "password");
    world.exchange(&client, &password).await.refused(400, "unsupported_grant_type");
    assert_eq!(world.exchange(&client, &asked.exchange(&code)).await.status, 200);

    // Its time passes.
    let code = world.code(&asked, &cookie).await;
    let mut sql = world.registry.superuser().await;
    let good_for: f64 = sqlx::query_scalar(
        "select extract(epoch from code_expires_at - created_at)::float8 from freehold.oauth_grants where redeemed_at is null",
    )
    .fetch_one(&mut sql)
    .await
    .expect("a time");
    assert!((59.0..=60.0).contains(&good_for), "{good_for}");
    sqlx::query("update freehold.oauth_grants set code_expires_at = now() - interval '1 second' where redeemed_at is null")
        .execute(&mut sql)
        .await
        .expect("later");
    world.exchange(&client, &asked.exchange(&code)).await.refused(400, "invalid_grant");
    // And whoever is nobody any more gets nothing for one that is good.
    let code = world.code(&asked, &cookie).await;
    ada.ask(&world, axum::http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    world.exchange(&client, &asked.exchange(&code)).await.refused(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_come_with_one_code_one_wins_and_the_other_ends_what_it_gave() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Member).await;
    for _ in 0..5 {
        let asked = client.asks();
        let code = world.code(&asked, &cookie).await;
        let form = asked.exchange(&code);
        let exchange = || world.exchange(&client, &form);
        let (one, two, three) = tokio::join!(exchange(), exchange(), exchange());
        let (good, bad): (Vec<_>, Vec<_>) = [one, two, three]
            .into_iter()
            .partition(|answer| answer.status == 200 || answer.body["error"] != "invalid_grant");
        // The winner's own tokens may have come too late to be given at all: then nobody has any.
        assert!(good.len() <= 1 && bad.len() >= 2, "{good:?}");
        for answer in &good {
            assert_eq!(
                world.introspect(&client, &answer.body["access_token"]).await,
                json!({"active": false})
            );
            world.refresh(&client, &answer.body).await.refused(400, "invalid_grant");
        }
    }
    let mut sql = world.registry.superuser().await;
    let (redeemed, revoked): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where redeemed_at is not null), count(*) filter (where revoked_at is not null)
           from freehold.oauth_grants",
    )
    .fetch_one(&mut sql)
    .await
    .expect("counts");
    assert_eq!((redeemed, revoked), (5, 5));
    let told: i64 = sqlx::query_scalar(
        "select count(*) from freehold.audit where action = 'app.sign_in' and outcome = 'refused'",
    )
    .fetch_one(&mut sql)
    .await
    .expect("a count");
    assert_eq!(told, 10, "each who came late is written down");
}

#[tokio::test]
async fn a_client_shows_who_it_is_in_one_way_and_with_its_own_secret() {
    let world = World::start().await;
    let (client, other) = (world.client("acme").await, world.client("globex").await);
    let (_, cookie) = world.visitor("acme", Role::Member).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let form = Params::default().with("token", tokens["access_token"].as_str().expect("a token"));
    let with = |id: &str, secret: &str| form.clone().with("client_id", id).with("client_secret", secret);
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        for wrong in [
            form.clone(),
            with(&client.id, "x"),
            with(&client.id, &other.secret),
            with(&client.id, &client.secret[1..]),
            with(&client.id.to_uppercase(), &client.secret),
            with("acme", &client.secret),
            with(&uuid::Uuid::new_v4().to_string(), random_secret().expose_secret()),
            form.clone().with("client_id", &client.id),
        ] {
            let answer = world.post_form(path, None, &wrong).await.refused(401, "invalid_client");
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"freehold\"");
        }
        // A token of a person's is no client's.
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
        world.post_form(path, Some(&bearer), &form).await.refused(401, "invalid_client");
        world
            .as_client(&client, path, &with(&client.id, &client.secret))
            .await
            .refused(400, "invalid_request");
        let json = world.ask_as("", axum::http::Method::POST, path, Some(json!({"token": "x"}))).await;
        assert_eq!(json.status, 415, "{}", json.text);
    }
    let posted = world.post_form("/oauth/introspect", None, &with(&client.id, &client.secret)).await;
    assert_eq!(posted.body["active"], true, "{}", posted.text);
}

#[tokio::test]
async fn a_token_is_good_where_it_was_made_for_and_nowhere_else() {
    let world = World::start().await;
    let (client, other) = (world.client("acme").await, world.client("globex").await);
    let (ada, cookie) = world.visitor("acme", Role::Owner).await;
    let tokens = world.signed_in(&client, &cookie).await;
    assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], true);
    // At another tenant's app it is nothing, and cannot be given back by it.
    assert_eq!(world.introspect(&other, &tokens["access_token"]).await, json!({"active": false}));
    for token in [&tokens["access_token"], &tokens["refresh_token"]] {
        let form = Params::default().with("token", token.as_str().expect("a token"));
        assert_eq!(world.as_client(&other, "/oauth/revoke", &form).await.status, 200);
    }
    world.refresh(&other, &tokens).await.refused(400, "invalid_grant");
    assert_eq!(world.introspect(&client, &tokens["access_token"]).await["active"], true);
    // Neither is an ID token, a refresh token, nor a token for the platform's own API.
    let subject = Subject { id: ada.id.to_string(), session: Some(ada.session), ..Subject::default() };
    let disguised = world.issuer.issue(subject, &client.id, 15).expect("a token");
    for wrong in
        [&tokens["id_token"], &tokens["refresh_token"], &json!(ada.token), &json!(disguised), &json!("x")]
    {
        assert_eq!(world.introspect(&client, wrong).await, json!({"active": false}), "{wrong}");
        let shown = format!("Bearer {}", wrong.as_str().expect("text"));
        let answer = world.post_form("/oauth/userinfo", Some(&shown), &Params::default()).await;
        let answer = answer.refused(401, "invalid_token");
        assert!(answer.header("www-authenticate").contains("invalid_token"));
    }
    // And the platform's own API takes none of an app's.
    for token in [&tokens["access_token"], &tokens["id_token"], &tokens["refresh_token"]] {
        let token = token.as_str().expect("a token");
        world.ask_as(token, axum::http::Method::GET, "/api/v1/me", None).await.expect(401);
    }
    assert_ne!(USER_AUDIENCE, client.id);
}
