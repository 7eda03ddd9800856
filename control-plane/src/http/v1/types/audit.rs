//! The audit log over the wire.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Something that was done, or that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    /// The tenant it concerns, also when that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<Uuid>,
    /// `user`, `admin`, `system` or `nobody`.
    #[schema(example = "user")]
    pub actor_kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<Uuid>,
    /// The actor's email address, as it was then.
    pub actor: String,
    #[schema(example = "tenant.create")]
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// `done` or `refused`.
    #[schema(example = "done")]
    pub outcome: String,
    /// Where the request came from.
    pub address: String,
    pub user_agent: String,
    pub request_id: String,
    /// What is other than before: each field with what it was and is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Value>,
    /// Its place in the chain; none in its first moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

/// Whether the audit log is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    pub whole: bool,
    /// Entries that were found right, from the first on.
    pub entries: i64,
    /// The place and the link of the last of them. Who keeps it elsewhere can have it looked for later: an end that was
    /// cut off shows in no other way.
    #[schema(example = "17:5f0c…")]
    pub head: String,
    /// Entries that have no place yet.
    pub waiting: usize,
    /// What is wrong, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}
