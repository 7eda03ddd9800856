//! API keys over the wire. What holds a secret cannot be printed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::identity::permissions::Permission;
use crate::model::api_key::{KeyKind, KeyStatus};

/// A key by which a program uses the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    pub id: Uuid,
    /// What it begins with: it may be shown to anybody.
    #[schema(example = "fhk_kd7w3mzq2p")]
    pub prefix: String,
    pub kind: KeyKind,
    pub name: String,
    pub status: KeyStatus,
    /// The slug of the tenant where it acts; none: wherever its maker belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The address of whoever made it; none when they are no member any more, and the key may nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    pub scopes: Vec<String>,
    /// Requests in a minute.
    pub per_minute: i32,
    /// Whether it signs requests and is never sent.
    pub signs: bool,
    /// Whether it was made by somebody who had given a second factor.
    pub second_factor: bool,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Uuid>,
    /// To the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// The address that it was last used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_address: Option<String>,
}

/// A tenant's key that is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenantKey {
    /// What people call it: 1 to 120 characters on one line.
    #[schema(example = "deploy", max_length = 120)]
    pub name: String,
    /// What it may do; never more than you.
    pub scopes: Vec<Permission>,
    /// Days that it is good; 90 unless said or set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// Requests in a minute; as many as the platform allows unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Whether it signs requests instead of being sent with them.
    #[serde(default)]
    pub signs: bool,
}

/// A key of one's own that is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it: 1 to 120 characters on one line.
    #[schema(example = "backup of my laptop", max_length = 120)]
    pub name: String,
    /// What it may do; never more than you.
    pub scopes: Vec<Permission>,
    /// The slug or id of the only tenant where it acts; wherever you belong unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Days that it is good; 90 unless said or set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
    /// Requests in a minute; as many as the platform allows unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Whether it signs requests instead of being sent with them.
    #[serde(default)]
    pub signs: bool,
}

/// How a key shall be rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Hours that the key before is still good, 0 to 168; 24 unless said or set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_hours: Option<u32>,
    /// Days that the new one is good; as long as the one before was made for unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// A key that was made, with its secret, which is told this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct MadeKey {
    pub key: ApiKey,
    /// The whole of it. It is kept nowhere so that it could be told again.
    #[schema(format = Password)]
    pub secret: String,
}

/// A key that took another's place, with its secret, which is told this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RotatedKey {
    pub key: ApiKey,
    /// The whole of the new one.
    #[schema(format = Password)]
    pub secret: String,
    /// The one before, and until when it is good.
    pub before: ApiKey,
}
