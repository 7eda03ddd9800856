//! Signing in by a provider while somebody means harm, or the provider is away.

use std::time::{Duration, Instant};

use axum::http::Method;
use control_plane::config::LimitsConfig;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::World;
use super::foreign_tokens::for_tenant;
use super::pages::{Window, encoded, is_page, leads_to};
use super::people::new_address;
use super::people_sign_up::PASSWORD;
use super::sign_in_by::{come, path_of, sent, site, verified};
use crate::outside::mock::Mock;
use crate::outside::nasty::{Answer, DOCUMENT, Key, Nasty};
use crate::outside::value;

const COOKIE: &str = "freehold";
const ERRAND: &str = "freehold-outside";

fn is_in(window: &Window<'_>) -> bool {
    window.cookies.contains_key(COOKIE)
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_was_sent_and_from_whom_it_was_sent_to() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let other = site.world.provider(&mock.url, None, |_| {}).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    let begun = async |provider| {
        let mut window = site.window();
        let there = sent(&mut window, provider, "").await;
        let home = path_of(&site, &mock.sign_in(&there, Some("ada")).await);
        (window, home)
    };

    // What somebody else began, in a browser that was sent nowhere, and in one that was sent for something else.
    let (_, home) = begun(provider).await;
    let mut victim = site.window();
    is_page(&victim.get(&home).await, 400, "This sign-in cannot go on");
    let (mut victim, _) = begun(provider).await;
    is_page(&victim.get(&home).await, 400, "This sign-in cannot go on");
    assert!(!is_in(&victim));

    // A state that was made up or is none, and a cookie that was changed or is of another provider.
    let (window, home) = begun(provider).await;
    let (rest, state) = home.split_once("state=").expect("a state");
    let state = state.split('&').next().expect("its end");
    for changed in [
        home.replace(state, &"A".repeat(43)),
        home.replace(&format!("state={state}"), "x=y"),
        format!("{rest}state={state}&state={state}"),
    ] {
        let mut window = window.clone();
        let answer = window.get(&changed).await;
        assert!(answer.status >= 400 && !is_in(&window), "{changed}: {}", answer.body);
    }
    let errand = window.cookies[ERRAND].clone();
    for forged in [
        errand.replace(&provider.to_string(), &other.to_string()),
        errand.split('.').next().expect("an id").to_owned(),
        format!("{errand}x"),
    ] {
        let mut window = window.clone();
        window.cookies.insert(ERRAND.to_owned(), forged);
        is_page(&window.get(&home).await, 400, "This sign-in cannot go on");
    }

    // Another provider's answer for this one's.
    let mut mixed = window.clone();
    let answer = mixed.get(&format!("{home}&iss={}", encoded("https://evil.example"))).await;
    is_page(&answer, 409, "Sign in");
    assert!(
        answer.body.contains("answered in a way that does not count")
            && !answer.body.contains("evil.example")
    );

    // It is good once: neither again, nor with what the browser had kept.
    let (mut window, home) = begun(provider).await;
    let kept = window.clone();
    leads_to(&window.get(&home).await, "/account");
    is_page(&window.get(&home).await, 400, "This sign-in cannot go on");
    let mut again = kept.clone();
    assert_eq!(again.get(&home).await.status, 409, "the code is spent");
    // Neither with another code for the same errand.
    let mut window = site.window();
    let there = sent(&mut window, provider, "").await;
    let mut again = window.clone();
    for (window, status) in [(&mut window, 303), (&mut again, 400)] {
        let home = path_of(&site, &mock.sign_in(&there, Some("ada")).await);
        let answer = window.get(&home).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert!(!is_in(&again));
    assert_eq!(site.world.audited("user.sign_in", &email).await, ["done", "done"]);
}

#[tokio::test]
async fn whoever_tries_answers_that_they_made_up_is_made_to_wait() {
    let limits = LimitsConfig { sign_in_per_minute: 2, ..LimitsConfig::default() };
    let world = World::started(|_| {}, &limits).await;
    for (provider, status) in [("one", 400), ("of/another", 400), ("third", 429)] {
        let path = format!("/sign-in/callback/{provider}?state=x&code=y");
        let request = world.request(Method::GET, &path).header("x-forwarded-for", "203.0.113.9");
        let answer = world.send(request.body(axum::body::Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_a_provider_by_somebody_elses_page_nor_on_to_one() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    let path = format!("/sign-in/with/{provider}");
    for from in ["cross-site", "same-site"] {
        let mut window = site.window();
        let line = format!("Sec-Fetch-Site: {from}");
        leads_to(&window.get_from(&path, &[&line]).await, "/sign-in");
        assert!(window.cookies.is_empty());
        let join = format!("{path}?to={}", encoded("/join/acme"));
        leads_to(&window.get_from(&join, &[&line]).await, "/sign-in?to=%2Fjoin%2Facme");
    }
    for from in ["same-origin", "none"] {
        let line = format!("Sec-Fetch-Site: {from}");
        assert!(
            site.window()
                .get_from(&path, &[&line])
                .await
                .header("location")
                .is_some_and(|to| to.starts_with(&mock.url))
        );
    }
    for bad in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/account?x",
        "/oauth/authorize?\r\nX: y",
        // longer than a browser keeps it
        &format!("/oauth/authorize?state={}", "x".repeat(3_000)),
    ] {
        let mut window = site.window();
        leads_to(&come(&site, &mut window, &mock, provider, ("ada", bad)).await, "/account");
    }
}

#[tokio::test]
async fn what_a_provider_says_beside_is_never_shown() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    for (error, status, told) in [
        ("access_denied", 403, "it was cancelled there, or you may not"),
        ("temporarily_unavailable", 409, "cannot sign anybody in at the moment"),
        ("<script>alert(1)</script>", 409, "did not understand"),
    ] {
        let mut window = site.window();
        let there = sent(&mut window, provider, "/join/acme").await;
        let state = there.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
        let back = path_of(&site, &value(&there, "redirect_uri").expect("an address"));
        let home = format!(
            "{back}?state={state}&error={}&error_description={}",
            encoded(error),
            encoded("<script>alert(2)</script>")
        );
        let answer = window.get(&home).await;
        is_page(&answer, status, "Sign in");
        assert!(answer.body.contains(told) && !answer.body.contains("alert("), "{}", answer.body);
        assert!(
            answer.body.contains("value=\"/join/acme\"") || answer.body.contains("join&#x2F;acme"),
            "{}",
            answer.body
        );
        assert!(!window.cookies.contains_key(ERRAND));
    }
    let mut window = site.window();
    let there = sent(&mut window, provider, "").await;
    let state = there.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    // This one gives no state back when somebody refuses, as it must.
    let home = path_of(&site, &mock.sign_in(&there, None).await);
    is_page(&window.clone().get(&home).await, 400, "This sign-in cannot go on");
    is_page(&window.get(&format!("{home}&state={state}")).await, 403, "Sign in");
}

/// A provider that takes connections and says this, or nothing at all.
async fn odd(says: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match says {
                None => held.push(stream),
                Some(says) => {
                    let mut head = [0; 1_024];
                    let _ = stream.read(&mut head).await;
                    let _ = stream.write_all(says.as_bytes()).await;
                }
            }
        }
    });
    format!("http://127.0.0.1:{port}")
}

#[tokio::test]
async fn a_provider_that_is_away_keeps_nobody_from_signing_in_another_way() {
    let (site, mock) = (site().await, Mock::start());
    let good = site.world.provider(&mock.url, None, |_| {}).await;
    let slow = site.world.provider(&odd(None).await, None, |_| {}).await;
    let garbage = odd(Some("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")).await;
    let garbage = site.world.provider(&garbage, None, |_| {}).await;
    let dead = site.world.provider("http://127.0.0.1:1", None, |_| {}).await;
    let (email, known) = (new_address(), site.world.registered().await);
    mock.person("ada", &verified(&email)).await;

    let patient = async {
        let mut waits: Vec<Window<'_>> = (0..30).map(|_| site.window()).collect();
        let path = format!("/sign-in/with/{slow}");
        let answers = futures_util::future::join_all(waits.iter_mut().map(|window| window.get(&path))).await;
        for answer in &answers {
            // Whoever asks from one address as often as that is told so in the end.
            is_page(answer, 409, "Sign in");
            assert!(answer.body.contains("Acme SSO does not answer"), "{}", answer.body);
        }
    };
    let others = async {
        let begun = Instant::now();
        for _ in 0..3 {
            let mut window = site.window();
            leads_to(&window.sign_in(&known, PASSWORD).await, "/account");
            leads_to(&come(&site, &mut site.window(), &mock, good, ("ada", "")).await, "/account");
            for bad in [garbage, dead] {
                let answer = site.window().get(&format!("/sign-in/with/{bad}")).await;
                is_page(&answer, 409, "Sign in");
                assert!(answer.body.contains("does not answer; sign in another way"), "{}", answer.body);
            }
        }
        begun.elapsed()
    };
    let ((), took) = tokio::join!(patient, others);
    assert!(took < Duration::from_secs(5), "others waited {took:?} for it");

    // One that goes away while somebody is there.
    let mut window = site.window();
    let there = sent(&mut window, good, "").await;
    let home = path_of(&site, &mock.sign_in(&there, Some("ada")).await);
    drop(mock);
    let answer = window.get(&home).await;
    is_page(&answer, 409, "Sign in");
    assert!(answer.body.contains("does not answer") && !is_in(&window), "{}", answer.body);
}

#[tokio::test]
async fn nobody_comes_by_a_provider_that_was_disabled_while_they_were_there() {
    let (site, mock) = (site().await, Mock::start());
    let provider = site.world.provider(&mock.url, None, |_| {}).await;
    let email = new_address();
    mock.person("ada", &verified(&email)).await;
    let mut window = site.window();
    let there = sent(&mut window, provider, "").await;
    let home = path_of(&site, &mock.sign_in(&there, Some("ada")).await);
    let mut sql = site.world.registry.superuser().await;
    sqlx::query("update freehold.providers set enabled = false").execute(&mut sql).await.expect("disabled");
    is_page(&window.get(&home).await, 404, "Sign in");
    assert!(!is_in(&window));
}

#[tokio::test]
async fn a_sign_in_that_fails_tells_a_tenant_nothing_of_our_network() {
    let site = site().await;
    let acme = site.world.tenant("acme").await;
    // A provider says itself where its codes are exchanged.
    let tried = ["10.0.0.1", "nowhere.invalid"].map(async |host| {
        let nasty = Nasty::start(&[&Key::p256("one")]).await;
        let mut document = nasty.document();
        document["token_endpoint"] = format!("https://{host}/token").into();
        nasty.says(DOCUMENT, Answer::Json(document));
        let provider = site.world.provider(&nasty.url, Some(acme), |_| {}).await;
        let mut window = site.window();
        let there = sent(&mut window, provider, "").await;
        let back = path_of(&site, &value(&there, "redirect_uri").expect("an address"));
        let state = value(&there, "state").expect("a state");
        // And so does one that is not there at all, also of tokens for our API.
        let (issuer, audience) = (format!("https://{host}"), for_tenant(acme));
        let away =
            site.world.provider(&issuer, Some(acme), |one| one.bearer_audience = Some(audience.clone()));
        let path = format!("/sign-in/with/{}", away.await);
        let get = async |mut window: Window<'_>, path: &str| {
            let begun = Instant::now();
            let page = window.get(path).await;
            is_page(&page, 409, "Sign in");
            assert!(begun.elapsed() >= Duration::from_secs(4), "{path}: {host} is told by the time");
            // What is wrong, and what follows it.
            page.body.split_once("role=\"alert\"").expect("what is wrong").1.to_owned()
        };
        let home = format!("{back}?state={state}&code=x");
        let (answer, page) = tokio::join!(get(window, &home), get(site.window(), &path));
        let now = chrono::Utc::now().timestamp();
        let claims = json!({"iss": issuer, "aud": audience, "sub": "ada", "iat": now, "exp": now + 600});
        let token = Key::p256("one").sign(&claims);
        let refused = site.world.ask_as(&token, Method::GET, "/api/v1/me", None).await;
        (answer, page, refused.status.as_u16())
    });
    let pages = futures_util::future::join_all(tried).await;
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0].2, 503);
    let log = site.world.get("/api/v1/tenants/acme/audit?action=user.sign_in").await.expect(200);
    let entries = log.body["items"].as_array().expect("entries");
    let told: Vec<String> = entries
        .iter()
        .map(|entry| {
            let change = entry["diff"]["after"]["because"].to_string();
            change.replace("10.0.0.1", "host").replace("nowhere.invalid", "host")
        })
        .collect();
    assert_eq!(told.len(), 2, "{}", log.text);
    assert!(told[0].contains("host is not at a public address, or does not answer"), "{told:?}");
    assert_eq!(told[0], told[1]);
}
