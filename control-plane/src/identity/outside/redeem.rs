//! A sign-in at a provider: where the browser is sent, and what its code is worth when it is back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::OutsideError;
use super::discovery::{Discovery, Shown};
use super::fetch::{Answer, Question};
use crate::model::ids::ProviderId;
use crate::model::provider::{IssuerUrl, Trust};

/// Who we are at a provider.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    pub provider: ProviderId,
    pub issuer: &'a IssuerUrl,
    pub trust: Trust,
    pub id: &'a str,
    /// None for a client that has none to keep; the proof of the code stands in for it.
    pub secret: Option<&'a SecretString>,
    /// With spaces between them.
    pub scopes: &'a str,
}

/// A sign-in that begins.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub redirect_uri: &'a str,
    pub state: &'a str,
    pub nonce: &'a str,
    /// What proves later that the code is ours (RFC 7636); its hash goes with the browser.
    pub verifier: &'a str,
    /// Whom the provider may suggest to sign in as.
    pub login_hint: Option<&'a str>,
    /// Whether they have to sign in there though they are.
    pub again: bool,
}

/// A browser that is back with a code.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    pub code: &'a str,
    /// What the browser brought as the code's issuer (RFC 9207), if anything.
    pub issuer: Option<&'a str>,
    /// The same as when it began, and so are the next two.
    pub redirect_uri: &'a str,
    pub nonce: &'a str,
    pub verifier: &'a str,
}

/// What a provider gave for a code, unchecked.
#[derive(Deserialize)]
pub(super) struct Given {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

/// The address that the browser is sent to.
pub(super) fn way(discovery: &Discovery, client: &Client<'_>, asked: &Asked<'_>) -> String {
    let endpoint = &discovery.authorization_endpoint;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.verifier.as_bytes()));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", client.id)
        .append_pair("redirect_uri", asked.redirect_uri)
        .append_pair("scope", client.scopes)
        .append_pair("state", asked.state)
        .append_pair("nonce", asked.nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if let Some(hint) = asked.login_hint {
        query.append_pair("login_hint", hint);
    }
    if asked.again {
        // The one is what providers know, the other what has them say when it was (OpenID Connect Core, 2).
        query.append_pair("prompt", "login").append_pair("max_age", "0");
    }
    let joint = match endpoint.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{endpoint}{joint}{}", query.finish())
}

/// That the code comes from whom it was asked of: else one provider could hand out another's codes to us (RFC 9207).
pub(super) fn from_whom(
    discovery: &Discovery,
    client: &Client<'_>,
    back: &Back<'_>,
) -> Result<(), OutsideError> {
    match back.issuer {
        None if discovery.names_itself => Err(OutsideError::Refused("the code came without its issuer")),
        Some(issuer) if issuer != client.issuer.as_str() => {
            Err(OutsideError::Refused("the code came from another issuer"))
        }
        _ => Ok(()),
    }
}

/// What is sent for the code.
pub(super) fn question(
    discovery: &Discovery,
    client: &Client<'_>,
    back: &Back<'_>,
) -> Result<Question, OutsideError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", back.code)
        .append_pair("redirect_uri", back.redirect_uri)
        .append_pair("code_verifier", back.verifier);
    let Some(secret) = client.secret else {
        form.append_pair("client_id", client.id);
        return Ok(Question::Post { form: form.finish(), authorization: None });
    };
    let secret = secret.expose_secret();
    let authorization = match discovery.shown {
        Some(Shown::Basic) => Some(basic(client.id, secret)),
        Some(Shown::Post) => {
            form.append_pair("client_id", client.id).append_pair("client_secret", secret);
            None
        }
        None => {
            let why = "it takes no client secrets (token_endpoint_auth_methods_supported)";
            return Err(OutsideError::Refused(why));
        }
    };
    Ok(Question::Post { form: form.finish(), authorization })
}

/// Both parts are written as in forms first (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &str) -> HeaderValue {
    let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", coded(id), coded(secret)));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is fit for a header");
    value.set_sensitive(true);
    value
}

/// Reads what came for the code.
pub(super) fn given(answer: &Answer, host: &str) -> Result<Given, OutsideError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if answer.status == StatusCode::OK {
        let garbage = |_| OutsideError::Garbage { host: host.to_owned(), why: "no ID token".to_owned() };
        return serde_json::from_slice(&answer.body).map_err(garbage);
    }
    match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(refusal) if answer.status.is_client_error() => Err(OutsideError::Refused(known(&refusal.error))),
        _ => {
            let why = format!("status {}", answer.status.as_u16());
            Err(OutsideError::Garbage { host: host.to_owned(), why })
        }
    }
}

/// The words of RFC 6749, 5.2; none of a provider's own is passed on.
fn known(error: &str) -> &'static str {
    const WORDS: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    WORDS.into_iter().find(|word| *word == error).unwrap_or("an error of its own")
}
