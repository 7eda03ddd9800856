//! Providers that are slow, dead, wrong or meant to lead somewhere else: they are given up in time, and cost nobody
//! else anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use control_plane::identity::outside::address::Reach;
use control_plane::identity::outside::{Outside, OutsideError, OutsideSettings, Pace, TokenFault};
use control_plane::model::ids::TenantId;
use control_plane::model::provider::{IssuerUrl, Trust};
use jsonwebtoken::Header;
use serde_json::json;

use super::nasty::{Answer, DOCUMENT, Key, Nasty};
use super::{reaching_loopback, some_tenants};

const AUDIENCE: &str = "https://api.freehold.example";

/// In which everything is over soon, and what failed is asked for again at once.
fn hurried() -> Pace {
    Pace {
        connect: Duration::from_millis(300),
        whole: Duration::from_millis(600),
        between: Duration::ZERO,
        ..Pace::default()
    }
}

fn with(pace: Pace) -> Outside {
    Outside::new(OutsideSettings { pace, ..reaching_loopback() })
}

fn token(key: &Key, nasty: &Nasty) -> String {
    token_of(key, key.header(), nasty)
}

fn token_of(key: &Key, header: Header, nasty: &Nasty) -> String {
    let exp = Utc::now().timestamp() + 600;
    key.sign_as(header, &json!({"iss": nasty.url, "aud": AUDIENCE, "sub": "ada", "exp": exp}))
}

async fn check(outside: &Outside, nasty: &Nasty, token: &str) -> Result<(), OutsideError> {
    outside.check_bearer(&nasty.issuer(), Trust::Platform, AUDIENCE, token).await.map(drop)
}

fn is_garbage(outcome: &Result<(), OutsideError>) -> bool {
    matches!(outcome, Err(OutsideError::Garbage { .. }))
}

fn is_unreachable(outcome: &Result<(), OutsideError>) -> bool {
    matches!(outcome, Err(OutsideError::Unreachable { .. }))
}

#[tokio::test]
async fn what_is_no_answer_is_given_up_in_time_and_nothing_of_it_is_passed_on() {
    let key = Key::ed25519("e");
    let nasty = Nasty::start(&[&key]).await;
    let outside = with(hurried());
    let prove = async || outside.prove(&nasty.issuer(), Trust::Platform).await.map(drop);
    assert_eq!(prove().await, Ok(()));
    let huge = "x".repeat(300 * 1024);
    let raw = |text: &str| Answer::Raw(text.as_bytes().to_vec());
    let garbage = [
        Answer::status(200, "", "<html>secret</html>"),
        Answer::status(200, "", ""),
        Answer::status(200, "", &format!("{{\"keys\": [], \"x\": \"{huge}\"}}")),
        Answer::status(500, "", "secret"),
        Answer::status(404, "", ""),
        Answer::status(204, "", ""),
        Answer::status(302, "Location: http://169.254.169.254/latest/meta-data\r\n", ""),
        Answer::status(307, &format!("Location: {}/inside\r\n", nasty.url), ""),
        Answer::status(200, &format!("X: {}\r\n", "x".repeat(100_000)), "{}"),
        raw("secret: this is no HTTP\r\n\r\n"),
        raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        raw(&format!("HTTP/1.1 200 OK\r\n\r\n{huge}")),
        raw(""),
    ];
    for path in [DOCUMENT, "/keys"] {
        let before = if path == DOCUMENT {
            Answer::Json(nasty.document())
        } else {
            Answer::Json(json!({"keys": [key.public]}))
        };
        for answer in &garbage {
            nasty.says(path, answer.clone());
            let outcome = prove().await;
            assert!(is_garbage(&outcome), "{path} {answer:?}: {outcome:?}");
            assert!(!outcome.expect_err("garbage").to_string().contains("secret"), "{path} {answer:?}");
        }
        for answer in [Answer::Silence, Answer::Drip] {
            nasty.says(path, answer.clone());
            let begun = Instant::now();
            let outcome = prove().await;
            assert!(is_unreachable(&outcome), "{path} {answer:?}: {outcome:?}");
            assert!(begun.elapsed() < Duration::from_secs(3), "{path} {answer:?}: {:?}", begun.elapsed());
        }
        nasty.says(path, before);
        assert_eq!(prove().await, Ok(()));
    }
    assert_eq!(nasty.asked("/inside"), 0, "a redirect was followed");
    let outsized = json!({"kty": "RSA", "kid": "r", "n": "s".repeat(1_368), "e": "AQAB"});
    for keys in [json!([]), json!([{"kty": "oct", "k": "c2VjcmV0"}]), json!([outsized])] {
        nasty.says("/keys", Answer::Json(json!({ "keys": keys })));
        assert!(is_garbage(&prove().await), "{keys}");
    }
    // One that is dead: its port is closed, and its name leads nowhere.
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    for issuer in [format!("http://{closed}"), "https://nowhere.invalid".to_owned()] {
        let issuer: IssuerUrl = issuer.parse().expect("an issuer");
        assert!(is_unreachable(&outside.prove(&issuer, Trust::Platform).await.map(drop)), "{issuer}");
    }
}

#[tokio::test]
async fn no_document_leads_elsewhere() {
    let key = Key::ed25519("e");
    let (nasty, inside) = (Nasty::start(&[&key]).await, Nasty::start(&[&key]).await);
    let outside = with(hurried());
    let changed = |name: &str, value: &str| {
        let mut document = nasty.document();
        document[name] = value.into();
        nasty.says(DOCUMENT, Answer::Json(document));
    };
    let prove = async || outside.prove(&nasty.issuer(), Trust::Platform).await.map(drop);
    for issuer in [inside.url.clone(), format!("{}/", nasty.url), nasty.url.to_uppercase(), String::new()] {
        changed("issuer", &issuer);
        assert!(is_garbage(&prove().await), "{issuer}");
    }
    changed("response_types_supported", "");
    assert!(is_garbage(&prove().await));
    // Each address in it is judged by itself, by its text and by where it leads.
    for name in ["jwks_uri", "token_endpoint", "authorization_endpoint"] {
        for address in ["file:///etc/passwd", "https://ada@127.0.0.1/", "/keys", "", "javascript:alert(1)"] {
            changed(name, address);
            assert!(matches!(prove().await, Err(OutsideError::Address { .. })), "{name} {address}");
        }
    }
    let port = inside.url.rsplit_once(':').expect("a port").1;
    for address in [
        format!("http://169.254.169.254:{port}/keys"),
        format!("https://10.0.0.1:{port}/keys"),
        format!("https://[fd00::1]:{port}/keys"),
        format!("https://[::ffff:10.0.0.1]:{port}/keys"),
    ] {
        changed("jwks_uri", &address);
        let outcome = prove().await;
        assert!(matches!(outcome, Err(OutsideError::NotPublic { .. })), "{address}: {outcome:?}");
    }
    // What is written otherwise leads to the same places.
    for host in ["0x7f.0.0.1", "2130706433", "0177.0.0.1", "localhost", "127.1"] {
        let issuer: IssuerUrl = format!("https://{host}:{port}").parse().expect("an issuer");
        let closed = Outside::new(OutsideSettings { pace: hurried(), ..OutsideSettings::default() });
        for trust in [Trust::Platform, some_tenants()] {
            let refused = closed.prove(&issuer, trust).await.err();
            assert_eq!(refused, Some(OutsideError::NotPublic { host: host.to_owned() }), "{trust:?}");
        }
    }
    assert_eq!((inside.asked("/keys"), inside.asked(DOCUMENT)), (0, 0));

    // A tenant's provider that is where it may be names the platform's inside: only tests let one be on loopback.
    let tenants: Reach =
        Reach { tenants: vec!["127.0.0.2/32".parse().expect("a network")], ..reaching_loopback().reach };
    let outside =
        Outside::new(OutsideSettings { reach: tenants, pace: hurried(), ..OutsideSettings::default() });
    let refused = outside.prove(&nasty.issuer(), some_tenants()).await.err();
    assert_eq!(refused, Some(OutsideError::NotPublic { host: "127.0.0.1".to_owned() }));
}

#[tokio::test]
async fn keys_change_and_stay_while_the_provider_is_away() {
    let (first, second) = (Key::ed25519("first"), Key::ed25519("second"));
    let nasty = Nasty::start(&[&first]).await;
    let outside = with(Pace { between: Duration::from_millis(200), ..hurried() });
    let tokens = [token(&first, &nasty), token(&second, &nasty)];
    assert_eq!(check(&outside, &nasty, &tokens[0]).await, Ok(()));
    let unknown = Err(OutsideError::Token(TokenFault::UnknownKey));
    assert_eq!(check(&outside, &nasty, &tokens[1]).await, unknown);

    nasty.has(&[&first, &second]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(check(&outside, &nasty, &tokens[1]).await, Ok(()), "a new key is looked for");
    assert_eq!(check(&outside, &nasty, &tokens[0]).await, Ok(()));
    nasty.has(&[&second]);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let other = Key::ed25519("other");
    assert_eq!(check(&outside, &nasty, &token(&other, &nasty)).await, unknown);
    assert_eq!(check(&outside, &nasty, &tokens[0]).await, unknown, "a key that was taken back is none");

    // Away, in every way there is: what is known goes on.
    for answer in [Answer::status(503, "", ""), Answer::Silence, Answer::Raw(Vec::new())] {
        nasty.says("/keys", answer.clone());
        nasty.says(DOCUMENT, answer);
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(check(&outside, &nasty, &token(&other, &nasty)).await.is_err());
        assert_eq!(check(&outside, &nasty, &tokens[1]).await, Ok(()));
    }

    // What is no longer fresh is asked for first: one waits for a moment, and nobody beside; too old is no answer at all.
    let short = Pace { fresh: Duration::ZERO, stale: Duration::from_millis(1_500), ..hurried() };
    let outside = with(short);
    nasty.says(DOCUMENT, Answer::Json(nasty.document()));
    nasty.has(&[&first, &second]);
    assert_eq!(check(&outside, &nasty, &tokens[0]).await, Ok(()));
    nasty.has(&[&second]);
    assert_eq!(
        check(&outside, &nasty, &tokens[0]).await,
        unknown,
        "a key that was taken back is none at once"
    );
    nasty.says("/keys", Answer::Silence);
    let begun = Instant::now();
    assert_eq!(check(&outside, &nasty, &tokens[1]).await, Ok(()));
    assert!(begun.elapsed() < Duration::from_millis(550), "it waited: {:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(check(&outside, &nasty, &tokens[1]).await, Ok(()));
    assert!(begun.elapsed() < Duration::from_millis(150), "the next one waited: {:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert!(is_unreachable(&check(&outside, &nasty, &tokens[1]).await));
}

#[tokio::test]
async fn tenants_take_nothing_from_the_platform_nor_from_each_other() {
    let key = Key::ed25519("e");
    let (good, hanging) = (Nasty::start(&[&key]).await, Nasty::start(&[&key]).await);
    let reach =
        Reach { tenants: vec!["127.0.0.0/8".parse().expect("a network")], ..reaching_loopback().reach };
    let pace = Pace { whole: Duration::from_secs(3), ..Pace::default() };
    let outside = Arc::new(Outside::new(OutsideSettings { reach, pace, ..OutsideSettings::default() }));
    let token = token(&key, &good);
    let signs_in = async |trust: Trust| {
        let begun = Instant::now();
        let outcome = outside.check_bearer(&good.issuer(), trust, AUDIENCE, &token).await;
        (outcome.map(drop), begun.elapsed())
    };
    let (bad, naming, other) = (some_tenants(), some_tenants(), some_tenants());

    // One has a hundred and fifty addresses asked that never answer.
    let mut storm = tokio::task::JoinSet::new();
    for number in 0..150 {
        let path = format!("/{number}");
        hanging.says(&format!("{path}{DOCUMENT}"), Answer::Silence);
        let (outside, issuer) = (Arc::clone(&outside), format!("{}{path}", hanging.url));
        storm.spawn(async move {
            let issuer: IssuerUrl = issuer.parse().expect("an issuer");
            outside.discover(&issuer, bad).await.map(drop)
        });
    }
    while hanging.asked(&format!("/0{DOCUMENT}")) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    for trust in [Trust::Platform, other] {
        let (outcome, took) = signs_in(trust).await;
        assert_eq!(outcome, Ok(()), "{trust:?}");
        assert!(took < Duration::from_secs(1), "{trust:?} waited {took:?}");
    }
    storm.abort_all();

    // However many issuers are named by however many tenants, what is known of the platform's stays, and so does what is
    // known of another tenant's as long as one alone names them.
    good.says("/keys", Answer::Silence);
    good.says(DOCUMENT, Answer::Silence);
    let named = async |number: usize, trust: Trust| {
        // A port that nobody may dial in the open: no question is on its way for it.
        let issuer: IssuerUrl = format!("http://192.0.2.1/{number}").parse().expect("an issuer");
        assert!(outside.discover(&issuer, trust).await.is_err());
    };
    for number in 0..2_000 {
        named(number, naming).await;
    }
    assert_eq!(signs_in(other).await.0, Ok(()));
    for number in 0..5_000 {
        named(number, Trust::Tenant(TenantId::random())).await;
    }
    assert_eq!(signs_in(Trust::Platform).await.0, Ok(()));
}

#[tokio::test]
async fn storms_reach_the_provider_once() {
    let key = Key::ed25519("e");
    let nasty = Nasty::start(&[&key]).await;
    let outside = Arc::new(with(Pace::default()));
    let good = token(&key, &nasty);
    let mut storm = tokio::task::JoinSet::new();
    for number in 0..200 {
        let header = Header { kid: Some(format!("made-up-{number}")), ..key.header() };
        let made_up = if number % 2 == 0 { good.clone() } else { token_of(&key, header, &nasty) };
        let (outside, issuer) = (Arc::clone(&outside), nasty.issuer());
        storm.spawn(async move {
            let outcome = outside.check_bearer(&issuer, Trust::Platform, AUDIENCE, &made_up).await;
            (number, outcome.map(drop))
        });
    }
    while let Some(done) = storm.join_next().await {
        let (number, outcome) = done.expect("no panic");
        let expected =
            if number % 2 == 0 { Ok(()) } else { Err(OutsideError::Token(TokenFault::UnknownKey)) };
        assert_eq!(outcome, expected, "{number}");
    }
    assert_eq!((nasty.asked(DOCUMENT), nasty.asked("/keys")), (1, 1));

    // A provider that fails is asked once in a while, and stands in nobody's way.
    let dead = Nasty::start(&[&key]).await;
    dead.says(DOCUMENT, Answer::Silence);
    let outside = Arc::new(with(Pace { whole: Duration::from_millis(600), ..Pace::default() }));
    let to_the_dead = token(&key, &dead);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (outside, issuer, token) = (Arc::clone(&outside), dead.issuer(), to_the_dead.clone());
        waiting.spawn(async move {
            outside.check_bearer(&issuer, Trust::Platform, AUDIENCE, &token).await.map(drop)
        });
    }
    let begun = Instant::now();
    assert_eq!(check(&outside, &nasty, &good).await, Ok(()));
    assert!(begun.elapsed() < Duration::from_millis(500), "another's provider was waited for");
    while let Some(done) = waiting.join_next().await {
        assert!(is_unreachable(&done.expect("no panic")));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "they waited one after the other");
    assert_eq!(dead.asked(DOCUMENT), 1);
    // Who leaves early does not make the next one ask again.
    let gone = Nasty::start(&[&key]).await;
    gone.says(DOCUMENT, Answer::Silence);
    let token = token(&key, &gone);
    let early = tokio::time::timeout(Duration::from_millis(100), check(&outside, &gone, &token)).await;
    assert!(early.is_err());
    assert!(is_unreachable(&check(&outside, &gone, &token).await));
    assert_eq!(gone.asked(DOCUMENT), 1);
}
