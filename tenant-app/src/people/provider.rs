//! The platform as OpenID provider: where its endpoints are, and what is asked of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::back_door::{Answer, BackDoor, Error};
use crate::settings::SignInSettings;

/// Endpoints younger than this are used without asking again.
const FRESH: Duration = Duration::from_secs(300);
/// After a question that was not answered the platform is left in peace so long, or everybody's request
/// would wait for it.
const PEACE: Duration = Duration::from_secs(2);

/// As its discovery document tells them.
#[derive(Debug, Clone, Deserialize)]
pub struct Endpoints {
    issuer: String,
    /// Public: people go there.
    pub authorization_endpoint: String,
    /// Public as well.
    pub end_session_endpoint: Option<String>,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: Option<String>,
    /// RFC 9207: then an answer without `iss` is none of the platform's.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// What a code or a refresh token is good for.
#[derive(Deserialize)]
pub struct Tokens {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    pub id_token: Option<SecretString>,
    token_type: String,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum NoTokens {
    #[error("the platform refused: {0}")]
    Refused(String),
    #[error("the platform could not be asked: {0}")]
    Away(#[from] Error),
}

/// Endpoints as they were told last, when that was, and when they last could not be asked for.
#[derive(Default)]
struct Found {
    told: Option<(Instant, Arc<Endpoints>)>,
    unanswered: Option<Instant>,
}

pub struct Provider {
    door: BackDoor,
    discovery: Uri,
    issuer: String,
    credentials: HeaderValue,
    found: tokio::sync::Mutex<Found>,
    /// When a question about tokens was not answered.
    unanswered: Mutex<Option<Instant>>,
}

impl Provider {
    #[must_use]
    pub fn new(settings: &SignInSettings, door: BackDoor) -> Self {
        Self {
            door,
            discovery: settings.discovery_url.clone(),
            issuer: settings.issuer.clone(),
            credentials: basic(&settings.client_id, &settings.client_secret),
            found: tokio::sync::Mutex::default(),
            unanswered: Mutex::new(None),
        }
    }

    /// Asked for again now and then; when the platform is away, those it told last are used.
    ///
    /// # Errors
    /// It is away and never told them, or what it told is of another issuer.
    pub async fn endpoints(&self) -> Result<Arc<Endpoints>, Error> {
        let mut found = self.found.lock().await;
        let fresh = found.told.as_ref().filter(|(at, _)| at.elapsed() < FRESH);
        if let Some((_, endpoints)) = fresh {
            return Ok(Arc::clone(endpoints));
        }
        // Those who wait for the same do not each wait for the deadline.
        let outcome = if lately(found.unanswered) { Err(LATELY) } else { self.discovered().await };
        match outcome {
            Ok(endpoints) => {
                let endpoints = Arc::new(endpoints);
                *found = Found { told: Some((Instant::now(), Arc::clone(&endpoints))), unanswered: None };
                Ok(endpoints)
            }
            Err(error) => {
                if !lately(found.unanswered) {
                    tracing::warn!(%error, "the platform's endpoints could not be asked for");
                    found.unanswered = Some(Instant::now());
                }
                found.told.as_ref().map(|(_, endpoints)| Arc::clone(endpoints)).ok_or(error)
            }
        }
    }

    async fn discovered(&self) -> Result<Endpoints, Error> {
        let endpoints: Endpoints = self.door.get(self.discovery.clone()).await?;
        if endpoints.issuer != self.issuer {
            return Err(Error::Meaning("the discovery document is of another issuer"));
        }
        Ok(endpoints)
    }

    /// Tokens for the code of a sign-in.
    ///
    /// # Errors
    /// [`NoTokens`].
    pub async fn redeem(&self, code: &str, verifier: &str, redirect_uri: &str) -> Result<Tokens, NoTokens> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.tokens(&form).await
    }

    /// Another access token.
    ///
    /// # Errors
    /// [`NoTokens`]; [`NoTokens::Refused`] when the sign-in it stands on has ended.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Tokens, NoTokens> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        self.tokens(&form).await
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<Tokens, NoTokens> {
        let endpoints = self.endpoints().await?;
        let answer = self.post(&endpoints.token_endpoint, form).await?;
        match answer.status {
            200 => {
                let tokens: Tokens = answer.json()?;
                if !tokens.token_type.eq_ignore_ascii_case("bearer") {
                    return Err(Error::Meaning("the tokens are not bearer tokens").into());
                }
                Ok(tokens)
            }
            400 => Err(NoTokens::Refused(answer.json::<OAuthError>()?.error)),
            // That it does not know us is a fault of how we were set up, and ends nobody's session.
            status => Err(Error::Status(status).into()),
        }
    }

    /// What a token says now; `None` when it is no longer, or never was, a good one of ours (RFC 7662).
    ///
    /// # Errors
    /// The platform cannot be asked, or was not a moment ago.
    pub async fn introspect(&self, token: &SecretString) -> Result<Option<Map<String, Value>>, Error> {
        let unanswered = || self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        if lately(*unanswered()) {
            return Err(LATELY);
        }
        let outcome = self.ask_about(token).await;
        // Only what others would meet with as well: nobody's own answer holds up what is asked about others.
        *unanswered() = outcome.as_ref().is_err_and(Error::is_for_all).then(Instant::now);
        outcome
    }

    async fn ask_about(&self, token: &SecretString) -> Result<Option<Map<String, Value>>, Error> {
        let endpoints = self.endpoints().await?;
        let form = [("token", token.expose_secret()), ("token_type_hint", "access_token")];
        let answer = self.post(&endpoints.introspection_endpoint, &form).await?;
        if answer.status != 200 {
            return Err(Error::Status(answer.status));
        }
        let said: Map<String, Value> = answer.json()?;
        match said.get("active").and_then(Value::as_bool) {
            Some(true) => Ok(Some(said)),
            Some(false) => Ok(None),
            None => Err(Error::Meaning("the answer does not say whether the token is active")),
        }
    }

    /// Tells the platform that a refresh token is no longer wanted (RFC 7009).
    ///
    /// # Errors
    /// It could not be told.
    pub async fn revoke(&self, refresh_token: &SecretString) -> Result<(), Error> {
        let endpoints = self.endpoints().await?;
        let Some(endpoint) = &endpoints.revocation_endpoint else { return Ok(()) };
        let form = [("token", refresh_token.expose_secret()), ("token_type_hint", "refresh_token")];
        let answer = self.post(endpoint, &form).await?;
        if answer.status == 200 { Ok(()) } else { Err(Error::Status(answer.status)) }
    }

    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<Answer, Error> {
        let url: Uri = endpoint.parse().map_err(|_| Error::Meaning("an endpoint is no address"))?;
        if url.scheme_str() != Some("http") {
            return Err(Error::Meaning("an endpoint is not reached through the back door"));
        }
        self.door.post(&url, &self.credentials, form).await
    }
}

const LATELY: Error = Error::Meaning("the platform did not answer a moment ago");

fn lately(unanswered: Option<Instant>) -> bool {
    unanswered.is_some_and(|at| at.elapsed() < PEACE)
}

/// `client_secret_basic`: both parts are encoded as in a form first (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_twice() {
        let value = basic("a:b", &"s%c +é".to_owned().into());
        let text = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(text).unwrap(), b"a%3Ab:s%25c+%2B%C3%A9");
        assert!(value.is_sensitive());
    }
}
