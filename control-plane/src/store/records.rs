//! Rows as the rest of the program sees them.

use chrono::{DateTime, Utc};
use ipnet::{IpNet, Ipv4Net};
use sqlx::FromRow;

use crate::model::ids::{HouseId, ReleaseId, TenantId};
use crate::model::plan::PlanName;
use crate::model::slug::Slug;
use crate::model::tenant::{DesiredState, Status};

use super::{Error, Result};

/// A tenant's own settings, any JSON object: what its stack and pages may be filled with.
pub type Settings = serde_json::Map<String, serde_json::Value>;

/// A tenant, with what is known of its house.
#[derive(Debug, Clone, FromRow)]
pub struct TenantRecord {
    pub id: TenantId,
    pub slug: Slug,
    pub name: String,
    pub plan: PlanName,
    #[sqlx(json)]
    pub settings: Settings,
    #[sqlx(rename = "desired_state")]
    pub desired: DesiredState,
    /// Counts the changes of what is desired.
    pub generation: i64,
    /// The generation that was last reached.
    pub converged_generation: i64,
    pub release_id: ReleaseId,
    /// The version of that release.
    pub release: String,
    pub house: HouseId,
    pub ever_ready: bool,
    /// Why a person must look, if one must.
    pub stuck_reason: Option<String>,
    /// Failures in a row at the present generation.
    pub attempts: i32,
    pub schema_version: Option<i64>,
    pub storage_bytes: Option<i64>,
    /// Whether the app is kept from writing.
    pub read_only: bool,
    /// Its host names, the first one first.
    pub hosts: Vec<crate::model::hostname::HostName>,
    pub deleted_at: Option<DateTime<Utc>>,
    /// The end of a deleted tenant's retention.
    pub purge_at: Option<DateTime<Utc>>,
    /// Whether erasure was asked for by name.
    pub erase: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub created_by: String,
}

impl TenantRecord {
    #[must_use]
    pub fn converged(&self) -> bool {
        self.converged_generation == self.generation
    }

    /// Where it stands, as people are told.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(self.desired, self.converged(), self.ever_ready, self.stuck_reason.is_some())
    }
}

/// The columns and joins of a [`TenantRecord`]; a `where` may follow.
macro_rules! tenant_select {
    () => {
        "select t.id, t.slug, t.name, t.plan, t.settings, t.desired_state, t.generation, t.converged_generation, \
                t.release_id, r.version as release, h.id as house, t.ever_ready, h.stuck_reason, \
                case when h.attempts_generation = t.generation then h.attempts else 0 end as attempts, \
                h.schema_version, h.storage_bytes, h.read_only, \
                array(select n.name from freehold.host_names n where n.tenant_id = t.id \
                       order by n.is_primary desc, n.name) as hosts, \
                t.deleted_at, t.purge_at, t.erase, t.created_at, t.updated_at, t.created_by \
           from freehold.tenants t \
           join freehold.houses h on h.tenant_id = t.id \
           join freehold.releases r on r.id = t.release_id "
    };
}
pub(super) use tenant_select;

/// A subnet as it comes from its column.
pub(super) fn subnet(column: IpNet) -> Result<Ipv4Net> {
    match column {
        IpNet::V4(net) => Ok(net),
        IpNet::V6(_) => Err(Error::Database(sqlx::Error::Decode("an IPv4 subnet was expected".into()))),
    }
}
