//! Houses: what one must be, and what the worker recorded of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::{IpNet, Ipv4Net};
use sqlx::FromRow;
use sqlx::types::Json;

use crate::model::hostname::HostName;
use crate::model::ids::HouseId;
use crate::model::plan::Limits;

use super::leases::Claim;
use super::records::{TenantRecord, subnet, tenant_select};
use super::releases::{self, Release};
use super::volumes::{self, VolumeRecord};
use super::{Result, Tx};

pub use super::sweeps::{LiveHouse, expired, live, record_storage, unmeasured};

/// Everything the registry knows of one house and its tenant, at one generation of what is desired.
#[derive(Debug, Clone)]
pub struct HouseRecord {
    pub house: HouseId,
    pub tenant: TenantRecord,
    pub subnet: Ipv4Net,
    /// The tenant's host names, the first one first.
    pub hosts: Vec<HostName>,
    pub volumes: Vec<VolumeRecord>,
    pub release: Release,
    /// The number of the preparation its database has had.
    pub prepared: Option<i32>,
    pub schema_version: Option<i64>,
    /// The connection limit the app's role was given.
    pub connections_applied: Option<u32>,
    /// Whether the app is kept from writing.
    pub read_only: bool,
    /// Whether it should be, by its last measured storage.
    pub read_only_wanted: bool,
    /// What each container was last given, by its id.
    pub limits_applied: BTreeMap<String, Limits>,
    /// Where the web service last answered.
    pub address: Option<SocketAddr>,
    /// Failures in a row at the tenant's present generation.
    pub attempts: i32,
    /// Why it became due.
    pub due_reason: Option<String>,
}

impl HouseRecord {
    /// Volumes that may be dropped now.
    pub fn droppable(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter(|volume| volume.droppable).map(|volume| volume.name.as_str())
    }
}

#[derive(FromRow)]
struct HouseRow {
    subnet: IpNet,
    prepared: Option<i32>,
    schema_version: Option<i64>,
    connections_applied: Option<i32>,
    read_only: bool,
    read_only_wanted: bool,
    #[sqlx(json)]
    limits_applied: BTreeMap<String, Limits>,
    address: Option<String>,
    due_reason: Option<String>,
}

/// All of one house, as it is in this transaction.
///
/// # Errors
/// [`super::Error::NotFound`] when there is no such house, or nobody lives in it.
pub async fn load(tx: &mut Tx, house: &HouseId) -> Result<HouseRecord> {
    // The tenant's generation is read first, and what is read after it can only be newer, so a result fenced by it
    // is never taken for more than it is.
    let tenant: TenantRecord =
        sqlx::query_as(concat!(tenant_select!(), "where h.id = $1")).bind(house).fetch_one(tx.sql()).await?;
    let row: HouseRow = sqlx::query_as(
        "select subnet, prepared, schema_version, connections_applied, read_only, read_only_wanted, limits_applied,
                address, due_reason
           from freehold.houses where id = $1",
    )
    .bind(house)
    .fetch_one(tx.sql())
    .await?;
    Ok(HouseRecord {
        house: house.clone(),
        hosts: tenant.hosts.clone(),
        attempts: tenant.attempts,
        subnet: subnet(row.subnet)?,
        volumes: volumes::of_house(tx, house, tenant.generation).await?,
        release: releases::by_id(tx, tenant.release_id).await?,
        prepared: row.prepared,
        schema_version: row.schema_version,
        connections_applied: row.connections_applied.and_then(|count| u32::try_from(count).ok()),
        read_only: row.read_only,
        read_only_wanted: row.read_only_wanted,
        limits_applied: row.limits_applied,
        address: row.address.and_then(|address| address.parse().ok()),
        due_reason: row.due_reason,
        tenant,
    })
}

/// Records that the database has had preparation `n` with this connection limit. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_prepared(tx: &mut Tx, claim: &Claim, n: i32, connections: u32) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.houses set prepared = $3, connections_applied = $4 where id = $1 and lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(n)
    .bind(i32::try_from(connections).unwrap_or(i32::MAX))
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records that roles and grants are in doubt, before they are touched: whoever comes after a crash prepares them
/// again. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn doubt_prepared(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    let done = sqlx::query("update freehold.houses set prepared = null where id = $1 and lease_token = $2")
        .bind(&claim.house)
        .bind(claim.token)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets what was recorded of the database, because it is not the one it was recorded of. `false`: the lease is
/// lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_database(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.houses
            set prepared = null, connections_applied = null, schema_version = null, read_only = false
          where id = $1 and lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records the schema version that was reached. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_schema(tx: &mut Tx, claim: &Claim, version: i64) -> Result<bool> {
    let done =
        sqlx::query("update freehold.houses set schema_version = $3 where id = $1 and lease_token = $2")
            .bind(&claim.house)
            .bind(claim.token)
            .bind(version)
            .execute(tx.sql())
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Records whether the app is kept from writing. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_read_only(tx: &mut Tx, claim: &Claim, read_only: bool) -> Result<bool> {
    let done = sqlx::query("update freehold.houses set read_only = $3 where id = $1 and lease_token = $2")
        .bind(&claim.house)
        .bind(claim.token)
        .bind(read_only)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Records the limits a container was given. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_limits(tx: &mut Tx, claim: &Claim, container_id: &str, limits: Limits) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.houses set limits_applied = limits_applied || jsonb_build_object($3::text, $4::jsonb)
          where id = $1 and lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(container_id)
    .bind(Json(limits))
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets the limits of a container that is gone. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_limits(tx: &mut Tx, claim: &Claim, container_id: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.houses set limits_applied = limits_applied - $3::text where id = $1 and lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(container_id)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records where the web service answers, or that it does not, and tells whoever waits at the door. `false`: the
/// lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_address(tx: &mut Tx, claim: &Claim, address: Option<SocketAddr>) -> Result<bool> {
    let done = sqlx::query("update freehold.houses set address = $3 where id = $1 and lease_token = $2")
        .bind(&claim.house)
        .bind(claim.token)
        .bind(address.map(|address| address.to_string()))
        .execute(tx.sql())
        .await?;
    let held = done.rows_affected() > 0;
    if held {
        sqlx::query("select freehold.tell_doors($1)").bind(claim.tenant).execute(tx.sql()).await?;
    }
    Ok(held)
}

/// The last act of a deletion, after the engine has nothing of the house any more: secrets, volumes, host names,
/// house and tenant go, the subnet is set aside until the edge confirms, and the operations that waited for it
/// succeed, all at once. `false`: the lease is lost, or the tenant must still be kept.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(tx: &mut Tx, claim: &Claim) -> Result<bool> {
    let to_go: Option<bool> = sqlx::query_scalar(
        "select desired_state = 'deleted' and purge_at <= now() from freehold.tenants t
          where t.id = $1 for update of t",
    )
    .bind(claim.tenant)
    .fetch_optional(tx.sql())
    .await?;
    if to_go != Some(true) {
        return Ok(false);
    }
    let held: Option<HouseId> = sqlx::query_scalar(
        "select h.id from freehold.houses h where h.id = $1 and h.lease_token = $2 for update of h",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .fetch_optional(tx.sql())
    .await?;
    if held.is_none() {
        return Ok(false);
    }
    sqlx::query(
        "insert into freehold.retired_subnets (subnet, house, reason)
         select subnet, id, 'left' from freehold.houses where id = $1
         on conflict (subnet) do update set house = excluded.house, reason = 'left', since = now()",
    )
    .bind(&claim.house)
    .execute(tx.sql())
    .await?;
    sqlx::query("select freehold.tell_doors($1)").bind(claim.tenant).execute(tx.sql()).await?;
    sqlx::query(
        "with ended as (
             update freehold.operations
                set state = 'succeeded', reason = null, finished_at = now(), started_at = coalesce(started_at, now())
              where tenant_id = $1 and state in ('pending', 'running', 'stuck')
             returning id
         )
         select pg_notify('operation', id::text) from ended",
    )
    .bind(claim.tenant)
    .execute(tx.sql())
    .await?;
    for statement in [
        "delete from freehold.tenant_secrets where tenant_id = $1",
        "delete from freehold.volumes where tenant_id = $1",
        "delete from freehold.host_names where tenant_id = $1",
        "delete from freehold.houses where tenant_id = $1",
        "delete from freehold.tenants where id = $1",
    ] {
        sqlx::query(statement).bind(claim.tenant).execute(tx.sql()).await?;
    }
    Ok(true)
}

/// Makes a house due now, unless it is stuck or gone, in which case it says `false`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn due_now(tx: &mut Tx, house: &HouseId, why: &str) -> Result<bool> {
    let done = sqlx::query(
        "with due as (
             update freehold.houses set due_at = least(due_at, now()), due_reason = $2
              where id = $1 and stuck_reason is null and tenant_id is not null
             returning id
         )
         select pg_notify('house_due', id) from due",
    )
    .bind(house)
    .bind(why)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}
