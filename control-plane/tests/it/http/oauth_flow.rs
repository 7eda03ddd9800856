//! A sign-in at a tenant's app from its beginning to its tokens, and what those say.

use axum::body::Body;
use axum::http::{Method, Request, header};
use control_plane::identity::oauth::params::Params;
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::oauth::{ISSUER, claims, location, part};
use super::people::Person;
use super::{HOST, World};

#[tokio::test]
async fn whoever_is_signed_in_gets_into_the_app_with_what_they_are_there() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Developer).await;
    let asked = client.asks();

    let answer = world.authorize(&asked, &cookie).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let (address, back) = location(&answer);
    assert_eq!(address, client.back);
    assert_eq!((back.get("state"), back.get("iss")), (Some("the state & more"), Some(ISSUER)));
    assert_eq!(
        (answer.header("cache-control"), answer.header("referrer-policy")),
        ("no-store", "no-referrer")
    );
    let code = back.get("code").expect("a code");

    let answer = world.exchange(&client, &asked.exchange(code)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
    let tokens = answer.body;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(tokens["scope"], "openid profile email offline_access");

    let head = part(&tokens["access_token"], 0);
    assert_eq!((&head["alg"], &head["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let access = claims(&tokens["access_token"]);
    for (name, value) in [
        ("iss", json!(ISSUER)),
        ("sub", json!(ada.id)),
        ("aud", json!(client.id)),
        ("client_id", json!(client.id)),
        ("tenant_id", json!(client.id)),
        ("tenant", json!("acme")),
        ("role", json!("developer")),
        ("sid", json!(ada.session)),
        ("email", json!(ada.email)),
        ("scope", tokens["scope"].clone()),
        ("projects", json!([])),
    ] {
        assert_eq!(access[name], value, "{name}: {access}");
    }
    let permissions: Vec<&str> =
        access["permissions"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(
        permissions.contains(&"data.write") && !permissions.contains(&"members.invite"),
        "{permissions:?}"
    );
    assert_eq!(access["exp"].as_i64().expect("a time") - access["iat"].as_i64().expect("a time"), 900);

    let head = part(&tokens["id_token"], 0);
    assert_eq!((&head["alg"], &head["typ"]), (&json!("RS256"), &json!("JWT")));
    let keys = world.get("/.well-known/jwks.json").await.body;
    let key =
        keys["keys"].as_array().expect("keys").iter().find(|key| key["kid"] == head["kid"]).expect("its key");
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
    let id = claims(&tokens["id_token"]);
    for (name, value) in [
        ("iss", json!(ISSUER)),
        ("sub", json!(ada.id)),
        ("aud", json!(client.id)),
        ("azp", json!(client.id)),
        ("nonce", json!("the nonce")),
        ("amr", json!(["pwd"])),
        ("email_verified", json!(true)),
        ("sid", json!(ada.session)),
    ] {
        assert_eq!(id[name], value, "{name}: {id}");
    }
    let time = |name: &str| id[name].as_i64().expect("a time");
    assert!(time("auth_time") <= time("iat"));
    assert_eq!(time("exp") - time("iat"), 300);
    let hash =
        control_plane::identity::oauth::claims::at_hash(tokens["access_token"].as_str().expect("text"));
    assert_eq!(id["at_hash"], hash);
}

#[tokio::test]
async fn each_scope_tells_its_part_and_projects_are_told_as_they_are() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Member).await;
    let made =
        world.post("/api/v1/tenants/acme/projects", json!({"name": "One", "slug": "one"})).await.expect(201);
    let project = made.body["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tenants/acme/projects/{project}/members/{}", ada.id);
    let put = world.ask(Method::PUT, &path, Some(json!({"role": "editor"}))).await;
    assert!(put.status.is_success(), "{}", put.text);

    for (scope, has_email, has_name, has_refresh) in [
        ("openid", false, false, false),
        ("openid email", true, false, false),
        ("openid profile", false, true, false),
        ("openid offline_access something", false, false, true),
    ] {
        let asked = client.asks().but("scope", scope);
        let code = world.code(&asked, &cookie).await;
        let tokens = world.exchange(&client, &asked.exchange(&code)).await.body;
        for told in [claims(&tokens["access_token"]), claims(&tokens["id_token"])] {
            assert_eq!(told["email"].is_string(), has_email, "{scope}: {told}");
            assert_eq!(told["email_verified"] == true, has_email, "{scope}: {told}");
            assert_eq!(told["name"].is_string(), has_name, "{scope}: {told}");
        }
        assert_eq!(tokens["refresh_token"].is_string(), has_refresh, "{scope}");
        assert_eq!(
            claims(&tokens["access_token"])["projects"],
            json!([{"id": project, "slug": "one", "role": "editor"}])
        );
    }
}

#[tokio::test]
async fn nobody_is_signed_in_silently_and_nobody_signs_in_for_ever() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Viewer).await;
    let asked = client.asks();
    let error = async |asked: &super::oauth::Asked, cookie: &str| {
        let answer = world.authorize(asked, cookie).await;
        let (address, params) = location(&answer);
        assert_eq!(
            (address, params.get("state")),
            (client.back.clone(), Some("the state & more")),
            "{}",
            answer.text
        );
        assert_eq!(params.get("iss"), Some(ISSUER));
        params.get("error").map(str::to_owned)
    };
    // Nobody is there.
    for stranger in ["", "freehold=x", &format!("freehold={}.{}", ada.session, "x".repeat(43))] {
        assert_eq!(error(&asked.but("prompt", "none"), stranger).await.as_deref(), Some("login_required"));
        let answer = world.authorize(&asked.but("login_hint", "ada@example.com"), stranger).await;
        let (path, params) = location(&answer);
        assert_eq!((answer.status.as_u16(), path.as_str()), (303, "/sign-in"));
        let to = params.get("to").expect("a way back");
        let (path, query) = to.split_once('?').expect("a query");
        let again = Params::read(query.as_bytes());
        assert_eq!(path, "/oauth/authorize");
        for name in ["client_id", "redirect_uri", "state", "nonce", "code_challenge", "scope"] {
            assert_eq!(again.get(name), asked.params.get(name), "{name}");
        }
        assert_eq!(again.get("login_hint"), Some("ada@example.com"));
    }
    assert_eq!(error(&asked.but("prompt", "none"), &cookie).await, None);
    // They have to sign in again, and only once.
    for (name, value) in [
        ("prompt", "login"),
        ("prompt", "select_account"),
        ("prompt", "login consent"),
        ("max_age", "60"),
        ("max_age", "0"),
    ] {
        let mut sql = world.registry.superuser().await;
        let since = async |sql: &mut sqlx::PgConnection, minutes: i32| {
            sqlx::query(
                "update freehold.sessions set created_at = now() - make_interval(mins => $2) where id = $1",
            )
            .bind(ada.session.0)
            .bind(minutes)
            .execute(sql)
            .await
            .expect("a time");
        };
        since(&mut sql, 5).await;
        let answer = world.authorize(&asked.but(name, value), &cookie).await;
        let (path, params) = location(&answer);
        assert_eq!(path, "/sign-in", "{name}={value}");
        let to = params.get("to").expect("a way back").to_owned();
        let answer = world.browse(&to, &cookie).await;
        assert_eq!(location(&answer).0, "/sign-in", "{name}={value}: the old sign-in is none");
        since(&mut sql, 0).await;
        let answer = world.browse(&to, &cookie).await;
        assert_eq!(location(&answer).0, client.back, "{name}={value}: {}", answer.header("location"));
    }
    let silent = asked.but("max_age", "60").but("prompt", "none");
    assert_eq!(error(&silent, &cookie).await, None);
}

#[tokio::test]
async fn what_else_an_app_may_ask_is_done_already_or_passed_over() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (ada, cookie) = world.visitor("acme", Role::Viewer).await;
    let mut sql = world.registry.superuser().await;
    let began: i64 = sqlx::query_scalar(
        "update freehold.sessions set created_at = now() - interval '5 minutes' where id = $1
         returning extract(epoch from date_trunc('second', created_at))::bigint",
    )
    .bind(ada.session.0)
    .fetch_one(&mut sql)
    .await
    .expect("a time");
    for (name, value) in [
        // Clients that want a refresh token ask so (OpenID Connect Core, 11).
        ("prompt", "consent"),
        ("max_age", "600"),
        ("ui_locales", "de fr-CA"),
        ("claims_locales", "de"),
        ("acr_values", "urn:mace:incommon:iap:silver"),
        ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#),
        ("display", "popup"),
        ("something", "else"),
    ] {
        let asked = client.asks().but(name, value);
        let code = world.code(&asked, &cookie).await;
        let tokens = world.exchange(&client, &asked.exchange(&code)).await.body;
        assert!(tokens["refresh_token"].is_string(), "{name}: {tokens}");
        let refreshed = world.refresh(&client, &tokens).await.body;
        for id in [claims(&tokens["id_token"]), claims(&refreshed["id_token"])] {
            assert_eq!(id["auth_time"], began, "{name}: when they signed in, and not when the app asked");
        }
    }
}

#[tokio::test]
async fn a_hint_says_whom_the_app_means() {
    let world = World::start().await;
    let (client, other) = (world.client("acme").await, world.client("globex").await);
    let (ada, cookie) = world.visitor("acme", Role::Viewer).await;
    let (bob, bobs) = world.visitor("acme", Role::Viewer).await;
    world.join(&ada, "globex", Role::Viewer).await;
    let tokens = world.signed_in(&client, &cookie).await;
    let elsewhere = world.signed_in(&other, &cookie).await;
    let asked = client.asks().but("prompt", "none");
    let error = async |hint: &Value, cookie: &str| {
        let asked = asked.but("id_token_hint", hint.as_str().expect("a token"));
        location(&world.authorize(&asked, cookie).await).1.get("error").map(str::to_owned)
    };
    assert_eq!(error(&tokens["id_token"], &cookie).await, None);
    assert_eq!(error(&tokens["id_token"], &bobs).await.as_deref(), Some("login_required"));
    for wrong in [&elsewhere["id_token"], &tokens["access_token"], &json!("x.y.z")] {
        for cookie in [cookie.as_str(), ""] {
            assert_eq!(error(wrong, cookie).await.as_deref(), Some("invalid_request"), "{wrong}");
        }
    }

    // Somebody else is asked to sign in as whom the app means, and the app is told if they do not.
    let asked = client.asks().but("id_token_hint", tokens["id_token"].as_str().expect("a token"));
    assert_eq!(location(&world.authorize(&asked, &cookie).await).0, client.back);
    let mut sql = world.registry.superuser().await;
    let mut since = async |person: &Person, minutes: i32| {
        sqlx::query(
            "update freehold.sessions set created_at = now() - make_interval(mins => $2) where user_id = $1",
        )
        .bind(person.id.0)
        .bind(minutes)
        .execute(&mut sql)
        .await
        .expect("a time");
    };
    since(&ada, 5).await;
    since(&bob, 5).await;
    let (path, params) = location(&world.authorize(&asked, &bobs).await);
    assert_eq!(path, "/sign-in");
    let page = world.browse(&params.at("/sign-in"), &bobs).await.text;
    assert!(page.contains(&format!("value=\"{}\"", ada.email)), "{page}");
    assert!(page.contains(&format!("You are signed in as {}", bob.email)), "{page}");
    let to = params.get("to").expect("a way back");
    assert_eq!(location(&world.browse(to, &bobs).await).0, "/sign-in", "they have yet to sign in");
    assert_eq!(location(&world.browse(to, &cookie).await).0, "/sign-in", "so has who it is to be");
    since(&bob, 0).await;
    let (path, params) = location(&world.browse(to, &bobs).await);
    assert_eq!((path, params.get("error")), (client.back.clone(), Some("login_required")));
    // Who signs in as whom it means gets in.
    since(&ada, 0).await;
    let (path, params) = location(&world.browse(to, &cookie).await);
    assert_eq!(path, client.back);
    assert!(params.get("code").is_some(), "{params:?}");
}

#[tokio::test]
async fn it_is_asked_by_post_as_well_and_answered_at_its_own_host_alone() {
    let world = World::start().await;
    let client = world.client("acme").await;
    let (_, cookie) = world.visitor("acme", Role::Viewer).await;
    let asked = client.asks();
    let answer = world.post_form("/oauth/authorize", None, &asked.params).await;
    assert_eq!(answer.status, 303);
    let again = world.browse(answer.header("location"), &cookie).await;
    assert_eq!(location(&again).0, client.back);

    let discovery = async |host: &str| {
        let request = Request::get("/.well-known/openid-configuration").header(header::HOST, host);
        world.send(request.body(Body::empty()).expect("a request")).await
    };
    let public = discovery(HOST).await.expect(200);
    assert_eq!(public.header("cache-control"), "public, max-age=300");
    let inside = discovery("platform.internal:8080").await.expect(200).body;
    for (name, path, is_for_apps) in [
        ("authorization_endpoint", "/oauth/authorize", false),
        ("end_session_endpoint", "/oauth/end-session", false),
        ("token_endpoint", "/oauth/token", true),
        ("userinfo_endpoint", "/oauth/userinfo", true),
        ("revocation_endpoint", "/oauth/revoke", true),
        ("introspection_endpoint", "/oauth/introspect", true),
        ("jwks_uri", "/.well-known/jwks.json", true),
    ] {
        assert_eq!(public.body[name], format!("{ISSUER}{path}"));
        let host = if is_for_apps { "http://platform.internal:8080" } else { ISSUER };
        assert_eq!(inside[name], format!("{host}{path}"));
        for (host, is_there) in [
            ("platform.internal:8080", is_for_apps),
            ("admin.freehold.localhost:8080", path.starts_with("/.well-known/jwks")),
            ("acme.freehold.localhost:8080", false),
        ] {
            let request =
                Request::get(path).header(header::HOST, host).body(Body::empty()).expect("a request");
            let status = world.send(request).await.status.as_u16();
            assert_eq!(status != 421, is_there, "{host}{path}: {status}");
        }
    }
    assert_eq!((&public.body["issuer"], &inside["issuer"]), (&json!(ISSUER), &json!(ISSUER)));
    let ways = json!(["client_secret_basic", "client_secret_post"]);
    for (name, value) in [
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("grant_types_supported", json!(["authorization_code", "refresh_token"])),
        ("subject_types_supported", json!(["public"])),
        ("scopes_supported", json!(["openid", "profile", "email", "offline_access"])),
        ("prompt_values_supported", json!(["none", "login", "consent", "select_account"])),
        ("token_endpoint_auth_methods_supported", ways.clone()),
        ("revocation_endpoint_auth_methods_supported", ways.clone()),
        ("introspection_endpoint_auth_methods_supported", ways),
        ("claims_parameter_supported", json!(false)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
    ] {
        assert_eq!((&public.body[name], &inside[name]), (&value, &value), "{name}");
    }
    let elsewhere = discovery("admin.freehold.localhost:8080").await;
    assert_eq!(elsewhere.status, 421);
}
