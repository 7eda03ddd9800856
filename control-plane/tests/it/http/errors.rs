//! Everything that is refused, and how it is said.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use super::{HOST, World};

#[tokio::test]
async fn what_is_refused_says_why() {
    let world = World::start().await;
    world.make("acme").await;
    bodies(&world).await;
    slugs(&world).await;
    addresses(&world).await;
    queries(&world).await;
    callers(&world).await;
    keys(&world).await;
    sign_in(&world).await;
}

async fn bodies(world: &World) {
    let deep = (0..9).fold(json!(1), |inner, _| json!({ "a": inner }));
    let cases = [
        (json!({}), 422, vec!["body"]),
        (json!({"name": ""}), 422, vec!["name"]),
        (json!({"name": "a\nb"}), 422, vec!["name", "slug"]),
        (json!({"name": "a\u{0}b", "slug": "ab"}), 422, vec!["name"]),
        (json!({"name": "a\u{202e}b", "slug": "ab"}), 422, vec!["name"]),
        (json!({"name": "x", "plan": "a\u{0}"}), 422, vec!["plan"]),
        (json!({"name": "x", "release": "a\u{0}"}), 422, vec!["release"]),
        (json!({"name": "x", "settings": {"a\u{0}": 1}}), 422, vec!["settings"]),
        (json!(["Listed", null, null, null, null]), 422, vec!["body"]),
        (json!(null), 422, vec!["body"]),
        (json!("Acme"), 422, vec!["body"]),
        (json!({"name": "x".repeat(121), "slug": "x"}), 422, vec!["name"]),
        (json!({"name": "日本"}), 422, vec!["slug"]),
        (json!({"name": "Acme"}), 409, vec!["slug"]),
        (json!({"name": "x", "plan": "golden"}), 422, vec!["plan"]),
        (json!({"name": "x", "release": "v99"}), 422, vec!["release"]),
        (json!({"name": "x", "release": "v1\u{0}"}), 422, vec!["release"]),
        (json!({"name": "x", "house": "mine"}), 422, vec!["house"]),
        (json!({"name": 7}), 422, vec!["name"]),
        (json!({"name": "x", "settings": [1]}), 422, vec!["settings"]),
        (json!({"name": "x", "settings": {"a": deep}}), 422, vec!["settings.a.a.a.a.a.a.a.a"]),
        (json!({"name": "x", "settings": {"a": f64::MAX}}), 422, vec!["settings.a"]),
        (json!({"name": "x", "settings": {"a": "\u{0}"}}), 422, vec!["settings.a"]),
        (json!({"name": "x", "settings": {"a": "x".repeat(17_000)}}), 422, vec!["settings"]),
        (
            json!({"name": "", "slug": "A", "plan": "none", "release": "none"}),
            422,
            vec!["name", "slug", "plan", "release"],
        ),
        (json!({"name": "x".repeat(70_000)}), 413, vec![]),
    ];
    for (body, status, fields) in cases {
        let shown: String = body.to_string().chars().take(80).collect();
        let answer = world.post("/api/v1/tenants", body).await;
        assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.text);
        let answer = answer.expect(status);
        // A name that cannot be read has no slug to be derived from; whether that is said too does not matter.
        let said = answer.fields();
        assert!(fields.iter().all(|field| said.contains(field) || *field == "slug"), "{shown}: {said:?}");
    }
    let bottomless = format!("{{\"name\":\"x\",\"settings\":{}", "{\"a\":".repeat(5_000));
    for (kind, body, status, says) in [
        ("application/json", "{".into(), 400, "it is not JSON: EOF"),
        ("application/json", "[".into(), 400, "it is not JSON: EOF"),
        ("application/json", "".into(), 400, "it is not JSON: EOF"),
        ("application/json", "name=a".into(), 400, "line 1 column"),
        ("application/json", "{\"name\":\"a\"}{".into(), 400, "trailing characters"),
        ("application/json", "{\"name\":\"a\",\"name\":\"b\"}".into(), 422, "duplicate field"),
        ("application/json", "{\"name\":\"\\ud800\"}".into(), 400, "line 1 column"),
        ("application/json", Body::from(&b"{\"name\":\"\xff\"}"[..]), 400, "unicode"),
        ("application/json", Body::from(&b"\xff\xfe{\0}\0"[..]), 400, "it is not JSON"),
        ("application/json", bottomless.into(), 400, "nested more than 127 deep"),
        ("text/plain", "{}".into(), 415, "application/json is expected"),
        ("application/x-www-form-urlencoded", "name=a".into(), 415, "application/json is expected"),
        ("multipart/form-data; boundary=x", "--x--".into(), 415, "application/json is expected"),
        ("", "{}".into(), 415, "application/json is expected"),
    ] {
        let request =
            world.request(Method::POST, "/api/v1/tenants").header(header::CONTENT_TYPE, kind).body(body);
        let answer = world.send(request.expect("request")).await.expect(status);
        assert!(answer.text.contains(says), "{says}: {}", answer.text);
    }
}

async fn slugs(world: &World) {
    for slug in [
        "",
        "-a",
        "a-",
        "A",
        "a.b",
        "a_b",
        "a b",
        "ä",
        "xn--a",
        "admin",
        "www",
        "../x",
        "a\u{0}",
        "$(id)",
        "a'; drop table tenants; --",
        "0192f0c1-2345-7abc-8def-0123456789ab",
    ] {
        let refused = world.post("/api/v1/tenants", json!({"name": "x", "slug": slug})).await.expect(422);
        assert_eq!(refused.fields(), ["slug"], "{slug:?}");
    }
    let long = world.post("/api/v1/tenants", json!({"name": "x", "slug": "x".repeat(64)})).await.expect(422);
    assert_eq!(long.fields(), ["slug"]);
    let taken = world.post("/api/v1/tenants", json!({"name": "x", "slug": "acme"})).await.expect(409);
    assert_eq!(taken.body["code"], "slug_taken");
}

async fn addresses(world: &World) {
    let nobody = "0192f0c1-2345-7abc-8def-0123456789ab";
    for path in [
        "/api/v1/tenants/nobody".to_owned(),
        format!("/api/v1/tenants/{nobody}"),
        "/api/v1/tenants/A%2FB".to_owned(),
        "/api/v1/tenants/%FF".to_owned(),
        "/api/v1/tenants/a%00b".to_owned(),
        "/api/v1/tenants/acme/houses".to_owned(),
        format!("/api/v1/operations/{nobody}"),
        "/api/v1/operations/7".to_owned(),
        format!("/api/v1/operations/{nobody}/events"),
        "/api/v1/releases/v99".to_owned(),
        "/api/v1/releases/%00".to_owned(),
        "/api/v2/tenants".to_owned(),
        "/nothing".to_owned(),
    ] {
        assert_eq!(world.get(&path).await.expect(404).body["code"], "not_found", "{path}");
    }
    let method = world.ask(Method::PUT, "/api/v1/tenants/acme", None).await.expect(405);
    assert!(method.header("allow").contains("PATCH"), "{:?}", method.headers);
    // A tenant's host name never shows the platform.
    for host in ["acme.freehold.localhost", "evil.example", "platform.internal:8080", ""] {
        let request = Request::get("/api/v1/openapi.json").header(header::HOST, host).body(Body::empty());
        world.send(request.expect("request")).await.expect(421);
    }
}

async fn queries(world: &World) {
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=%00", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=name%3bdrop%20table%20tenants", "sort"),
        ("state=running,%00", "state"),
        ("cursor=%ff%00", "cursor"),
        ("cursor=eyJhIjoxfQ", "cursor"),
        ("plan=..%2f..", "plan"),
        ("state=awake", "state"),
        ("plan=golden", "plan"),
        ("sort=age", "sort"),
        ("cursor=nonsense", "cursor"),
        ("limt=3", "limt"),
        ("search=a%00b", "search"),
    ] {
        let refused = world.get(&format!("/api/v1/tenants?{query}")).await.expect(422);
        assert_eq!(refused.fields(), [field], "{query}");
    }
    let refused = world.get("/api/v1/operations?state=done&kind=make").await.expect(422);
    assert_eq!(refused.fields(), ["state", "kind"]);
    let refused = world.ask(Method::DELETE, "/api/v1/tenants/acme?erase=yes", None).await.expect(422);
    assert_eq!(refused.fields(), ["erase"]);
}

async fn callers(world: &World) {
    let forged = format!("{}x", world.token);
    for path in ["/api/v1/tenants", "/api/v1/plans", "/api/v1/tenants/nobody", "/api/v1/status", "/metrics"] {
        for token in [
            None,
            Some("Basic abc".to_owned()),
            Some(format!("Bearer {forged}")),
            Some("Bearer a.b.c".to_owned()),
        ] {
            let mut request = Request::get(path).header(header::HOST, HOST);
            if let Some(token) = &token {
                request = request.header(header::AUTHORIZATION, token);
            }
            let refused = world.send(request.body(Body::empty()).expect("request")).await.expect(401);
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{path} {token:?}");
        }
    }
}

async fn keys(world: &World) {
    let send = async |key: &str, body: Value| {
        let request = world
            .request(Method::POST, "/api/v1/tenants")
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key)
            .body(Body::from(body.to_string()))
            .expect("request");
        world.send(request).await
    };
    let body = || json!({"name": "Once", "slug": "once"});
    // Both at the same time: one makes it, the other is told the same.
    let (one, other) = tokio::join!(send("key-1", body()), send("key-1", body()));
    let (one, other) = (one.expect(202), other.expect(202));
    assert_eq!(one.body, other.body);
    assert_eq!(one.header("location"), other.header("location"));
    let replayed = [&one, &other].map(|answer| answer.header("idempotency-replayed") == "true");
    assert!(replayed[0] != replayed[1], "one of them is a replay: {replayed:?}");

    let reused = send("key-1", json!({"name": "Another"})).await.expect(422);
    assert_eq!(reused.body["code"], "key_reused");
    assert_eq!(send("key-2", body()).await.expect(409).body["code"], "slug_taken");
    // A refusal uses no key up.
    send("key-2", json!({"name": "Twice", "slug": "twice"})).await.expect(202);
    let long = "k".repeat(129);
    for bad in ["", "a b", "a\tb", long.as_str()] {
        assert_eq!(send(bad, body()).await.expect(422).fields(), ["Idempotency-Key"], "{bad:?}");
    }
    // Neither of two values is the one that is meant.
    for (method, path, name, values) in [
        (Method::POST, "/api/v1/tenants", "Idempotency-Key", [&b"one"[..], b"two"]),
        (Method::POST, "/api/v1/tenants", "Idempotency-Key", [b"\xff", b"\xff"]),
        (Method::PATCH, "/api/v1/tenants/acme", "If-Match", [b"\"1\"", b"\"1\""]),
    ] {
        let request = world
            .request(method, path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(name, values[0])
            .header(name, values[1])
            .body(Body::from(json!({"name": "Two"}).to_string()));
        let refused = world.send(request.expect("request")).await.expect(422);
        assert_eq!(refused.fields(), [name], "{}", refused.text);
    }
}

async fn sign_in(world: &World) {
    let attempt = async |email: &str, password: &str, address: &str| {
        let body = json!({"email": email, "password": password}).to_string();
        let request = Request::post("/api/v1/admin/sessions")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-forwarded-for", address)
            .body(Body::from(body));
        world.send(request.expect("request")).await
    };
    let unknown = attempt("nobody@example.com", "whatever it was", "192.0.2.1").await.expect(401);
    let wrong = attempt(super::EMAIL, "whatever it was", "192.0.2.1").await.expect(401);
    assert_eq!(unknown.text, wrong.text, "who is known cannot be told from the answer");
    attempt("ADMIN@freehold.localhost", super::PASSWORD, "192.0.2.1").await.expect(201);

    for _ in 0..5 {
        attempt(super::EMAIL, "whatever it was", "192.0.2.2").await.expect(401);
    }
    let limited = attempt(super::EMAIL, super::PASSWORD, "192.0.2.2").await.expect(429);
    assert!(limited.header("retry-after").parse::<u64>().is_ok());
    // Not where it was signed in from before: others cannot lock an admin out.
    attempt(super::EMAIL, super::PASSWORD, "192.0.2.1").await.expect(201);
    assert_eq!(attempt("", "x", "192.0.2.4").await.expect(422).fields(), ["email"]);
}
