//! What goes over the wire about providers outside. Types that hold a secret cannot be printed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::given;
use crate::model::provider::ClaimMap;

/// An OpenID provider that people sign in by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    pub id: Uuid,
    #[schema(example = "auth0")]
    pub name: String,
    /// What people are shown.
    #[schema(example = "Example's accounts")]
    pub title: String,
    /// As the provider says of itself, to the letter.
    #[schema(example = "https://example.eu.auth0.com/")]
    pub issuer: String,
    pub client_id: String,
    /// Where it sends people back to: its own address here, to be registered there to the letter.
    #[schema(example = "https://freehold.example/sign-in/callback/auth0")]
    pub redirect_uri: String,
    /// Whether a secret is kept for it. It is told to nobody.
    pub has_secret: bool,
    /// What is asked for, separated by spaces.
    #[schema(example = "openid email profile")]
    pub scopes: String,
    pub claims: ClaimMap,
    /// For whom its tokens must be that are sent to this API. None: they are not taken.
    #[serde(default)]
    pub bearer_audience: Option<String>,
    /// Whether addresses count as proven that it does not say so of.
    pub trust_email: bool,
    /// Whether people can sign in by it.
    pub enabled: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A provider to be added.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// As slugs are; it never changes.
    #[schema(example = "auth0", min_length = 1, max_length = 63)]
    pub name: String,
    /// What people are shown; its name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120)]
    pub title: Option<String>,
    /// As the provider says of itself, to the letter: a `/` at its end counts.
    #[schema(example = "https://example.eu.auth0.com/", max_length = 512)]
    pub issuer: String,
    #[schema(min_length = 1, max_length = 255)]
    pub client_id: String,
    /// The client's secret; left out for a public client. It is kept sealed, and told to nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    pub secret: Option<String>,
    /// `openid email profile` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub scopes: Option<String>,
    #[serde(default)]
    pub claims: ClaimMap,
    /// For whom its tokens must be that are sent to this API; they are not taken unless given. A tenant's ends with the
    /// tenant's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub bearer_audience: Option<String>,
    /// Whether addresses count as proven that it does not say so of: the platform's alone.
    #[serde(default)]
    pub trust_email: bool,
    /// Whether people can sign in by it from now on.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// What shall be different. What is left out stays as it is.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120)]
    pub title: Option<String>,
    /// Only while it knows nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 512)]
    pub issuer: Option<String>,
    /// Only while it knows nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub client_id: Option<String>,
    /// null: it is a public client.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 1024, format = Password)]
    pub secret: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub scopes: Option<String>,
    /// The whole of it: what is left out of it is as in a new provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<ClaimMap>,
    /// null: its tokens are not taken.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 255)]
    pub bearer_audience: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_email: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What came of asking a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderCheck {
    /// Whether people could sign in by it, as far as it can be told without one of them.
    pub good: bool,
    /// Where it sends people back to. Whether it knows that cannot be asked.
    #[schema(example = "https://freehold.example/sign-in/callback/auth0")]
    pub redirect_uri: String,
    /// What is wrong, if anything is.
    #[serde(default)]
    pub problem: Option<String>,
    /// Where people are sent.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// Its keys whose signatures are taken.
    pub keys: usize,
}
