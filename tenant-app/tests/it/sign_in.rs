//! The whole way in and out, with a provider that others wrote: Authlib, in a process of its own.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Row;

use crate::support::{
    App, BELIEVED, Browser, HOST, KNOWN_WITHIN, Postgres, Provider, TENANT, place, settings, until,
};

const EVERYTHING: [&str; 2] = ["data.read", "data.write"];

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_out() {
    let server = Postgres::migrated().await;
    let provider = Provider::start();
    provider.everybody_is("owner", &EVERYTHING, json!([])).await;
    let app = App::healthy(settings(&server.url(), &provider.url, &[])).await;

    // Two tabs at once, the one that began first comes back last.
    let browser = Browser::new(&app.client);
    let first = browser.to_the_platform_and_back(&provider, "/vehicles/new").await;
    browser.signs_in(&provider, "/?limit=5").await;
    assert_eq!(place(&browser.open(&first).await), "/vehicles/new");
    assert_eq!(browser.jar().keys().collect::<Vec<_>>(), ["session"], "the trips are over");
    let home = browser.open("/").await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.body.contains("Ann &lt;Lee&gt;") && home.body.contains(">owner<"), "{}", home.body);
    let policy = home.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("form-action 'self' {};", provider.url)), "{policy}");

    changes_come_from_our_own_pages(&browser).await;
    nothing_of_it_is_in_the_database(&server, &provider, &browser).await;
    a_session_has_its_ends(&server, &provider, &app).await;
    tokens_are_renewed(&server, &provider, &browser).await;

    // Another role counts within seconds, without another sign-in.
    provider.everybody_is("viewer", &["data.read"], json!([])).await;
    until("the role is another", async || {
        (browser.form("/vehicles", "name=x&fuel=lpg").await.status == StatusCode::FORBIDDEN).then_some(())
    })
    .await;

    // Signing out ends it here and there, by the newest word about the sign-in that was good.
    let held = browser.jar().clone();
    let out = browser.form("/auth/sign-out", "").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{out:?}");
    let hint = place(&out).strip_prefix(&format!("{}/end-session?id_token_hint=", provider.url)).unwrap();
    assert_eq!(claims(hint.split('&').next().unwrap())["acr"], "renewed");
    let back = format!(
        "&client_id={TENANT}&post_logout_redirect_uri=http%3A%2F%2F{HOST}%3A8080%2Fauth%2Fsigned-out"
    );
    assert!(place(&out).ends_with(&back), "{out:?}");
    assert!(browser.jar().is_empty());
    *browser.jar() = held;
    assert_eq!(browser.open("/").await.status, StatusCode::SEE_OTHER, "the number is nobody's any more");
    let told = provider.tell(json!({})).await;
    assert!(told["asked"].as_array().unwrap().contains(&json!("/revoke")));
    assert_eq!(told["tokens"].as_array().unwrap().iter().filter(|t| t["revoked"] == json!(true)).count(), 1);

    // A page from before, whose session is over: out of the platform as well, which asks who it is.
    let stale = Browser::new(&app.client);
    stale.signs_in(&provider, "/").await;
    server.run("DELETE FROM app.sessions").await;
    for _ in ["with a number that is nobody's", "without any"] {
        let out = stale.form("/auth/sign-out", "").await;
        assert_eq!(place(&out), format!("{}/end-session?{}", provider.url, &back[1..]));
        assert!(stale.jar().is_empty());
    }

    // However many projects they are in.
    let places: Vec<_> = (1..=1000_u128)
        .map(|n| json!({ "id": uuid::Uuid::from_u128(n), "slug": format!("{n:0>63}"), "role": "editor" }))
        .collect();
    provider.everybody_is("member", &["data.read"], json!(places)).await;
    let busy = Browser::new(&app.client);
    busy.signs_in(&provider, "/").await;
    let form = busy.open("/vehicles/new").await.body;
    assert_eq!(form.matches("<option value=\"0").count(), 1000);
    assert_eq!(busy.form("/auth/sign-out", "").await.status, StatusCode::SEE_OTHER);

    // Ended at the platform: out within seconds.
    browser.signs_in(&provider, "/").await;
    assert_eq!(browser.open("/").await.status, StatusCode::OK);
    provider.tell(json!({ "end": true })).await;
    let began = Instant::now();
    until("they are out", async || (browser.open("/").await.status == StatusCode::SEE_OTHER).then_some(()))
        .await;
    assert!(began.elapsed() < KNOWN_WITHIN, "{:?}", began.elapsed());
    assert_eq!(server.count("SELECT count(*) FROM app.sessions").await, 0, "each was ended, and is no row");
    app.stop().await;
}

/// What is in a token, whoever signed it.
fn claims(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
}

async fn changes_come_from_our_own_pages(browser: &Browser<'_>) {
    let json = ("content-type", "application/json");
    let body = json!({ "name": "Bus", "fuel": "lpg" }).to_string();
    for from in
        [("sec-fetch-site", "same-site"), ("sec-fetch-site", "none"), ("origin", "null"), ("x-nothing", "")]
    {
        for path in ["/api/vehicles", "/auth/sign-out"] {
            let answer = browser.send(Method::POST, path, &[json, from], body.clone()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?} {path}");
        }
    }
    let own = ("origin", "http://acme.example.org:8080");
    let made = browser.send(Method::POST, "/api/vehicles", &[json, own], body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

async fn nothing_of_it_is_in_the_database(server: &Postgres, provider: &Provider, browser: &Browser<'_>) {
    let mut connection = server.superuser().await;
    let rows = sqlx::query("SELECT s::text AS all, encode(tokens, 'escape') AS tokens FROM app.sessions s")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let text: String = rows
        .iter()
        .map(|r| format!("{} {}", r.get::<String, _>("all"), r.get::<String, _>("tokens")))
        .collect();
    assert!(text.contains("user-1") && text.contains("session-1"));
    let number = browser.jar()["session"].clone();
    let given = provider.tell(json!({})).await;
    let tokens = given["tokens"].as_array().unwrap();
    let secrets =
        tokens.iter().flat_map(|t| ["access_token", "refresh_token", "id_token"].map(|n| t[n].as_str()));
    for secret in secrets.flatten().chain([number.as_str()]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

async fn a_session_has_its_ends(server: &Postgres, provider: &Provider, app: &App) {
    for change in ["used_at = now() - interval '13 hours'", "ends_at = now()"] {
        let browser = Browser::new(&app.client);
        browser.signs_in(provider, "/").await;
        server.run(&format!("UPDATE app.sessions SET {change} WHERE created_at = (SELECT max(created_at) FROM app.sessions)")).await;
        until(change, async || (browser.open("/").await.status == StatusCode::SEE_OTHER).then_some(())).await;
        // The next who signs in sweeps it away.
        Browser::new(&app.client).signs_in(provider, "/").await;
        let ended = "SELECT count(*) FROM app.sessions WHERE ends_at <= now() OR used_at < now() - interval '12 hours'";
        assert_eq!(server.count(ended).await, 0);
    }
    server
        .run("DELETE FROM app.sessions WHERE created_at <> (SELECT min(created_at) FROM app.sessions)")
        .await;
}

/// An access token that ended is changed for another; one that nothing is known of as well, once. What comes
/// along about the sign-in is kept if it is about the same.
async fn tokens_are_renewed(server: &Postgres, provider: &Provider, browser: &Browser<'_>) {
    for alter in [
        json!({ "acr": "renewed" }),
        json!({ "acr": "another's", "sub": "user-2" }),
        json!({ "acr": "for others", "aud": "others" }),
        json!({ "acr": "elsewhere", "iss": "http://elsewhere" }),
    ] {
        let told = provider.tell(json!({ "expire": 900, "alter": alter })).await;
        let before = told["tokens"].as_array().unwrap().len();
        server.run("UPDATE app.sessions SET believed_until = now() + interval '30 seconds'").await;
        until("there is another token", async || {
            assert_eq!(browser.open("/").await.status, StatusCode::OK);
            (provider.tell(json!({})).await["tokens"].as_array().unwrap().len() > before).then_some(())
        })
        .await;
    }
    provider.tell(json!({ "alter": {} })).await;
    let left =
        server.count("SELECT extract(epoch FROM max(believed_until) - now())::int8 FROM app.sessions").await;
    assert!((800..=901).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_sign_in_signs_nobody_in() {
    let server = Postgres::migrated().await;
    let provider = Provider::start();
    provider.everybody_is("owner", &EVERYTHING, json!([])).await;
    let app = App::healthy(settings(&server.url(), &provider.url, &[])).await;

    // The platform's answer is for the browser that asked, and for once.
    let (victim, thief) = (Browser::new(&app.client), Browser::new(&app.client));
    let back = victim.to_the_platform_and_back(&provider, "/").await;
    let own = thief.to_the_platform_and_back(&provider, "/").await;
    refused(&thief, &back, 400, "Sign in again").await;
    // Its code under the thief's own state, and so without its verifier.
    let code = |from: &str| from.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    refused(&thief, &own.replace(&code(&own), &code(&back)), 403, "Sign-in was refused").await;
    for wrong in [
        "/auth/callback".to_owned(),
        "/auth/callback?state=x&code=y".to_owned(),
        format!("{back}&state=twice"),
        format!("{back}&code=twice"),
    ] {
        refused(&victim, &wrong, 400, "Sign in again").await;
    }
    // Another provider's answer (mix-up), and one that does not say whose it is.
    let issuer = back.split("&iss=").nth(1).unwrap().to_owned();
    for wrong in
        [back.replace(&issuer, "http%3A%2F%2Felsewhere"), back.replace(&format!("&iss={issuer}"), "")]
    {
        let again = Browser::new(&app.client);
        *again.jar() = victim.jar().clone();
        refused(&again, &wrong, 400, "Sign-in did not work").await;
    }
    // The code is good once, whoever kept the cookie; and the cookie as well.
    let again = Browser::new(&app.client);
    *again.jar() = victim.jar().clone();
    assert_eq!(place(&victim.open(&back).await), "/");
    assert_eq!(victim.open(&back).await.status, StatusCode::BAD_REQUEST);
    refused(&again, &back, 403, "Sign-in was refused").await;

    // What the platform signed must be about this sign-in, and of now.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (alter, problem) in [
        (json!({ "nonce": "of another sign-in" }), true),
        (json!({ "aud": "another client" }), true),
        (json!({ "azp": "another client" }), true),
        (json!({ "iss": "http://elsewhere" }), true),
        (json!({ "exp": now - 70 }), true),
        (json!({ "exp": now - 20 }), false),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), true),
        (json!({ "sub": "somebody else" }), true),
        (json!({}), false),
    ] {
        provider.tell(json!({ "alter": alter })).await;
        let browser = Browser::new(&app.client);
        let back = browser.to_the_platform_and_back(&provider, "/").await;
        if problem {
            refused(&browser, &back, 400, "Sign-in did not work").await;
        } else {
            assert_eq!(place(&browser.open(&back).await), "/", "{alter}");
        }
    }
    // It says no; and says in the next breath that this person is not good.
    provider.tell(json!({ "person": { "sub": "user-1", "refuse": true } })).await;
    let browser = Browser::new(&app.client);
    let back = browser.to_the_platform_and_back(&provider, "/").await;
    refused(&browser, &back, 403, "Sign-in was refused").await;
    provider
        .tell(json!({ "person": { "sub": "user-1", "tenant_id": "0190a0b0-0000-7000-8000-00000000000f" } }))
        .await;
    let back = browser.to_the_platform_and_back(&provider, "/").await;
    refused(&browser, &back, 400, "Sign-in did not work").await;

    // Who is known and may not read is told so, by name, and can go.
    provider.everybody_is("guest", &[], json!([])).await;
    browser.signs_in(&provider, "/").await;
    let page = browser.open("/").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("Not allowed") && page.body.contains("/auth/sign-out"), "{}", page.body);

    // Dead, or another's: people are told, and where the app leads is not of others.
    drop(provider);
    let late = App::healthy(settings(&server.url(), &Provider::start().url, &[])).await;
    let answer = late.client.page("/auth/sign-in").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert!(answer.body.contains("Nobody can sign in at the moment"), "{}", answer.body);
    late.stop().await;
    app.stop().await;
}

async fn refused(browser: &Browser<'_>, back: &str, status: u16, title: &str) {
    let answer = browser.open(back).await;
    assert_eq!(answer.status.as_u16(), status, "{back}: {answer:?}");
    assert!(answer.body.contains(&format!("<h1>{title}</h1>")), "{}", answer.body);
    assert!(!browser.jar().contains_key("session"), "{back}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_stand_while_the_platform_is_away_and_not_for_ever() {
    let server = Postgres::migrated().await;
    let provider = Provider::start();
    provider.everybody_is("owner", &EVERYTHING, json!([])).await;
    let app = App::healthy(settings(&server.url(), &provider.url, &[])).await;
    let browser = Browser::new(&app.client);
    browser.signs_in(&provider, "/").await;

    provider.freezes();
    tokio::time::sleep(BELIEVED).await;
    let slow = Instant::now();
    assert_eq!(browser.open("/").await.status, StatusCode::OK);
    assert!(slow.elapsed() < Duration::from_secs(8), "{:?}", slow.elapsed());
    // Also by another process of the app, which has never seen the platform.
    let next = App::healthy(settings(&server.url(), &provider.url, &[])).await;
    let same = Browser::new(&next.client);
    *same.jar() = browser.jar().clone();
    assert_eq!(same.open("/").await.status, StatusCode::OK);

    // Until the platform's last word is too old; then nobody can tell, and nobody is signed out by it.
    server.run("UPDATE app.sessions SET believed_until = now()").await;
    until("nobody can tell", async || {
        let page = browser.open("/").await;
        (page.status == StatusCode::SERVICE_UNAVAILABLE).then(|| assert!(page.body.contains("Who you are")))
    })
    .await;
    provider.thaws();
    until("they are back", async || (browser.open("/").await.status == StatusCode::OK).then_some(())).await;

    // A tenant whose storage is used up lets people in, or they could not make room.
    server.is_full().await;
    let full = Browser::new(&app.client);
    full.signs_in(&provider, "/").await;
    tokio::time::sleep(BELIEVED).await;
    assert_eq!(full.open("/").await.status, StatusCode::OK);
    assert_eq!(full.form("/auth/sign-out", "").await.status, StatusCode::SEE_OTHER);
    assert!(full.jar().is_empty());
    next.stop().await;
    app.stop().await;
}
