//! OpenID providers outside: one not of our making, and one that is as bad as it can be.

mod answers;
pub mod mock;
pub mod nasty;
pub mod tls;
mod tokens;

use std::net::IpAddr;

use control_plane::identity::outside::address::Reach;
use control_plane::identity::outside::{
    Asked, Back, Client, Outside, OutsideError, OutsideSettings, TokenFault, arrival,
};
use control_plane::model::ids::{ProviderId, TenantId};
use control_plane::model::provider::{ClaimMap, IssuerUrl, Trust};
use secrecy::SecretString;
use serde_json::json;

use mock::Mock;

const BACK_AT: &str = "http://freehold.localhost:8080/sign-in/callback/auth0";

/// For providers on loopback, which are the platform's.
pub fn reaching_loopback() -> OutsideSettings {
    let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a network")).to_vec();
    OutsideSettings { reach: Reach { platform: loopback, ..Reach::default() }, ..OutsideSettings::default() }
}

/// A tenant's word, whose nobody knows.
fn some_tenants() -> Trust {
    Trust::Tenant(TenantId::random())
}

fn issuer(url: &str) -> IssuerUrl {
    url.parse().expect("an issuer")
}

fn asked(verifier: &str) -> Asked<'_> {
    Asked {
        redirect_uri: BACK_AT,
        state: "the-state",
        nonce: "the-nonce",
        verifier,
        login_hint: None,
        again: false,
    }
}

fn back<'a>(code: &'a str, verifier: &'a str) -> Back<'a> {
    Back { code, issuer: None, redirect_uri: BACK_AT, nonce: "the-nonce", verifier }
}

/// A value of an address's query.
pub fn value(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes())
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn somebody_signs_in_at_a_provider_and_is_known_by_what_it_says() {
    let mock = Mock::start();
    let claims = json!({
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada",
        "https://freehold.example/tenant_id": ["acme"],
    });
    mock.person("ada", &claims).await;
    let outside = Outside::new(reaching_loopback());
    let issuer = issuer(&mock.url);
    let secret = SecretString::from("a-secret.of_theirs");
    for name in ["freehold", "another"] {
        let client = Client {
            provider: ProviderId::random(),
            issuer: &issuer,
            trust: Trust::Platform,
            id: name,
            secret: Some(&secret),
            scopes: "openid email profile",
        };
        let verifier = "v".repeat(43);
        let way = outside.begin(&client, &asked(&verifier)).await.expect("a way");
        for (parameter, expected) in [
            ("response_type", "code"),
            ("client_id", name),
            ("redirect_uri", BACK_AT),
            ("scope", "openid email profile"),
            ("state", "the-state"),
            ("nonce", "the-nonce"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(value(&way, parameter).as_deref(), Some(expected), "{way}");
        }
        assert!(!way.contains(&verifier), "{way}");
        let home = mock.sign_in(&way, Some("ada")).await;
        assert_eq!(value(&home, "state").as_deref(), Some("the-state"));
        let code = value(&home, "code").expect("a code");
        let claims = outside.redeem(&client, &back(&code, &verifier)).await.expect("claims");
        let map = ClaimMap {
            tenants: Some("https://freehold.example/tenant_id".to_owned()),
            ..ClaimMap::default()
        };
        let arrival = arrival(&claims, &map);
        assert_eq!(arrival.subject, "ada");
        assert_eq!(arrival.email.as_ref().map(|email| email.as_str()), Some("ada@example.com"));
        assert!(arrival.email_verified);
        assert_eq!(arrival.tenants.as_deref(), Some(&["acme".to_owned()][..]));
        // A code is good once, and for nothing but the sign-in that it was given for.
        let again = outside.redeem(&client, &back(&code, &verifier)).await;
        assert_eq!(again.err(), Some(OutsideError::Refused("invalid_grant")));
    }
}

#[tokio::test]
async fn what_is_given_for_another_sign_in_is_refused() {
    let mock = Mock::start();
    mock.person("ada", &json!({"email": "ada@example.com"})).await;
    let outside = Outside::new(reaching_loopback());
    let issuer = issuer(&mock.url);
    let secret = SecretString::from("a-secret");
    let client = Client {
        provider: ProviderId::random(),
        issuer: &issuer,
        trust: Trust::Platform,
        id: "freehold",
        secret: Some(&secret),
        scopes: "openid",
    };
    let verifier = "v".repeat(43);
    let code = async || {
        let way = outside.begin(&client, &asked(&verifier)).await.expect("a way");
        value(&mock.sign_in(&way, Some("ada")).await, "code").expect("a code")
    };
    let one = code().await;
    let foreign = Back { nonce: "another", ..back(&one, &verifier) };
    let refused = outside.redeem(&client, &foreign).await.err();
    assert_eq!(refused, Some(OutsideError::Token(TokenFault::Nonce)));
    let one = code().await;
    let elsewhere = Back { issuer: Some("https://elsewhere.example"), ..back(&one, &verifier) };
    assert!(matches!(outside.redeem(&client, &elsewhere).await, Err(OutsideError::Refused(_))));
    let same = Back { issuer: Some(issuer.as_str()), ..elsewhere };
    assert!(outside.redeem(&client, &same).await.is_ok());

    let way = outside.begin(&client, &asked(&verifier)).await.expect("a way");
    let home = mock.sign_in(&way, None).await;
    assert_eq!(value(&home, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_provider_is_proven_before_it_is_set_up() {
    let mock = Mock::start();
    let outside = Outside::new(reaching_loopback());
    let proven = outside.prove(&issuer(&mock.url), Trust::Platform).await.expect("proven");
    assert_eq!(proven.authorization_endpoint, format!("{}/oauth2/authorize", mock.url));
    assert_eq!(proven.keys, 1);
    let slash = outside.prove(&issuer(&format!("{}/", mock.url)), Trust::Platform).await;
    assert!(matches!(slash, Err(OutsideError::Garbage { .. })), "{slash:?}");
    // A tenant's is never inside, and neither is anybody's where nothing was opened.
    let tenants = outside.prove(&issuer(&mock.url), some_tenants()).await;
    assert!(matches!(tenants, Err(OutsideError::Address { .. })), "{tenants:?}");
    let closed = Outside::new(OutsideSettings::default());
    assert!(closed.prove(&issuer(&mock.url), Trust::Platform).await.is_err());
    let encrypted = issuer(&mock.url.replace("http:", "https:"));
    for outside in [&outside, &closed] {
        let refused = outside.prove(&encrypted, some_tenants()).await.err();
        let host = "127.0.0.1".parse::<IpAddr>().expect("an address").to_string();
        assert_eq!(refused, Some(OutsideError::NotPublic { host }));
    }
}
