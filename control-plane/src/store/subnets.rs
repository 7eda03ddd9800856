//! The address plan: each house has a small subnet of its own out of the pool.

use ipnet::{IpNet, Ipv4Net};
use sqlx::FromRow;

use crate::model::ids::HouseId;

use super::leases::Claim;
use super::{Conflict, Error, Result, Tx, records};

/// The length of a house's prefix: 13 usable addresses beside the bridge's own.
pub const PREFIX: u8 = 28;

/// Serialises the choice of subnets and house ids, so that two choices at once differ.
const LOCK: i64 = 0x6672_6565_7375_626e;

/// The platform's own block: the pool's first.
#[must_use]
pub fn platform_block(pool: Ipv4Net) -> Option<Ipv4Net> {
    pool.subnets(PREFIX).ok()?.next()
}

/// Waits for the right to choose a subnet or a house's id until the transaction ends.
pub(super) async fn lock(tx: &mut Tx) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(tx.sql()).await?;
    Ok(())
}

/// The lowest free subnet. Only what follows directly on a used block, or on the platform's, can be the lowest
/// free one, so the cost grows with the houses and not with the pool. All blocks are of one size: those that are not
/// equal do not overlap, and equality is what a database finds fast. What something foreign stood on is tried again
/// after a day.
pub(super) async fn lowest_free(tx: &mut Tx, pool: Ipv4Net) -> Result<Ipv4Net> {
    let found: Option<IpNet> = sqlx::query_scalar(
        "with used as (
             select subnet::inet as net from freehold.houses
             union all
             select subnet::inet from freehold.retired_subnets
              where reason = 'left' or since > now() - interval '1 day'
             union all
             select set_masklen(network($1)::inet, 28)
         ), next as (
             select net + 16 as net from used where net << $1 or net = set_masklen(network($1)::inet, 28)
         )
         select n.net::cidr from next n
          where n.net << $1 and not exists (select from used u where u.net = n.net)
          order by n.net
          limit 1",
    )
    .bind(IpNet::V4(pool))
    .fetch_optional(tx.sql())
    .await?;
    found.map_or(Err(Error::Conflict(Conflict::NoSubnetLeft)), records::subnet)
}

/// Gives the leased house another subnet, because something foreign stands on the one it has. `None`: the lease
/// is lost.
///
/// # Errors
/// [`Conflict::NoSubnetLeft`], or when the database cannot be reached.
pub async fn replace(tx: &mut Tx, claim: &Claim, pool: Ipv4Net) -> Result<Option<Ipv4Net>> {
    lock(tx).await?;
    let held: Option<IpNet> = sqlx::query_scalar(
        "select subnet from freehold.houses where id = $1 and lease_token = $2 for no key update",
    )
    .bind(&claim.house)
    .bind(claim.token)
    .fetch_optional(tx.sql())
    .await?;
    let Some(held) = held else { return Ok(None) };
    sqlx::query(
        "insert into freehold.retired_subnets (subnet, house, reason) values ($1::cidr, $2, 'taken')
         on conflict (subnet) do update set reason = excluded.reason, since = now()",
    )
    .bind(held)
    .bind(&claim.house)
    .execute(tx.sql())
    .await?;
    let next = lowest_free(tx, pool).await?;
    sqlx::query("update freehold.houses set subnet = $2::cidr where id = $1")
        .bind(&claim.house)
        .bind(IpNet::V4(next))
        .execute(tx.sql())
        .await?;
    Ok(Some(next))
}

/// A subnet whose house is gone, and which may be used again once no route points into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredSubnet {
    pub subnet: Ipv4Net,
    pub house: HouseId,
}

#[derive(FromRow)]
struct RetiredRow {
    subnet: IpNet,
    house: HouseId,
}

/// Subnets that wait for the edge's word.
///
/// # Errors
/// When the database cannot be reached.
pub async fn retired(tx: &mut Tx) -> Result<Vec<RetiredSubnet>> {
    let rows: Vec<RetiredRow> = sqlx::query_as(
        "select subnet, house from freehold.retired_subnets where reason = 'left' order by since limit 1000",
    )
    .fetch_all(tx.sql())
    .await?;
    rows.into_iter()
        .map(|row| Ok(RetiredSubnet { subnet: records::subnet(row.subnet)?, house: row.house }))
        .collect()
}

/// Lets a retired subnet be used again: every edge has confirmed that no route points into it, and its network is
/// gone.
///
/// # Errors
/// When the database cannot be reached.
pub async fn release(tx: &mut Tx, subnet: Ipv4Net) -> Result<()> {
    sqlx::query("delete from freehold.retired_subnets where subnet = $1::cidr and reason = 'left'")
        .bind(IpNet::V4(subnet))
        .execute(tx.sql())
        .await?;
    Ok(())
}
