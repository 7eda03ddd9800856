//! What sweeps look at: all houses at once.

use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use sqlx::FromRow;

use crate::model::hostname::HostName;
use crate::model::ids::{HouseId, TenantId};
use crate::model::slug::Slug;
use crate::model::tenant::DesiredState;

use super::{Result, Tx, records, seconds};

/// One house, as much as a sweep needs to compare it with what is seen.
#[derive(Debug, Clone)]
pub struct LiveHouse {
    pub house: HouseId,
    pub tenant: TenantId,
    pub slug: Slug,
    pub desired: DesiredState,
    pub generation: i64,
    /// Whether what is desired was reached.
    pub converged: bool,
    pub stuck: bool,
    pub hosts: Vec<HostName>,
    /// Names of all its volumes.
    pub volumes: Vec<String>,
    pub subnet: Ipv4Net,
    /// Whether it waits to be worked on.
    pub due: bool,
    /// Whether somebody works on it.
    pub leased: bool,
}

#[derive(FromRow)]
struct LiveRow {
    house: HouseId,
    tenant: TenantId,
    slug: Slug,
    desired_state: DesiredState,
    generation: i64,
    converged: bool,
    stuck: bool,
    hosts: Vec<HostName>,
    volumes: Vec<String>,
    subnet: IpNet,
    due: bool,
    leased: bool,
}

/// Every house that somebody lives in, deleted ones within their retention among them.
///
/// # Errors
/// When the database cannot be reached.
pub async fn live(tx: &mut Tx) -> Result<Vec<LiveHouse>> {
    let rows: Vec<LiveRow> = sqlx::query_as(
        "select h.id as house, t.id as tenant, t.slug, t.desired_state, t.generation,
                t.converged_generation = t.generation as converged, h.stuck_reason is not null as stuck,
                array(select n.name from freehold.host_names n where n.tenant_id = t.id order by n.name) as hosts,
                array(select v.name from freehold.volumes v where v.house = h.id order by v.name) as volumes,
                h.subnet, coalesce(h.due_at <= now(), false) as due,
                coalesce(h.lease_expires > now(), false) as leased
           from freehold.houses h
           join freehold.tenants t on t.id = h.tenant_id
          order by h.id",
    )
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(LiveHouse {
                house: row.house,
                tenant: row.tenant,
                slug: row.slug,
                desired: row.desired_state,
                generation: row.generation,
                converged: row.converged,
                stuck: row.stuck,
                hosts: row.hosts,
                volumes: row.volumes,
                subnet: records::subnet(row.subnet)?,
                due: row.due,
                leased: row.leased,
            })
        })
        .collect()
}

/// Takes up to `limit` running houses whose storage was not measured within `older_than`, the longest unmeasured
/// first. They count as measured from now on, so that every house has its turn even if measuring one fails.
///
/// # Errors
/// When the database cannot be reached.
pub async fn unmeasured(tx: &mut Tx, older_than: Duration, limit: i64) -> Result<Vec<HouseId>> {
    Ok(sqlx::query_scalar(
        "with turn as (
             select h.id from freehold.houses h join freehold.tenants t on t.id = h.tenant_id
              where t.desired_state = 'running' and t.ever_ready and h.prepared is not null
                and h.stuck_reason is null
                and (h.storage_measured_at is null or h.storage_measured_at <= now() - make_interval(secs => $1))
              order by h.storage_measured_at nulls first, h.id
              limit $2
                for no key update of h skip locked
         )
         update freehold.houses h set storage_measured_at = now() from turn where h.id = turn.id returning h.id",
    )
    .bind(seconds(older_than))
    .bind(limit)
    .fetch_all(tx.sql())
    .await?)
}

/// Records how much storage a house's database uses. When that changes whether the app may write, the house is
/// due.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_storage(tx: &mut Tx, house: &HouseId, bytes: i64, wanted_read_only: bool) -> Result<()> {
    sqlx::query("update freehold.houses set storage_bytes = $2, storage_measured_at = now() where id = $1")
        .bind(house)
        .bind(bytes)
        .execute(tx.sql())
        .await?;
    sqlx::query(
        "with due as (
             update freehold.houses
                set read_only_wanted = $2, due_at = least(due_at, now()), due_reason = 'storage'
              where id = $1 and read_only_wanted <> $2
             returning id
         )
         select pg_notify('house_due', id) from due",
    )
    .bind(house)
    .bind(wanted_read_only)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Makes houses of deleted tenants due whose retention has passed, and says which.
///
/// # Errors
/// When the database cannot be reached.
pub async fn expired(tx: &mut Tx) -> Result<Vec<HouseId>> {
    Ok(sqlx::query_scalar(
        "with over as (
             update freehold.houses h set due_at = now(), due_reason = 'retention'
               from freehold.tenants t
              where t.id = h.tenant_id and t.desired_state = 'deleted' and t.purge_at <= now()
                and h.due_at is null and h.stuck_reason is null
             returning h.id
         )
         select id from over, lateral (select pg_notify('house_due', over.id)) told",
    )
    .fetch_all(tx.sql())
    .await?)
}
