//! How often the API may be asked, and by which pages.

use axum::body::Body;
use axum::http::{Method, Request, header};
use control_plane::model::role::Role;
use serde_json::{Value, json};

use super::{Answer, HOST, World};

impl World {
    /// Asks as a visitor of this address does, through the edge.
    pub(super) async fn ask_from(
        &self,
        address: &str,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        request = request.header("x-forwarded-for", address).header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// Asks as a browser does for a page of this origin.
    async fn ask_of_origin(&self, origin: &str, method: Method, path: &str) -> Answer {
        let request = self.request(method, path).header(header::ORIGIN, origin);
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
        self.send(request.body(Body::empty()).expect("a request")).await
    }
}

#[tokio::test]
async fn guessing_is_slow_from_one_address_whatever_it_claims_to_be() {
    let world = World::start_limited(|limits| limits.sign_in_per_minute = 3).await;
    let guess = json!({"email": "nobody@example.com"});
    let path = "/api/v1/auth/forgot-password";
    let ask = async |address: &str, path: &str| world.ask_from(address, "", Method::POST, path, &guess).await;
    for (number, remaining) in [2, 1, 0].into_iter().enumerate() {
        // What a client claims stands before what the edge adds.
        let answer = ask(&format!("10.0.0.{number}, 203.0.113.9"), path).await;
        assert_ne!(answer.status, 429);
        assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"sign-in\";r={remaining};t=")));
    }
    let refused = ask("10.9.9.9, 203.0.113.9", path).await.expect(429);
    assert_eq!(refused.body["code"], "too_many_requests");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&wait), "{wait}");
    ask("203.0.113.9", "/api/v1/admin/sessions").await.expect(429);
    assert_ne!(ask("203.0.113.9", "/api/v1/auth/refresh").await.status, 429, "this guesses nothing");
    assert_ne!(ask("203.0.113.10", path).await.status, 429, "another address is not held up");
}

#[tokio::test]
async fn who_is_not_signed_in_is_counted_by_address_and_a_bad_token_is_nobody() {
    let world = World::start_limited(|limits| limits.address_per_minute = 4).await;
    let get = async |token: &str| {
        world.ask_from("203.0.113.9", token, Method::GET, "/api/v1/plans", &Value::Null).await
    };
    for token in ["", "forged", "", "forged"] {
        get(token).await.expect(401);
    }
    get("forged").await.expect(429);
    get("").await.expect(429);
    let fine = get(&world.token).await.expect(200);
    assert_eq!(fine.header("ratelimit-policy"), "\"user\";q=1200;w=60");
    // What comes past the edge is the operator's own.
    for _ in 0..10 {
        world.ask_as("", Method::GET, "/api/v1/plans", None).await.expect(401);
    }
}

#[tokio::test]
async fn a_header_that_says_nothing_takes_nobody_out_of_the_count_of_their_address() {
    let world = World::start_limited(|limits| limits.address_per_minute = 2).await;
    let pages = [
        (Method::GET, "/sign-in"),
        (Method::GET, "/join/acme"),
        (Method::GET, "/sign-in/with/5f0c3c0e-6f2c-4b0a-9a3e-0d8f3f0f8a11"),
        (Method::GET, "/oauth/authorize"),
        (Method::GET, "/oauth/end-session"),
    ];
    let calls = [
        (Method::POST, "/api/v1/auth/refresh"),
        (Method::GET, "/api/v1/nothing"),
        (Method::PUT, "/api/v1/plans"),
        (Method::GET, "/api/v1/plans"),
    ];
    let junk = [
        ("x-nothing", "x"),
        ("authorization", "Bearer x"),
        ("authorization", "Basic x"),
        ("signature-input", "x"),
    ];
    let (pages, calls) = (pages.map(|one| (one, true)), calls.map(|one| (one, false)));
    for (number, ((method, path), is_page)) in pages.into_iter().chain(calls).enumerate() {
        for (other, (name, value)) in junk.into_iter().enumerate() {
            for round in 0..3 {
                let request = Request::builder().method(&method).uri(path).header(header::HOST, HOST);
                let request = request.header("x-forwarded-for", format!("203.0.{number}.{other}"));
                let request = request.header(name, value).header(header::CONTENT_TYPE, "application/json");
                let answer = world.send(request.body(Body::from("{}")).expect("a request")).await;
                let what = format!("{method} {path} {name}: {value} {round}");
                assert_eq!(answer.status == 429, round == 2, "{what}: {}", answer.status);
                if round == 2 {
                    let expected =
                        if is_page { "text/html; charset=utf-8" } else { "application/problem+json" };
                    assert_eq!(answer.header("content-type"), expected, "{what}");
                    assert!(!answer.header("retry-after").is_empty(), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn each_user_has_a_share_and_all_of_a_tenant_have_one_together() {
    let world = World::start_limited(|limits| {
        limits.user_per_minute = 5;
        limits.tenant_per_minute = 7;
    })
    .await;
    world.make("acme").await;
    let ada = world.member("acme", Role::Owner).await;
    let bob = world.member("acme", Role::Viewer).await;
    let eve = world.user(&super::people::new_address()).await;
    let path = "/api/v1/tenants/acme";
    for _ in 0..5 {
        eve.get(&world, path).await.expect(404);
    }
    let refused = eve.get(&world, path).await.expect(429);
    assert!(refused.body["detail"].as_str().expect("why").contains("from you"));
    for _ in 0..5 {
        let answer = ada.get(&world, path).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=5;w=60, \"tenant\";q=7;w=60");
    }
    ada.get(&world, path).await.expect(429);
    for _ in 0..2 {
        bob.get(&world, path).await.expect(200);
    }
    let refused = bob.get(&world, path).await.expect(429);
    assert!(refused.body["detail"].as_str().expect("why").contains("for this tenant"));
    assert_ne!(bob.get(&world, "/api/v1/plans").await.status, 429, "elsewhere there is some left");
}

#[tokio::test]
async fn a_page_may_call_from_its_own_tenants_host_alone() {
    let world = World::start().await;
    world.make("acme").await;
    world.make("globex").await;
    let acme = "http://acme.freehold.localhost:8080";
    let allowed = |answer: &Answer| answer.headers.get("access-control-allow-origin").cloned();
    for path in ["/api/v1/tenants/acme", "/api/v1/tenants/acme/audit", "/api/v1/auth/login", "/api/v1/me"] {
        let answer = world.ask_of_origin(acme, Method::OPTIONS, path).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), acme, "{path}");
        assert_eq!(answer.header("vary"), "origin");
        assert!(answer.header("access-control-allow-methods").contains("PATCH"));
        assert!(answer.header("access-control-allow-headers").contains("authorization"));
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    let answer = world.ask_of_origin(acme, Method::GET, "/api/v1/tenants/acme").await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), acme);
    assert!(answer.header("access-control-expose-headers").contains("retry-after"));

    for (origin, path) in [
        (acme, "/api/v1/tenants/globex"),
        (acme, "/api/v1/tenants/globex/audit"),
        (acme, "/api/docs"),
        ("https://acme.freehold.localhost:8080", "/api/v1/me"),
        ("http://acme.freehold.localhost", "/api/v1/me"),
        ("http://acme.freehold.localhost:8081", "/api/v1/me"),
        ("http://ACME.freehold.localhost:8080", "/api/v1/me"),
        ("http://acme.freehold.localhost.:8080", "/api/v1/me"),
        ("http://nobody.freehold.localhost:8080", "/api/v1/me"),
        ("http://freehold.localhost:8080", "/api/v1/me"),
        ("http://acme.freehold.localhost:8080.evil.example", "/api/v1/me"),
        ("http://acme.freehold.localhost:8080@evil.example", "/api/v1/me"),
        ("http://evilfreehold.localhost:8080", "/api/v1/me"),
        ("http://evil.example", "/api/v1/me"),
        ("null", "/api/v1/me"),
        ("*", "/api/v1/me"),
    ] {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = world.ask_of_origin(origin, method, path).await;
            assert_eq!(allowed(&answer), None, "{origin} {path}");
        }
    }
    let id = world.get("/api/v1/tenants/acme").await.expect(200).body["id"].clone();
    let path = format!("/api/v1/tenants/{}", id.as_str().expect("an id"));
    assert!(allowed(&world.ask_of_origin(acme, Method::OPTIONS, &path).await).is_some());
}

#[tokio::test]
async fn every_answer_closes_what_a_browser_would_open() {
    let world = World::start().await;
    for path in ["/", "/api/v1/plans", "/api/v1/nothing", "/api/docs/", "/healthz"] {
        let answer = world.get(path).await;
        for name in [
            "x-content-type-options",
            "x-frame-options",
            "referrer-policy",
            "content-security-policy",
            "permissions-policy",
            "cross-origin-opener-policy",
        ] {
            assert!(answer.headers.contains_key(name), "{path}: {name}");
        }
        assert!(!answer.headers.contains_key("strict-transport-security"), "what is plain promises no TLS");
    }
}
