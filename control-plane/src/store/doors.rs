//! Doors: what stands behind a host name, for whoever answers there. The gateway's role may use this and no more.

use std::net::SocketAddr;

use sqlx::FromRow;

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, TenantId};
use crate::model::plan::PlanName;
use crate::model::slug::Slug;
use crate::model::tenant::{DesiredState, Status};

use super::{Result, Tx};

/// A tenant as seen from outside its door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub host: HostName,
    pub tenant: TenantId,
    pub house: HouseId,
    pub slug: Slug,
    pub name: String,
    pub plan: PlanName,
    pub desired: DesiredState,
    pub status: Status,
    pub stuck: bool,
    /// Whether the app is kept from writing, because the tenant's storage is used up.
    pub read_only: bool,
    /// Where the web service last answered, if it should be there still.
    pub address: Option<SocketAddr>,
}

#[derive(FromRow)]
struct DoorRow {
    host: HostName,
    tenant_id: TenantId,
    house: HouseId,
    slug: Slug,
    name: String,
    plan: PlanName,
    desired_state: DesiredState,
    converged: bool,
    ever_ready: bool,
    stuck: bool,
    read_only: bool,
    address: Option<String>,
}

/// The door of a host name, if it is anybody's.
///
/// # Errors
/// When the database cannot be reached.
pub async fn by_host(tx: &mut Tx, host: &HostName) -> Result<Option<Door>> {
    let row: Option<DoorRow> = sqlx::query_as(
        "select host, tenant_id, house, slug, name, plan, desired_state, converged, ever_ready, stuck, read_only,
                address
           from freehold.doors where host = $1",
    )
    .bind(host)
    .fetch_optional(tx.sql())
    .await?;
    Ok(row.map(|row| Door {
        host: row.host,
        tenant: row.tenant_id,
        house: row.house,
        slug: row.slug,
        name: row.name,
        plan: row.plan,
        desired: row.desired_state,
        status: Status::of(row.desired_state, row.converged, row.ever_ready, row.stuck),
        stuck: row.stuck,
        read_only: row.read_only,
        address: row.address.and_then(|address| address.parse().ok()),
    }))
}

/// Where the web service of a house last answered.
///
/// # Errors
/// When the database cannot be reached.
pub async fn address(tx: &mut Tx, house: &HouseId) -> Result<Option<SocketAddr>> {
    let address: Option<Option<String>> =
        sqlx::query_scalar("select address from freehold.doors where house = $1 limit 1")
            .bind(house)
            .fetch_optional(tx.sql())
            .await?;
    Ok(address.flatten().and_then(|address| address.parse().ok()))
}

/// Has a sleeping tenant run, because a visitor came. `false`: it was not asleep, and nothing was changed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn wake(tx: &mut Tx, tenant: TenantId) -> Result<bool> {
    Ok(sqlx::query_scalar("select freehold.wake($1)").bind(tenant).fetch_one(tx.sql()).await?)
}
