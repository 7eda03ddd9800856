//! Keys that sign tokens, over the wire. Nothing of what they sign with is ever sent.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::signing_key::{SigningAlgorithm, SigningKeyState};

/// A key that signs tokens, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKey {
    /// Its name, as tokens and `/.well-known/jwks.json` have it.
    #[schema(example = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")]
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub state: SigningKeyState,
    /// Since when it is published.
    pub created_at: DateTime<Utc>,
    pub signs_from: DateTime<Utc>,
    /// When the next one begins; none while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_until: Option<DateTime<Utc>>,
    /// When the last token that it signed has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_until: Option<DateTime<Utc>>,
    /// Whether what it signed with is gone from the registry.
    pub erased: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_by: Option<String>,
}

/// How new keys shall begin to sign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Whether they begin at once, because one from before leaked: who kept the published keys may refuse their tokens
    /// until they ask again. Keys that wait already are brought forward.
    #[serde(default)]
    pub now: bool,
}
