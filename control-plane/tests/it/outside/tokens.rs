//! Tokens of a provider: the one that is right, and all that are nearly so.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use control_plane::identity::outside::{Client, Outside, OutsideError, TokenFault};
use control_plane::model::ids::ProviderId;
use control_plane::model::provider::Trust;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::nasty::{Answer, Key, Nasty};
use super::{back, reaching_loopback};

const AUDIENCE: &str = "https://api.freehold.example";
const CLIENT: &str = "freehold";

/// Claims with some of them changed; null takes one away.
fn with(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in change.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// What does not depend on what kind of token it is: signed claims, and what is wrong with them.
fn forged(key: &Key, other: &Key, claims: &Value, url: &str) -> Vec<(String, TokenFault)> {
    let now = Utc::now().timestamp();
    let mut all: Vec<(String, TokenFault)> = [
        (json!({"iss": null}), TokenFault::Issuer),
        (json!({"iss": "https://elsewhere.example"}), TokenFault::Issuer),
        (json!({"iss": format!("{url}/")}), TokenFault::Issuer),
        (json!({"iss": [url]}), TokenFault::Issuer),
        (json!({"aud": null}), TokenFault::Audience),
        (json!({"aud": "another"}), TokenFault::Audience),
        (json!({"aud": []}), TokenFault::Audience),
        (json!({"sub": null}), TokenFault::Subject),
        (json!({"sub": ""}), TokenFault::Subject),
        (json!({"sub": 7}), TokenFault::Subject),
        (json!({"sub": "x".repeat(256)}), TokenFault::Subject),
        (json!({"sub": "a\u{0}b"}), TokenFault::Subject),
        (json!({"exp": null}), TokenFault::Malformed),
        (json!({"exp": "never"}), TokenFault::Malformed),
        (json!({"exp": now - 70}), TokenFault::Expired),
        (json!({"nbf": now + 70}), TokenFault::NotYet),
        (json!({"iat": now + 70}), TokenFault::NotYet),
    ]
    .iter()
    .map(|(change, fault)| (key.sign(&with(claims, change)), *fault))
    .collect();

    let good = key.sign(claims);
    let parts: Vec<&str> = good.split('.').collect();
    let head = |head: Value| URL_SAFE_NO_PAD.encode(head.to_string());
    let none = head(json!({"alg": "none", "typ": "JWT"}));
    all.push((format!("{none}.{}.", parts[1]), TokenFault::Algorithm));
    all.push((format!("{none}.{}.{}", parts[1], parts[2]), TokenFault::Algorithm));
    // What everybody knows of a key is no secret to sign with.
    for public in [key.public.to_string(), key.public["x"].to_string(), key.public["n"].to_string()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let header = Header { kid: Some(key.id.clone()), ..Header::new(algorithm) };
            let secret = EncodingKey::from_secret(public.trim_matches('"').as_bytes());
            let token = jsonwebtoken::encode(&header, claims, &secret).expect("a token");
            all.push((token, TokenFault::Algorithm));
        }
    }
    // Another's key under this one's name, its own name, and no name.
    let named = |kid: Option<&str>| Header { kid: kid.map(ToOwned::to_owned), ..other.header() };
    all.push((other.sign_as(named(Some(&other.id)), claims), TokenFault::UnknownKey));
    let renamed = other.sign_as(named(Some(&key.id)), claims);
    let same = key.algorithm == other.algorithm;
    all.push((renamed, if same { TokenFault::Signature } else { TokenFault::UnknownKey }));
    let longest = Header { kid: Some("k".repeat(300)), ..key.header() };
    all.push((key.sign_as(longest, claims), TokenFault::UnknownKey));
    // Changed on the way.
    let more = URL_SAFE_NO_PAD.encode(with(claims, &json!({"sub": "eve"})).to_string());
    all.push((format!("{}.{more}.{}", parts[0], parts[2]), TokenFault::Signature));
    all.push((format!("{}.{}.", parts[0], parts[1]), TokenFault::Signature));
    for text in ["", ".", "..", "a.b.c", "one"] {
        all.push((text.to_owned(), TokenFault::Malformed));
    }
    all.push((format!("{good}.{}", parts[2]), TokenFault::Malformed));
    all.push((format!("{good}{}", "A".repeat(20_000)), TokenFault::Malformed));
    let kinds = [
        Header { typ: Some("logout+jwt".to_owned()), ..key.header() },
        Header { crit: Some(vec!["exp".to_owned()]), ..key.header() },
    ];
    all.extend(kinds.into_iter().map(|header| (key.sign_as(header, claims), TokenFault::Kind)));
    all
}

#[tokio::test]
async fn a_foreign_token_is_good_when_all_of_it_is() {
    let keys = [Key::ed25519("e"), Key::p256("p"), Key::rsa("r")];
    let nasty = Nasty::start(&keys.each_ref()).await;
    let outside = Outside::new(reaching_loopback());
    let (issuer, now) = (nasty.issuer(), Utc::now().timestamp());
    let claims = json!({
        "iss": nasty.url, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "iat": now, "scope": "openid",
    });
    let check = async |token: &str| {
        outside.check_bearer(&issuer, Trust::Platform, AUDIENCE, token).await.map(|checked| checked.0.subject)
    };
    for key in &keys {
        for change in [
            json!({}),
            json!({"aud": ["another", AUDIENCE]}),
            json!({"exp": now - 50}),
            json!({"exp": now + 24 * 3_600}),
            json!({"iat": now + 50, "nbf": now + 50}),
            json!({"iat": null}),
            json!({"typ": "Bearer", "azp": "another"}),
        ] {
            let token = key.sign(&with(&claims, &change));
            assert_eq!(check(&token).await.as_deref(), Ok("ada"), "{} {change}", key.id);
        }
        let typed = Header { typ: Some("at+JWT".to_owned()), ..key.header() };
        assert!(check(&key.sign_as(typed, &claims)).await.is_ok(), "{}", key.id);
        // Without a name there is one key of this kind.
        let unnamed = Header { kid: None, ..key.header() };
        assert!(check(&key.sign_as(unnamed, &claims)).await.is_ok(), "{}", key.id);
        for other in [Key::ed25519("o"), Key::p256("o")] {
            for (token, fault) in forged(key, &other, &claims, &nasty.url) {
                assert_eq!(check(&token).await, Err(OutsideError::Token(fault)), "{}: {token}", key.id);
            }
        }
        for exp in [now + 24 * 3_600 + 120, 253_402_300_799] {
            let token = key.sign(&with(&claims, &json!({ "exp": exp })));
            assert_eq!(check(&token).await, Err(OutsideError::Token(TokenFault::Endless)), "{}", key.id);
        }
        // ID tokens, and what else says that it is no access token.
        for change in [
            json!({"at_hash": "x"}),
            json!({"c_hash": "x"}),
            json!({"typ": "ID"}),
            json!({"typ": "Refresh"}),
            json!({"events": {}}),
        ] {
            let token = key.sign(&with(&claims, &change));
            assert_eq!(check(&token).await, Err(OutsideError::Token(TokenFault::Kind)), "{change}");
        }
    }
    let rsa = &keys[2];
    for algorithm in
        [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]
    {
        let header = Header { alg: algorithm, ..rsa.header() };
        assert!(check(&rsa.sign_as(header, &claims)).await.is_ok(), "{algorithm:?}");
    }
    assert_eq!(nasty.asked("/keys"), 1, "no token makes it ask again at once");
}

#[tokio::test]
async fn an_id_token_is_good_for_the_sign_in_that_it_was_given_for() {
    let key = Key::rsa("r");
    let nasty = Nasty::start(&[&key]).await;
    let outside = Outside::new(reaching_loopback());
    let (issuer, now) = (nasty.issuer(), Utc::now().timestamp());
    let client = Client {
        provider: ProviderId::random(),
        issuer: &issuer,
        trust: Trust::Platform,
        id: CLIENT,
        secret: None,
        scopes: "openid",
    };
    let at_hash = |token: &str| URL_SAFE_NO_PAD.encode(&Sha256::digest(token.as_bytes())[..16]);
    let claims = json!({
        "iss": nasty.url, "aud": CLIENT, "sub": "ada", "exp": now + 600, "iat": now, "nonce": "the-nonce",
        "at_hash": at_hash("access"), "azp": CLIENT,
    });
    let verifier = "v".repeat(43);
    let redeem = async |given: Value| {
        nasty.says("/token", Answer::Json(given));
        outside.redeem(&client, &back("the-code", &verifier)).await.map(|claims| claims.subject)
    };
    let beside =
        |id_token: String| json!({"id_token": id_token, "access_token": "access", "token_type": "Bearer"});
    for change in
        [json!({}), json!({"azp": null}), json!({"aud": [CLIENT, "another"]}), json!({"at_hash": null})]
    {
        let given = beside(key.sign(&with(&claims, &change)));
        assert_eq!(redeem(given).await.as_deref(), Ok("ada"), "{change}");
    }
    let sent = nasty.heard("/token").remove(0);
    let expected = [
        "grant_type=authorization_code".to_owned(),
        "code=the-code".to_owned(),
        "redirect_uri=http%3A%2F%2Ffreehold.localhost%3A8080%2Fsign-in%2Fcallback%2Fauth0".to_owned(),
        format!("code_verifier={verifier}"),
        format!("client_id={CLIENT}"),
    ];
    assert_eq!(sent, expected.join("&"));

    for (change, fault) in [
        (json!({"nonce": null}), TokenFault::Nonce),
        (json!({"nonce": "another"}), TokenFault::Nonce),
        (json!({"at_hash": at_hash("another")}), TokenFault::AccessToken),
        (json!({"at_hash": ["x"]}), TokenFault::AccessToken),
        (json!({"azp": "another"}), TokenFault::Audience),
        (json!({"aud": [CLIENT, "another"], "azp": null}), TokenFault::Audience),
        (json!({"iat": null}), TokenFault::Malformed),
    ] {
        let given = beside(key.sign(&with(&claims, &change)));
        assert_eq!(redeem(given).await, Err(OutsideError::Token(fault)), "{change}");
    }
    for (token, fault) in forged(&key, &Key::ed25519("o"), &claims, &nasty.url) {
        assert_eq!(redeem(beside(token.clone())).await, Err(OutsideError::Token(fault)), "{token}");
    }
    let access = Header { typ: Some("at+jwt".to_owned()), ..key.header() };
    let given = beside(key.sign_as(access, &claims));
    assert_eq!(redeem(given).await, Err(OutsideError::Token(TokenFault::Kind)));
    let alone = json!({"id_token": key.sign(&claims)});
    assert_eq!(redeem(alone).await, Err(OutsideError::Token(TokenFault::AccessToken)));
    assert!(matches!(redeem(json!({"access_token": "x"})).await, Err(OutsideError::Garbage { .. })));
    let refusals = [
        (r#"{"error": "invalid_client"}"#, "invalid_client"),
        (r#"{"error": "<script>", "error_description": "<script>"}"#, "an error of its own"),
    ];
    for (body, said) in refusals {
        nasty.says("/token", Answer::status(400, "", body));
        let refused = outside.redeem(&client, &back("the-code", &verifier)).await.err();
        assert_eq!(refused, Some(OutsideError::Refused(said)));
    }
}
