//! Signed requests: whoever has the key signs one request, and nobody makes another of it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use control_plane::model::role::Role;
use control_plane::store::{self, Scope};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::process::Command;
use tower::ServiceExt;

use super::api_keys::KEYS;
use super::people_principals::another;
use super::{Answer, HOST, World};

const ACME: &str = "/api/v1/tenants/acme";

/// A request as its sender signs it.
#[derive(Clone)]
pub struct Signing {
    method: Method,
    target: String,
    body: String,
    created: i64,
    nonce: String,
    secret: String,
}

impl Signing {
    pub fn new(method: Method, target: &str, body: &str, secret: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            body: body.to_owned(),
            created: Utc::now().timestamp(),
            nonce: uuid::Uuid::new_v4().to_string(),
            secret: secret.to_owned(),
        }
    }

    /// The headers, in the order digest, input, signature.
    pub fn headers(&self) -> [(&'static str, String); 3] {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&self.body)));
        let input = format!(
            r#"("@method" "@path" "@query" "content-digest");created={};nonce="{}";keyid="{}""#,
            self.created,
            self.nonce,
            &self.secret[..14]
        );
        let base = format!(
            "\"@method\": {}\n\"@path\": {path}\n\"@query\": ?{query}\n\"content-digest\": {digest}\n\
             \"@signature-params\": {input}",
            self.method
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("a key");
        mac.update(base.as_bytes());
        let code = STANDARD.encode(mac.finalize().into_bytes());
        [
            ("content-digest", digest),
            ("signature-input", format!("sig={input}")),
            ("signature", format!("sig=:{code}:")),
        ]
    }

    /// This request with these headers, which may be another's.
    fn with(&self, headers: &[(&'static str, String)]) -> Request<Body> {
        let mut request =
            Request::builder().method(&self.method).uri(&self.target).header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Body::from(self.body.clone())).expect("a request")
    }

    async fn send(&self, world: &World) -> Answer {
        world.send(self.with(&self.headers())).await
    }
}

/// A world with a key of acme that signs.
async fn signing_world() -> (World, String) {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let wish = json!({"name": "robot", "scopes": ["tenant.read", "tenant.update"], "signs": true});
    let (_, secret) = world.key_with(&admin, KEYS, wish).await;
    (world, secret)
}

#[tokio::test]
async fn a_signed_request_counts_as_it_was_signed_and_once() {
    let (world, secret) = signing_world().await;
    let read = Signing::new(Method::GET, ACME, "", &secret);
    let answer = read.send(&world).await.expect(200);
    assert!(answer.header("ratelimit").starts_with("\"key\""), "{:?}", answer.headers);
    let replayed = read.send(&world).await.expect(401);
    assert_eq!(
        (&replayed.body["code"], &replayed.body["detail"]),
        (&json!("signature"), &json!("this nonce was used before; every request has its own"))
    );
    // also by an api that did not see the first
    let api = another(&world);
    let again = api.oneshot(read.with(&read.headers())).await.expect("an answer");
    assert_eq!(again.status(), 401);
    let query = Signing::new(Method::GET, &format!("{ACME}/projects?limit=3&search=a%20b"), "", &secret);
    query.send(&world).await.expect(200);

    let write = Signing::new(Method::PATCH, ACME, r#"{"name":"Signed"}"#, &secret);
    write.send(&world).await.expect(202);
    assert_eq!(world.get(ACME).await.expect(200).body["name"], "Signed");
    // one of a clock that is ahead is known for as long as it would be taken
    let ahead = Signing { created: read.created + 290, ..Signing::new(Method::GET, ACME, "", &secret) };
    ahead.send(&world).await.expect(200);
    let mut tx = world.registry.owner.begin(Scope::System).await.expect("begin");
    store::api_keys::tidy(&mut tx, Duration::ZERO).await.expect("tidied");
    tx.commit().await.expect("commit");
    let mut sql = world.registry.superuser().await;
    let until: DateTime<Utc> =
        sqlx::query_scalar("select expires_at from freehold.api_nonces where nonce = $1")
            .bind(&ahead.nonce)
            .fetch_one(&mut sql)
            .await
            .expect("a nonce");
    assert!(until.timestamp() >= ahead.created + 300, "{until}");
    ahead.send(&world).await.expect(401);

    // never sent, it is not taken where it is sent; and what is kept of it is sealed
    assert_eq!(world.with_key(&secret, ACME).await, 401);
    let rows: Vec<String> = sqlx::query_scalar("select encode(sealed, 'escape') from freehold.api_keys")
        .fetch_all(&mut sql)
        .await
        .expect("rows");
    assert!(rows.len() == 1 && !rows[0].contains(&secret[15..30]));
}

#[tokio::test]
async fn nobody_makes_another_request_of_a_signed_one() {
    let (world, secret) = signing_world().await;
    let signed = Signing::new(Method::PATCH, &format!("{ACME}?x=1"), r#"{"name":"Signed"}"#, &secret);
    let headers = signed.headers();
    let changed = |change: &dyn Fn(&mut Signing)| {
        let mut other = signed.clone();
        change(&mut other);
        other
    };
    let of = |other: &Signing| {
        let mut mixed = headers.clone();
        mixed[0] = other.headers()[0].clone();
        mixed
    };
    let body = changed(&|other| other.body = r#"{"name":"Stolen"}"#.to_owned());
    let path = changed(&|other| other.target = "/api/v1/tenants/globex?x=1".to_owned());
    let query = changed(&|other| other.target = format!("{ACME}?x=2"));
    let method = changed(&|other| other.method = Method::DELETE);
    let turned = |name: usize, from: &str, to: &str| {
        let mut headers = headers.clone();
        assert!(headers[name].1.contains(from));
        headers[name].1 = headers[name].1.replace(from, to);
        headers
    };
    let moment = signed.created.to_string();
    for (what, request) in [
        ("body", body.with(&headers)),
        ("body with its digest", body.with(&of(&body))),
        ("path", path.with(&headers)),
        ("query", query.with(&headers)),
        ("method", method.with(&headers)),
        ("time", signed.with(&turned(1, &moment, &(signed.created + 1).to_string()))),
        ("nonce", signed.with(&turned(1, &signed.nonce, &uuid::Uuid::new_v4().to_string()))),
        ("covered", signed.with(&turned(1, r#" "@query""#, ""))),
        ("no digest", signed.with(&headers[1..])),
        ("no signature", signed.with(&headers[..2])),
        ("twice", signed.with(&[headers.as_slice(), &headers[2..]].concat())),
    ] {
        let answer = world.send(request).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (401, &json!("signature")), "{what}");
    }
    // too old and too new, though rightly signed
    for off in [-301, 302] {
        let late = changed(&|other| other.created += off);
        let refused = late.send(&world).await.expect(401);
        assert!(refused.body["detail"].as_str().expect("a detail").contains("5 minutes"), "{}", refused.text);
    }
    // another key's secret under this one's name, and a key that is sent
    let admin = world.member("acme", Role::Admin).await;
    let wish = json!({"name": "other", "scopes": ["tenant.update"], "signs": true});
    let (_, other) = world.key_with(&admin, KEYS, wish).await;
    let foreign = changed(&|one| one.secret = format!("{}{}", &secret[..14], &other[14..]));
    foreign.send(&world).await.expect(401);
    let (_, sent) = world.key(&admin, KEYS, &["tenant.update"]).await;
    changed(&|one| one.secret.clone_from(&sent)).send(&world).await.expect(401);
    let large = changed(&|one| one.body = format!(r#"{{"name":"{}"}}"#, "x".repeat(64 * 1024)));
    large.send(&world).await.expect(413);
    // nothing of it took the nonce
    signed.send(&world).await.expect(202);
}

#[tokio::test]
async fn what_is_too_much_or_was_there_before_is_not_written_down() {
    let world = World::start().await;
    world.make("acme").await;
    let admin = world.member("acme", Role::Admin).await;
    let wish = json!({"name": "robot", "scopes": ["tenant.read"], "signs": true, "per_minute": 1});
    let (id, secret) = world.key_with(&admin, KEYS, wish).await;
    let first = Signing::new(Method::GET, ACME, "", &secret);
    first.send(&world).await.expect(200);
    let second = Signing::new(Method::GET, ACME, "", &secret);
    second.send(&world).await.expect(429);
    let mut sql = world.registry.superuser().await;
    let nonces: Vec<String> = sqlx::query_scalar("select nonce from freehold.api_nonces")
        .fetch_all(&mut sql)
        .await
        .expect("nonces");
    assert_eq!(nonces, [first.nonce.as_str()]);

    // An api that knows nothing of the key yet writes down its use by who signed, and not by who sends that again.
    let used = "select last_address from freehold.api_keys where id = $1::uuid";
    let forget = "update freehold.api_keys set last_used_at = '2020-01-01', last_address = 'before'";
    for (request, status, expected) in [(&first, 401, "before"), (&second, 200, "local")] {
        sqlx::query(forget).execute(&mut sql).await.expect("forgotten");
        let answer = another(&world).oneshot(request.with(&request.headers())).await.expect("an answer");
        assert_eq!(answer.status(), status);
        let address: String = sqlx::query_scalar(used).bind(&id).fetch_one(&mut sql).await.expect("a key");
        assert_eq!(address, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_same_request_sent_many_times_at_once_one_counts() {
    let (world, secret) = signing_world().await;
    let one = Signing::new(Method::GET, ACME, "", &secret);
    let answers = futures_util::future::join_all((0..12).map(|_| one.send(&world))).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1);
}

/// The examples of the page, each under the word after its fence.
fn examples() -> Vec<(String, String)> {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api-keys.md"));
    let fences = page.split("\n```").skip(1).step_by(2);
    let example = |fence: &str| {
        let (word, code) = fence.split_once('\n').expect("lines");
        (word.to_owned(), code.to_owned())
    };
    fences
        .map(example)
        .filter(|(word, _)| ["python", "javascript", "bash"].contains(&word.as_str()))
        .collect()
}

#[tokio::test]
async fn the_examples_of_the_page_work_as_they_stand_there() {
    let (world, secret) = signing_world().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    // the edge is not there to say which host was asked
    let router =
        world.router.clone().layer(tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
            request.headers_mut().insert(header::HOST, HOST.parse().expect("a host"));
            request
        }));
    let app = axum::ServiceExt::<Request<Body>>::into_make_service(router);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let directory = tempfile::tempdir().expect("a directory");
    let examples = examples();
    assert_eq!(examples.len(), 3, "{examples:?}");
    for (language, code) in examples {
        let program = match language.as_str() {
            "python" => "python3",
            "javascript" => "node",
            _ => "bash",
        };
        let file = directory.path().join(&language);
        std::fs::write(&file, code).expect("written");
        let run = async |arguments: &[&str]| {
            let output = Command::new(program)
                .arg(&file)
                .args(arguments)
                .env("FREEHOLD_URL", &url)
                .env("FREEHOLD_KEY", &secret)
                .kill_on_drop(true)
                .output()
                .await
                .expect("it runs");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(output.status.success(), "{language}: {}", text(&output.stderr));
            text(&output.stdout)
        };
        let read = run(&["GET", &format!("{ACME}/projects?limit=2")]).await;
        assert!(read.contains("200") && read.contains("\"items\":[]"), "{language}: {read}");
        let name = json!({"name": format!("named by {language}")}).to_string();
        let written = run(&["PATCH", ACME, &name]).await;
        assert!(written.contains("202"), "{language}: {written}");
        let seen: Value = world.get(ACME).await.expect(200).body;
        assert_eq!(seen["name"], format!("named by {language}"));
        let refused = run(&["GET", &format!("{ACME}/members")]).await;
        assert!(refused.contains("403"), "{language}: {refused}");
    }
    server.abort();
}
