//! What goes over the wire under `/api/v1`. The command line uses the same types.

pub mod api_keys;
mod audit;
pub mod invitations;
mod mails;
pub mod members;
pub mod people;
pub mod projects;
pub mod providers;
pub mod signing_keys;
pub mod signups;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::operation::{EventState, OperationKind, OperationState};
use crate::model::tenant::{DesiredState, Status};

pub use audit::{AuditEntry, AuditVerification};
pub use mails::{Mail, MailDetail};

/// Email and password of a platform admin.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[schema(example = "admin@freehold.localhost")]
    pub email: String,
    #[schema(format = Password)]
    pub password: String,
    /// A code by the clock, or a recovery code, of whoever has a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<String>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("email", &self.email).finish_non_exhaustive()
    }
}

/// A signed token. It is sent as `Authorization: Bearer <token>`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub token: String,
    #[schema(example = "Bearer")]
    pub token_type: String,
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A tenant to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// What people call it: 1 to 120 characters on one line.
    #[schema(example = "Acme Fleet, Inc.", max_length = 120)]
    pub name: String,
    /// Its DNS label; derived from the name when it is left out. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "acme", max_length = 63)]
    pub slug: Option<String>,
    /// The name of a plan; the platform's default when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "starter")]
    pub plan: Option<String>,
    /// Free settings that the stack file and the app may use: 16 KiB and 8 levels at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
    /// The version of a release; the latest when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// What shall be different about a tenant. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 120)]
    pub name: Option<String>,
    /// Replaces all settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// `running`, `asleep` or `suspended`. A tenant is deleted by `DELETE` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_state: Option<DesiredState>,
}

/// A tenant, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub plan: String,
    pub settings: Map<String, Value>,
    /// Where it stands.
    pub status: Status,
    /// What is wanted of it.
    pub desired_state: DesiredState,
    /// Counts what was asked for; `ETag` and `If-Match` are made of it.
    pub generation: i64,
    /// The last generation that was fully carried out.
    pub converged_generation: i64,
    /// The version of the release that is wanted.
    pub release: String,
    /// Where people reach it.
    #[schema(example = "http://acme.freehold.localhost:8080")]
    pub url: String,
    /// All host names it answers to.
    pub hosts: Vec<String>,
    /// Why a person must look; only when its status is `stuck`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_reason: Option<String>,
    /// The size of its database when it was last measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_bytes: Option<i64>,
    /// Whether the app may only read, because the plan's storage is used up.
    pub read_only: bool,
    /// When its data goes, if it is deleted and not restored before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub created_by: String,
}

/// The answer to a change: the tenant as it is wanted now, and the operation that brings it there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantChanged {
    pub tenant: Tenant,
    /// Nothing when the tenant was already wanted so.
    #[serde(default)]
    pub operation: Option<Operation>,
}

/// What people see of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    pub id: Uuid,
    /// Nothing once the tenant is gone for good.
    #[serde(default)]
    pub tenant_id: Option<Uuid>,
    /// The tenant's slug, kept also when the tenant is gone.
    pub slug: String,
    pub kind: OperationKind,
    pub state: OperationState,
    /// The tenant's generation it is for.
    pub generation: i64,
    pub requested_by: String,
    /// Why it is stuck or was cancelled; while it is on its way, what keeps it waiting.
    #[serde(default)]
    pub reason: Option<String>,
    pub created_at: DateTime<Utc>,
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub finished_at: Option<DateTime<Utc>>,
}

/// One thing that happened under an operation; `data` of the events named `step`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OperationEvent {
    /// Rises; a stream is resumed after it by `Last-Event-ID`.
    pub id: i64,
    pub at: DateTime<Utc>,
    pub step: String,
    pub state: EventState,
    pub message: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` to get what comes next; nothing on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// What a tenant on this plan may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    pub name: String,
    /// Whether new tenants get it when they name none.
    pub default: bool,
    /// Memory of each container, in MiB.
    pub memory_mib: u32,
    /// Processor time of each container, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads of each container.
    pub pids: u32,
    /// Database connections of the app.
    pub connections: u32,
    /// Database size in MiB past which the app may only read.
    pub storage_mib: u32,
    /// Members that it may have; any number when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
}

/// A release: an immutable set of app image, tenant migrations and stack file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Release {
    pub id: Uuid,
    pub version: String,
    /// SHA-256 over all of its content, in hex.
    pub checksum: String,
    /// The schema version that a tenant at this release has.
    pub schema_version: i64,
    /// Images by the name that the stack file uses, each with the engine's immutable id.
    pub images: BTreeMap<String, String>,
    pub created_at: DateTime<Utc>,
}

/// A release with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseDetail {
    #[serde(flatten)]
    pub release: Release,
    /// The stack file's text.
    pub stack: String,
    pub migrations: Vec<MigrationName>,
}

/// One migration of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MigrationName {
    pub version: i64,
    pub name: String,
}

/// How the platform itself is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlatformStatus {
    /// Freehold's version.
    pub version: String,
    /// Whether everything needed to change tenants is there.
    pub ready: bool,
    /// What is missing, in words; empty when ready.
    pub problems: Vec<String>,
    pub workers: Vec<Worker>,
    /// Tenants by status.
    pub tenants: BTreeMap<String, i64>,
    /// Operations by state.
    pub operations: BTreeMap<String, i64>,
}

/// A worker, as it last reported itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worker {
    pub host: String,
    pub started_at: DateTime<Utc>,
    pub seen_at: DateTime<Utc>,
    /// Whether it reported itself lately.
    pub present: bool,
    /// Whether it reaches the engine.
    pub engine_ok: bool,
    /// What the engine last said, when it is not well.
    pub engine_message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_not_shown() {
        let sign_in = SignIn { email: "a@b".into(), password: "hunter2".into(), second_factor: None };
        assert!(!format!("{sign_in:?}").contains("hunter2"));
        let session =
            Session { token: "secret".into(), token_type: "Bearer".into(), expires_at: DateTime::default() };
        assert!(!format!("{session:?}").contains("secret"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(serde_json::from_str::<NewTenant>(r#"{"name":"a","house":"x"}"#).is_err());
        assert!(serde_json::from_str::<TenantChange>(r#"{"slug":"other"}"#).is_err());
    }
}
