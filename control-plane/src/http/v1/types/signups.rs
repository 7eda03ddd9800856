//! Signups over the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::Register;
use crate::model::role::Role;
use crate::model::signup::{SignupKind, SignupState};

/// What somebody asked for, and how it stands with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signup {
    pub id: Uuid,
    pub kind: SignupKind,
    pub state: SignupState,
    /// The slug of the tenant to join, or to open.
    #[schema(example = "acme")]
    pub tenant: String,
    /// Its name.
    pub tenant_name: String,
    /// The plan of a tenant to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Who asked.
    pub user: Uuid,
    pub email: String,
    pub name: String,
    pub message: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// The wish to join a tenant.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJoin {
    /// The account to be made for somebody who is not signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Register>,
    /// What those who decide are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub message: Option<String>,
}

/// The wish to open a tenant.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOpening {
    /// The account to be made for somebody who is not signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Register>,
    /// What people call it: 1 to 120 characters on one line.
    #[schema(example = "Acme Fleet, Inc.", max_length = 120)]
    pub name: String,
    /// Its DNS label; derived from the name when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "acme", max_length = 63)]
    pub slug: Option<String>,
    /// The name of a plan; the platform's default when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "starter")]
    pub plan: Option<String>,
    /// What those who decide are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub message: Option<String>,
}

/// A yes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What they are in the tenant they join; `member` when it is left out. Who opens a tenant is its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// A no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// Why; the person is told.
    #[schema(max_length = 1000)]
    pub reason: String,
}
