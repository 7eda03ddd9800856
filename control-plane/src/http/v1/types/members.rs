//! Members over the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::role::Role;

/// Somebody who belongs to a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    pub user: Uuid,
    #[schema(example = "ada@example.com")]
    pub email: String,
    pub name: String,
    pub role: Role,
    /// Whether they are kept out for now.
    pub suspended: bool,
    pub joined_at: DateTime<Utc>,
}

/// A user who is to be a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// The address of their account.
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    pub role: Role,
}

/// What shall be different about a member. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Keeps them out, or lets them in again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
}

/// Whom a tenant is handed over to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heir {
    /// The id or address of one of its members.
    #[schema(example = "ada@example.com", max_length = 254)]
    pub user: String,
}
