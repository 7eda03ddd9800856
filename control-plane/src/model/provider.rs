//! OpenID providers outside: how they are named, where they are, and what their claims mean here.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::TenantId;
use super::role::Role;
use super::slug::{InvalidSlug, Slug};

/// Whose word a provider is: it says how far it is trusted, and what may be reached on its behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trust {
    /// A platform admin set it up.
    Platform,
    /// This tenant's owner did, who may mean anything by it.
    Tenant(TenantId),
}

/// Why a text is no name of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a provider is named as slugs are: {0}")]
pub struct InvalidName(InvalidSlug);

/// What a provider is called in addresses and on the command line: as a slug, and any of the words that slugs may not
/// be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

impl ProviderName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProviderName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.parse::<Slug>() {
            Ok(_) | Err(InvalidSlug::Reserved(_)) => Ok(Self(text.to_owned())),
            Err(error) => Err(InvalidName(error)),
        }
    }
}

impl TryFrom<String> for ProviderName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ProviderName> for String {
    fn from(name: ProviderName) -> Self {
        name.0
    }
}

/// Longest issuer, in bytes.
const LONGEST_ISSUER: usize = 512;

/// Why a text is no issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    #[error("an issuer has at most {LONGEST_ISSUER} characters, all of them ASCII and none of them a space")]
    Text,
    #[error("an issuer begins https://, as in https://login.example.com/")]
    Scheme,
    #[error("an issuer has a host, and no user, query or fragment, as in https://login.example.com/")]
    Shape,
}

/// The address that a provider says of itself. It is kept and compared to the letter: a `/` at its end counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IssuerUrl(String);

impl IssuerUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is reached by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IssuerUrl {
    type Err = InvalidIssuer;

    fn from_str(text: &str) -> Result<Self, InvalidIssuer> {
        if text.len() > LONGEST_ISSUER || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidIssuer::Text);
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or(InvalidIssuer::Scheme)?;
        let authority = rest.split('/').next().unwrap_or_default();
        // What http::Uri would leave out, or browsers take for something else.
        if authority.contains('@') || text.contains(['?', '#', '\\', '"', '<', '>', '`', '{', '}', '|', '^'])
        {
            return Err(InvalidIssuer::Shape);
        }
        let uri: http::Uri = text.parse().map_err(|_| InvalidIssuer::Shape)?;
        let named = uri.authority().is_some_and(|there| {
            let port = there.as_str().rsplit_once(':').filter(|(_, port)| !port.contains(']'));
            !there.host().is_empty() && port.is_none_or(|_| there.port_u16().is_some_and(|port| port > 0))
        });
        if named { Ok(Self(text.to_owned())) } else { Err(InvalidIssuer::Shape) }
    }
}

impl TryFrom<String> for IssuerUrl {
    type Error = InvalidIssuer;

    fn try_from(text: String) -> Result<Self, InvalidIssuer> {
        text.parse()
    }
}

impl From<IssuerUrl> for String {
    fn from(issuer: IssuerUrl) -> Self {
        issuer.0
    }
}

/// Which of a provider's claims mean what here. A claim is named as it stands in the token, or by a path with dots to
/// where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimMap {
    /// The address.
    pub email: String,
    /// Whether the address was proven to the provider.
    pub email_verified: String,
    /// The name that people are shown.
    pub name: String,
    /// Slugs or ids of the tenants that somebody belongs to: one text, or a list of them. None: it is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<String>,
    /// Where somebody's signing up stands: only who is `approved` is let in. None: it is not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signup_status: Option<String>,
    /// What somebody is at the provider: one text, or a list of them. None: roles are given here alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// What that is here; of several the highest counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub role_of: BTreeMap<String, Role>,
    /// As what somebody becomes a member who is none. None: they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Role>,
}

impl Default for ClaimMap {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            name: "name".to_owned(),
            tenants: None,
            signup_status: None,
            roles: None,
            role_of: BTreeMap::new(),
            default_role: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_address_without_anything_beside_it_and_is_kept_to_the_letter() {
        for good in [
            "https://login.example.com",
            "https://login.example.com/",
            "https://acme.eu.auth0.com/",
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "http://127.0.0.1:8080/realms/acme",
            "https://[2001:db8::1]/x",
        ] {
            assert_eq!(good.parse::<IssuerUrl>().expect(good).as_str(), good);
        }
        for bad in [
            "",
            "login.example.com",
            "ftp://login.example.com",
            "HTTPS://login.example.com",
            "https://",
            "https:///x",
            "https://:443/",
            "https://login.example.com:/",
            "https://login.example.com:0/",
            "https://login.example.com:99999/",
            "https://ada@login.example.com/",
            "https://ada:pw@login.example.com/",
            "https://login.example.com/?a=b",
            "https://login.example.com/#a",
            "https://login.example.com\\@internal/",
            "https://login.example.com/ x",
            "https://login.example.com/\n",
            "https://löwe.example/",
            &format!("https://login.example.com/{}", "x".repeat(600)),
        ] {
            assert!(bad.parse::<IssuerUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_provider_is_named_as_slugs_are_and_may_be_called_auth() {
        for good in ["auth0", "auth", "entra-id", "admin"] {
            assert_eq!(good.parse::<ProviderName>().expect(good).as_str(), good);
        }
        for bad in ["", "Auth0", "a b", "../x", "-a", "a/b"] {
            assert!(bad.parse::<ProviderName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_map_says_only_what_differs_and_takes_nothing_unknown() {
        let map: ClaimMap = serde_json::from_str(
            r#"{"tenants": "https://freehold.example/tenant_id", "role_of": {"boss": "admin"}}"#,
        )
        .expect("a map");
        assert_eq!(map.email, "email");
        assert_eq!(map.role_of.get("boss"), Some(&Role::Admin));
        assert_eq!(serde_json::from_str::<ClaimMap>("{}").expect("a map"), ClaimMap::default());
        for bad in [r#"{"emial": "email"}"#, r#"{"role_of": {"boss": "king"}}"#] {
            assert!(serde_json::from_str::<ClaimMap>(bad).is_err(), "{bad}");
        }
    }
}
