//! Volumes: rows first, so that nothing of the engine is ever dropped that no row gave up.

use sqlx::FromRow;

use crate::model::ids::{HouseId, InstallationId, VolumeId};
use crate::model::stack::ServiceName;
use crate::model::tenant::words;

use super::leases::Claim;
use super::{Result, Tx};

words!(
    /// What a volume is to its service.
    VolumeRole {
        /// The service runs on it.
        Current = "current",
        /// It ran on it before.
        Previous = "previous",
        /// It may run on it next.
        Candidate = "candidate",
    }
);

/// A volume of a house.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct VolumeRecord {
    pub id: VolumeId,
    pub service: ServiceName,
    pub number: i32,
    /// Its name in the engine.
    pub name: String,
    pub role: VolumeRole,
    /// Whether the engine has had it. One that it had and has no longer is lost.
    pub made: bool,
    /// Whether it may be dropped now: the time until which it must be kept has passed.
    pub droppable: bool,
}

/// All volumes of a house. None counts as droppable unless the tenant is still at `generation`: leave to drop is
/// never read together with an older wish to keep.
pub(super) async fn of_house(tx: &mut Tx, house: &HouseId, generation: i64) -> Result<Vec<VolumeRecord>> {
    Ok(sqlx::query_as(
        "select v.id, v.service, v.number, v.name, v.role, v.made,
                coalesce(v.drop_after <= now() and t.generation = $2, false) as droppable
           from freehold.volumes v left join freehold.tenants t on t.id = v.tenant_id
          where v.house = $1
          order by v.service, v.number",
    )
    .bind(house)
    .bind(generation)
    .fetch_all(tx.sql())
    .await?)
}

/// The volume the service runs on, recorded now if it has none yet. `None`: the lease is lost, or the house has
/// no tenant any more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn ensure(
    tx: &mut Tx,
    claim: &Claim,
    installation: &InstallationId,
    service: &ServiceName,
) -> Result<Option<VolumeRecord>> {
    // Whoever holds the house's row is alone, so the next number is free.
    let house: Option<HouseId> = sqlx::query_scalar(
        "select id from freehold.houses where id = $1 and lease_token = $2 and tenant_id = $3 for no key update",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(claim.tenant)
    .fetch_optional(tx.sql())
    .await?;
    let Some(house) = house else { return Ok(None) };
    sqlx::query(
        "insert into freehold.volumes (id, house, tenant_id, service, number, name, role, drop_after)
         select $1, $2, $3, $4, n.number, 'fh-' || $5 || '-' || $2 || '-' || $4 || '-' || n.number, 'current',
                (select purge_at from freehold.tenants where id = $3)
           from (select coalesce(max(number), 0) + 1 as number from freehold.volumes
                  where house = $2 and service = $4) n
          where not exists (select from freehold.volumes where house = $2 and service = $4 and role = 'current')",
    )
    .bind(VolumeId::random())
    .bind(&house)
    .bind(claim.tenant)
    .bind(service)
    .bind(installation.as_str())
    .execute(tx.sql())
    .await?;
    Ok(sqlx::query_as(
        "select id, service, number, name, role, made, coalesce(drop_after <= now(), false) as droppable
           from freehold.volumes where house = $1 and service = $2 and role = 'current'",
    )
    .bind(&house)
    .bind(service)
    .fetch_optional(tx.sql())
    .await?)
}

/// Records that the engine has the volume. `false`: the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn record_made(tx: &mut Tx, claim: &Claim, name: &str) -> Result<bool> {
    let done = sqlx::query(
        "update freehold.volumes v set made = true from freehold.houses h
          where v.house = $1 and v.name = $3 and h.id = v.house and h.lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(name)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Removes a volume's row, after the engine has dropped it. Only one that may be dropped now; `false` when it may
/// not, or the lease is lost.
///
/// # Errors
/// When the database cannot be reached.
pub async fn drop_record(tx: &mut Tx, claim: &Claim, name: &str) -> Result<bool> {
    let done = sqlx::query(
        "delete from freehold.volumes v using freehold.houses h
          where v.house = $1 and v.name = $3 and v.drop_after <= now()
            and h.id = v.house and h.lease_token = $2",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .bind(name)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() > 0)
}
