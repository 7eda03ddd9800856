//! Projects over the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::role::ProjectRole;

/// A part of a tenant with members of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    /// What the caller is in it; nothing when they are not in it.
    #[serde(default)]
    pub role: Option<ProjectRole>,
    pub created_at: DateTime<Utc>,
}

/// A project to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// What people call it: 1 to 120 characters on one line.
    #[schema(example = "Night shift", max_length = 120)]
    pub name: String,
    /// Its name in addresses; derived from the name when it is left out. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "night-shift", max_length = 63)]
    pub slug: Option<String>,
}

/// What shall be different about a project. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120)]
    pub name: Option<String>,
}

/// Somebody who is in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectMember {
    pub user: Uuid,
    pub email: String,
    pub name: String,
    pub role: ProjectRole,
    pub joined_at: DateTime<Utc>,
}

/// What somebody shall be in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectPlace {
    pub role: ProjectRole,
}
