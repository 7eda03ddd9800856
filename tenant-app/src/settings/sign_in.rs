//! The platform as OpenID provider: all of it, or none of it.

use std::time::Duration;

use axum::http::Uri;
use secrecy::SecretString;

use super::{Error, parse, secret};

/// How people and their tokens are known.
#[derive(Debug, Clone)]
pub struct SignInSettings {
    /// Us, as the platform knows us. Its tokens for us are for this audience.
    pub client_id: String,
    pub client_secret: SecretString,
    /// `iss` of the platform's tokens.
    pub issuer: String,
    /// Scheme, host and port of the issuer: where people are sent to sign in and out.
    pub issuer_origin: String,
    /// Where the platform tells its endpoints: plain HTTP through the back door.
    pub discovery_url: Uri,
    /// Where the platform publishes its keys; through the back door as well.
    pub jwks_url: Uri,
    /// What is kept of sessions is sealed with it.
    pub app_key: SecretString,
    /// So long the platform's word about somebody is believed without asking again.
    pub believed: Duration,
}

/// Whom the platform no longer knows is out within this time; and it is asked no more often about anybody.
const BELIEVED: Duration = Duration::from_secs(5);

/// Nothing of it is `None`: the app then lets nobody in.
///
/// # Errors
/// Some of it is missing, or not of its form.
pub(super) fn read(
    get: impl Fn(&'static str) -> Option<String> + Copy,
    file: &impl Fn(&str) -> Option<String>,
) -> Result<Option<SignInSettings>, Error> {
    const NAMES: [&str; 6] =
        ["CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "DISCOVERY_URL", "TOKEN_ISSUER", "JWKS_URL"];
    if NAMES.iter().all(|name| get(name).is_none()) {
        return Ok(None);
    }
    let need = |name: &'static str| get(name).ok_or(Error::Missing(name));
    let issuer = need("TOKEN_ISSUER")?;
    Ok(Some(SignInSettings {
        client_id: need("CLIENT_ID")?,
        client_secret: secret("CLIENT_SECRET", "CLIENT_SECRET_FILE", get, file)?
            .ok_or(Error::Missing("CLIENT_SECRET or CLIENT_SECRET_FILE"))?,
        issuer_origin: origin(&issuer)?,
        issuer,
        discovery_url: through_the_back_door("DISCOVERY_URL", &need("DISCOVERY_URL")?)?,
        jwks_url: through_the_back_door("JWKS_URL", &need("JWKS_URL")?)?,
        app_key: secret("APP_KEY", "APP_KEY_FILE", get, file)?
            .ok_or(Error::Missing("APP_KEY or APP_KEY_FILE"))?,
        believed: BELIEVED,
    }))
}

fn origin(issuer: &str) -> Result<String, Error> {
    let invalid = || Error::Invalid { variable: "TOKEN_ISSUER", problem: "is not an http or https address" };
    let url: Uri = issuer.parse().map_err(|_| invalid())?;
    match (url.scheme_str(), url.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => Err(invalid()),
    }
}

fn through_the_back_door(variable: &'static str, text: &str) -> Result<Uri, Error> {
    let url: Uri = parse(variable, text, "is not an address")?;
    if url.scheme_str() == Some("http") && url.host().is_some() {
        return Ok(url);
    }
    Err(Error::Invalid {
        variable,
        problem: "is not a plain http address; the platform is asked through its back door",
    })
}
