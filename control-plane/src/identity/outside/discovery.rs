//! What a provider says of itself (OpenID Connect Discovery 1.0): where things are.

use serde::Deserialize;

use super::OutsideError;
use super::address::Reach;
use super::target::Target;
use crate::model::provider::{IssuerUrl, Trust};

/// Where a provider does what, as far as we use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    pub(super) token_endpoint: Target,
    pub(super) jwks_uri: Target,
    /// How a client shows its secret at the token endpoint; none: it takes no secrets.
    pub(super) shown: Option<Shown>,
    /// Whether it says with each code who gave it (RFC 9207).
    pub(super) names_itself: bool,
}

/// How a client shows its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// In a header: `client_secret_basic`.
    Basic,
    /// In the form: `client_secret_post`.
    Post,
}

impl Shown {
    /// Out of the ways that a provider says it takes; who says nothing takes the first.
    fn of(methods: Option<&[String]>) -> Option<Self> {
        let Some(methods) = methods else { return Some(Self::Basic) };
        let takes = |method: &str| methods.iter().any(|one| one == method);
        if takes("client_secret_basic") {
            Some(Self::Basic)
        } else {
            takes("client_secret_post").then_some(Self::Post)
        }
    }
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    response_types_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where the document of an issuer is.
pub(super) fn place(issuer: &IssuerUrl, trust: Trust, reach: &Reach) -> Result<Target, OutsideError> {
    let base = issuer.as_str().trim_end_matches('/');
    Target::parse("the issuer", &format!("{base}/.well-known/openid-configuration"), trust, reach)
}

impl Discovery {
    /// Reads the document that `host` gave for this issuer.
    pub(super) fn read(
        text: &[u8],
        host: &str,
        issuer: &IssuerUrl,
        trust: Trust,
        reach: &Reach,
    ) -> Result<Self, OutsideError> {
        let garbage = |why: &str| OutsideError::Garbage { host: host.to_owned(), why: why.to_owned() };
        let document: Document =
            serde_json::from_slice(text).map_err(|_| garbage("no discovery document of OpenID Connect"))?;
        // To the letter: else what one provider says would pass for another's.
        if document.issuer != issuer.as_str() {
            return Err(garbage("the discovery document of another issuer"));
        }
        let types = document.response_types_supported.as_deref();
        if types.is_some_and(|types| !types.iter().any(|one| one == "code")) {
            return Err(garbage("a provider that gives no codes (response type `code`)"));
        }
        let place = |what, text: &str| Target::parse(what, text, trust, reach);
        let authorization = place("authorization_endpoint", &document.authorization_endpoint)?;
        if !authorization.encrypted && !issuer.as_str().starts_with("http://") {
            let why = "it does not begin with https://";
            return Err(OutsideError::Address { what: "authorization_endpoint", why });
        }
        Ok(Self {
            token_endpoint: place("token_endpoint", &document.token_endpoint)?,
            jwks_uri: place("jwks_uri", &document.jwks_uri)?,
            authorization_endpoint: document.authorization_endpoint,
            shown: Shown::of(document.token_endpoint_auth_methods_supported.as_deref()),
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}
